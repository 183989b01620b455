"""Embed: what the sentence embeddings of a retrieval target are made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.task import Limit, Task
from xharness.steps.work import Work, task_ingredients


class Embed(Work):
    """Embed every distinct sentence of a retrieval target's splits once: a hidden layer, pooled."""

    KIND: ClassVar[str] = "embed"
    VERSION: ClassVar[int] = 2
    kind: Literal["embed"] = "embed"
    target: Task
    limit: Limit
    max_length: int = 512
    fingerprints: tuple[str, ...] = ()

    def ingredients(self) -> dict[str, Any]:
        """The sentences, and how the checkpoint's embeddings are read off."""
        return {
            **self._plain("target", "limit"),
            "task": task_ingredients(self.target, training=False),
            "limit": [self.limit.dev, self.limit.test],
            "retrieval": self.checkpoint.retrieval.model_dump(mode="json"),
        }
