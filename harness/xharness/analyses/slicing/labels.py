"""From a target's examples to the slice of each: by a function, by a column, numbers in bins."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xharness.adapter import Example
from xharness.analyses.slicing.answers import TYPES, answer_type
from xharness.analyses.slicing.corpus import Held, english_of
from xharness.analyses.slicing.questions import KINDS, OTHER, question_word
from xharness.analyses.slicing.words import answer_length, context_length, overlap

FUNCTIONS: dict[str, Callable[[Example], Any]] = {
    "question_word": question_word,
    "answer_type": answer_type,
    "answer_length": answer_length,
    "context_length": context_length,
    "overlap": overlap,
}
"""Functions of one example: a word for its slice, a number to be put in bins, or None."""
ORDER = (*KINDS, OTHER, *TYPES)
"""Slices that have an order of their own."""
NONE = "no value"
Values = Mapping[str, Mapping[str, Any]]
"""Language -> id -> value."""


@dataclass(frozen=True)
class Labels:
    """The slice of every example, and the slices in the order in which they are shown."""

    of: Mapping[tuple[str, str], str]
    """(language, id) -> slice."""
    slices: tuple[str, ...]
    about: str = ""
    """What a reader must know of them."""
    mixed: str = ""
    """The slice of rare values, which is shown and not ranked: they have nothing in common."""


def values_of(
    held: Held, function: Callable[[Example], Any], english: bool, apart: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """A function's value of every example, or that of its English version where there is one."""
    return {
        language: {
            name: function((english_of(held, language, name, apart) if english else None) or example)
            for name, example in rows.items()
        }
        for language, rows in held.items()
    }


def labels_of(values: Values, bins: int, most: int) -> Labels:
    """Slices of values: numbers in `bins` quantile bins of each language, words as they are, the `most` frequent.

    Bins are made language by language, since words and characters, or distances across scripts, do not compare.
    """
    values = {language: {name: _there(v) for name, v in rows.items()} for language, rows in values.items()}
    given = [v for rows in values.values() for v in rows.values() if v is not None]
    if given and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in given):
        return _binned(values, bins)
    counts = Counter(map(str, given))
    kept = {name for name, _ in counts.most_common(most)}
    rest = f"the other {len(counts) - len(kept)}"
    of = {
        (language, name): NONE if v is None else str(v) if str(v) in kept else rest
        for language, rows in values.items()
        for name, v in rows.items()
    }
    known = sorted(kept, key=lambda s: (ORDER.index(s), 0) if s in ORDER else (len(ORDER), -counts[s]))
    there = set(of.values())
    return Labels(of, tuple(s for s in (*known, rest, NONE) if s in there), mixed=rest)


def _there(value: Any) -> Any:
    """A value; None for what stands in a table where there is none, which would else have no place among the bins."""
    missing = value == "" or (isinstance(value, float) and math.isnan(value))
    return None if missing else value


def _binned(values: Values, bins: int) -> Labels:
    names = [f"{i + 1} of {bins}" for i in range(bins)]
    names[0], names[-1] = f"{names[0]} (lowest)", f"{names[-1]} (highest)"
    of: dict[tuple[str, str], str] = {}
    bounds = []
    for language, rows in values.items():
        there = [v for v in rows.values() if v is not None]
        edges = np.quantile(there, np.arange(1, bins) / bins) if there else np.zeros(bins - 1)
        bounds.append(f"{language} {', '.join(f'{edge:.3g}' for edge in edges)}")
        for name, value in rows.items():
            of[language, name] = NONE if value is None else names[int(np.searchsorted(edges, value, side="left"))]
    found = set(of.values())
    return Labels(of, tuple(s for s in (*names, NONE) if s in found), f"bounds of the bins: {'; '.join(bounds)}")
