"""The outcomes of two rows on one target, example by example, and what can be said of a part of them.

Parallel examples are one cluster: they are drawn, and change places, together, in all their languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xharness.errors import DataError, Problem
from xharness.metrics.base import Array
from xharness.score.statistics import Sample, bootstrap, interval, observed, p_value
from xharness.spec.load import NONE
from xharness.study import Study

Numbers = NDArray[np.int64]
_POOLED = "all"


@dataclass(frozen=True)
class Cases:
    """Every example of a target in every language, under `none` and under another row."""

    places: tuple[tuple[str, str], ...]
    """(language, id) of each."""
    gains: Array
    """What the other row scores more than `none`, 0 to 100, the mean over seeds [examples]."""
    sample: Sample
    """The same, all languages as one, to be drawn from."""

    @cached_property
    def clusters(self) -> Numbers:
        """The number of each example's cluster [examples]."""
        return np.unique(self.sample.keys[_POOLED], return_inverse=True)[1]

    @cached_property
    def languages(self) -> Numbers:
        """The number of each example's language [examples]."""
        return np.unique([language for language, _ in self.places], return_inverse=True)[1]


@dataclass(frozen=True)
class Gain:
    """The gain in one slice. A slice's score is the mean over its examples in all languages."""

    n: int
    questions: int
    """Clusters: an example and its translations are one."""
    before: float
    after: float
    low: float
    high: float
    p: float

    @property
    def gain(self) -> float:
        """Points."""
        return self.after - self.before


def cases_of(study: Study, target: str, checkpoint: str, intermediate: str) -> Cases:
    """Both rows' outcomes; DataError where an example has no score of its own, or the rows differ in examples."""
    rows = [(checkpoint, NONE), (checkpoint, intermediate)]
    sample = study.sample(target, rows)
    if not sample.languages:
        raise DataError(Problem(f"target {target}", f"none and {intermediate} have no language in common."))
    places: list[tuple[str, str]] = []
    keys: list[str] = []
    group = {language: number for number, held in enumerate(sample.together) for language in held}
    for language in sample.languages:
        ids, _ = study.outcomes(target, rows[0], language)
        study.outcomes(target, rows[1], language)  # Its metric must be a mean over examples in this row, too.
        if len(ids) != len(sample.keys[language]):
            raise DataError(Problem(f"target {target}, {language}", "some of its examples count for nothing."))
        places += [(language, name) for name in ids]
        keys += [f"{group[language]} {key}" for key in sample.keys[language]]
    parts = np.concatenate([sample.parts[language] for language in sample.languages])
    pooled = replace(sample, parts={_POOLED: parts}, keys={_POOLED: keys}, together=((_POOLED,),))
    scores = np.asarray(sample.metric.score(parts))
    means = [scores[:, [i for i, (s, _) in enumerate(sample.runs) if s == system]].mean(axis=1) for system in (0, 1)]
    return Cases(tuple(places), means[1] - means[0], pooled)


def gain_of(cases: Cases, kept: NDArray[np.bool_], resamples: int) -> Gain:
    """The gain in a slice, its interval and p-value: the board's bootstrap, over clusters and seeds."""
    keys = [key for key, inside in zip(cases.sample.keys[_POOLED], kept, strict=True) if inside]
    part = replace(cases.sample, parts={_POOLED: cases.sample.parts[_POOLED][kept]}, keys={_POOLED: keys})
    before, after = observed(part)[0].tolist()
    draws = bootstrap(part, resamples)[:, 0]
    change = draws[:, 1] - draws[:, 0]
    return Gain(len(keys), len(set(keys)), before, after, *interval(change), p_value(change))


def interaction(cases: Cases, labels: Sequence[str], kept: NDArray[np.bool_], rounds: int, seed: int = 0) -> float:
    """P-value of gain and slice having nothing to do with one another: a permutation test.

    The statistic is the variance of the slices' gains, each weighed by its examples. The labels of a cluster change
    places as a whole with those of a cluster in the same languages, so that neither the correlation of parallel
    examples nor a difference between languages can look like one between slices (a restricted permutation: Good 2005,
    Permutation, Parametric and Bootstrap Tests, ch. 3; one added to count and total).
    """
    order, start, of, stratum = _strata(cases, kept)
    gains, names = cases.gains[order], np.unique(np.asarray(labels)[order], return_inverse=True)[1]
    counts = np.bincount(names)
    inside = np.arange(len(order)) - start[of]

    def variance(given: Numbers) -> float:
        means = np.bincount(given, gains, len(counts)) / counts
        return float(counts @ (means - gains.mean()) ** 2 / len(gains))

    rng = np.random.default_rng(seed)
    found, extreme = variance(names), 0
    for _ in range(rounds):
        moved = np.lexsort((rng.random(len(stratum)), stratum))
        extreme += variance(names[start[moved][of] + inside]) >= found - 1e-9
    return (1 + extreme) / (1 + rounds)


def _strata(cases: Cases, kept: NDArray[np.bool_]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """The kept examples with clusters of the same languages side by side.

    Their order, each cluster's first place in it, each place's cluster, each cluster's group.
    """
    there = np.flatnonzero(kept)
    there = there[np.lexsort((cases.languages[there], cases.clusters[there]))]
    _, first, sizes = np.unique(cases.clusters[there], return_index=True, return_counts=True)
    spoken = [tuple(cases.languages[there[a : a + n]]) for a, n in zip(first, sizes, strict=True)]
    groups = {held: number for number, held in enumerate(dict.fromkeys(spoken))}
    stratum = np.array([groups[held] for held in spoken], dtype=np.int64)
    by_group = np.argsort(stratum, kind="stable")
    order = np.concatenate([there[first[c] : first[c] + sizes[c]] for c in by_group])
    start = np.concatenate([[0], np.cumsum(sizes[by_group])[:-1]])
    return order, start, np.repeat(np.arange(len(sizes)), sizes[by_group]), stratum[by_group]
