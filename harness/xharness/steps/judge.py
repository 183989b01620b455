"""Judge: what the scores of a target are made of whose data and evaluator are somebody else's."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.task import Task
from xharness.steps.work import Work, task_ingredients


class Judge(Work):
    """Have another evaluator judge the embeddings of an encoder: a hidden layer, pooled."""

    KIND: ClassVar[str] = "judge"
    VERSION: ClassVar[int] = 1
    LATER: ClassVar[tuple[str, ...]] = ("precision",)
    kind: Literal["judge"] = "judge"
    target: Task
    max_length: int
    """Sub-words of a text that are read."""
    made_of: dict[str, Any]
    """What its adapter says of data and evaluator."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"

    def ingredients(self) -> dict[str, Any]:
        """The encoder, how its embeddings are read off, and what the evaluator is made of."""
        how = self.checkpoint.retrieval.model_dump(mode="json")
        return {**self._plain("target"), "task": task_ingredients(self.target, training=False), "retrieval": how}
