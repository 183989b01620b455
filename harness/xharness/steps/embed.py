"""Embed: what the sentence embeddings of a retrieval target are made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.task import Task
from xharness.steps.work import Work, task_ingredients


class Embed(Work):
    """Embed every distinct sentence of a retrieval target's splits once: a hidden layer pooled, or a trained head."""

    KIND: ClassVar[str] = "embed"
    VERSION: ClassVar[int] = 3
    LATER: ClassVar[tuple[str, ...]] = ("precision",)
    kind: Literal["embed"] = "embed"
    target: Task
    encoded: str
    """Key of the encoded sentences."""
    head: Task | None = None
    """The dual-encoder task whose head makes the embeddings, of `parent`; None: a hidden layer, pooled."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"

    def ingredients(self) -> dict[str, Any]:
        """The encoded sentences by key, and how the checkpoint's embeddings are read off."""
        plain = self._plain("target", "head")
        if self.head is not None:
            return {**plain, "head": task_ingredients(self.head, training=True)}
        # What is put before texts is in what is encoded.
        how = self.checkpoint.retrieval.model_dump(mode="json", exclude={"prefix", "candidate_prefix"})
        return {**plain, "retrieval": how}
