"""Ordinary least squares on few points: slopes with bootstrap intervals, tested by permutation, and what they explain.

A point is a cell. Targets differ in what can be gained on them, so points are compared within their stratum (checkpoint
and target): every variable is taken as its deviation from the stratum's mean. A predictor belongs to units (an
intermediate has a domain, a row a size), and what is true of a unit holds for all of its cells at once: units are
exchanged as wholes, and clusters of cells drawn as wholes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.metrics.base import Array
from xharness.score.statistics import interval

Ints = NDArray[np.int64]
FEWEST = 4
"""Units that a predictor needs at the least."""
_ZERO = 1e-9


@dataclass(frozen=True)
class Predictor:
    """A quantity of units, which may differ between contexts (an intermediate's distance from each target)."""

    table: Array
    """[units, contexts]."""
    unit: Ints
    """[points]."""
    context: Ints
    """[points]."""

    def values(self, orders: Ints) -> Array:
        """[orders, points]: the values if the units changed places, [orders, units]."""
        return np.asarray(self.table[orders[:, self.unit], self.context])


@dataclass(frozen=True)
class Slope:
    """What the outcome changes by, for a standard deviation of the predictor."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Fit:
    """A regression, or why there is none."""

    points: int = 0
    slopes: Mapping[str, Slope] | None = None
    """Of the predictors together."""
    explained: float = 0.0
    """R² of the predictors together."""
    by_chance: float = 0.0
    """The R² that as many predictors without any influence have on average."""
    why: str = ""


def fit(
    outcome: Array,
    strata: Ints,
    clusters: Ints,
    predictors: Mapping[str, Predictor],
    resamples: int = 2000,
    seed: int = 0,
) -> Fit:
    """Regress an outcome [points] on predictors, each standardised over the points; clusters are drawn together."""
    if why := _unfit(outcome, strata, predictors):
        return Fit(len(outcome), why=why)
    within = _centring(strata)
    still = {name: np.arange(len(p.table))[None] for name, p in predictors.items()}
    held = np.stack([p.values(still[name])[0] for name, p in predictors.items()])
    scale = (held @ within).std(axis=1)
    columns = held / scale[:, None]
    y = within @ outcome
    slopes, ratios, explained = _solved((columns @ within)[None], y[None])
    draws = _redrawn(columns, outcome, strata, clusters, resamples, seed)
    found = {}
    for place, (name, predictor) in enumerate(predictors.items()):
        orders = _orders(len(predictor.table), resamples, seed + place)
        moved = np.repeat(columns[None], len(orders), axis=0)
        moved[:, place] = predictor.values(orders) / scale[place]
        _, shuffled, _ = _solved(moved @ within, y[None])
        p = _share(np.abs(shuffled[:, place]), abs(ratios[0, place]), math.factorial(len(predictor.table)) > resamples)
        found[name] = Slope(float(slopes[0, place]), *interval(draws[:, place]), p)
    free = len(outcome) - len(np.unique(strata))
    return Fit(len(outcome), found, float(explained[0]), min(1.0, len(predictors) / free))


def _unfit(outcome: Array, strata: Ints, predictors: Mapping[str, Predictor]) -> str:
    """Why there can be no regression; empty where there can."""
    within = _centring(strata)
    if len(outcome) < FEWEST:
        return f"only {len(outcome)} of at least {FEWEST} points"
    if float(np.std(within @ outcome)) < _ZERO:
        return "the gains are all the same"
    for name, p in predictors.items():
        if (units := len(np.unique(p.unit))) < FEWEST:
            return (
                f"the {len(outcome)} points have the {name} of only {units} intermediates or sizes; {FEWEST} are needed"
            )
        if float(np.std(within @ p.table[p.unit, p.context])) < _ZERO:
            return f"the {name} is the same for all"
    columns = np.stack([p.table[p.unit, p.context] for p in predictors.values()]) @ within
    columns = columns / np.linalg.norm(columns, axis=1, keepdims=True)
    if len(columns) > 1 and abs(float(np.linalg.det(columns @ columns.T))) < 1e-6:
        return f"{' and '.join(predictors)} go together exactly"
    if len(outcome) - len(np.unique(strata)) - len(predictors) < 1:
        return f"as many variables as points ({len(outcome)})"
    return ""


def _centring(strata: Ints) -> Array:
    """[points, points]: takes the mean of its stratum from each point."""
    same = strata[:, None] == strata[None]
    return np.asarray(np.eye(len(strata)) - same / same.sum(axis=1, keepdims=True))


def _solved(columns: Array, outcomes: Array) -> tuple[Array, Array, Array]:
    """[draws, predictors, points] and [draws, points], centred -> slopes, slopes over their errors, R² of each draw.

    A draw whose predictors cannot be told apart has slopes that are no numbers.
    """
    squares = columns @ columns.transpose(0, 2, 1)
    size = np.prod([squares[:, i, i] for i in range(squares.shape[1])], axis=0)
    bad = np.linalg.det(squares) <= 1e-9 * np.maximum(size, 1e-300)
    inverse = np.linalg.inv(np.where(bad[:, None, None], np.eye(squares.shape[1]), squares))
    slopes = np.einsum("dij,djp,dp->di", inverse, columns, np.broadcast_to(outcomes, (len(columns), outcomes.shape[1])))
    rest = outcomes - np.einsum("di,dip->dp", slopes, columns)
    left, whole = (rest**2).sum(axis=1), (outcomes**2).sum(axis=1)
    errors = np.sqrt(np.maximum(left, 1e-12)[:, None] * np.diagonal(inverse, axis1=1, axis2=2))
    slopes, ratios = (np.where(bad[:, None], np.nan, held) for held in (slopes, slopes / errors))
    return slopes, ratios, 1 - left / np.maximum(whole, 1e-300)


def _redrawn(columns: Array, outcome: Array, strata: Ints, clusters: Ints, resamples: int, seed: int) -> Array:
    """Slopes of resamples in which clusters are drawn with replacement, [at most resamples, predictors].

    Draws that leave a predictor without spread, which has then no slope, are left out.
    """
    rng = np.random.default_rng([seed, 1])
    names = np.unique(clusters)
    drawn = rng.integers(0, len(names), (resamples, len(names)))
    counts = np.stack([(drawn == place).sum(axis=1) for place in range(len(names))], axis=1).astype(float)
    weight = counts[:, np.searchsorted(names, clusters)]
    stacked = np.concatenate([columns, outcome[None]])
    same = (strata[:, None] == strata[None]).astype(float)
    total = np.maximum(weight @ same, 1e-300)
    means = np.einsum("dp,vp,pq->dvq", weight, stacked, same, optimize=True) / total[:, None]
    centred = (stacked[None] - means) * np.sqrt(weight)[:, None]
    slopes, _, _ = _solved(centred[:, :-1], centred[:, -1])
    return np.asarray(slopes[~np.isnan(slopes).any(axis=1)])


def _orders(units: int, resamples: int, seed: int) -> Ints:
    """All orders of the units where there are no more than `resamples`, else random ones."""
    if math.factorial(min(units, 12)) <= resamples:
        return np.array(list(permutations(range(units))), dtype=np.int64)
    rng = np.random.default_rng([seed, 2])
    return np.stack([rng.permutation(units) for _ in range(resamples)])


def _share(draws: Array, found: float, sampled: bool) -> float:
    """The share of draws at least as large as what was found; one is added to count and total of sampled ones."""
    held = draws[~np.isnan(draws)]
    extreme = int(np.sum(held >= found - _ZERO))
    return (1 + extreme) / (1 + len(held)) if sampled else extreme / max(1, len(held))


def numbered(names: Sequence[Any]) -> Ints:
    """Names as numbers, the first one 0."""
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], dtype=np.int64)
