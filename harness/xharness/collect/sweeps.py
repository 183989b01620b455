"""Whether what a suite sweeps can be trained and chosen: dev data, settings that count, values that are allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xharness.adapter import load_adapter
from xharness.errors import Problem, UsageError, nearest
from xharness.spec.load import Loaded
from xharness.spec.parse import KeyPath
from xharness.spec.recipe import Recipe


def sweep_problems(loaded: Loaded) -> Iterator[Problem]:
    """Everything in the sweeps of a suite that only its tasks can tell."""
    if not _sound(loaded):
        return
    yield from _named(loaded)
    for name in loaded.targets:
        if name not in loaded.tasks or not _trains(loaded, name):
            continue
        task = loaded.tasks[name]
        sweep, path = loaded.target_sweep(name)
        beside = loaded.suite.target.get(name)
        on = {task.tune_on or name, *(beside.tasks if beside else ())}
        if beside is not None and beside.select_on:
            on = {beside.select_on}
        yield from _stage(loaded, sweep, path, on, f"the target '{name}'", loaded.target_recipe(name))
    for row in loaded.intermediates:
        for number, stage in enumerate(loaded.stages(row)):
            if stage.sweep:
                on = {stage.select_on} if stage.select_on else {*stage.tasks}
                path = _place(loaded, row, number)
                yield from _stage(loaded, stage.sweep, path, on, f"'{row}'", loaded.stage_recipe(row, number))


def _sound(loaded: Loaded) -> bool:
    """Whether nothing is wrong with sweeps and recipes yet; what follows from that is not told."""
    return not any({"sweep", "recipe", "target", "intermediate"} & set(problem.key) for problem in loaded.problems)


def _place(loaded: Loaded, row: str, number: int) -> KeyPath:
    name = row if row in loaded.said else row.rpartition("@")[0]
    inside: KeyPath = ("stages", number) if loaded.said[name].stages else ()
    return ("intermediate", name, *inside, "sweep")


def _trains(loaded: Loaded, name: str) -> bool:
    """Whether a target has a tuning of its own; True where its adapter is not known, which is told elsewhere."""
    try:
        return bool(loaded.tasks[name].tune_on) or load_adapter(loaded.tasks[name].adapter).trains
    except UsageError:
        return True


def _named(loaded: Loaded) -> Iterator[Problem]:
    """Tables of targets that are none, or that are not tuned."""
    suite, profile = loaded.suite, loaded.profile
    given: Mapping[str, Any] = suite.sweep if profile.sweep is None else profile.sweep
    place: KeyPath = ("sweep",) if profile.sweep is None else ("profile", loaded.profile_name, "sweep")
    everywhere = {*suite.grid.targets, *(t for p in suite.profile.values() for t in p.targets or ())}
    tuned = {loaded.tasks[t].tune_on for t in loaded.targets if t in loaded.tasks}
    tables = [(name, (*place, name)) for name, said in given.items() if isinstance(said, dict)]
    for name, path in tables:
        if name not in everywhere | tuned:
            what = f"'{name}' is no target of this suite, and no target is tuned on it."
            hint = "An intermediate's sweep is in its own table: [intermediate.NAME] with sweep."
            yield loaded.document.problem(path, what, f"{hint} {nearest(name, everywhere)}".strip())
    tables += [(name, ("target", name, "sweep")) for name, said in suite.target.items() if said.sweep]
    for name, path in tables:
        said = given.get(name) or name in suite.target
        if said and name in loaded.targets and name in loaded.tasks and not _trains(loaded, name):
            what = f"'{name}' is tuned on nothing, so that there is nothing to sweep."
            yield loaded.document.problem(path, what, "A stage before it can have a sweep: [intermediate.NAME].")


def _stage(
    loaded: Loaded, sweep: Mapping[str, Any], path: KeyPath, on: set[str], whose: str, plain: Recipe
) -> Iterator[Problem]:
    """A stage needs a dev set to choose by, and every setting must count in it."""
    if not sweep:
        return
    tasks = [loaded.tasks[name] for name in sorted(on) if name in loaded.tasks]
    if len(tasks) == len(on) and not any(task.data.dev for task in tasks):
        names = " and ".join(f"'{task.name}'" for task in tasks)
        what = f"{names} has no dev data in the profile '{loaded.profile_name}' to choose for {whose} by."
        yield loaded.document.problem(path, what, "Give it some, or leave it out of the sweep with an empty table.")
    if "epochs" in sweep and plain.steps is not None:
        what = f"the recipe of {whose} has steps = {plain.steps}, which takes the place of epochs: all would be alike."
        yield loaded.document.problem((*path, "epochs"), what, "Sweep steps.")
