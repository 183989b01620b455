"""What is said of rows: scores, averages and differences of them, each with its interval; and the verdict on a bound.

A quantity is a weighted sum of targets' scores of one row, less the same of another row: the average of a row, its gain
over none, how much more it gains on one target than on others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from xharness.errors import HarnessError, listed
from xharness.metrics.base import Array
from xharness.score.matching import Scored, Side, matched
from xharness.score.statistics import RESAMPLES, bootstrap, interval
from xharness.spec.suite import AVERAGE, CHANCE, SCORE

Verdict = Literal["replicated", "contradicted", "undecided", "not judged"]


@dataclass(frozen=True)
class Quantity:
    """What is measured of a row."""

    row: str
    of: tuple[str, ...] = (AVERAGE,)
    """`average`, or targets: their mean."""
    over: str = SCORE
    """`score` itself, or its difference from `chance` or from a row."""
    than: tuple[str, ...] = ()
    """Targets whose mean, measured in the same way, is subtracted."""

    @property
    def measured(self) -> str:
        """What is measured, without the row: `average over none`."""
        words = listed(list(self.of)) + ("" if self.over == SCORE else f" over {self.over}")
        return words + (f" less that on {listed(list(self.than))}" if self.than else "")

    def __str__(self) -> str:
        """In words: `squad_v1: average over none`."""
        return f"{self.row}: {self.measured}"


@dataclass(frozen=True)
class Measured:
    """A quantity's value with its 95 % interval; or what is lacking."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    lacking: str = ""


def bounds_in_words(at_least: float | None, at_most: float | None) -> str:
    """`at least 0 and at most 3`."""
    named = (("at least", at_least), ("at most", at_most))
    return " and ".join(f"{word} {bound:g}" for word, bound in named if bound is not None)


def verdict(low: float | None, high: float | None, at_least: float | None, at_most: float | None) -> Verdict:
    """Whether an interval lies inside bounds (replicated), outside (contradicted), or reaches over one (undecided).

    A bound belongs to what it allows: an interval that ends at it is inside.
    """
    if low is None or high is None:
        return "not judged"
    least, most = (-np.inf if at_least is None else at_least), (np.inf if at_most is None else at_most)
    if low >= least and high <= most:
        return "replicated"
    return "contradicted" if high < least or low > most else "undecided"


def together(verdicts: Sequence[Verdict], need: Literal["all", "any"]) -> Verdict:
    """The verdict on what must hold of all rows, or of any; rows without a verdict leave it undecided at best."""
    good: Verdict = "replicated" if need == "all" else "contradicted"
    bad: Verdict = "contradicted" if need == "all" else "replicated"
    if not verdicts or all(one == "not judged" for one in verdicts):
        return "not judged"
    if bad in verdicts:
        return bad
    return good if all(one == good for one in verdicts) else "undecided"


@dataclass(frozen=True)
class Quantities:
    """The rows of one checkpoint, from which quantities are measured."""

    rows: Mapping[str, Side]
    average: Mapping[str, float]
    """Target -> its weight in the average."""
    resamples: int = RESAMPLES
    drawn: dict[str, tuple[list[str], Array] | str] = field(default_factory=dict)
    """Target -> its rows and their resampled means [resamples, rows], or why there are none; drawn once for all."""

    def measure(self, asked: Quantity, with_interval: bool = True) -> Measured:
        """The quantity, with its interval unless only the value is wanted."""
        sides = [asked.row, *([asked.over] if asked.over not in (SCORE, CHANCE) else [])]
        if unknown := [name for name in sides if name not in self.rows]:
            return Measured(lacking=f"{listed(unknown)} has no score in this run")
        weights = self.targets(asked)
        value, lacking = 0.0, []
        for target, weight in weights.items():
            found = [self._score(name, target) for name in sides]
            found += [self._score(asked.row, target, CHANCE)] if asked.over == CHANCE else []
            if any(one is None for one in found):
                lacking.append(target)
                continue
            first, *rest = (one for one in found if one is not None)
            value += weight * (first - sum(rest))
        if lacking:
            return Measured(lacking=f"no whole score of {listed(sides)} on {listed(lacking)}")
        return self._with_interval(asked, value, weights, sides) if with_interval else Measured(value)

    def _with_interval(
        self, asked: Quantity, value: float, weights: Mapping[str, float], sides: Sequence[str]
    ) -> Measured:
        draws = np.zeros(self.resamples)
        for target, weight in weights.items():
            held = self._draws(target)
            if isinstance(held, str):
                return Measured(value, lacking=held)
            names, means = held
            first, *rest = (means[:, names.index(name)] for name in sides)
            draws = draws + weight * (first - sum(rest, np.zeros(self.resamples)))
            if asked.over == CHANCE:
                draws = draws - weight * (self._score(asked.row, target, CHANCE) or 0.0)
        return Measured(value, *interval(draws))

    def targets(self, asked: Quantity) -> dict[str, float]:
        """Target -> its weight in a quantity."""
        weights = self._weights(asked.of)
        for target, weight in self._weights(asked.than).items():
            weights[target] = weights.get(target, 0.0) - weight
        return weights

    def _weights(self, targets: Sequence[str]) -> dict[str, float]:
        """Target -> weight of the mean of targets, `average` being one of them."""
        weights: dict[str, float] = {}
        for name in targets:
            for target, weight in (self.average if name == AVERAGE else {name: 1.0}).items():
                weights[target] = weights.get(target, 0.0) + weight / len(targets)
        return weights

    def _score(self, row: str, target: str, value: str | None = None) -> float | None:
        """The mean over languages and seeds; None where one is missing."""
        scored = self.rows[row].targets.get(target)
        found = [scored.mean(language, value) for language in scored.languages] if scored else []
        there = [one for one in found if one is not None]
        return sum(there) / len(there) if there and len(there) == len(found) else None

    def _draws(self, target: str) -> tuple[list[str], Array] | str:
        if target not in self.drawn:
            named = [(name, side.targets[target]) for name, side in self.rows.items()
                     if self._score(name, target) is not None]  # fmt: skip
            try:
                self.drawn[target] = [name for name, _ in named], _means(target, named, self.resamples)
            except HarnessError as error:
                self.drawn[target] = f"no interval: {error}"
        return self.drawn[target]


def _means(target: str, named: Sequence[tuple[str, Scored]], resamples: int) -> Array:
    """Resampled means over the languages, [resamples, rows]."""
    sample = matched(target, named)
    chosen = [place for place, language in enumerate(sample.languages) if language in named[0][1].languages]
    return np.asarray(bootstrap(sample, resamples)[:, chosen].mean(axis=1))
