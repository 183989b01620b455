"""Evaluate: what the scores of a tuned head are made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.task import Limit, Recipe, Task
from xharness.steps.work import Work, task_ingredients

EVALUATION_RECIPE = {"max_length", "doc_stride", "precision"}
"""What of a recipe counts when nothing is trained."""


class Evaluate(Work):
    """Predict and score a target's test split in every language, in one pass, with a tuned head."""

    KIND: ClassVar[str] = "evaluate"
    VERSION: ClassVar[int] = 2
    kind: Literal["evaluate"] = "evaluate"
    target: Task
    tuned_on: str
    """Name of the task whose head is used."""
    recipe: Recipe
    """For maximum length and windows."""
    limit: Limit
    fingerprints: tuple[str, ...] = ()

    def ingredients(self) -> dict[str, Any]:
        """The target with its languages and metrics, how its inputs are cut, the cap on its test split."""
        return {
            **self._plain("target", "recipe", "limit"),
            "task": task_ingredients(self.target, training=False),
            "limit": self.limit.test,
            "recipe": self.recipe.model_dump(mode="json", include=EVALUATION_RECIPE),
        }
