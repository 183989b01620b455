"""Metrics of one number an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xharness.metrics.base import Array, Metric, ratio, require_pairs

if TYPE_CHECKING:
    from xharness.spec.task import Task


def reads_numbers(task: Task) -> str | None:
    """Numbers cannot be compared where the task predicts labels."""
    regression = task.adapter != "classification" or task.options.get("regression")
    return None if regression else "it compares numbers; set options.regression = true if the labels are numbers"


def moments(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
    """[examples, (n, x, y, xx, yy, xy)], about the mean of the references, so that large numbers do not cancel."""
    require_pairs(predictions, references)
    y = np.asarray(references, dtype=np.float64)
    middle = y.mean() if len(y) else 0.0
    x, y = np.asarray(predictions, dtype=np.float64) - middle, y - middle
    return np.column_stack([np.ones(len(y)), x, y, x * x, y * y, x * y])


def pearson_values(sums: Array) -> Mapping[str, Array]:
    """`pearson`, -100 to 100; 0 where all predictions, or all references, are one number."""
    n, x, y, xx, yy, xy = (sums[..., part] for part in range(6))
    spreads = n * xx - x * x, n * yy - y * y
    # What rounding leaves of a spread that is zero is none.
    real = [np.where(spread > 1e-12 * n * of, spread, 0.0) for spread, of in zip(spreads, (xx, yy), strict=True)]
    return {"pearson": 100 * ratio(n * xy - x * y, np.sqrt(real[0]) * np.sqrt(real[1]))}


PEARSON = Metric(
    name="pearson",
    source="Pearson's correlation, as scipy.stats.pearsonr; STS-B's metric in GLUE, arXiv 1804.07461 §3.2, times 100.",
    parts=("n", "x", "y", "xx", "yy", "xy"),
    outcomes=moments,
    values=pearson_values,
    headline=("pearson",),
    fits=reads_numbers,
)
