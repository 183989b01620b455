"""Encode: what the features of a split are made of."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from xharness.spec.task import Split, Task
from xharness.steps.work import Work, reading_ingredients


class Encode(Work):
    """Turn the examples of a split in its languages into features, once for every model with the same tokenizer."""

    KIND: ClassVar[str] = "encode"
    VERSION: ClassVar[int] = 1
    LATER: ClassVar[tuple[str, ...]] = ("candidate_prefix",)
    ACCELERATED: ClassVar[bool] = False
    kind: Literal["encode"] = "encode"
    tokenizer: str
    """The tokenizer by content; the checkpoint only says where it is."""
    task: Task
    splits: tuple[Split, ...]
    """One, or all of a retrieval target's."""
    train: bool
    """With targets to train towards; otherwise with references to compare with."""
    limits: tuple[int | None, ...]
    """Cap on the examples of each split and language, chosen before anything is encoded."""
    max_length: int
    doc_stride: int
    prefix: str = ""
    """Put before every sentence of a retrieval target."""
    candidate_prefix: str = ""
    """Put before a candidate, in its place."""
    labelled_by: str | None = None
    """Key of the encoded train split whose labels these are, where the task names none."""
    fingerprints: tuple[str, ...] = ()
    """What the data are, by content: see `data.fingerprints`."""

    def ingredients(self) -> dict[str, Any]:
        """Data, the fields that say how they are read, adapter and options, tokenizer and lengths; no model."""
        kept = self._plain("task", "identity", "fingerprints")
        return {**kept, "task": reading_ingredients(self.task), "data": list(self.fingerprints)}
