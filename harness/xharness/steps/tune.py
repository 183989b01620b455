"""Tune: what a training is made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.base import Spec
from xharness.spec.task import Limit, Recipe, Task
from xharness.steps.work import Work, task_ingredients


class Trained(Spec):
    """One task as a tuning sees it: resolved for the profile, with its recipe."""

    task: Task
    recipe: Recipe
    limit: Limit
    fingerprints: tuple[str, ...] = ()
    """What the train and dev data are, by content: see `data.fingerprints`."""

    def ingredients(self) -> dict[str, Any]:
        """What of it counts."""
        return {
            "task": task_ingredients(self.task, training=True),
            "recipe": self.recipe.model_dump(mode="json", include={"max_length", "doc_stride"}),
            "limit": self.limit.model_dump(mode="json", include={"train", "dev", "tokens"}),
            "data": list(self.fingerprints),
        }


class Tune(Work):
    """Fine-tune the encoder with fresh heads on the train split of one task, or of several at once."""

    KIND: ClassVar[str] = "tune"
    VERSION: ClassVar[int] = 2
    kind: Literal["tune"] = "tune"
    tasks: tuple[Trained, ...]
    recipe: Recipe
    """Of the run; for one task its own."""
    cap: int | None = None
    """Examples of one task of a mixture at the most."""
    seed: int = 0

    def ingredients(self) -> dict[str, Any]:
        """The recipe whole, and what counts of every task."""
        return {
            **self._plain("tasks", "recipe"),
            "recipe": self.recipe.model_dump(mode="json"),
            "tasks": [task.ingredients() for task in self.tasks],
        }
