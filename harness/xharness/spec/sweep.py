"""The sweep: several values of a recipe's settings, each trained, of which one is chosen on English dev.

It is said of all targets' tunings (`[sweep]`), of one target's (`[sweep.TARGET]`, in place of the former), or of a
stage (`sweep = { … }` in the table of an intermediate, of a stage, of a target). Several settings make a grid.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from xharness.errors import Problem, listed, nearest
from xharness.spec.names import Path, layer_problems, twice, unknown
from xharness.spec.parse import Document, found_in
from xharness.spec.suite import Profile, Suite

SWEPT = (
    "learning_rate",
    "head_learning_rate",
    "layer_decay",
    "epochs",
    "steps",
    "batch_size",
    "warmup",
    "weight_decay",
    "clip",
    "adam_epsilon",
    "schedule",
)
"""Settings of a recipe that can be swept: those of the training alone.

Lengths would change what is encoded and so the test; `select`, `evaluations` and the like choose on dev themselves.
"""
Values = dict[str, Any]
"""Setting -> one value."""


def combinations(sweep: Mapping[str, Any]) -> tuple[Values, ...]:
    """What is tried: every value of each setting with every one of the others, the first setting's slowest."""
    if not sweep:
        return ()
    return tuple(dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values()))


def words(values: Mapping[str, Any]) -> str:
    """One of them for people: `learning_rate 2e-05, epochs 2`."""
    return ", ".join(f"{key} {value}" for key, value in values.items())


def target_sweep(suite: Suite, profile: Profile, profile_name: str, names: Collection[str]) -> tuple[Values, Path]:
    """(what is swept in a target's own tuning, where that is said); `names` are the target and what it is tuned on."""
    for name in names:
        if name in suite.target and suite.target[name].sweep:
            return suite.target[name].sweep, ("target", name, "sweep")
    said, path = (suite.sweep, ("sweep",)) if profile.sweep is None else (profile.sweep, _of(profile_name))
    for name in names:
        if isinstance(said.get(name), dict):
            return said[name], (*path, name)
    return {key: value for key, value in said.items() if not isinstance(value, dict)}, path


def _of(profile: str) -> Path:
    return ("profile", profile, "sweep")


def suite_sweeps(suite: Suite, document: Document, tasks: Collection[str] | None) -> Iterator[Problem]:
    """What is wrong with `[sweep]` of a suite and of its profiles; `tasks` are the names there are, if known."""
    scopes: list[tuple[Path, Values]] = [(("sweep",), suite.sweep)]
    scopes += [(_of(name), profile.sweep) for name, profile in suite.profile.items() if profile.sweep is not None]
    for path, said in scopes:
        tables = {name: table for name, table in said.items() if isinstance(table, dict)}
        yield from sweep_problems({k: v for k, v in said.items() if k not in tables}, document, path)
        for name, table in tables.items():
            if name in SWEPT:
                yield document.problem((*path, name), "must be a list of values, found a table.")
                continue
            yield from unknown(document, (*path, name), [name], tasks, "task")
            yield from sweep_problems(table, document, (*path, name))
            if name in suite.target and suite.target[name].sweep:
                what = f"[target.{name}] has a sweep too; say it once."
                yield document.problem((*path, name), what)


def sweep_problems(
    said: Mapping[str, Any], document: Document, path: Path, fixed: Mapping[str, Any] | None = None
) -> Iterator[Problem]:
    """What is wrong with one table of a sweep; `fixed` is the recipe that stands beside it."""
    for key, values in said.items():
        here = (*path, key)
        if key not in SWEPT:
            what = "is no setting that can be swept."
            yield document.problem(here, what, nearest(key, SWEPT) or f"Allowed: {listed(SWEPT)}.")
        elif not isinstance(values, (list, tuple)):
            what = f"must be a list of values to try, found {found_in(values)}."
            yield document.problem(here, what, f"One value is no sweep: put it into recipe, or try [{values}, …].")
        elif not values:
            yield document.problem(here, "is empty; leave it out or name the values to try.")
        elif fixed and key in fixed:
            yield document.problem(here, f"{key} stands in recipe too; say it once.")
        elif told := [p for value in values for p in layer_problems({key: value}, document, path)]:
            yield from dict.fromkeys(told)
        else:
            yield from twice(document, here, values)
    if "epochs" in said and "steps" in said:
        yield document.problem((*path, "epochs"), "steps are swept too, and take the place of epochs; leave one out.")
