"""Names and settings in a file: those that lead nowhere, that are named twice, that are no languages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xharness.errors import Problem, UsageError, nearest
from xharness.spec.parse import Document, name_at, validate
from xharness.spec.recipe import Recipe

NONE = "none"
"""The intermediate that trains nothing."""

Path = tuple[str | int, ...]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
"""Names that stand in ids and in names of folders."""


def names_of(document: Document, key: str) -> set[str] | None:
    """The names that the file gives to its checkpoints or intermediates, wrong ones too; None if not known."""
    given = document.values.get(key, {})
    if isinstance(given, list):
        names = [name_at(document.values, index) for index in range(len(given))]
        return {*names} if all(isinstance(name, str) for name in names) else None
    return {*given} if isinstance(given, dict) else None


def unknown(
    document: Document, path: Path, given: Iterable[str], known: Collection[str] | None, kind: str
) -> Iterator[Problem]:
    """Names that are not there; None: what there is, is not known."""
    for name in given:
        if known is not None and name not in known:
            yield document.problem(path, f"there is no {kind} called '{name}'.", nearest(name, known), name)


def twice(document: Document, path: Path, given: Sequence[Any]) -> Iterator[Problem]:
    """What is named more than once."""
    # By how they are written: 1 is one example and 1.0 all of them, and the two are equal.
    counts = Counter(map(repr, given))
    for shown, name in {repr(name): name for name in given}.items():
        if counts[shown] > 1:
            problem = document.problem(path, f"names {shown} {counts[shown]} times; once is enough.", value=name)
            yield replace(problem, key=())  # Nothing else follows from it.


def layer_problems(values: Mapping[str, Any], document: Document, path: Path) -> Iterator[Problem]:
    """What is wrong with one of the tables that a recipe is put together from, taken by itself."""
    # Rules between keys wait until the recipe is whole: another table may hold the other key.
    needs = values.get("select") in ("best", "mean") or "patience" in values
    alone = {**values, "evaluations": values.get("evaluations") or 1000} if needs else values
    try:
        validate(Recipe, alone, document, path)
    except UsageError as error:
        yield from error.problems


def language_problems(given: Sequence[str] | None, document: Document, path: Path, doubted: bool) -> Iterator[Problem]:
    """Codes that are none, that are named twice; `doubted`: an error with them is told already."""
    if given is None:
        return
    if not given and not doubted:
        yield document.problem(path, "is empty; a task has at least one language.")
    yield from twice(document, path, given)
    for code in given:
        if not is_language(code):
            what = f"'{code}' is no language code: two or three small letters (ISO 639), such as 'de'."
            yield document.problem(path, what, _meant(code), code)


def is_language(code: str) -> bool:
    """Whether it has the form of a language code."""
    return re.fullmatch(r"[a-z]{2,3}", code) is not None


def _meant(name: str) -> str:
    """The code of a language that was given by name or in another form (`German`, `pt-BR`)."""
    from xharness.languages import languages

    for code, language in languages().items():
        if name.lower() in (language.name.lower(), code) or re.split("[-_]", name.lower())[0] in (code, language.iso3):
            return f"Did you mean '{code}'?"
    return ""
