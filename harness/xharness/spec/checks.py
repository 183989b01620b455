"""What types cannot say of a suite or a task: names that lead nowhere, things named twice. All problems at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xharness.errors import Problem, UsageError, nearest
from xharness.spec.parse import Document, name_at, told, validate
from xharness.spec.recipe import Recipe
from xharness.spec.suite import Profile, Suite
from xharness.spec.task import Task, TaskProfile

NONE = "none"
"""The intermediate that trains nothing."""

Path = tuple[str | int, ...]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
"""Names that stand in ids and in names of folders."""


def suite_problems(
    suite: Suite, document: Document, catalogue: Collection[str], before: Sequence[Problem] = ()
) -> list[Problem]:
    """Everything in a suite that names what does not exist, or names it twice; `catalogue` has the tasks' names.

    What only follows from the problems `before` is left out: names of what is there, but wrong.
    """
    tasks = None if told(before, document, "tasks") else {*catalogue}
    mixtures = _names_of(document, "mixture")
    rows = None if tasks is None or mixtures is None else {*tasks, *mixtures}
    problems = [*_checkpoints(suite, document), *_mixtures(suite, document, tasks), *_bounds(suite, document)]
    scopes: list[tuple[Path, Any]] = [(("grid",), suite.grid)]
    scopes += [(("profile", name), profile) for name, profile in suite.profile.items()]
    known = {
        "checkpoints": _names_of(document, "checkpoint"),
        "intermediates": None if rows is None else {*rows, NONE},
        "targets": tasks,
    }
    kinds = {"checkpoints": "[[checkpoint]]", "intermediates": "task or mixture", "targets": "task"}
    for name in suite.profile:
        if not _NAME.fullmatch(name):
            what = "a profile's name has letters, digits, and the signs _ . + - only."
            problems.append(document.problem(("profile", name), what))
    for path, scope in scopes:
        for key, names in known.items():
            given = getattr(scope, key)
            problems += _unknown(document, (*path, key), given or (), names, kinds[key])
            problems += _twice(document, (*path, key), given or ())
            if given == () and not told(before, document, *path, key):
                problems.append(document.problem((*path, key), "is empty; leave it out or name some."))
        problems += _twice(document, (*path, "seeds"), scope.seeds or ())
        if scope.seeds == () and not told(before, document, *path, "seeds"):
            problems.append(document.problem((*path, "seeds"), "is empty; a run needs at least one seed."))
        problems += [
            document.problem((*path, "seeds"), f"a seed must lie between 0 and 2**32 - 1, found {seed}.")
            for seed in scope.seeds or ()
            if not 0 <= seed < 2**32
        ]
    return [*problems, *_recipes(suite, document, rows)]


def _names_of(document: Document, key: str) -> set[str] | None:
    """The names that the file gives to its checkpoints or mixtures, wrong ones too; None where that is not known."""
    given = document.values.get(key, {})
    if isinstance(given, list):
        names = [name_at(document.values, index) for index in range(len(given))]
        return {*names} if all(isinstance(name, str) for name in names) else None
    return {*given} if isinstance(given, dict) else None


def _unknown(
    document: Document, path: Path, given: Iterable[str], known: Collection[str] | None, kind: str
) -> Iterator[Problem]:
    for name in given:
        if known is not None and name not in known:
            yield document.problem(path, f"there is no {kind} called '{name}'.", nearest(name, known), name)


def _twice(document: Document, path: Path, given: Sequence[Any]) -> Iterator[Problem]:
    for name, times in Counter(given).items():
        if times > 1:
            problem = document.problem(path, f"names {name!r} {times} times; once is enough.", value=name)
            yield replace(problem, key=())  # Nothing else follows from it.


def _checkpoints(suite: Suite, document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, checkpoint in enumerate(suite.checkpoint):
        if checkpoint.name != name_at(document.values, index):
            continue  # Its name is wrong.
        if checkpoint.name in seen:
            what = f"another [[checkpoint]] is called '{checkpoint.name}' already; give each a name of its own."
            yield document.problem(("checkpoint", index, "name"), what)
        seen.add(checkpoint.name)


def _bounds(suite: Suite, document: Document) -> Iterator[Problem]:
    for index, expect in enumerate(suite.expect):
        low, high = expect.at_least, expect.at_most
        if low is not None and high is not None and low > high:
            what = f"must not be above at_most: no score is at least {low:g} and at most {high:g}."
            yield document.problem(("expect", index, "at_least"), what)


def _mixtures(suite: Suite, document: Document, tasks: Collection[str] | None) -> Iterator[Problem]:
    for name, mixture in suite.mixture.items():
        path = ("mixture", name)
        if name == NONE:
            yield document.problem(path, "'none' is the row without an intermediate; choose another name.")
        elif name in (tasks or ()):
            yield document.problem(path, f"there is a task called '{name}' already; choose another name.")
        elif not _NAME.fullmatch(name):
            yield document.problem(path, "a mixture's name has letters, digits, and the signs _ . + - only.")
        for member in mixture.tasks:
            if member == NONE or member in suite.mixture:
                what = f"'{member}' is no task; a mixture is made of tasks."
                yield document.problem((*path, "tasks"), what, value=member)
            else:
                yield from _unknown(document, (*path, "tasks"), [member], tasks, "task")
        yield from _twice(document, (*path, "tasks"), mixture.tasks)
        yield from layer_problems(mixture.recipe, document, (*path, "recipe"))


def _recipes(suite: Suite, document: Document, names: Collection[str] | None) -> Iterator[Problem]:
    """Recipe tables of tasks that do not exist, and recipes that are wrong whoever uses them."""
    layers: list[tuple[Path, Mapping[str, Any], str | None]] = []
    layers += [(("recipe", name), values, name) for name, values in suite.recipe.items()]
    for profile, found in suite.profile.items():
        layers.append((("profile", profile, "recipe"), found.recipe, None))
        layers += [(("profile", profile, "task", name), values, name) for name, values in found.task.items()]
    for path, values, owner in layers:
        if owner is not None and names is not None and owner not in names:
            what = f"there is no task or mixture called '{owner}'."
            yield document.problem(path, what, nearest(owner, names))
        yield from layer_problems(values, document, path)


def layer_problems(values: Mapping[str, Any], document: Document, path: Path) -> Iterator[Problem]:
    """What is wrong with one of the tables that a recipe is put together from, taken by itself."""
    # Rules between keys wait until the recipe is whole: another table may hold the other key.
    alone = {**values, "evaluations": values.get("evaluations") or 1} if values.get("select") == "best" else values
    try:
        validate(Recipe, alone, document, path)
    except UsageError as error:
        yield from error.problems


def task_problems(task: Task, document: Document, before: Sequence[Problem] = ()) -> Iterator[Problem]:
    """Everything in a task file that is named twice or leads nowhere, less what follows from the problems `before`."""
    yield from _twice(document, ("labels",), task.labels)
    yield from _twice(document, ("also",), task.also)
    if task.labels and not told(before, document, "labels"):
        for spelling, label in task.label_map.items():
            if label not in task.labels:
                what = f"'{label}' is not one of the task's labels."
                yield document.problem(("label_map", spelling), what, nearest(label, task.labels), label)
    scopes: list[tuple[Path, Task | TaskProfile]] = [((), task)]
    scopes += [(("profile", name), change) for name, change in task.profile.items()]
    for path, scope in scopes:
        doubted = told(before, document, *path, "languages") or told(before, document, "languages")
        yield from _languages(scope.languages, document, (*path, "languages"), doubted)
        wide = None if doubted else {*task.languages, *(scope.languages or ()), "en"}
        for code in scope.codes or {}:
            yield from _unknown(document, (*path, "codes", code), [code], wide, "language of this task")
        if scope.tune_on == task.name:
            what = "a task is tuned on its own data anyway; leave this out."
            yield document.problem((*path, "tune_on"), what)


def _languages(given: Sequence[str] | None, document: Document, path: Path, doubted: bool) -> Iterator[Problem]:
    if given is None:
        return
    if not given and not doubted:
        yield document.problem(path, "is empty; a task has at least one language.")
    yield from _twice(document, path, given)
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


def profiles_of(suite: Suite, chosen: str | None) -> tuple[str, Profile] | None:
    """The profile asked for, the suite's default, or its first; None where there is no profile of that name."""
    name = chosen or suite.default_profile or next(iter(suite.profile), "")
    if name and name not in suite.profile:
        return None
    return name, suite.profile.get(name, Profile())
