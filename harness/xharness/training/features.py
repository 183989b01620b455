"""Features in batches: grouped by example, cut to a budget of sub-words, padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xharness.adapter import Feature
from xharness.training.language_inputs import LanguageInputs


@dataclass(frozen=True, slots=True)
class Item:
    """The features of one example, which stay together."""

    task: str
    features: tuple[Feature, ...]

    @property
    def length(self) -> int:
        """Sub-words of its longest feature."""
        return max(len(f.ids) for f in self.features)

    @property
    def tokens(self) -> int:
        """Sub-words of all its features."""
        return sum(len(f.ids) for f in self.features)


def budgeted(lengths: NDArray[np.integer], counts: NDArray[np.integer], tokens: int) -> Iterator[list[int]]:
    """Places of items in batches of at most `tokens` padded sub-words, longest first; one too long stands alone.

    `lengths` are the sub-words of each item's longest feature, `counts` its features.
    """
    batch: list[int] = []
    width = rows = 0
    for place in np.argsort(-lengths, kind="stable").tolist():
        length, count = int(lengths[place]), int(counts[place])
        if batch and (rows + count) * max(width, length) > tokens:
            yield batch
            batch, width, rows = [], 0, 0
        batch.append(place)
        width, rows = max(width, length), rows + count
    if batch:
        yield batch


def budgeted_items(items: Sequence[Item], tokens: int) -> Iterator[list[Item]]:
    """Items in such batches."""
    lengths, counts = np.array([i.length for i in items]), np.array([len(i.features) for i in items])
    return ([items[place] for place in batch] for batch in budgeted(lengths, counts, tokens))


def pieces(items: Sequence[Item], tokens: int) -> list[list[Item]]:
    """A batch in pieces alike in length, each of at most `tokens` padded sub-words; one too long stands alone.

    They are those that cost the least: what is padded of all of them, and `PIECE` sub-words for each piece more.
    """
    order = sorted(items, key=lambda item: -item.length)
    lengths, rows = np.array([i.length for i in order]), np.array([len(i.features) for i in order])
    ends = np.concatenate([[0], np.cumsum(rows)])
    cost, begins = [0.0], [0]
    for end in range(1, len(order) + 1):
        padded = lengths[:end] * (ends[end] - ends[:end])
        whole = np.where((padded > tokens) & (np.arange(end) < end - 1), np.inf, padded) + PIECE
        best = int(np.argmin(np.array(cost) + whole))
        cost.append(cost[best] + float(whole[best]))
        begins.append(best)
    found: list[list[Item]] = []
    end = len(order)
    while end:
        found.append(order[begins[end] : end])
        end = begins[end]
    return found[::-1]


PIECE = 64
"""What one more piece costs beside its sub-words, in sub-words."""


def pad(
    features: Sequence[Feature],
    padding: int,
    device: torch.device,
    ids: NDArray[np.int32] | None = None,
    languages: LanguageInputs | None = None,
) -> dict[str, Tensor]:
    """Features as `input_ids`, `attention_mask` and, where there are segments, `token_type_ids` [batch, length].

    `ids` renames the sub-words (see `trimmed_vocabulary`); `languages` says what a model is told of the language.
    """
    width = max(len(f.ids) for f in features)
    if device.type == "cuda":
        width = -(-width // 8) * 8  # tensor cores want multiples of eight
    tokens = np.full((len(features), width), padding, dtype=np.int64)
    mask = np.zeros((len(features), width), dtype=np.int64)
    types = np.zeros((len(features), width), dtype=np.int64) if any(f.types is not None for f in features) else None
    for row, feature in enumerate(features):
        length = len(feature.ids)
        tokens[row, :length] = feature.ids if ids is None else ids[feature.ids]
        mask[row, :length] = 1
        if types is not None and feature.types is not None:
            types[row, :length] = feature.types
    arrays = {"input_ids": tokens, "attention_mask": mask} | ({"token_type_ids": types} if types is not None else {})
    if languages is not None:
        arrays |= languages([f.language for f in features], width)
    return {name: _moved(torch.from_numpy(array), device) for name, array in arrays.items()}


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
