"""What types cannot say of a suite or a task: names that lead nowhere, things named twice. All problems at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from xharness.errors import Problem, nearest
from xharness.spec.names import NAME, NONE, Path, language_problems, layer_problems, names_of, twice, unknown
from xharness.spec.parse import Document, name_at, told
from xharness.spec.stage_checks import sized_rows, stage_problems
from xharness.spec.suite import Profile, Suite
from xharness.spec.sweep import suite_sweeps
from xharness.spec.task import Task, TaskProfile


def suite_problems(
    suite: Suite, document: Document, catalogue: Collection[str], before: Sequence[Problem] = ()
) -> list[Problem]:
    """Everything in a suite that names what does not exist, or names it twice; `catalogue` has the tasks' names.

    What only follows from the problems `before` is left out: names of what is there, but wrong.
    """
    tasks = None if told(before, document, "tasks") else {*catalogue}
    named = [names_of(document, key) for key in ("mixture", "intermediate")]
    rows = None if tasks is None or None in named else {*tasks, *(name for names in named for name in names or ())}
    problems = [*_checkpoints(suite, document), *stage_problems(suite, document, tasks), *_bounds(suite, document)]
    problems += suite_sweeps(suite, document, tasks)
    scopes: list[tuple[Path, Any]] = [(("grid",), suite.grid)]
    scopes += [(("profile", name), profile) for name, profile in suite.profile.items()]
    known = {
        "checkpoints": names_of(document, "checkpoint"),
        "intermediates": None if rows is None else {*rows, *sized_rows(suite), NONE},
        "targets": tasks,
    }
    kinds = {"checkpoints": "[[checkpoint]]", "intermediates": "task or intermediate", "targets": "task"}
    for name in suite.profile:
        if not NAME.fullmatch(name):
            what = "a profile's name has letters, digits, and the signs _ . + - only."
            problems.append(document.problem(("profile", name), what))
    for path, scope in scopes:
        for key, names in known.items():
            given = getattr(scope, key)
            problems += unknown(document, (*path, key), given or (), names, kinds[key])
            problems += twice(document, (*path, key), given or ())
            if given == () and not told(before, document, *path, key):
                problems.append(document.problem((*path, key), "is empty; leave it out or name some."))
        problems += twice(document, (*path, "seeds"), scope.seeds or ())
        if scope.seeds == () and not told(before, document, *path, "seeds"):
            problems.append(document.problem((*path, "seeds"), "is empty; a run needs at least one seed."))
        problems += [
            document.problem((*path, "seeds"), f"a seed must lie between 0 and 2**32 - 1, found {seed}.")
            for seed in scope.seeds or ()
            if not 0 <= seed < 2**32
        ]
    return [*problems, *_recipes(suite, document, rows)]


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


def _recipes(suite: Suite, document: Document, names: Collection[str] | None) -> Iterator[Problem]:
    """Recipe tables of tasks that do not exist, and recipes that are wrong whoever uses them."""
    layers: list[tuple[Path, Mapping[str, Any], str | None]] = []
    layers += [(("recipe", name), values, name) for name, values in suite.recipe.items()]
    for profile, found in suite.profile.items():
        layers.append((("profile", profile, "recipe"), found.recipe, None))
        layers += [(("profile", profile, "task", name), values, name) for name, values in found.task.items()]
    for path, values, owner in layers:
        if owner is not None and names is not None and owner not in names:
            what = f"there is no task or intermediate called '{owner}'."
            yield document.problem(path, what, nearest(owner, names))
        yield from layer_problems(values, document, path)


def task_problems(task: Task, document: Document, before: Sequence[Problem] = ()) -> Iterator[Problem]:
    """Everything in a task file that is named twice or leads nowhere, less what follows from the problems `before`."""
    yield from twice(document, ("labels",), task.labels)
    yield from twice(document, ("also",), task.also)
    yield from twice(document, ("choose_by",), task.choose_by)
    if task.name in task.choose_by:
        what = "a target is chosen by its own dev set anyway, if it has one; leave its name out."
        yield document.problem(("choose_by",), what, value=task.name)
    if task.labels and not told(before, document, "labels"):
        for spelling, label in task.label_map.items():
            if label not in task.labels:
                what = f"'{label}' is not one of the task's labels."
                yield document.problem(("label_map", spelling), what, nearest(label, task.labels), label)
    scopes: list[tuple[Path, Task | TaskProfile]] = [((), task)]
    scopes += [(("profile", name), change) for name, change in task.profile.items()]
    for path, scope in scopes:
        doubted = told(before, document, *path, "languages") or told(before, document, "languages")
        yield from language_problems(scope.languages, document, (*path, "languages"), doubted)
        wide = None if doubted else {*task.languages, *(scope.languages or ()), "en"}
        for code in scope.codes or {}:
            yield from unknown(document, (*path, "codes", code), [code], wide, "language of this task")
        if scope.tune_on == task.name:
            what = "a task is tuned on its own data anyway; leave this out."
            yield document.problem((*path, "tune_on"), what)
        if task.name in (scope.tune_first or ()):
            what = "a task cannot come before its own tuning."
            yield document.problem((*path, "tune_first"), what, value=task.name)


def profiles_of(suite: Suite, chosen: str | None) -> tuple[str, Profile] | None:
    """The profile asked for, the suite's default, or its first; None where there is no profile of that name."""
    name = chosen or suite.default_profile or next(iter(suite.profile), "")
    if name and name not in suite.profile:
        return None
    return name, suite.profile.get(name, Profile())
