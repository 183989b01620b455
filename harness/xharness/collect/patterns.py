"""Checks that the patterns and conditions of a suite can match: silence would hide a typo until the run is over."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import product

from xharness.collect.cells import Cell, glob, matches
from xharness.collect.conditions import CONDITIONS, spelled
from xharness.collect.expression import compile_expression
from xharness.errors import Problem, UsageError, nearest
from xharness.score.choice import BEST
from xharness.spec.load import NONE, Loaded
from xharness.spec.parse import KeyPath
from xharness.spec.rows import rows_of
from xharness.spec.suite import AVERAGE, CHANCE, SCORE, Checkpoint


def check_patterns(loaded: Loaded, extra: Sequence[Checkpoint] = ()) -> None:
    """UsageError for patterns that no cell of any profile matches, and for conditions that are none.

    What a suite inherits by `extends` may match nothing, since it was written for the larger grid.
    """
    problems = [*_patterns(loaded, extra), *_conditions(loaded), *_languages(loaded, extra), *_expected(loaded, extra)]
    if problems:
        raise UsageError(*problems)


def is_own(loaded: Loaded, path: KeyPath) -> bool:
    """Whether a key is set in the suite's own file."""
    return loaded.document.base is None or loaded.document.place(path)[0] is loaded.document


def _patterns(loaded: Loaded, extra: Sequence[Checkpoint]) -> Iterator[Problem]:
    suite = loaded.suite
    given: list[tuple[KeyPath, str]] = []
    given += [(("grid", "include"), pattern) for pattern in suite.grid.include]
    given += [(("grid", "exclude"), pattern) for pattern in suite.grid.exclude]
    given += [(("mark", i, "cells"), mark.cells) for i, mark in enumerate(suite.mark)]
    given += [(("expect", i, "cells"), expect.cells) for i, expect in enumerate(suite.expect) if expect.cells]
    for path, pattern in given:
        if loaded.told(loaded.document, *path) or not is_own(loaded, path):
            continue
        if not _may_match(pattern, loaded, extra):
            names = {f"{c.intermediate}->{c.target}" for c in _universe(loaded, extra)} if len(pattern) < 200 else set()
            close = nearest(pattern.split("[")[0], names)
            yield loaded.document.problem(path, f"the pattern {pattern!r} matches no cell.", close, pattern)


def _may_match(pattern: str, loaded: Loaded, extra: Sequence[Checkpoint]) -> bool:
    """Whether a cell matches, or could match once the lists with reported errors are corrected."""
    if any(matches(pattern, cell) for cell in _universe(loaded, extra)):
        return True
    wrong = {key for key in LISTS if _doubted(loaded, key)}
    if wrong & {"checkpoints", "seeds"}:
        pattern = re.sub(r"(->.*?)\[.*", r"\1", pattern)
    if wrong and loaded.told(loaded.document, "tasks"):
        return True
    return bool(wrong) and any(matches(pattern, cell) for cell in _universe(loaded, extra, wrong))


LISTS = ("intermediates", "targets", "checkpoints", "seeds")
"""The lists of the grid and of profiles."""


def _doubted(loaded: Loaded, key: str) -> bool:
    """Whether an error is reported for one of these lists, or for a table that has one."""
    document = loaded.document
    profiles = document.values.get("profile", {})
    if not isinstance(profiles, dict) or (key == "checkpoints" and loaded.told(document, "checkpoint")):
        return True
    return loaded.told(document, "grid", key) or any(loaded.told(document, "profile", p, key) for p in profiles)


def _universe(loaded: Loaded, extra: Sequence[Checkpoint], wrong: Collection[str] = ()) -> Iterator[Cell]:
    """Every cell that some profile of the suite could have, whatever `include` and `exclude` say.

    A list in `wrong` has an unknown name, which may have meant any task: the list is taken to have all of them.
    """
    suite, profiles = loaded.suite, loaded.suite.profile.values()
    checkpoints = dict.fromkeys((*(c.name for c in suite.checkpoint), *(c.name for c in extra)))
    named = (*suite.grid.intermediates, *(i for p in profiles for i in p.intermediates or ()))
    intermediates = dict.fromkeys(row.name for i in named for row in rows_of(i, loaded.said))
    targets = dict.fromkeys((*suite.grid.targets, *(t for p in profiles for t in p.targets or ())))
    tasks = dict.fromkeys(sorted(loaded.known))
    intermediates |= dict.fromkeys((NONE, *tasks, *loaded.said)) if "intermediates" in wrong else {}
    targets |= tasks if "targets" in wrong else {}
    seeds = dict.fromkeys((*suite.grid.seeds, *(s for p in profiles for s in p.seeds or ())))
    name = loaded.path.name
    for checkpoint, intermediate, target, seed in product(checkpoints or ("",), intermediates, targets, seeds or (0,)):
        yield Cell(name, intermediate, target, checkpoint, seed)


def _expected(loaded: Loaded, extra: Sequence[Checkpoint]) -> Iterator[Problem]:
    """Rows and targets of expectations that no profile has."""
    rows, targets = names_of(loaded, extra)
    for index, expect in enumerate(loaded.suite.expect):
        wanted = [("over", expect.over, (SCORE, CHANCE, *rows))]
        if expect.row:
            wanted += [("row", expect.row, (*rows, BEST))]
            wanted += [(key, name, (AVERAGE, *targets)) for key in ("of", "than") for name in getattr(expect, key)]
        for key, name, known in wanted:
            path = ("expect", index, key)
            if (
                not is_own(loaded, path)
                or loaded.told(loaded.document, *path)
                or any(_doubted(loaded, k) for k in LISTS)
            ):
                continue
            if not any(glob(name).fullmatch(one) for one in known) if key == "row" else name not in known:
                what = f"no profile has '{name}'." if key in ("row", "over") else f"'{name}' is no target of the suite."
                yield loaded.document.problem(path, what, nearest(name, known), name)


def names_of(loaded: Loaded, extra: Sequence[Checkpoint] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The rows and the targets that some profile of the suite has."""
    cells = list(_universe(loaded, extra))
    rows = dict.fromkeys((NONE, *(cell.intermediate for cell in cells)))
    return tuple(rows), tuple(dict.fromkeys(cell.target for cell in cells))


def _conditions(loaded: Loaded) -> Iterator[Problem]:
    for index, mark in enumerate(loaded.suite.mark):
        path = ("mark", index, "skipif")
        condition = mark.skipif
        if condition is None or not is_own(loaded, path):
            continue
        try:
            compile_expression(spelled(condition), "skipif")
        except UsageError as error:
            yield loaded.document.problem(path, error.problems[0].what, f"Allowed: {CONDITIONS}.")
            continue
        for word in re.findall(r"[^\s()]+", spelled(condition)):
            kind, _, value = word.partition(":")
            if kind == "profile" and value and value not in loaded.suite.profile:
                profiles = loaded.document.values.get("profile", {})
                if not isinstance(profiles, dict) or value in profiles:
                    continue  # The profile itself is wrong, which is reported.
                what = f"there is no profile '{value}'."
                yield loaded.document.problem(path, what, nearest(value, loaded.suite.profile))
            elif word not in ("and", "or", "not", "no_gpu", "offline") and not (
                kind in ("missing", "profile") and value
            ):
                yield loaded.document.problem(path, f"'{word}' is not a condition.", f"Allowed: {CONDITIONS}.")


def _languages(loaded: Loaded, extra: Sequence[Checkpoint]) -> Iterator[Problem]:
    """An expectation on a language that none of its targets has in any profile."""
    for index, expect in enumerate(loaded.suite.expect):
        path = ("expect", index, "language")
        if not expect.cells or expect.language is None or not is_own(loaded, path):
            continue
        targets = {c.target for c in _universe(loaded, extra) if matches(expect.cells, c)}
        known: set[str] = set()
        files = {name: loaded.files.get(name, loaded.document) for name in targets}
        if any(name not in loaded.tasks or loaded.told(file, "languages") for name, file in files.items()):
            continue  # The languages of some target are not known.
        for name in targets:
            whole = loaded.files[name].values.get("languages") if name in loaded.files else None
            known |= {*loaded.tasks[name].languages, *(whole or ())}
        if known and expect.language not in known:
            what = f"no target of this expectation has the language '{expect.language}'."
            yield loaded.document.problem(path, what, nearest(expect.language, known), expect.language)
