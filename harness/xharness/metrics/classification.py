"""Metrics of one label an example: accuracy, macro-F1, Matthews correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xharness.errors import DataError
from xharness.metrics.base import Array, Metric, ratio, require_pairs, rows

if TYPE_CHECKING:
    from xharness.spec.task import Task


def reads_labels(task: Task) -> str | None:
    """Labels cannot be compared where the task predicts numbers."""
    return "it compares labels, and the task predicts numbers" if task.options.get("regression") else None


def equal_outcomes(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
    """Whether each prediction equals its reference: [examples, (correct, n)]."""
    require_pairs(predictions, references)
    return rows([(float(p == r), 1.0) for p, r in zip(predictions, references, strict=True)], 2)


def accuracy_values(sums: Array) -> Mapping[str, Array]:
    """`accuracy`, the share of examples that are correct."""
    return {"accuracy": 100 * ratio(sums[..., 0], sums[..., 1])}


def _outcomes_by_label(
    labels: tuple[str, ...], predictions: Sequence[Any], references: Sequence[Any], language: str = ""
) -> Array:
    """Counts of each label: [examples, (correct of every label, predicted of every label, gold of every label)]."""
    require_pairs(predictions, references)
    codes = {label: code for code, label in enumerate(labels)}
    table = np.zeros((len(references), 3, len(labels)))
    for row, (predicted, gold) in enumerate(zip(predictions, references, strict=True)):
        for label in (predicted, gold):
            if label not in codes:
                raise DataError(f"the label '{label}' is none of those that are scored: {', '.join(labels)}.")
        table[row, 1, codes[predicted]] = table[row, 2, codes[gold]] = 1
        table[row, 0, codes[gold]] = predicted == gold
    return table.reshape(len(references), 3 * len(labels))


def _by_label(sums: Array) -> tuple[Array, Array, Array]:
    """Correct, predicted and gold of each label, each [..., labels]."""
    held = sums.reshape(*sums.shape[:-1], 3, sums.shape[-1] // 3)
    return held[..., 0, :], held[..., 1, :], held[..., 2, :]


def macro_f1_values(sums: Array) -> Mapping[str, Array]:
    """`f1`, `precision`, `recall`: plain means over the labels that are predicted or gold somewhere."""
    correct, predicted, gold = _by_label(sums)
    seen = predicted + gold > 0
    kinds = {
        "f1": ratio(2 * correct, predicted + gold),
        "precision": ratio(correct, predicted),
        "recall": ratio(correct, gold),
    }
    return {name: 100 * ratio((value * seen).sum(axis=-1), seen.sum(axis=-1)) for name, value in kinds.items()}


def matthews_values(sums: Array) -> Mapping[str, Array]:
    """`matthews`, -100 to 100; 0 where all predictions, or all references, are one label."""
    correct, predicted, gold = _by_label(sums)
    n = gold.sum(axis=-1)
    above = correct.sum(axis=-1) * n - (predicted * gold).sum(axis=-1)
    below = (n**2 - (predicted**2).sum(axis=-1)) * (n**2 - (gold**2).sum(axis=-1))
    return {"matthews": 100 * ratio(above, np.sqrt(np.maximum(below, 0)))}


def _labelled(made: Metric) -> Metric:
    """A metric with three parts of each label."""

    def of(labels: tuple[str, ...]) -> Metric:
        def outcomes(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
            return _outcomes_by_label(labels, predictions, references, language)

        parts = tuple(f"{part}/{label}" for part in ("correct", "predicted", "gold") for label in labels)
        return replace(made, parts=parts, outcomes=outcomes, by_label=of)

    return replace(made, by_label=of)


ACCURACY = Metric(
    name="accuracy",
    source="Share of equal labels: XTREME, arXiv 2003.11080 §3; google-research/xtreme evaluate.py, accuracy().",
    parts=("correct", "n"),
    outcomes=equal_outcomes,
    values=accuracy_values,
    headline=("accuracy",),
    fits=reads_labels,
)

F1_MACRO = _labelled(
    Metric(
        name="f1_macro",
        source="Mean of the labels' F1, as scikit-learn's f1_score(average='macro'): labels that are neither predicted "
        "nor gold do not count, and a label with nothing right has 0. GLUE-style tasks, arXiv 1804.07461.",
        parts=(),
        outcomes=lambda predictions, references, language: rows([()] * len(references), 0),
        values=macro_f1_values,
        headline=("f1",),
        fits=reads_labels,
    )
)

MATTHEWS = _labelled(
    Metric(
        name="matthews",
        source="Matthews correlation for any number of labels: R_K, Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09."
        "006, as scikit-learn's matthews_corrcoef; CoLA's metric in GLUE, arXiv 1804.07461 §3.1, times 100.",
        parts=(),
        outcomes=lambda predictions, references, language: rows([()] * len(references), 0),
        values=matthews_values,
        headline=("matthews",),
        fits=reads_labels,
    )
)
