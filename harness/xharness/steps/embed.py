"""Embed: what the sentence embeddings of a retrieval target are made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.task import Task
from xharness.steps.work import Work


class Embed(Work):
    """Embed every distinct sentence of a retrieval target's splits once: a hidden layer, pooled."""

    KIND: ClassVar[str] = "embed"
    VERSION: ClassVar[int] = 3
    kind: Literal["embed"] = "embed"
    target: Task
    encoded: str
    """Key of the encoded sentences."""

    def ingredients(self) -> dict[str, Any]:
        """The encoded sentences by key, and how the checkpoint's embeddings are read off."""
        how = self.checkpoint.retrieval.model_dump(mode="json", exclude={"prefix"})
        return {**self._plain("target"), "retrieval": how}
