"""Values of languages against what is known of the languages: rank correlations, and whether groups differ.

P-values are those of permutations: all of them where they are few, else a sample with one added to count and total
(Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9(1)). Where a question has no
answer (constant values, no two languages of one group) there is no number, and a reason in its place.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.metrics.base import Array
from xharness.score.statistics import interval

PERMUTATIONS = 10_000
FEWEST = 4
"""Languages that a correlation or a test of groups needs."""
_SAME = 1e-9


@dataclass(frozen=True)
class Tested:
    """A statistic with its p-value, or why there is none."""

    value: float | None
    """Spearman's rho, or the share of the variance that lies between groups."""
    p: float | None = None
    permutations: int = 0
    exact: bool = False
    """All permutations, and not a sample."""
    low: float | None = None
    high: float | None = None
    reason: str = ""


def constant(values: Array) -> bool:
    """Whether all values are the same but for rounding."""
    return len(values) == 0 or float(np.ptp(values)) <= _SAME


def ranks(values: Array) -> Array:
    """Ranks along the last axis, ties sharing their mean rank; differences by rounding are ties."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(np.round(values, 9), axis=-1))


def spearman(left: Array, right: Array) -> Array:
    """Spearman's rho along the last axis; not a number where one side is constant."""
    one, two = (r - r.mean(axis=-1, keepdims=True) for r in (ranks(left), ranks(right)))
    size = np.sqrt((one**2).sum(axis=-1) * (two**2).sum(axis=-1))
    product = (one * two).sum(axis=-1)
    return np.asarray(np.divide(product, size, out=np.full(np.shape(product), np.nan), where=size > _SAME))


def rank_correlation(
    trait: Array, values: Array, draws: Array | None = None, resamples: int = 10_000, seed: int = 0
) -> Tested:
    """Spearman's rho of a trait and a value of the same languages, its permutation p-value and bootstrap interval.

    Languages are drawn with replacement; with `draws` [resamples, languages] each resample has other examples and
    seeds too. Resamples in which one side is constant have no rho and are left out.
    """
    if len(values) < FEWEST:
        return Tested(None, reason=f"{len(values)} languages are too few for a correlation")
    if constant(trait):
        return Tested(None, reason="the trait is the same in every language")
    if constant(values):
        return Tested(None, reason="the value is the same in every language")
    found = float(spearman(trait, values))
    p, count, exact = _correlation_p(ranks(trait), ranks(values), seed)
    rng = np.random.default_rng([seed, 1])
    size = resamples if draws is None else len(draws)
    places = rng.integers(0, len(values), (size, len(values)))
    drawn = values[places] if draws is None else np.take_along_axis(draws, places, axis=1)
    rhos = spearman(trait[places], drawn)
    low, high = interval(rhos[~np.isnan(rhos)])
    return Tested(found, p, count, exact, low, high)


def _correlation_p(left: Array, right: Array, seed: int) -> tuple[float, int, bool]:
    n, rng = len(left), np.random.default_rng([seed, 2])
    exact = math.factorial(n) <= PERMUTATIONS
    if exact:
        orders = np.asarray(list(itertools.permutations(range(n))))
    else:
        orders = rng.permuted(np.tile(np.arange(n), (PERMUTATIONS, 1)), axis=1)
    one, two = left - left.mean(), right - right.mean()
    extreme = int(np.sum(np.abs(one[orders] @ two) >= abs(one @ two) - _SAME))
    return ((extreme if exact else extreme + 1) / (len(orders) + (not exact)), len(orders), exact)


def between_groups(values: Array, labels: Sequence[str], permutations: int = PERMUTATIONS, seed: int = 0) -> Tested:
    """Whether groups differ more than the languages within them.

    The statistic is the variance between groups: the squares of the groups' means less the mean, each as often as the
    group has languages, as a share of all variance. Labels change places among the languages. A group of one language
    counts as it is: it has no variance within, and labels of such groups are interchangeable.
    """
    sizes = Counter(labels)
    if len(values) < FEWEST:
        return Tested(None, reason=f"{len(values)} languages are too few for a test")
    if len(sizes) < 2:
        return Tested(None, reason="all languages are of one group")
    if max(sizes.values()) < 2:
        return Tested(None, reason="no two languages are of one group")
    if constant(values):
        return Tested(None, reason="the value is the same in every language")
    centred = values - values.mean()
    total = float((centred**2).sum())
    groups = [np.flatnonzero([label == name for label in labels]) for name, count in sizes.items() if count > 1]
    found = _between(centred, groups, total)
    count = _arrangements([len(group) for group in groups], len(values))
    exact = count <= permutations
    if exact:
        places = list(_every(tuple(range(len(values))), [len(group) for group in groups]))
        drawn = _between(centred, [np.asarray([given[k] for given in places]) for k in range(len(groups))], total)
    else:
        shuffled = np.random.default_rng([seed, 3]).permuted(np.tile(centred, (permutations, 1)), axis=1)
        drawn = _between(shuffled, groups, total)
        count = permutations
    extreme = int(np.sum(drawn >= found - _SAME))
    p = extreme / count if exact else (1 + extreme) / (1 + count)
    return Tested(float(found), p, count, exact)


def _between(centred: Array, groups: Sequence[NDArray[Any]], total: float) -> Array:
    """1 - the variance within groups of several languages, as a share of all; along the last axis."""
    members = (centred[..., places] for places in groups)
    within = sum(((held - held.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1) for held in members)
    return np.asarray(1 - within / total)


def _arrangements(sizes: Sequence[int], n: int) -> int:
    """In how many ways `n` languages fill groups of these sizes, the rest standing alone."""
    count, free = 1, n
    for size in sizes:
        count, free = count * math.comb(free, size), free - size
    return count


def _every(free: tuple[int, ...], sizes: Sequence[int]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """All ways to fill groups of these sizes."""
    if not sizes:
        yield ()
        return
    for chosen in itertools.combinations(free, sizes[0]):
        left = tuple(place for place in free if place not in chosen)
        for rest in _every(left, sizes[1:]):
            yield (chosen, *rest)
