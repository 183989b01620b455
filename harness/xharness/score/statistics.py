"""Paired bootstrap over examples and seeds, p-values, Holm's correction, and the sign-flip test as a cross-check.

A metric's per-example parts add up, so a resample is a weighted sum of rows, and thousands of them are one matrix
product. All systems are scored on the same resampled examples (paired: Koehn 2004, W04-3250, §4; Efron & Tibshirani
1993, ch. 16), every language is drawn by itself, and a language's score enters its task's mean as on the board.

Languages that are translations of one another are resampled together: a hard question is hard in every language, so
errors of parallel examples are correlated, and drawing the languages one by one would make the interval of their mean
too narrow. What is drawn is then the cluster, an example in all its languages (Cameron, Gelbach & Miller 2008, Review
of Economics and Statistics 90(3), §III).

Examples and seeds are crossed, since every seed is tested on the same examples: both are drawn, independently, and
one draw of examples serves all seeds (Owen 2007, Annals of Applied Statistics 1(2), the pigeonhole bootstrap). Of k
seeds k - 1 are drawn: with k draws the variance between seeds would come out (k - 1)/k too small, by a third for three
seeds (Rao & Wu 1988, JASA 83, §2; McCarthy & Snowden 1985).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

from xharness.metrics.base import Array, Metric

RESAMPLES = 10_000
_BLOCK = 1 << 16
"""Weights held at once: few enough for the cache, without influence on any result."""
_ZERO = 1e-9
"""Differences below this are rounding: two systems that answer alike differ by nothing."""
_PATTERNS = 10
"""Drawing one count of a multinomial takes as long as drawing and counting about this many single examples."""


@dataclass(frozen=True)
class Sample:
    """What several systems, each under one or more seeds, did on the same examples of one target."""

    target: str
    metric: Metric
    parts: Mapping[str, Array]
    """Language -> [examples, runs, parts]; a run is one system under one seed."""
    keys: Mapping[str, Sequence[str]]
    """Language -> what each example is drawn by; parallel examples have the same key in their languages."""
    together: tuple[tuple[str, ...], ...]
    """Languages that are drawn together; each language is in one of the groups."""
    runs: tuple[tuple[int, int], ...]
    """(system, seed) of each run; systems count from 0."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages in the order of the groups."""
        return tuple(language for group in self.together for language in group)

    @property
    def seeds(self) -> tuple[tuple[int, ...], ...]:
        """The seeds of each system."""
        systems = 1 + max(system for system, _ in self.runs)
        return tuple(tuple(seed for system, seed in self.runs if system == wanted) for wanted in range(systems))


def observed(sample: Sample) -> Array:
    """The scores as they are: [languages, systems], the mean over seeds."""
    sums = np.stack([sample.parts[language].sum(axis=0) for language in sample.languages])
    equal = [[1 / len(seeds) if i == s else 0.0 for s, seeds in enumerate(sample.seeds)] for i, _ in sample.runs]
    return np.asarray(sample.metric.score(sums) @ np.asarray(equal))


def bootstrap(
    sample: Sample, resamples: int = RESAMPLES, seed: int = 0, block: int = _BLOCK, threads: int | None = None
) -> Array:
    """Scores of `resamples` resamples: [resamples, languages, systems].

    The draws depend on `seed`, the target and what is compared, not on `block`, nor on the number of `threads` (all
    processors when None). `gains_over_first` has the same for each pair, whatever is compared beside it.
    """
    weights = seed_weights(sample.runs, resamples, seed)
    out = np.empty((resamples, len(sample.languages), len(sample.seeds)))

    def fill(group: tuple[str, ...]) -> None:
        first = sample.languages.index(group[0])
        for now, scores in _run_scores(sample, group, _matrix(sample, group), resamples, seed, block):
            out[now, first : first + len(group)] = scores @ weights[now]

    _each_group(fill, sample, threads)
    return out


def gains_over_first(
    sample: Sample, resamples: int = RESAMPLES, seed: int = 0, block: int = _BLOCK, threads: int | None = None
) -> Array:
    """What each system scores more than the first: [resamples, languages, systems - 1].

    Of each pair exactly what `bootstrap` gives for the two alone, so that a board of many rows and a comparison of two
    of them say the same. Pairs that are drawn example by example have the same draws, which are made once.
    """
    weights = seed_weights(sample.runs, resamples, seed)
    systems = np.array([system for system, _ in sample.runs])
    out = np.empty((resamples, len(sample.languages), len(sample.seeds) - 1))

    def fill(group: tuple[str, ...]) -> None:
        first = sample.languages.index(group[0])
        matrix = _matrix(sample, group)
        cells = matrix.reshape(len(matrix), len(group), len(systems), len(sample.metric.parts))
        for others in _drawn_alike(cells, systems):
            kept = np.flatnonzero(np.isin(systems, [0, *others]))
            for now, by_run in _run_scores(sample, group, _rows_of(cells, kept), resamples, seed, block):
                scores = by_run @ weights[now][:, kept]
                gains = scores[..., others] - scores[..., :1]
                out[now, first : first + len(group)][..., [other - 1 for other in others]] = gains

    _each_group(fill, sample, threads)
    return out


def _run_scores(
    sample: Sample, group: tuple[str, ...], rows: Array, resamples: int, seed: int, block: int
) -> Iterator[tuple[slice, Array]]:
    """(which resamples, their scores [some, languages, runs]) of a group's languages, block by block.

    `rows` are the outcomes of some runs or all: [examples, languages * runs * parts].
    """
    done = 0
    for sums in resampled_sums(rows, resamples, _generator(seed, sample.target, *group), block):
        now, done = slice(done, done + len(sums)), done + len(sums)
        yield now, sample.metric.score(sums.reshape(len(sums), len(group), -1, len(sample.metric.parts)))


def _drawn_alike(cells: Array, systems: NDArray[np.int64]) -> list[list[int]]:
    """Systems after the first, those together that have the same draws beside it: one by one, of all the examples."""
    alone: list[int] = []
    alike: list[int] = []
    for other in range(1, 1 + int(systems.max())):
        rows = _rows_of(cells, np.flatnonzero(np.isin(systems, [0, other])))
        (alone if 0 < len(rows) < len(cells) or _few(_distinct(rows)[0], len(rows)) else alike).append(other)
    return [[other] for other in alone] + ([alike] if alike else [])


def _rows_of(cells: Array, runs: NDArray[np.int64]) -> Array:
    """The rows of some runs, without those that count for none of them, such as a wrong pair that others mined."""
    rows = cells[:, :, runs].reshape(len(cells), -1)
    return np.asarray(rows[rows.any(axis=1)])


def _each_group(fill: Callable[[tuple[str, ...]], None], sample: Sample, threads: int | None) -> None:
    # One thread of the matrix library for each of ours: its own would wait for one another at every small product.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for _ in pool.map(fill, sample.together):
            pass


def seed_weights(runs: Sequence[tuple[int, int]], resamples: int, seed: int) -> Array:
    """[resamples, runs, systems]: the weight of each run in its system's mean over resampled seeds.

    Systems with the same seeds get the same draws: their runs share data order and heads under one seed, as on the
    board. The draws are those of all targets, since a seed's intermediate model serves all of them.
    """
    systems = 1 + max(system for system, _ in runs)
    out = np.zeros((resamples, len(runs), systems))
    for system in range(systems):
        mine = [(own, index) for index, (of, own) in enumerate(runs) if of == system]
        names = sorted(own for own, _ in mine)
        drawn = np.ones((resamples, 1))
        if len(mine) > 1:
            rng = _generator(seed, "seeds", *map(str, names))
            drawn = rng.multinomial(len(mine) - 1, np.full(len(mine), 1 / len(mine)), resamples) / (len(mine) - 1)
        for own, index in mine:
            out[:, index, system] = drawn[:, names.index(own)]
    return out


def resampled_sums(matrix: Array, resamples: int, rng: np.random.Generator, block: int = _BLOCK) -> Iterator[Array]:
    """Column sums of resamples of the rows of `matrix`, drawn with replacement, in blocks: [some, columns] each.

    Equal rows need not be told apart: how often each distinct row is drawn is multinomial with its share of the rows,
    exactly as if the rows were drawn one by one and counted. Outcomes such as right and wrong have few distinct rows.
    """
    n = len(matrix)
    rows, shares = _distinct(matrix)
    few = _few(rows, n)
    step = max(1, block // (len(rows) if few else n))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        if few:
            counts = rng.multinomial(n, shares, size)
            yield counts @ rows
        else:
            yield counted(rng.integers(0, n, (size, n)), n) @ matrix


def _few(rows: Array, n: int) -> bool:
    """Whether it is faster to draw how often each distinct row is there than to draw the n rows."""
    return len(rows) * _PATTERNS < n


def counted(indices: NDArray[np.int64], n: int) -> Array:
    """[resamples, draws] row numbers -> [resamples, n] how often each row was drawn."""
    flat = (indices + n * np.arange(len(indices))[:, None]).ravel()
    return np.bincount(flat, minlength=n * len(indices)).reshape(len(indices), n).astype(np.float64)


def _distinct(matrix: Array) -> tuple[Array, Array]:
    """Distinct rows and their shares, the frequent first and then by first appearance.

    That order leaves the sampler little to do once all draws are given out, and does not change when systems swap.
    """
    rows, first, counts = np.unique(matrix, axis=0, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    return rows[order], counts[order] / len(matrix)


def _matrix(sample: Sample, group: Sequence[str]) -> Array:
    """[clusters, languages * runs * parts]: the rows that are drawn, sorted by key so that file order has no part."""
    names = sorted({key for language in group for key in sample.keys[language]})
    place = {key: row for row, key in enumerate(names)}
    blocks = []
    for language in group:
        parts = sample.parts[language]
        flat = np.zeros((len(names), parts[0].size if len(parts) else 0))
        np.add.at(flat, [place[key] for key in sample.keys[language]], parts.reshape(len(parts), -1))
        blocks.append(flat)
    return np.concatenate(blocks, axis=1)


def _generator(seed: int, *names: str) -> np.random.Generator:
    """A stream of its own for each name."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def interval(draws: Array, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap draws (Efron & Tibshirani 1993, §13.3)."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def p_value(draws: Array) -> float:
    """Two-sided p-value of no difference: twice the share of draws on the far side of zero, at most 1.

    The level at which the percentile interval would just reach zero, so that table and interval never disagree. One
    is added to count and total, without which a p-value of 0 would be possible (Davison & Hinkley 1997, §4.2).
    """
    below, above = int(np.sum(draws <= _ZERO)), int(np.sum(draws >= -_ZERO))
    return min(1.0, 2 * (1 + min(below, above)) / (1 + len(draws)))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """P-values adjusted for their number by Holm's step-down rule (1979, Scandinavian Journal of Statistics 6).

    None stays None and does not count.
    """
    given = sorted((value, place) for place, value in enumerate(values) if value is not None)
    out: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, place) in enumerate(given):
        largest = max(largest, min(1.0, value * (len(given) - rank)))
        out[place] = largest
    return out


def out_of_reach(tests: int, resamples: int, level: float = 0.95, sides: int = 2) -> bool:
    """Whether the smallest p-value that so many resamples can give is not significant after Holm over `tests`."""
    return sides / (1 + resamples) * tests > 1 - level


def reach_words(tests: int, resamples: int, sides: int = 2, what: str = "resamples") -> tuple[str, ...]:
    """A sentence where so many tests of so few resamples find nothing, however large the differences; else none."""
    if not out_of_reach(tests, resamples, sides=sides):
        return ()
    return (
        f"With {resamples:,} {what} none of {tests} tests can be significant after Holm's correction, however large "
        f"the differences: take more {what}, or ask less at once.",
    )


def sign_flip(left: Array, right: Array, metric: Metric, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Two-sided p-value of the paired permutation test: systems swap places example by example.

    [examples, parts] of two systems. Exact where all swaps are no more than `resamples`, else sampled with one added
    to count and total (Noreen 1989, ch. 2; Yeh 2000, C00-2137).
    """
    n = len(left)
    gap = right - left
    found = float(metric.score(right.sum(axis=0)) - metric.score(left.sum(axis=0)))
    whole = n < 63 and 2**n <= resamples
    if whole:
        swaps = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.float64)
    else:
        swaps = np.random.default_rng(seed).integers(0, 2, (resamples, n)).astype(np.float64)
    moved = swaps @ gap
    draws = metric.score(right.sum(axis=0) - moved) - metric.score(left.sum(axis=0) + moved)
    extreme = int(np.sum(np.abs(draws) >= abs(found) - _ZERO))
    return extreme / len(draws) if whole else (1 + extreme) / (1 + len(draws))
