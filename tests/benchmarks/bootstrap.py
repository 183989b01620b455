"""How long the bootstrap of XTREME's whole test side takes: `python tests/benchmarks/bootstrap.py [SEEDS]`.

Two made-up systems on as many examples as XTREME has, 10,000 resamples; and a slice of one language beside
scipy.stats.bootstrap, which gives the same interval.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy import stats

from xharness.metrics import metric
from xharness.score.scheme import load_scheme
from xharness.score.statistics import RESAMPLES, Sample, bootstrap, interval, p_value

SIZES = {
    "xnli": 5010, "pawsx": 2000, "udpos": 700, "panx": 5000, "xquad": 1190, "mlqa": 6000, "tydiqa": 600,
    "bucc2018": 10000, "tatoeba": 900,
}  # fmt: skip
"""Examples of a language, in the mean over languages."""
PARALLEL = ("xnli", "pawsx", "xquad", "mlqa")
TAGS = {"udpos": 20.0, "panx": 1.5}
"""Chunks of a sentence, in the mean."""


def sample_of(task: str, seeds: int, rng: np.random.Generator) -> Sample:
    """Outcomes of two systems, the second a little better, with as many distinct rows as the real ones have."""
    scheme = load_scheme("xtreme")
    rule, languages, n = metric(scheme.of(task).metric), scheme.of(task).languages, SIZES[task]
    runs = [(system, seed) for system in (0, 1) for seed in range(seeds)]
    parts = {}
    for language in languages:
        hard = rng.random(n)
        parts[language] = np.stack([_outcomes(task, hard, 0.02 * system, rng) for system, _ in runs], axis=1)
    together = (languages,) if task in PARALLEL else tuple((language,) for language in languages)
    names = [str(i) for i in range(n)]
    keys = dict.fromkeys(languages, names)
    return Sample(task, rule, parts, keys, together, tuple(runs))


def _outcomes(task: str, hard: np.ndarray, better: float, rng: np.random.Generator) -> np.ndarray:
    n = len(hard)
    right = (rng.random(n) < 0.4 + 0.5 * hard + better).astype(float)
    if task in TAGS:
        gold = np.floor(TAGS[task] * (0.5 + hard))
        correct = rng.binomial(gold.astype(int), 0.7 + better)
        return np.column_stack([correct, gold + rng.integers(-1, 2, n).clip(-gold + correct), gold])
    if task in ("xquad", "mlqa", "tydiqa"):
        partial = np.round(rng.random(n), 2) * (rng.random(n) < 0.5)
        return np.column_stack([np.maximum(right, partial), right, np.ones(n)])
    if task == "bucc2018":
        gold = (hard < 0.8).astype(float)
        return np.column_stack([right * gold, right, gold])
    return np.column_stack([right, np.ones(n)])


def main() -> None:
    """Print wall and processor time of every task, the whole, and the ratio to scipy's on a slice."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    rng = np.random.default_rng(0)
    wall = cpu = 0.0
    examples = 0
    for task in SIZES:
        sample = sample_of(task, seeds, rng)
        began = time.perf_counter(), time.process_time()
        scores = bootstrap(sample).mean(axis=1)
        took = time.perf_counter() - began[0], time.process_time() - began[1]
        gap = scores[:, 1] - scores[:, 0]
        low, high = interval(gap)
        n = sum(map(len, sample.parts.values()))
        wall, cpu, examples = wall + took[0], cpu + took[1], examples + n
        print(
            f"{task:9} {n:8,} examples × {2 * seeds} runs  {took[0]:6.2f} s  (processor {took[1]:6.2f} s)   "
            f"{gap.mean():+.2f} [{low:+.2f}, {high:+.2f}] p {p_value(gap):.4f}"
        )
    print(f"{'all':9} {examples:8,} examples × {2 * seeds} runs  {wall:6.2f} s  (processor {cpu:6.2f} s)")
    _beside_scipy(rng)


def _beside_scipy(rng: np.random.Generator) -> None:
    sample = sample_of("xnli", 1, rng)
    one = Sample("slice", sample.metric, {"en": sample.parts["en"]}, {"en": sample.keys["en"]}, (("en",),), sample.runs)
    began = time.perf_counter()
    scores = bootstrap(one)
    ours = time.perf_counter() - began
    gap = 100 * (one.parts["en"][:, 1, 0] - one.parts["en"][:, 0, 0])
    began = time.perf_counter()
    found = stats.bootstrap((gap,), np.mean, n_resamples=RESAMPLES, method="percentile", batch=200, rng=rng)
    theirs = time.perf_counter() - began
    low, high = interval(scores[:, 0, 1] - scores[:, 0, 0])
    reference = found.confidence_interval
    print(
        f"slice of {len(gap):,}: {ours:.3f} s [{low:+.2f}, {high:+.2f}]; scipy.stats.bootstrap {theirs:.3f} s "
        f"[{reference.low:+.2f}, {reference.high:+.2f}]: {theirs / ours:.0f} times as long"
    )


if __name__ == "__main__":
    main()
