"""What planning asks of disk, Hub and adapters, each once: thousands of cells ask for the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from xharness.adapter import LabellingAdapter, load_adapter
from xharness.data import fingerprints as data
from xharness.errors import HarnessError
from xharness.plan.identity import Identity, identity_of
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Split, Task

Made = TypeVar("Made")


class Asked:
    """Answers that are remembered, and errors, too: what cannot be reached is not asked for again."""

    def __init__(self) -> None:
        self._failures: dict[object, HarnessError] = {}
        self._answers: dict[object, object] = {}

    def once(self, key: object, make: Callable[[], Made]) -> Made:
        """What `make` gives, made the first time that somebody asks; raises its HarnessError every time."""
        if key in self._failures:
            raise self._failures[key]
        if key not in self._answers:
            try:
                self._answers[key] = make()
            except HarnessError as error:
                self._failures[key] = error
                raise
        return cast("Made", self._answers[key])

    def identity(self, checkpoint: Checkpoint) -> Identity:
        """What a checkpoint is, by content."""
        return self.once(("identity", checkpoint.name), lambda: identity_of(checkpoint))

    def fingerprints(self, task: Task, splits: tuple[Split, ...]) -> tuple[str, ...]:
        """Fingerprints of the splits over all languages; one language that is missing fails later, on its own."""
        return self.once((task.name, splits, task.languages), lambda: data.fingerprints(task, splits))

    def names_labels(self, adapter: str) -> bool:
        """Whether a task of this adapter that names no labels has those of its train split."""
        return self.once(("labels", adapter), lambda: isinstance(load_adapter(adapter), LabellingAdapter))
