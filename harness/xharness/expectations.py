"""`[[expect]]`: bounds on scores and differences, checked after a run like assertions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xharness.collect import Cell, matches
from xharness.record import Record
from xharness.spec.load import NONE, Loaded
from xharness.spec.suite import Expect


@dataclass(frozen=True)
class Judged:
    """One expectation held against one cell."""

    cell: str
    expected: str
    """In words: `score of xnli at least 53.3`."""
    found: float | None
    """None when there is nothing to judge: the cell was not scored."""
    failed: bool
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def judge(loaded: Loaded, cells: Sequence[Cell], records: Sequence[Record]) -> list[Judged]:
    """Every expectation against every cell that it names; a cell without a score is reported, not failed twice."""
    scores: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        scores[record.cell][record.metric][record.language] = record.value
    judged = []
    for expect in loaded.suite.expect:
        for cell in cells:
            if matches(expect.cells, cell):
                judged.append(_judge(expect, cell, loaded, scores))
    return judged


def _mean(values: dict[str, float], language: str | None, languages: Sequence[str]) -> float | None:
    """One language's value or the mean over all; None when one is missing."""
    wanted = [language] if language else list(languages)
    found = [values[w] for w in wanted if w in values]
    return sum(found) / len(found) if found and len(found) == len(wanted) else None


def _judge(expect: Expect, cell: Cell, loaded: Loaded, scores: dict[str, dict[str, dict[str, float]]]) -> Judged:
    task = loaded.tasks[cell.target]
    languages = cell.languages or task.languages
    of = f" [{expect.language}]" if expect.language else ""
    words = {"score": "score", "none": "difference from none", "chance": "score over chance"}[expect.over] + of
    bounds = []
    if expect.at_least is not None:
        bounds.append(f"at least {expect.at_least:g}")
    if expect.at_most is not None:
        bounds.append(f"at most {expect.at_most:g}")
    expected = f"{words} {' and '.join(bounds)}"
    value = _mean(scores[cell.name][task.metric], expect.language, languages)
    if value is not None and expect.over == "none":
        plain = Cell(cell.suite, NONE, cell.target, cell.checkpoint, cell.seed)
        base = _mean(scores[plain.name][task.metric], expect.language, languages)
        value = None if base is None else value - base
    if value is not None and expect.over == "chance":
        base = _mean(scores[cell.name]["chance"], expect.language, languages)
        value = None if base is None else value - base
    low, high = expect.at_least, expect.at_most
    failed = value is not None and ((low is not None and value < low) or (high is not None and value > high))
    return Judged(cell.name, expected, value, failed, expect.reason)
