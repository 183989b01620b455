"""Prediction: all examples through the network in one stream, longest first, back in their own order.

Sorted batches under a token budget waste little on padding, and one stream over all languages has one tail instead of
forty. The longest batch comes first, so that what does not fit in memory is known at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xharness.adapter import Example, Feature, tunable_adapter
from xharness.spec.task import Task
from xharness.training.devices import Hardware
from xharness.training.features import budgeted, items_of, pad
from xharness.training.network import Network


def predict(
    network: Network,
    head: str,
    task: Task,
    examples: Sequence[Example],
    features: Sequence[Feature],
    padding: int,
    machine: Hardware,
    ids: NDArray[np.int32] | None = None,
    counted: Callable[[int, int], None] = lambda examples, tokens: None,
) -> list[Any]:
    """One prediction per example; `counted` is told examples and tokens of every batch."""
    logits: dict[int, Any] = {}
    training = network.training
    network.eval()
    budget = machine.budget(*network.size, training=False)
    waiting = deque(budgeted(items_of(head, features), budget))
    with torch.inference_mode():
        while waiting:
            batch = waiting.popleft()
            flat = [f for item in batch for f in item.features]
            try:
                with machine.autocast():
                    rows = network(head, pad(flat, padding, machine.device, ids)).float().cpu().numpy()
            except torch.OutOfMemoryError:
                budget = machine.halved(budget)
                waiting = deque(budgeted([*batch, *(item for later in waiting for item in later)], budget))
                continue
            for feature, row in zip(flat, rows, strict=True):
                logits[id(feature)] = row[: len(feature.ids)].copy() if rows.ndim == 3 else row
            counted(len(batch), sum(item.tokens for item in batch))
    network.train(training)
    adapter = tunable_adapter(task.adapter)
    return adapter.decode(task, examples, features, (logits.pop(id(f)) for f in features))
