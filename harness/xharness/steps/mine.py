"""Mine: what the scores of a retrieval target are made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.task import Task
from xharness.steps.work import Work, task_ingredients


class Mine(Work):
    """Search the embeddings of an `Embed` step and score what is found."""

    KIND: ClassVar[str] = "mine"
    VERSION: ClassVar[int] = 2
    ACCELERATED: ClassVar[bool] = False
    kind: Literal["mine"] = "mine"
    embeddings: str
    """Key of the embed step."""
    encoded: str
    """Key of the encoded rows."""
    target: Task

    def ingredients(self) -> dict[str, Any]:
        """The embeddings and the encoded rows by key, and the task that says how they are searched."""
        return {**self._plain("target"), "task": task_ingredients(self.target, training=False)}
