"""Metrics of language modelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xharness.errors import DataError
from xharness.metrics.base import Array, Metric, ratio, require_pairs, rows


def likelihoods(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
    """[examples, (negative log-likelihood, sub-words)]; DataError where no sub-word was masked at all."""
    require_pairs(predictions, references)
    found = rows([(float(loss), float(n)) for loss, n in predictions], 2)
    if len(found) and not found[:, 1].any():
        raise DataError(f"no sub-word of the texts in '{language}' was masked; there is too little text.")
    return found


def perplexities(sums: Array) -> Mapping[str, Array]:
    """`perplexity`, from 1, no percentage; 0 without any sub-word."""
    found = np.exp(ratio(sums[..., 0], sums[..., 1]))
    return {"perplexity": np.where(sums[..., 1] > 0, found, 0.0)}


PERPLEXITY = Metric(
    name="perplexity",
    source="exp of the mean negative log-likelihood of the masked sub-words, as transformers' run_mlm.py reports it.",
    parts=("loss", "sub-words"),
    outcomes=likelihoods,
    values=perplexities,
    headline=("perplexity",),
    higher_is_better=False,
)
