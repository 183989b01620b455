"""Training on the trimmed rows of the word embeddings only: the same result from a small part of the memory.

English training data use a small part of a multilingual vocabulary. A row that no example uses has gradient 0 in
every step, so Adam without weight decay leaves it as it was: gradients, moments and clipping over the trimmed rows
alone give the same weights to the last bit. With weight decay the other rows would shrink, so then all are trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xharness.training.checkpoints import word_embeddings

LEAST_ROWS = 20_000
"""Smaller vocabularies are not worth it."""
LARGEST_PADDING_ID = 1024
"""XLM-R derives positions from which ids are padding, so that id must keep its value: all rows up to it are kept."""


class Used(Protocol):
    """What can say which sub-words it has."""

    def used(self, size: int) -> NDArray[np.bool_]:
        """Which of `size` sub-words occur."""


@dataclass
class TrimmedVocabulary:
    """A word embedding with most rows set aside."""

    rows: torch.Tensor
    """Ids of the kept rows, ascending, so that sums over them run in the same order as over all."""
    ids: NDArray[np.int32]
    """Old id -> new id; -1 for rows set aside."""
    full: nn.Embedding

    def restore(self, encoder: Any) -> None:
        """Write the trained rows back and give the encoder its whole vocabulary again."""
        small = encoder.get_input_embeddings()
        with torch.no_grad():
            self.full.to(small.weight.device)
            self.full.weight[self.rows.to(small.weight.device)] = small.weight
        _put(encoder, self.full)


def trim_vocabulary(
    encoder: Any, used: Sequence[Used], special: Iterable[int], weight_decay: float
) -> TrimmedVocabulary | None:
    """Shrink the encoder's word embeddings to the rows of `used`; None where that is impossible or no gain."""
    full = word_embeddings(encoder)
    if weight_decay or type(full) is not nn.Embedding or full.num_embeddings < LEAST_ROWS:
        return None
    padding = full.padding_idx
    if full.max_norm is not None or full.sparse or (padding is not None and padding >= LARGEST_PADDING_ID):
        return None
    seen = np.logical_or.reduce([features.used(full.num_embeddings) for features in used])
    seen[: (padding or 0) + 1] = True
    seen[[i for i in special if 0 <= i < len(seen)]] = True
    rows = np.flatnonzero(seen)
    if 2 * len(rows) > len(seen):
        return None
    ids = np.full(len(seen), -1, dtype=np.int32)
    ids[rows] = np.arange(len(rows), dtype=np.int32)
    kept = torch.from_numpy(rows)
    small = nn.Embedding(len(rows), full.embedding_dim, padding_idx=padding, _weight=full.weight.detach()[kept].clone())
    small.weight.requires_grad_(full.weight.requires_grad)
    _put(encoder, small)
    return TrimmedVocabulary(kept, ids, full)


def _put(encoder: Any, embedding: nn.Embedding) -> None:
    encoder.set_input_embeddings(embedding)
