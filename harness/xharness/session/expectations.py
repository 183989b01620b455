"""`[[expect]]`: bounds on scores and differences, checked after a run like assertions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from xharness.collect.cells import Cell, matches
from xharness.errors import HarnessError, listed
from xharness.record import Record
from xharness.score.quantities import bounds_in_words
from xharness.score.rounding import rounded
from xharness.spec.load import Loaded
from xharness.spec.suite import CHANCE, SCORE, Expect

Folder = Callable[[str], Path]
"""Where a step's output lies, by its key."""


@dataclass(frozen=True)
class Judged:
    """One expectation judged on one cell, or on one row."""

    cell: str
    expected: str
    """In words: `score of xnli at least 53.3`."""
    found: float | None
    """None when there is nothing to judge: the cell was not scored."""
    failed: bool
    reason: str = ""
    low: float | None = None
    """95% interval of what was found, if the expectation failed and the outcomes are stored."""
    high: float | None = None
    unjudged: str = ""
    """Why there is nothing to judge: `this run took only de of animals`."""
    cells: tuple[str, ...] = ()
    """Of an expectation on a row: the cells that it rests on; `cell` is then the row."""
    verdict: str = ""
    """Of an expectation on a row that failed: what its interval says."""

    @property
    def names(self) -> tuple[str, ...]:
        """The cells that are judged."""
        return tuple(self.cells) or (self.cell,)

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def sentence(self) -> str:
        """Expected, found, interval, and why it was expected."""
        why = f" ({self.reason})" if self.reason else ""
        if self.found is None:
            return f"expected {self.expected}, but {self.unjudged or 'the cell has no whole score'}{why}"
        within = ""
        if self.low is not None and self.high is not None:
            within = f", 95% interval {rounded(self.low)} to {rounded(self.high)}"
            within += f": {self.verdict}" if self.verdict else ""
        return f"expected {self.expected}, found {rounded(self.found)}{within}{why}"


@dataclass(frozen=True)
class _Scores:
    """What a run's records say of its cells."""

    loaded: Loaded
    values: dict[str, dict[str, dict[str, float]]]
    """Cell -> metric -> language -> 0 to 100."""
    keys: dict[str, str]
    """Cell -> key of the step that scored it."""
    folder: Folder | None
    drawn: dict[tuple[str, ...], Any] = field(default_factory=dict)
    """Cells -> (languages, resampled scores [resamples, languages, cells]), each drawn once."""


def judge(
    loaded: Loaded, cells: Sequence[Cell], records: Sequence[Record], folder: Folder | None = None
) -> list[Judged]:
    """Judge every expectation on every cell that it names; on a cell without a score there is nothing to judge.

    With `folder`, failed expectations get the confidence interval of what was found.
    """
    values: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        values[record.cell][record.metric][record.language] = record.value
    scores = _Scores(loaded, values, {r.cell: r.key for r in records}, folder)
    return [_judge(e, c, scores) for e in loaded.suite.expect if e.cells for c in cells if matches(e.cells, c)]


def compared_with(loaded: Loaded, cells: Sequence[Cell]) -> list[Cell]:
    """The cells of other rows that expectations compare with, and that are not among the given cells."""
    of_rows = [e for e in loaded.suite.expect if e.cells and e.over not in (SCORE, CHANCE)]
    wanted = [_beside(c, e) for e in of_rows for c in cells if matches(e.cells, c)]
    here = {c.name for c in cells}
    return [c for c in dict.fromkeys(wanted) if c.name not in here]


def _beside(cell: Cell, expect: Expect) -> Cell:
    """The cell of the row that an expectation compares with."""
    return Cell(cell.suite, expect.over, cell.target, cell.checkpoint, cell.seed)


def _judge(expect: Expect, cell: Cell, scores: _Scores) -> Judged:
    task = scores.loaded.tasks[cell.target]
    # A bound is on the mean over all languages; the mean over some of them says nothing about it.
    languages = [expect.language] if expect.language else list(task.languages)
    other = _beside(cell, expect)
    value = _mean(scores.values[cell.name][task.metric], languages)
    base: float | None = 0.0
    if expect.over not in (SCORE, CHANCE):
        base = _mean(scores.values[other.name][task.metric], languages)
    elif expect.over == CHANCE:
        base = _mean(scores.values[cell.name]["chance"], languages)
    if value is None or base is None:
        short = cell if value is None else other
        why = _unjudged(short, cell, languages, scores.values[short.name][task.metric])
        return Judged(cell.name, _words(expect), None, False, expect.reason, unjudged=why)
    found = value - base
    failed = not expect.allows(found)
    judged = Judged(cell.name, _words(expect), found, failed, expect.reason)
    if not failed or scores.folder is None:
        return judged
    pair = (other, cell) if expect.over not in (SCORE, CHANCE) else (cell,)
    ends = _interval(pair, languages, base if expect.over == CHANCE else 0.0, scores)
    return replace(judged, low=ends[0], high=ends[1]) if ends else judged


def _unjudged(short: Cell, cell: Cell, languages: Sequence[str], values: dict[str, float]) -> str:
    """Why there is no score: the cell was not scored at all, or not in all languages that count."""
    who = "the cell" if short.name == cell.name else short.name
    left_out = cell.languages is not None and not set(languages) <= set(cell.languages)
    if short.name == cell.name and left_out:
        return f"this run took only {listed(cell.languages or ())} of {cell.target}"
    lacking = [language for language in languages if language not in values]
    if not values or len(lacking) == len(languages):
        return f"{who} has no score in this run"
    return f"{who} has no score in {listed(lacking)}"


def _words(expect: Expect) -> str:
    of = f" [{expect.language}]" if expect.language else ""
    words = {SCORE: "score", CHANCE: "score over chance"}.get(expect.over, f"difference from {expect.over}") + of
    return f"{words} {bounds_in_words(expect.at_least, expect.at_most)}"


def _mean(values: dict[str, float], languages: Sequence[str]) -> float | None:
    """The mean over languages; None when one is missing."""
    found = [values[language] for language in languages if language in values]
    return sum(found) / len(found) if found and len(found) == len(languages) else None


def _interval(pair: tuple[Cell, ...], languages: Sequence[str], base: float, scores: _Scores) -> tuple[float, ...]:
    """The 95% interval of one cell's score, or of the difference of two; empty if the outcomes are missing."""
    from xharness.score.statistics import interval

    names = tuple(cell.name for cell in pair)
    if names not in scores.drawn:
        try:
            scores.drawn[names] = _resampled(pair, scores)
        except HarnessError:
            scores.drawn[names] = ((), None)
    order, draws = scores.drawn[names]
    if not set(languages) <= set(order):
        return ()
    means = draws[:, [order.index(language) for language in languages], :].mean(axis=1)
    return interval(means[:, -1] - (means[:, 0] if len(pair) > 1 else base))


def _resampled(pair: tuple[Cell, ...], scores: _Scores) -> tuple[tuple[str, ...], Any]:
    """(languages, [resamples, languages, cells]); HarnessError if the outcomes are missing or do not match."""
    from xharness.score.matching import FILE, Scored, matched
    from xharness.score.statistics import bootstrap

    assert scores.folder is not None
    task = scores.loaded.tasks[pair[0].target]
    rows = [
        (
            cell.name,
            Scored(
                task.metric,
                tuple(task.languages),
                {task.metric: {cell.seed: scores.values[cell.name][task.metric]}},
                {cell.seed: scores.folder(scores.keys[cell.name]) / FILE},
            ),
        )
        for cell in pair
    ]
    sample = matched(task.name, rows)
    return sample.languages, bootstrap(sample)
