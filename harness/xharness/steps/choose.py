"""Choose: of several trainings of one stage the one with the best dev score."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.base import Spec
from xharness.steps.work import KEY_FORMAT, Work


class Candidate(Spec):
    """One of the trainings."""

    values: dict[str, float | int | str]
    """The settings of the recipe that were swept, with the values that it was trained with."""
    tuned: str
    """Its key."""


class Choose(Work):
    """Take the model of the training that is best on dev, the first of equal ones; later steps read it here."""

    KIND: ClassVar[str] = "choose"
    VERSION: ClassVar[int] = 1
    ACCELERATED: ClassVar[bool] = False
    SPARES_DIVERGED: ClassVar[bool] = True
    kind: Literal["choose"] = "choose"
    on: tuple[str, ...]
    """What was trained."""
    candidates: tuple[Candidate, ...]
    """In the order in which they are named."""
    higher_is_better: bool = True

    def ingredients(self) -> dict[str, Any]:
        """The candidates by key, in their order, and which way is better; checkpoint and tasks are in their keys."""
        kept = self.model_dump(mode="json", include={"kind", "candidates", "higher_is_better"})
        return {"format": KEY_FORMAT, "version": self.VERSION, **kept}
