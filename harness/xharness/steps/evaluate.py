"""Evaluate: what the scores of a tuned head are made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.task import Task
from xharness.steps.work import Work, task_ingredients


class Evaluate(Work):
    """Predict and score a target's test split in every language, in one pass, with a tuned head."""

    KIND: ClassVar[str] = "evaluate"
    VERSION: ClassVar[int] = 3
    kind: Literal["evaluate"] = "evaluate"
    target: Task
    tuned_on: str
    """Name of the task whose head is used."""
    encoded: str
    """Key of the encoded test split."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"

    def ingredients(self) -> dict[str, Any]:
        """The target with its languages and metrics, its encoded test split by key, the precision."""
        return {**self._plain("target"), "task": task_ingredients(self.target, training=False)}
