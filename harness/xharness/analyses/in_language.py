"""What zero-shot transfer still lacks to a target that is tuned in the languages themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xharness.analyses.by_language import row_names, valued
from xharness.analysis import Table
from xharness.errors import HarnessError, listed
from xharness.metrics.base import Array
from xharness.score.averages import ENGLISH
from xharness.score.matching import matched
from xharness.score.rounding import gained, rounded
from xharness.score.statistics import bootstrap, holm
from xharness.spec.load import NONE
from xharness.study import Study

COLUMNS = ("checkpoint", "intermediate", "target", "languages", "zero-shot", "in language", "missing", "low", "high",
           "p", "p Holm")  # fmt: skip


def in_language(study: Study, pairs: Mapping[str, str], resamples: int) -> tuple[Table, list[str], list[str]]:
    """The table, sentences and notes; `pairs` has each target's namesake that is tuned in its languages.

    Both are compared in the languages that the latter is tuned in, English aside; it is the row `none` of it.
    """
    lines: list[tuple[Any, ...]] = []
    notes = []
    for target, other in pairs.items():
        tuned = [code for code in study.run.get("trained_in", {}).get(other, ()) if code != ENGLISH]
        if target not in study.run["targets"] or other not in study.run["targets"]:
            notes.append(f"no target tuned in the languages beside {target}: the run has not both {target} and {other}")
        elif not tuned:
            notes.append(f"{other} is tuned in English alone, and says nothing of training in the languages")
        else:
            for checkpoint in study.checkpoints:
                try:
                    lines += _missing(study, checkpoint, target, other, tuned, resamples)
                except HarnessError as error:
                    notes.append(f"{study.title(target)} in the languages: {error}")
    rows = tuple((*line, p) for line, p in zip(lines, holm([line[-1] for line in lines]), strict=True))
    note = (
        "Missing: the score of no intermediate and target training in the languages, less the zero-shot score, in the "
        "same languages and on the same examples. Intervals: 95 %; Holm over the table."
    )
    table = Table("in-language", "Against target training in the languages", COLUMNS, rows, note)
    return table, _words(rows), notes


def _missing(
    study: Study, checkpoint: str, target: str, other: str, tuned: list[str], resamples: int
) -> list[tuple[Any, ...]]:
    """A line for each row of the target."""
    best = study.scores((checkpoint, NONE), other)
    rows = [row for row in (NONE, *study.intermediates(checkpoint)) if study.scores((checkpoint, row), target)]
    if not best or not rows:
        return []
    held = [study.scores((checkpoint, row), target) for row in rows]
    codes = [code for code in tuned if code in best and all(code in scores for scores in held)]
    if not codes:
        return []
    named = [(row, study.rows[checkpoint, row].targets[target]) for row in rows]
    sample = matched(target, [(f"none on {other}", study.rows[checkpoint, NONE].targets[other]), *named])
    draws = bootstrap(sample, resamples)[:, [sample.languages.index(code) for code in codes]].mean(axis=1)

    def mean(scores: Mapping[str, float]) -> float:
        return sum(scores[code] for code in codes) / len(codes)

    lines: list[tuple[Any, ...]] = []
    for number, (row, scores) in enumerate(zip(rows, held, strict=True), start=1):
        gap: Array = draws[:, 0] - draws[:, number]
        found = valued(mean(best) - mean(scores), gap)
        place = (checkpoint, row, study.title(target), len(codes), mean(scores), mean(best))
        lines.append((*place, found.value, found.low, found.high, found.p))
    return lines


def _words(rows: tuple[tuple[Any, ...], ...]) -> list[str]:
    said, row_of = [], row_names(rows)
    for title in dict.fromkeys(row[2] for row in rows):
        mine = [row for row in rows if row[2] == title]
        least = min(mine, key=lambda row: row[6])
        below = listed(
            [
                f"{rounded(r[6])} ({rounded(r[7])} to {rounded(r[8])}) with {row_of(r)}"
                for r in mine
                if r[-1] < 0.05 and r[6] > 0
            ]
        )
        if below:
            said.append(f"To target training in the languages {title} still lacks points: {below}.")
        else:
            said.append(
                f"Nothing shows that {title} lacks anything to target training in the languages: "
                f"{gained(least[6])} ({gained(least[7])} to {gained(least[8])}) with {row_of(least)}."
            )
    return said
