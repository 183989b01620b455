"""Tune: what a training is made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.metrics import metric
from xharness.spec.base import Spec
from xharness.spec.recipe import Recipe
from xharness.spec.stage import Sampling, Size
from xharness.spec.task import Task
from xharness.steps.work import Work, task_ingredients


class Trained(Spec):
    """One task as a tuning sees it: resolved for the profile, its splits encoded."""

    task: Task
    train: str
    """Key of the encoded train split."""
    dev: str | None = None
    """Key of the encoded dev split; None for a task without one."""
    tokens: int | None = None
    """Sub-words of the train split at the most."""
    size: Size | None = None
    """Examples, or as a float a share of all, chosen by the seed."""

    def ingredients(self) -> dict[str, Any]:
        """What of it counts: the task that makes head, loss and dev score, and the encoded splits by key."""
        return {"task": task_ingredients(self.task, training=True), **self.model_dump(mode="json", exclude={"task"})}


class Selected(Spec):
    """A dev set that states are compared on, of a task that the stage does not train."""

    task: Task
    dev: str
    """Key of its encoded dev split."""
    head: str
    """The trained task whose head reads it."""

    def ingredients(self) -> dict[str, Any]:
        """All of it."""
        return {"task": task_ingredients(self.task, training=True), "dev": self.dev, "head": self.head}


class Tune(Work):
    """One stage: train the encoder with heads on the train split of one task, or of several at once."""

    KIND: ClassVar[str] = "tune"
    VERSION: ClassVar[int] = 5
    LATER: ClassVar[tuple[str, ...]] = ("head_from",)
    kind: Literal["tune"] = "tune"
    tasks: tuple[Trained, ...]
    recipe: Recipe
    """Of the run; for one task its own."""
    sampling: Sampling = Sampling()
    matched: bool = False
    """Several languages have as many examples together as one of them has."""
    share_head: bool = False
    select_on: Selected | None = None
    """Where states are compared; None: on the dev sets of what is trained."""
    head_from: str | None = None
    """The parent's head that the first task's begins with; a fresh one if none."""
    seed: int = 0

    @property
    def higher_dev_is_better(self) -> bool:
        """Whether a high dev score is a good one, as the training puts those of its tasks together."""
        scored = [self.select_on.task] if self.select_on else [trained.task for trained in self.tasks if trained.dev]
        return any(metric(task.metric).higher_is_better for task in scored)

    def ingredients(self) -> dict[str, Any]:
        """The recipe but for what the encoded splits tell already, and what counts of every task."""
        return {
            **self._plain("tasks", "recipe", "select_on"),
            "recipe": self.recipe.model_dump(mode="json", exclude={"max_length", "doc_stride"}),
            "tasks": [task.ingredients() for task in self.tasks],
            "select_on": self.select_on.ingredients() if self.select_on else None,
        }
