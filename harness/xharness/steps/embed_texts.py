"""Embed texts: what the embeddings that an analysis asks for are made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.task import Split, Task
from xharness.steps.work import Work, reading_ingredients


class EmbedTexts(Work):
    """Embed the texts of a split with the checkpoint as it came, pooled as for retrieval: whole, or in pieces."""

    KIND: ClassVar[str] = "texts"
    VERSION: ClassVar[int] = 1
    kind: Literal["texts"] = "texts"
    task: Task
    """In the one language whose texts are read."""
    split: Split
    unit: Literal["text", "piece"]
    """`text`: what each example is about, cut at `max_length`; `piece`: all texts, in pieces of `data.texts.PIECE`."""
    limit: int | None = None
    """Cap on the examples."""
    most: int
    """Texts or pieces at the most."""
    max_length: int
    """Sub-words."""
    fingerprints: tuple[str, ...]
    """What the data are, by content."""

    def ingredients(self) -> dict[str, Any]:
        """Data, how they are read and cut, and how the checkpoint's embeddings are read off."""
        how = self.checkpoint.retrieval.model_dump(mode="json", exclude={"candidate_prefix"})
        kept = self._plain("task", "fingerprints")
        return {**kept, "task": reading_ingredients(self.task), "data": list(self.fingerprints), "retrieval": how}
