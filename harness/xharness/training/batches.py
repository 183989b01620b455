"""The order of training: every batch of every epoch, fixed before the first step.

Each batch has exactly the recipe's number of examples of one task (an epoch's last may be smaller), alike in length:
inside shuffled windows of 50 batches the examples are sorted by length, so that hardly a token is padding, and the
windows keep the order random where it matters. A list that is a pure function of the seed is what makes a resumed
training the same as an undisturbed one.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

WINDOW = 50
"""Batches sorted by length together."""


def plan_batches(
    lengths: Mapping[str, Sequence[int]], batch_size: int, epochs: float, seed: int
) -> list[tuple[str, list[int]]]:
    """(task, indices of its examples) of every step; `lengths` are the examples' lengths by task."""
    order: list[tuple[str, list[int]]] = []
    a_epoch = sum(math.ceil(len(of_task) / batch_size) for of_task in lengths.values())
    steps = max(1, round(epochs * a_epoch))
    for epoch in range(math.ceil(steps / a_epoch)):
        batches = [
            (task, batch)
            for task, of_task in lengths.items()
            for batch in _epoch(np.asarray(of_task), batch_size, [seed, epoch, zlib.crc32(task.encode())])
        ]
        if len(lengths) > 1:
            # Uniformly over all batches: a task's share of every stretch is its share of the examples.
            mixed = np.random.default_rng([seed, epoch]).permutation(len(batches))
            batches = [batches[i] for i in mixed]
        order.extend(batches)
    return order[:steps]


def _epoch(lengths: NDArray[np.int64], batch_size: int, seed: Sequence[int]) -> list[list[int]]:
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(lengths))
    batches: list[list[int]] = []
    for start in range(0, len(shuffled), WINDOW * batch_size):
        window = shuffled[start : start + WINDOW * batch_size]
        window = window[np.argsort(lengths[window], kind="stable")]
        cut = [window[i : i + batch_size].tolist() for i in range(0, len(window), batch_size)]
        batches.extend(cut[i] for i in random.permutation(len(cut)))
    return batches
