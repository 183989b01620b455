"""Families: one target's scores and gains by family, script, pretraining size and distance, beside the others'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xharness.analyses import by_language as by
from xharness.analyses.by_language import LanguageScores, Number, Value, valued
from xharness.analyses.families_figure import figure
from xharness.analysis import Answer, Table
from xharness.errors import DataError, Problem, listed, nearest
from xharness.score import rounding
from xharness.score.averages import ENGLISH, UNKNOWN
from xharness.score.grouping import PERMUTATIONS, Tested, between_groups
from xharness.score.rounding import p_in_words
from xharness.score.statistics import RESAMPLES, holm, reach_words
from xharness.spec.load import NONE
from xharness.study import Study

TESTED = ("family", "branch", "script")
"""Groupings that are tested; the rest are orders, and correlated."""


SIZE = next(iter(by.TRAITS))


class Options(BaseModel):
    """Settings of the families."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    target: str = "xquad"
    """The target that is asked about."""
    beside: tuple[str, ...] = ()
    """Targets whose average gain in the same languages stands beside; all others of the run if not said."""
    figure_rows: int = Field(default=3, ge=1)
    """So many rows are in the figure, the first ones of the grid; all are in its table."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Of the bootstrap."""


@dataclass(frozen=True)
class Gained:
    """What one row has on the target, language by language."""

    checkpoint: str
    row: str
    none: Mapping[str, Number]
    score: Mapping[str, Number]
    gain: Mapping[str, Number]
    others: Mapping[str, Number]
    """Mean gain of the other targets that have the language; a language that none has is not here."""
    counts: Mapping[str, int]
    """Language -> how many other targets that is."""

    @property
    def foreign(self) -> list[str]:
        """Languages other than English."""
        return [code for code in self.gain if code != ENGLISH]

    @property
    def excess(self) -> dict[str, Number]:
        """The target's gain less that of the others."""
        return {code: by.less(self.gain[code], other) for code, other in self.others.items()}


class Families:
    """Whether one target differs from the others by language family."""

    name: ClassVar[str] = "families"
    options: ClassVar[type[BaseModel]] = Options

    def answer(self, study: Study, options: Options) -> Answer:
        """Tables by language and by group, correlations, tests, and a figure."""
        targets = tuple(study.run["targets"])
        for name in (options.target, *options.beside):
            if name not in targets:
                what = f"the run has no target '{name}'."
                raise DataError(Problem("analysis families", what, nearest(name, targets)))
        if study.falls(options.target):
            what = f"lower is better under the metric of {study.title(options.target)}; the question is asked of gains."
            raise DataError(Problem("analysis families", what, "Name another target."))
        beside, low = study.rising([t for t in options.beside or targets if t != options.target])
        gained, notes = _gained(study, options, beside)
        if not gained:
            what = f"no row has a score beside `none` on {study.title(options.target)} in a language but English."
            raise DataError(Problem("analysis families", what, "Run the cells of `none` and of an intermediate."))
        title = study.title(options.target)
        ranks, tests = _ranks(gained, title), _tests(gained, title)
        words = (
            *_differences(gained, title, listed([study.title(t) for t in beside])),
            *reach_words(sum(bool(one.excess) for one in gained), options.resamples),
            *_told(ranks, tests),
        )
        table = _languages(gained, title)
        shown = figure(table, title, options.figure_rows)
        asked = (options.target, *beside)
        notes += [*low, *study.absent(asked), *study.seed_notes(asked)]
        return Answer(words, (table, _groups(gained, title), ranks, tests), (shown,), (*notes, *_how(gained)))


def _gained(study: Study, options: Options, beside: Sequence[str]) -> tuple[list[Gained], list[str]]:
    """The rows of every checkpoint, and what could not be read."""
    found, notes = [], []
    for checkpoint in study.checkpoints:
        own = by.scores_by_language(study, checkpoint, options.target, options.resamples)
        tables = [by.scores_by_language(study, checkpoint, target, options.resamples) for target in beside]
        others = [table for table in tables if table is not None]
        notes += [note for table in (own, *others) if table for note in table.notes]
        if own is not None and NONE in own.rows and any(code != ENGLISH for code in own.languages):
            found += [_row(checkpoint, row, own, others) for row in own.rows if row != NONE]
    return found, notes


def _row(checkpoint: str, row: str, own: LanguageScores, others: Sequence[LanguageScores]) -> Gained:
    none = {code: by.score_in(own, NONE, [code]) for code in own.languages}
    score = {code: by.score_in(own, row, [code]) for code in own.languages}
    gain = {code: by.less(score[code], none[code]) for code in own.languages}
    parts: dict[str, list[Number]] = {}
    for table in others:
        for code in own.languages if {NONE, row} <= set(table.rows) else ():
            if code in table.languages:
                change = by.less(by.score_in(table, row, [code]), by.score_in(table, NONE, [code]))
                parts.setdefault(code, []).append(change)
    means = {code: by.mean_of(held) for code, held in parts.items()}
    return Gained(checkpoint, row, none, score, gain, means, {code: len(held) for code, held in parts.items()})


def _languages(gained: Sequence[Gained], title: str) -> Table:
    """A line for each language, English first and then by family."""
    rows = []
    for one in gained:
        order = sorted(one.foreign, key=lambda code: (by.group_of(code, "family"), by.group_of(code, "branch"), code))
        for code in ([ENGLISH] if ENGLISH in one.gain else []) + order:
            language, change = by.known(code), valued(*one.gain[code])
            facts = (None, None) if language is None else (language.cc100_gib, language.syntax_distance)
            other = one.others.get(code)
            rows.append(
                (one.checkpoint, one.row, code, by.name_of(code), by.group_of(code, "family"),
                 by.group_of(code, "script"), *facts, one.none[code][0], one.score[code][0],
                 change.value, change.low, change.high, None if other is None else other[0], one.counts.get(code, 0))
            )  # fmt: skip
    columns = ("checkpoint", "intermediate", "language", "name", "family", "script", "GiB", "distance", "none", title)
    more = ("gain", "low", "high", "others' gain", "others")
    note = "GiB of CC-100; distance of syntax from English; *others*: how many other targets have the language."
    return Table("languages", f"{title} by language", (*columns, *more), tuple(rows), note)


def _groups(gained: Sequence[Gained], title: str) -> Table:
    """A line for each group of languages, English in none of them."""
    rows = []
    for one in gained:
        groups = [("all", "all but English", one.foreign)]
        for kind in ("family", "script", "pretraining size", "distance"):
            groups += [(kind, name, codes) for name, codes in by.grouped(one.foreign, kind).items()]
        for kind, name, codes in groups:
            gain = valued(*by.mean_of([one.gain[code] for code in codes]))
            shared = [code for code in codes if code in one.others]
            other = by.mean_of([one.others[code] for code in shared])[0] if shared else None
            excess = valued(*by.mean_of([one.excess[code] for code in shared])) if shared else None
            scores = [float(np.mean([held[code][0] for code in codes])) for held in (one.none, one.score)]
            last = (None, None, None) if excess is None else (excess.value, excess.low, excess.high)
            rows.append(
                (
                    one.checkpoint,
                    one.row,
                    kind,
                    name,
                    len(codes),
                    *scores,
                    gain.value,
                    gain.low,
                    gain.high,
                    other,
                    *last,
                )
            )
    columns = ("checkpoint", "intermediate", "by", "group", "languages", "none", title, "gain", "low", "high")
    more = ("others' gain", "difference", "low of it", "high of it")
    note = f"Difference: {title}'s gain less that of the other targets, in the languages that they share. "
    return Table("groups", f"{title} by group of languages", (*columns, *more), tuple(rows), f"{note}Intervals: 95 %.")


def _quantities(gained: Sequence[Gained], title: str) -> list[tuple[str, str, str, Mapping[str, Number]]]:
    """Checkpoint, row, what it is, and its values by language: what is correlated and tested."""
    found: list[tuple[str, str, str, Mapping[str, Number]]] = []
    told = set()
    for one in gained:
        if one.checkpoint not in told:
            found.append((one.checkpoint, NONE, f"score on {title}", one.none))
            told.add(one.checkpoint)
        found.append((one.checkpoint, one.row, f"gain on {title}", one.gain))
        if one.others:
            found.append((one.checkpoint, one.row, "gain on the others", one.others))
            found.append((one.checkpoint, one.row, "difference of gains", one.excess))
    return found


def _ranks(gained: Sequence[Gained], title: str) -> Table:
    """Spearman's correlations with pretraining size and distance."""
    lines: list[tuple[Any, ...]] = []
    for checkpoint, row, what, values in _quantities(gained, title):
        for name in by.TRAITS:
            codes = [code for code in values if code != ENGLISH and by.trait(code, name) is not None]
            found = by.correlated({code: values[code] for code in codes}, name)
            lines.append((checkpoint, row, what, name, len(codes), *_line(found)))
    columns = ("checkpoint", "intermediate", "of", "with", "languages", "rho", "low", "high", "p", "p Holm", "remark")
    note = (
        "Spearman's rho over the languages other than English. p: permutations of the languages, corrected by Holm "
        "over the table. Intervals: 95 %, bootstrap over languages, and over examples and seeds where they are stored."
    )
    return Table("ranks", "Rank correlations", columns, _corrected(lines), note)


def _line(found: Tested) -> tuple[Any, ...]:
    return found.value, found.low, found.high, found.p, found.reason


def _tests(gained: Sequence[Gained], title: str) -> Table:
    """Whether groups differ more than the languages within them."""
    lines: list[tuple[Any, ...]] = []
    for checkpoint, row, what, values in _quantities(gained, title):
        for kind in TESTED:
            codes = [code for code in values if code != ENGLISH and by.group_of(code, kind) != UNKNOWN]
            labels = [by.group_of(code, kind) for code in codes]
            found = between_groups(np.asarray([values[code][0] for code in codes]), labels)
            many = f"{found.permutations}, {'all' if found.exact else 'drawn'}" if found.permutations else ""
            line = (checkpoint, row, what, kind, len(codes), len(set(labels)), found.value, many, found.p, found.reason)
            lines.append(line)
    columns = ("checkpoint", "intermediate", "of", "by", "languages", "groups", "share", "permutations", "p", "p Holm")
    note = (
        "Share: of the variance between languages, what lies between the means of groups. p: labels of groups change "
        f"places among the languages in all ways, or in {PERMUTATIONS} drawn ones where there are more; Holm over the "
        "table. A branch is one of Indo-European or another family; groups of one language count as they are."
    )
    return Table("tests", "Do families differ more than the languages in them?", (*columns, "remark"),
                 _corrected(lines), note)  # fmt: skip


def _corrected(lines: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    """Lines that end in p and remark, with Holm's p between them."""
    return tuple((*line[:-1], p, line[-1]) for line, p in zip(lines, holm([line[-2] for line in lines]), strict=True))


def _differences(gained: Sequence[Gained], title: str, others: str) -> list[str]:
    """The target against the rest, over all languages but English: the answer, then what it rests on."""
    many = len({one.checkpoint for one in gained}) > 1
    own, beside, more = [], [], []
    for one in gained:
        name = f"{one.row} ({one.checkpoint})" if many else one.row
        own.append(f"{valued(*by.mean_of([one.gain[code] for code in one.foreign]))} after {name}")
        if shared := [code for code in one.foreign if code in one.others]:
            beside.append(f"{rounding.gained(by.mean_of([one.others[code] for code in shared])[0])} after {name}")
            more.append((name, valued(*by.mean_of([one.excess[code] for code in shared]))))
    said = f"In the languages other than English {title} changes by {listed(own)}"
    if not more:
        return [f"{said}; no other target has these languages."]
    return [_which(more, title), f"{said}; the mean of the other targets ({others}) by {listed(beside)}."]


def _which(more: Sequence[tuple[str, Value]], title: str) -> str:
    if all(value.p is None for _, value in more):
        return f"Without outcomes nothing says whether {title} differs from the other targets by more than chance."
    adjusted = holm([value.p for _, value in more])
    sure = [
        f"by {value} after {name}"
        for (name, value), p in zip(more, adjusted, strict=True)
        if p is not None and p < 0.05
    ]
    if not sure:
        wide = max(
            (value.high - value.low) / 2 for _, value in more if value.high is not None and value.low is not None
        )
        return (
            f"This run shows no difference between the change of {title} and that of the other targets; it could not "
            f"have seen one of less than about {wide:.1f} points."
        )
    return f"The change of {title} differs from that of the other targets by more than chance: {listed(sure)}."


def _told(ranks: Table, tests: Table) -> list[str]:
    """The tests and the correlations in words."""
    done = [row for row in tests.rows if row[8] is not None]
    least = min((1 / int(row[7].split(",")[0]) for row in done), default=0.0)
    if least * len(done) > 0.05:
        few = "so few languages" if least > 1 / PERMUTATIONS else f"{PERMUTATIONS:,} permutations"
        groups = [
            f"Whether families, branches or scripts differ this run cannot tell: with {few} no p is below "
            f"{p_in_words(least)}, too much for {len(done)} tests."
        ]
    else:
        groups = _said(tests, 6, "share", "families, branches or scripts differ")
    went = "scores or changes go with a language's pretraining size or its distance from English"
    return [*groups, *_said(ranks, 5, "rho", went)]


def _said(table: Table, value: int, number: str, what: str) -> list[str]:
    """What a table of tests, which ends in p, Holm's p and a remark, finds."""
    done = [row for row in table.rows if row[-3] is not None]
    sure = [row for row in done if row[-2] < 0.05]
    said, row_of = [], by.row_names(table.rows)
    if sure:
        named = listed(
            [f"the {r[2]} of {row_of(r)} by {r[3]} ({number} {r[value]:.2f}, p {p_in_words(r[-2])})" for r in sure]
        )
        said.append(f"By more than chance {what} in {len(sure)} of {len(done)} tests (Holm): {named}.")
    elif done:
        many = f"none of {len(done)} tests is" if len(done) > 1 else "the one test is not"
        said.append(f"Nothing shows that {what}: {many} significant after Holm's correction.")
    if reasons := sorted({row[-1] for row in table.rows if row[-1]}):
        further = "further tests" if done else "tests"
        said.append(f"{len(table.rows) - len(done)} {further} could not be made: {'; '.join(reasons)}.")
    return said


def _how(gained: Sequence[Gained]) -> list[str]:
    """How the numbers were made."""
    notes = list(by.SOURCES)
    strange = sorted({code for one in gained for code in one.gain if by.known(code) is None})
    if strange:
        notes.append(f"nothing is known of {listed(strange)}: in no correlation and in no test")
    apart = sorted({by.name_of(code) for one in gained if one.others for code in one.foreign if code not in one.others})
    if apart:
        notes.append(f"no other target has {listed(apart)}: in no mean of the others, and in no difference from them")
    lacking = sorted({by.name_of(c) for one in gained for c in one.foreign if by.trait(c, SIZE) is None})
    if lacking:
        notes.append(f"not in CC-100, and in no correlation with its size: {listed(lacking)}")
    return notes
