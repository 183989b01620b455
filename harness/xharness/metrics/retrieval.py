"""Retrieval of translations: Tatoeba's accuracy and BUCC's F1 as XTREME has them, and both as mteb has them.

XTREME and mteb measure different things under the same data set names, so their metrics have different names here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xharness.errors import DataError
from xharness.metrics.base import Array, Metric, precision_recall_f1, ratio, require_pairs, rows
from xharness.metrics.classification import accuracy_values, equal_outcomes


def _pair_outcomes(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
    """Per sentence pair, whether it was extracted and whether it is gold -> [pairs, (correct, predicted, gold)]."""
    require_pairs(predictions, references)
    for number, given in enumerate((*predictions, *references)):
        if not isinstance(given, (bool, np.bool_)):
            raise DataError(f"pair {number % max(1, len(references))}: found {given!r}, expected true or false.")
    table = [(float(p and r), float(p), float(r)) for p, r in zip(predictions, references, strict=True)]
    return rows(table, 3)


def _weighted_outcomes(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
    """Top-1 ids against gold ids -> [queries, (f1, precision, correct, n)].

    mteb takes sklearn's F1 over the ids as classes, weighted by support. With s queries whose gold is the id g and
    c queries that retrieve it, of which t rightly, the class contributes s/N * 2t/(s+c). Shared out over its t right
    queries that is 2s/(s+c) each: the form below, whose sum over N is the figure to rounding. s and c are those of
    the whole sample: a resample of rows keeps each sentence's hubness, which is what the encoder is judged by.
    """
    require_pairs(predictions, references)
    wanted, found = Counter(references), Counter(predictions)
    table = []
    for predicted, gold in zip(predictions, references, strict=True):
        correct = float(predicted == gold)
        support, retrieved = wanted[gold], max(1, found[gold])
        table.append((correct * 2 * support / (support + retrieved), correct * support / retrieved, correct, 1.0))
    return rows(table, 4)


def _weighted_values(sums: Array) -> Mapping[str, Array]:
    n = sums[..., 3]
    right = 100 * ratio(sums[..., 2], n)
    # Recall weighted by support is accuracy; mteb prints both.
    return {
        "f1": 100 * ratio(sums[..., 0], n),
        "precision": 100 * ratio(sums[..., 1], n),
        "recall": right,
        "accuracy": right,
    }


ACCURACY_TATOEBA = Metric(
    name="accuracy_tatoeba",
    source="XTREME: English queries, foreign candidates; google-research/xtreme utils_retrieve.py, similarity_search(), and evaluate.py, accuracy().",  # noqa: E501
    parts=("correct", "n"),
    outcomes=equal_outcomes,
    values=accuracy_values,
    headline=("accuracy",),
)

ACCURACY_TATOEBA_REVERSE = replace(
    ACCURACY_TATOEBA,
    name="accuracy_tatoeba_reverse",
    source="accuracy_tatoeba the other way round: foreign queries, English candidates (mteb's direction).",
)

F1_BUCC = Metric(
    name="f1_bucc",
    source="F1 of the mined pairs: google-research/xtreme evaluate.py, bucc_f1(); BUCC 2018 shared task.",
    parts=("correct", "predicted", "gold"),
    outcomes=_pair_outcomes,
    values=lambda sums: precision_recall_f1(sums[..., 0], sums[..., 1], sums[..., 2]),
    headline=("f1",),
)

F1_TATOEBA_MTEB = Metric(
    name="f1_tatoeba_mteb",
    source="mteb: nearest neighbour by cosine, foreign queries, F1 over ids weighted by support (abstasks/text/bitext_mining.py, _compute_metrics).",  # noqa: E501
    parts=("f1", "precision", "correct", "n"),
    outcomes=_weighted_outcomes,
    values=_weighted_values,
    headline=("f1",),
)

F1_BUCC_MTEB = replace(
    F1_TATOEBA_MTEB,
    name="f1_bucc_mteb",
    source="mteb: only gold sources are queried, nearest neighbour, no threshold; F1 as f1_tatoeba_mteb.",
)
