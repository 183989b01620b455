"""What every kind of step says of itself, as plain frozen values that travel to a worker and into the store.

A class a kind, each in a file of its own, with what counts in its content key. `VERSION` is the code version of the
kind; `FREE` names the fields that cannot change a result and so do not count. Change what a step computes, and its
VERSION must be raised. Nothing here imports torch: planning needs it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from xharness.adapter import load_adapter, options_of
from xharness.metrics import metric
from xharness.spec.base import Spec
from xharness.spec.device import Device
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Task

KEY_FORMAT = 1
"""Version of the way keys are made; raise it only together with a migration of stores."""
TASK_FREE = {
    "title",
    "group",
    "licence",
    "citation",
    "tags",
    "note",
    "recipe",
    "counts_as",
    "limit",
    "profile",
    "data",
    "codes",
    "tune_on",
    "tune_first",
    "choose_by",
}
"""Fields of a task that cannot change a result, or that count through fingerprints, recipe and limit."""


class Work(Spec):
    """What every kind of work has."""

    KIND: ClassVar[str]
    VERSION: ClassVar[int]
    FREE: ClassVar[tuple[str, ...]] = ("device", "label", "plugins")
    LATER: ClassVar[tuple[str, ...]] = ()
    """Fields that the kind did not have at first: they count where they are set, so that older keys stay."""
    ACCELERATED: ClassVar[bool] = True
    """Whether it uses a GPU where there is one; other steps run on the processor beside it."""
    SPARES_DIVERGED: ClassVar[bool] = False
    """Whether it does without those of the steps it needs that diverged."""

    checkpoint: Checkpoint
    identity: str
    """The checkpoint by content: a hub commit, a folder's checksum, the package's version."""
    parent: str | None = None
    """Key of the tuning whose encoder this starts from; None is the checkpoint as it came."""
    device: Device = Device()
    label: str = ""
    """What a person reads in the log."""
    plugins: tuple[str, ...] = ()
    """Python files to load adapters from."""

    def ingredients(self) -> dict[str, Any]:
        """All that can change the output, as JSON values; what is in `FREE` cannot."""
        raise NotImplementedError

    def _plain(self, *replaced: str) -> dict[str, Any]:
        """The fields that count as they stand; `replaced` ones are told by the kind itself."""
        unset = [name for name in self.LATER if getattr(self, name) == type(self).model_fields[name].default]
        dumped = self.model_dump(mode="json", exclude={*self.FREE, "checkpoint", *replaced, *unset})
        if self.parent is not None:
            del dumped["identity"]  # The parent's key holds it already.
        return {"format": KEY_FORMAT, "version": self.VERSION, **dumped}


def task_ingredients(task: Task, training: bool) -> dict[str, Any]:
    """What of a task can change a result; languages and further metrics only where it is evaluated."""
    adapter = load_adapter(task.adapter)
    excluded = TASK_FREE | ({"languages", "also"} if training else set())
    kept = task.model_dump(mode="json", exclude=excluded, exclude_defaults=True)
    versions = {"adapter": f"{adapter.name}@{adapter.version}", "metric": _versioned(task.metric)}
    if not training and task.also:
        versions["also"] = [_versioned(name) for name in task.also]  # type: ignore[assignment]
    return {**kept, **versions}


def reading_ingredients(task: Task) -> dict[str, Any]:
    """What of a task says how its rows are read; its data count by their fingerprints, its name not at all."""
    adapter = load_adapter(task.adapter)
    read = task.model_dump(mode="json", include={"languages", "columns", "labels", "label_map"})
    options = options_of(task).model_dump(mode="json")
    return {**read, "adapter": f"{adapter.name}@{adapter.version}", "options": options}


def _versioned(name: str) -> str:
    """A metric with its version, where that is not the first."""
    version = metric(name).version
    return name if version == 1 else f"{name}@{version}"
