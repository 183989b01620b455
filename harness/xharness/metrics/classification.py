"""Accuracy, for classification and multiple choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xharness.metrics.base import Array, Metric, ratio, require_pairs, rows


def equal_outcomes(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
    """Whether each prediction equals its reference: [examples, (correct, n)]."""
    require_pairs(predictions, references)
    return rows([(float(p == r), 1.0) for p, r in zip(predictions, references, strict=True)], 2)


def accuracy_values(sums: Array) -> Mapping[str, Array]:
    """`accuracy`, the share of examples that are correct."""
    return {"accuracy": 100 * ratio(sums[..., 0], sums[..., 1])}


ACCURACY = Metric(
    name="accuracy",
    source="Share of equal labels: XTREME, arXiv 2003.11080 §3; google-research/xtreme evaluate.py, accuracy().",
    parts=("correct", "n"),
    outcomes=equal_outcomes,
    values=accuracy_values,
    headline=("accuracy",),
)
