"""Features: examples encoded, counted, cut into token-budget batches and padded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xharness.adapter import Example, Feature, tunable_adapter
from xharness.spec.task import Recipe, Task

CHUNK = 1000
"""Examples given to a tokenizer at once."""


def encode(
    task: Task,
    examples: Sequence[Example],
    tokenizer: Any,
    recipe: Recipe,
    train: bool,
    counted: Callable[[int], None] = lambda n: None,
) -> list[Feature]:
    """The adapter's features of all examples, ids packed; `counted` is told of every chunk."""
    adapter = tunable_adapter(task.adapter)
    features: list[Feature] = []
    for start in range(0, len(examples), CHUNK):
        chunk = examples[start : start + CHUNK]
        for feature in adapter.encode(task, chunk, tokenizer, recipe, train):
            feature.example += start
            # A list of Python ints takes nine times the memory.
            feature.ids = np.asarray(feature.ids, dtype=np.int32)
            features.append(feature)
        counted(len(chunk))
    return features


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


def items_of(task: str, features: Sequence[Feature]) -> list[Item]:
    """Features grouped by example, in the order of the examples."""
    groups: dict[int, list[Feature]] = {}
    for feature in features:
        groups.setdefault(feature.example, []).append(feature)
    return [Item(task, tuple(group)) for group in groups.values()]


def budgeted(items: Sequence[Item], tokens: int, multiple: int = 1) -> Iterator[list[Item]]:
    """Items in batches of at most `tokens` padded sub-words, longest first; an item too long stands alone."""
    batch: list[Item] = []
    width = count = 0
    for item in sorted(items, key=lambda i: -i.length):
        length = -(-item.length // multiple) * multiple
        if batch and (count + len(item.features)) * max(width, length) > tokens:
            yield batch
            batch, width, count = [], 0, 0
        batch.append(item)
        width, count = max(width, length), count + len(item.features)
    if batch:
        yield batch


def pad(
    features: Sequence[Feature], padding: int, device: torch.device, ids: NDArray[np.int32] | None = None
) -> dict[str, Tensor]:
    """Features as `input_ids`, `attention_mask` and, where there are segments, `token_type_ids` [batch, length].

    `ids` renames the sub-words (see `trimmed`).
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
    return {name: _moved(torch.from_numpy(array), device) for name, array in arrays.items()}


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
