"""What a metric is: per-example parts that add up, and the values their sums reduce to.

Keeping parts instead of values makes every metric bootstrappable at once: a resample is a weighted sum of rows,
and `values` works on any leading shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xharness.errors import DataError

if TYPE_CHECKING:
    from xharness.spec.task import Task

Array = NDArray[np.float64]


def anything(task: Task) -> str | None:
    """It fits every task."""
    return None


@dataclass(frozen=True)
class Metric:
    """One scoring convention."""

    name: str
    """The convention in the name: `f1_xtreme`, `squad`, `mlqa`."""
    source: str
    """Where its rule comes from."""
    parts: tuple[str, ...]
    """Names of the columns of `outcomes`."""
    outcomes: Callable[[Sequence[Any], Sequence[Any], str], Array]
    """(predictions, references, language) -> [examples, parts]; rows add up to the sums `values` reads."""
    values: Callable[[Array], Mapping[str, Array]]
    """[..., parts] sums -> each value (0 to 100) with shape [...]; 0 where a denominator is 0."""
    headline: tuple[str, ...]
    """The values whose plain mean is the score of the column; (`f1`, `exact_match`) for question answering."""
    version: int = 1
    """Counts in content keys; raise it when the same predictions get another score."""
    higher_is_better: bool = True
    """False for errors and distances: then the lowest score is the best of a column, and a loss is a gain."""
    adapters: tuple[str, ...] = ()
    """Adapters whose predictions it reads, beside those that name it themselves."""
    fits: Callable[[Task], str | None] = anything
    """What is wrong with using it for a task, as a sentence, or None: it reads labels that the task has not, …"""
    by_label: Callable[[tuple[str, ...]], Metric] | None = None
    """For a metric with parts of each label, itself for these labels; `parts` and `outcomes` here are of none."""

    @property
    def by_example(self) -> bool:
        """Whether single examples have outcomes; of what another evaluator has worked out nothing is known."""
        return bool(self.parts) or self.by_label is not None

    def of(self, labels: Sequence[str]) -> Metric:
        """The metric as it scores a task with these labels."""
        return self.by_label(tuple(labels)) if self.by_label is not None else self

    def better(self, score: float, other: float) -> bool:
        """Whether a score is better than another."""
        return score > other if self.higher_is_better else score < other

    def score(self, sums: Array) -> Array:
        """The column's score: the mean of the headline values; [..., parts] -> [...]."""
        values = self.values(sums)
        return np.asarray(np.mean([values[name] for name in self.headline], axis=0))


def require_pairs(predictions: Sized, references: Sized, where: str = "") -> None:
    """Raise DataError unless there is one prediction for every reference."""
    if len(predictions) != len(references):
        raise DataError(f"{where}{len(predictions)} predictions for {len(references)} references.")


def rows(table: Sequence[Sequence[float]], parts: int) -> Array:
    """The outcomes as an array [examples, parts], of that shape also without examples."""
    return np.asarray(table, dtype=np.float64).reshape(len(table), parts)


def ratio(part: Array, whole: Array) -> Array:
    """part / whole, elementwise, and 0 where whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole != 0)


def precision_recall_f1(correct: Array, predicted: Array, gold: Array) -> dict[str, Array]:
    """`f1`, `precision` and `recall` (0 to 100) from counts, 0 where undefined, as seqeval and XTREME do."""
    precision, recall = ratio(correct, predicted), ratio(correct, gold)
    # 2pr/(p+r) and not 2c/(p+g): the same to the last bit as the public scorers.
    f1 = ratio(2 * precision * recall, precision + recall)
    return {"f1": 100 * f1, "precision": 100 * precision, "recall": 100 * recall}
