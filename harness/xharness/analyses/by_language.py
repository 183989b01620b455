"""Scores of a stored run language by language, with resamples, and the groups that languages are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xharness.errors import HarnessError, listed
from xharness.languages import SIZES, UNSEEN, Language, languages
from xharness.metrics.base import Array
from xharness.score.averages import ENGLISH, UNKNOWN
from xharness.score.grouping import Tested, rank_correlation
from xharness.score.rounding import gained
from xharness.score.statistics import bootstrap, interval, p_value
from xharness.spec.load import NONE
from xharness.study import Study

DISTANCES = ((0.4, "0.4 and more"), (0.2, "0.2 to 0.4"), (0.0, "below 0.2"))
"""Lower bound and name of each bucket of the distance from English, farthest first."""


@dataclass(frozen=True, eq=False)
class LanguageScores:
    """The scores of some rows of one checkpoint on one target."""

    target: str
    rows: tuple[str, ...]
    """Intermediates that have scores, `none` among them."""
    languages: tuple[str, ...]
    """Those in which all of the rows have scores."""
    values: Array
    """[languages, rows], 0 to 100: the mean over seeds."""
    draws: Array | None
    """[resamples, languages, rows] of the paired bootstrap; None where there are no outcomes to draw."""
    notes: tuple[str, ...] = ()

    def of(self, row: str, language: str) -> float:
        """A score."""
        return float(self.values[self.languages.index(language), self.rows.index(row)])

    def drawn(self, row: str, language: str) -> Array | None:
        """Its resamples [resamples]."""
        place = (self.languages.index(language), self.rows.index(row))
        return None if self.draws is None else self.draws[:, place[0], place[1]]


def scores_by_language(
    study: Study, checkpoint: str, target: str, resamples: int, rows: Sequence[str] = ()
) -> LanguageScores | None:
    """The scores of a checkpoint's rows (or of some) on a target; None where fewer than two have any."""
    names = [n for n in rows or (NONE, *study.intermediates(checkpoint)) if study.scores((checkpoint, n), target)]
    if len(names) < 2:
        return None
    held = {name: study.scores((checkpoint, name), target) for name in names}
    common = tuple(code for code in study.languages[target] if all(code in found for found in held.values()))
    notes = []
    if lost := [code for code in study.languages[target] if code not in common]:
        notes.append(f"{study.title(target)}: without a score in some row, and left out: {listed(lost)}")
    values = np.asarray([[held[name][code] for name in names] for code in common]).reshape(len(common), len(names))
    draws = None
    try:
        sample = study.sample(target, [(checkpoint, name) for name in names])
        found = bootstrap(sample, resamples)
        if set(common) <= set(sample.languages):
            draws = found[:, [sample.languages.index(code) for code in common]]
    except HarnessError as error:
        notes.append(f"{study.title(target)}: no intervals, for want of outcomes: {error}")
    return LanguageScores(target, tuple(names), common, values, draws, tuple(notes))


@dataclass(frozen=True)
class Value:
    """A number with its interval and p-value, where there were outcomes to draw."""

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    def __str__(self) -> str:
        """In words, with its sign."""
        if self.low is None or self.high is None:
            return gained(self.value)
        return f"{gained(self.value)} ({gained(self.low)} to {gained(self.high)})"


Number = tuple[float, Array | None]
"""A number and its resamples [resamples], if there are any."""


def valued(value: float, draws: Array | None) -> Value:
    """A number and its resamples as a value with an interval."""
    if draws is None:
        return Value(value)
    return Value(value, *interval(draws), p_value(draws))


def mean_of(parts: Sequence[Number]) -> Number:
    """The mean of several numbers and of their resamples, none of which is there if one of them has none."""
    draws = [drawn for _, drawn in parts if drawn is not None]
    mean = float(np.mean([value for value, _ in parts]))
    return mean, np.mean(draws, axis=0) if len(draws) == len(parts) else None


def less(left: Number, right: Number) -> Number:
    """The difference of two numbers and of their resamples."""
    drawn = None if left[1] is None or right[1] is None else left[1] - right[1]
    return left[0] - right[0], drawn


def score_in(table: LanguageScores, row: str, codes: Sequence[str]) -> Number:
    """The mean of a row's scores over languages, and its resamples."""
    return mean_of([(table.of(row, code), table.drawn(row, code)) for code in codes])


def known(code: str) -> Language | None:
    """What is known of a language."""
    return languages().get(code)


def name_of(code: str) -> str:
    """A language's name for people."""
    language = known(code)
    return language.name if language else code


def row_names(lines: Sequence[Sequence[Any]]) -> Callable[[Sequence[Any]], str]:
    """How sentences and figures name the row of a line that begins with checkpoint and row: `mnli (tiny)` if it must.

    The lines are all of a table: with several checkpoints the row alone would not say whose it is.
    """
    many = len({line[0] for line in lines}) > 1
    return lambda line: f"{line[1]} ({line[0]})" if many else str(line[1])


GROUPINGS: Mapping[str, Callable[[Language], str]] = {
    "family": lambda language: language.top_family,
    "branch": lambda language: language.family,
    "script": lambda language: language.script,
    "pretraining size": lambda language: language.size,
    "distance": lambda language: _bucket(language.syntax_distance),
}
"""What languages are grouped by. A branch is one of Indo-European, or another family as a whole."""


def _bucket(distance: float | None) -> str:
    return UNKNOWN if distance is None else next(name for bound, name in DISTANCES if distance >= bound)


def group_of(code: str, by: str) -> str:
    """The group of a language; `unknown` where nothing is known of it."""
    language = known(code)
    return GROUPINGS[by](language) if language else UNKNOWN


def grouped(codes: Sequence[str], by: str) -> dict[str, list[str]]:
    """Group -> its languages, English left out; sizes and distances in their order, others by name."""
    found: dict[str, list[str]] = {}
    for code in codes:
        if code != ENGLISH:
            found.setdefault(group_of(code, by), []).append(code)
    order = [name for _, name in SIZES] + [UNSEEN] + [name for _, name in reversed(DISTANCES)]
    ordered = [name for name in order if name in found]
    return {name: found[name] for name in (*ordered, *sorted(set(found) - set(ordered)))}


TRAITS: Mapping[str, Callable[[Language], float | None]] = {
    "log of pretraining size": lambda language: (
        None if language.cc100_gib is None else float(np.log(language.cc100_gib))
    ),
    "distance from English": lambda language: language.syntax_distance,
}
"""What values of languages are correlated with."""


def trait(code: str, name: str) -> float | None:
    """A trait of a language; None where it is not known."""
    language = known(code)
    return None if language is None else TRAITS[name](language)


def correlated(values: Mapping[str, Number], name: str) -> Tested:
    """Spearman's correlation of values by language with a trait that is known of all of them."""
    found = [trait(code, name) for code in values]
    draws = [drawn for _, drawn in values.values() if drawn is not None]
    return rank_correlation(
        np.asarray(found, dtype=np.float64),
        np.asarray([value for value, _ in values.values()]),
        np.stack(draws, axis=1) if values and len(draws) == len(values) else None,
    )


SOURCES = (
    "pretraining size: GiB in CC-100 (arXiv 1911.02116, table 6), also where a checkpoint was trained on other data",
    "distance from English: 1 - cosine of URIEL's syntax vectors, filled in by nearest neighbours (lang2vec 1.1.2's "
    "files); its order alone counts",
)
