"""Scores that another evaluator works out from embeddings: of single examples nothing is known or resampled.

Source: mteb (Muennighoff et al. 2023, arXiv 2210.07316), whose main score of each task it is, times 100.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from xharness.metrics.base import Array, Metric

SOURCE = "mteb's evaluator, its main score of the task; Muennighoff et al. 2023, arXiv 2210.07316"


def _nothing(predictions: Sequence[Any], references: Sequence[Any], language: str) -> Array:
    raise NotImplementedError("mteb works the score out itself")


def _measured(name: str) -> Metric:
    return Metric(f"mteb_{name}", SOURCE, (), _nothing, lambda sums: {}, (name,))


def _at(name: str) -> Callable[[int], Metric]:
    return lambda k: _measured(f"{name}_at_{k}")


F1 = _measured("f1")
SPEARMAN = _measured("cosine_spearman")
NDCG_AT_K, RECALL_AT_K, MRR_AT_K, PRECISION_AT_K, HIT_RATE_AT_K = map(
    _at, ("ndcg", "recall", "mrr", "precision", "hit_rate")
)
