"""Which examples of a training set are trained on: caps, sizes, languages of matched size."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xharness.data.encoded import Encoded
from xharness.errors import DataError, Problem
from xharness.spec.stage import Size
from xharness.steps.tune import Trained

Numbers = NDArray[np.int64]


def subset(trained: Trained, encoded: Encoded, cap: int | None, matched: bool, seed: int) -> Numbers:
    """Numbers of the examples that are trained on, at least one, ascending; DataError where there are too few.

    A cap takes from a shuffled order that is the same for every seed; a size from one that the seed makes, so that
    smaller sizes are parts of larger ones and another seed has other examples.
    """
    name = trained.task.name
    numbers = np.concatenate([np.arange(span.start, span.stop) for span in encoded.spans.values()])
    if matched:
        numbers = _matched(name, encoded)
    if cap is not None and cap < len(numbers):
        numbers = np.sort(_shuffled(numbers, [zlib.crc32(name.encode())])[:cap])
    if trained.size is not None:
        numbers = _sized(name, numbers, trained.size, seed)
    if trained.tokens is not None:
        order = _shuffled(numbers, [zlib.crc32(name.encode())])
        taken = max(1, int(np.searchsorted(np.cumsum(encoded.tokens[order]), trained.tokens, side="right")))
        numbers = np.sort(order[:taken])
    return numbers


def _sized(name: str, numbers: Numbers, size: Size, seed: int) -> Numbers:
    wanted = size if isinstance(size, int) else max(1, round(size * len(numbers)))
    if wanted > len(numbers):
        what = f"size = {wanted:,} is more than the {len(numbers):,} examples that its train split has here."
        raise DataError(Problem(f"task {name}", what, "Lower the size, or raise the profile's limit on train."))
    return np.sort(_shuffled(numbers, [seed, zlib.crc32(name.encode())])[:wanted])


def _matched(name: str, encoded: Encoded) -> Numbers:
    """Parts of every language, as equal as their numbers let them be, together as many as the largest has."""
    spans, chosen = list(encoded.spans.values()), []
    for place, (span, part) in enumerate(zip(spans, _parts([len(span) for span in spans]), strict=True)):
        # The same examples of parallel languages would be seen in translation only; each language has its own.
        order = _shuffled(np.arange(len(span)), [zlib.crc32(name.encode()), place])
        chosen.append(span.start + np.sort(order[:part]))
    return np.concatenate(chosen)


def _parts(sizes: Sequence[int]) -> list[int]:
    """As many together as the largest: all of what has less than an equal part, and equal parts of the others."""
    whole: set[int] = set()
    while True:
        others = [place for place in range(len(sizes)) if place not in whole]
        even, more = divmod(max(sizes) - sum(sizes[place] for place in whole), len(others))
        parts = {place: even + (place in others[:more]) for place in others}
        short = {place for place, part in parts.items() if part > sizes[place]}
        if not short:
            return [parts.get(place, size) for place, size in enumerate(sizes)]
        whole |= short


def _shuffled(numbers: Numbers, seed: list[int]) -> Numbers:
    random = np.random.default_rng(seed if len(seed) > 1 else seed[0])
    return numbers[random.permutation(len(numbers))]
