"""Embeddings of texts as a step keeps them: `embeddings.npy` [texts, hidden], half precision, and `texts.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.data.texts import mark_of

VECTORS, TEXTS = "embeddings.npy", "texts.json"


@dataclass(frozen=True)
class TextVectors:
    """Embeddings in the order in which the texts were read."""

    vectors: NDArray[np.float32]
    """[texts, hidden]"""
    marks: tuple[str, ...]
    """Each text by content."""
    about: Mapping[str, Any]
    """Layer, pooling, prefix."""

    def of(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """[texts, hidden]; None unless every one of them was embedded."""
        places = {mark: number for number, mark in enumerate(self.marks)}
        found = [places.get(mark_of(text)) for text in texts]
        known = [place for place in found if place is not None]
        return self.vectors[known] if len(known) == len(found) else None


def write_vectors(out: Path, vectors: NDArray[Any], texts: Sequence[str], about: Mapping[str, Any]) -> None:
    """Write them into a folder; the texts themselves are not kept."""
    np.save(out / VECTORS, vectors.astype(np.float16))
    kept = {"about": dict(about), "marks": [mark_of(text) for text in texts]}
    (out / TEXTS).write_text(json.dumps(kept) + "\n", encoding="utf-8")


def read_vectors(folder: Path) -> TextVectors:
    """What `write_vectors` has written."""
    kept = json.loads((folder / TEXTS).read_text(encoding="utf-8"))
    return TextVectors(np.load(folder / VECTORS).astype(np.float32), tuple(kept["marks"]), kept["about"])
