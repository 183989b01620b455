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
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xharness.data.encoded import Encoded
from xharness.spec.task import Task
from xharness.training.features import Item

WINDOW = 50
"""Batches sorted by length together."""


def plan_batches(
    lengths: Mapping[str, Sequence[int] | NDArray[np.integer]], batch_size: int, epochs: float, seed: int
) -> list[tuple[str, NDArray[np.int32]]]:
    """(task, indices of its examples) of every step; `lengths` are the examples' lengths by task."""
    order: list[tuple[str, NDArray[np.int32]]] = []
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


def _epoch(lengths: NDArray[np.integer], batch_size: int, seed: Sequence[int]) -> list[NDArray[np.int32]]:
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(lengths)).astype(np.int32)
    batches: list[NDArray[np.int32]] = []
    for start in range(0, len(shuffled), WINDOW * batch_size):
        window = shuffled[start : start + WINDOW * batch_size]
        window = window[np.argsort(lengths[window], kind="stable")]
        cut = [window[i : i + batch_size] for i in range(0, len(window), batch_size)]
        batches.extend(cut[i] for i in random.permutation(len(cut)))
    return batches


@dataclass(frozen=True)
class TrainingSet:
    """The encoded train split of one task, as far as caps let it."""

    task: Task
    encoded: Encoded
    kept: NDArray[np.int64]
    """Numbers of the examples, ascending."""


class Batches:
    """The batches of a training in their order, each read when it is asked for."""

    def __init__(self, sets: Mapping[str, TrainingSet], batch_size: int, epochs: float, seed: int) -> None:
        self._sets = sets
        lengths = {name: held.encoded.lengths[held.kept] for name, held in sets.items()}
        self._order = plan_batches(lengths, batch_size, epochs, seed)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, step: int) -> list[Item]:
        """The examples of one step, from 0."""
        held, numbers = self._of(step)
        return [Item(held.task.name, held.encoded.item(number)) for number in numbers]

    def tokens(self, step: int) -> int:
        """Sub-words of one step."""
        held, numbers = self._of(step)
        return int(held.encoded.tokens[numbers].sum())

    def _of(self, step: int) -> tuple[TrainingSet, NDArray[np.int64]]:
        task, places = self._order[step]
        return self._sets[task], self._sets[task].kept[places]
