"""Targets that are tasks of mteb's, by name and without a file: `mteb:Tatoeba`."""

from __future__ import annotations

from collections.abc import Iterator

from xharness.mteb.catalogue import JUDGE, PREFIX, MtebTask, mteb_tasks
from xharness.spec.suite import Suite
from xharness.spec.task import Task

LENGTH = 512
"""Sub-words of a text that are read, where the checkpoint has as many positions: passages are long."""
GROUP = "mteb"
"""Of their own: XTREME's groups keep their members."""


def named_by_mteb(suite: Suite) -> Iterator[str]:
    """Names of all targets that mteb has, where the suite names one at all: to ask for them takes time."""
    named = [*suite.grid.targets, *(t for profile in suite.profile.values() for t in profile.targets or ())]
    if any(name.startswith(PREFIX) for name in named):
        yield from (f"{PREFIX}{name}" for name in mteb_tasks())


def mteb_task(name: str) -> Task | None:
    """The task of a name; None where it is none of mteb's."""
    found = mteb_tasks().get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
    return None if found is None else _task(name, found)


def _task(name: str, found: MtebTask) -> Task:
    return Task(
        name=name,
        title=f"{found.name} (mteb)",
        adapter=JUDGE,
        group=GROUP,
        metric=f"mteb_{found.main}",
        languages=tuple(found.languages),
        options={"task": found.name},
        recipe={"max_length": LENGTH},
        licence=found.licence,
        note=f"all of {found.repository}, by mteb's own evaluator",
    )
