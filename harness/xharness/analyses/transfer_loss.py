"""Transfer loss: English less the mean of the other languages, and what intermediates change of it.

The loss is XTREME's cross-lingual transfer gap (arXiv 2003.11080, §5). It shrinks when the others gain, and just as
well when English falls: both are shown beside every change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from xharness.analyses import by_language as by
from xharness.analyses.by_language import LanguageScores, Number, valued
from xharness.analyses.in_language import in_language
from xharness.analyses.transfer_loss_words import figure, seen_words, words
from xharness.analysis import Answer, Table
from xharness.errors import DataError, Problem
from xharness.score.averages import ENGLISH
from xharness.score.statistics import RESAMPLES, holm, reach_words
from xharness.spec.load import NONE
from xharness.study import Study

ALL = "all targets"


class Options(BaseModel):
    """Settings of the transfer loss."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    targets: tuple[str, ...] = ()
    """All of the run that have English if not said."""
    english: str | dict[str, str] = ""
    """The row of the same task in English that others are compared with, or that of each: `{ panx_de = "panx" }`."""
    in_language: dict[str, str] = {}
    """Target -> the target of the same test data that is tuned in the languages, by `[target.NAME] languages = […]`:
    what is still missing to it. It has no part in the losses."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Of the bootstrap."""

    def reference(self, row: str) -> str:
        """The English row that a row is compared with; empty for none."""
        said = self.english if isinstance(self.english, str) else self.english.get(row, "")
        return "" if said == row else said


@dataclass(frozen=True)
class Scored:
    """The scores of one checkpoint on the targets that have a loss."""

    checkpoint: str
    tables: tuple[LanguageScores, ...]
    titles: tuple[str, ...]
    rows: tuple[str, ...]

    def having(self, *rows: str) -> list[LanguageScores]:
        """The targets on which all of the rows have scores."""
        return [table for table in self.tables if set(rows) <= set(table.rows)]


class TransferLoss:
    """What intermediates change of the loss in zero-shot transfer."""

    name: ClassVar[str] = "transfer_loss"
    options: ClassVar[type[BaseModel]] = Options

    def answer(self, study: Study, options: Options) -> Answer:
        """Losses and their changes, by language seen, by group, and what training in the language would give."""
        apart = set(options.in_language.values())
        targets = options.targets or tuple(t for t in study.run["targets"] if t not in apart)
        targets, low = study.rising(targets)
        held, notes = _scored(study, targets, options.resamples)
        notes += low
        losses = _losses(held, options)
        if not any(line[3] for line in losses.rows):
            what = "no row has a score beside `none` on a target with English and another language."
            raise DataError(Problem("analysis transfer_loss", what, "Run the cells of `none` and of an intermediate."))
        seen, groups, ranks = _seen(study, held, options), _groups(held, options), _ranks(held, options)
        inside, said, more = in_language(study, options.in_language, options.resamples)
        tables = [losses, *([seen] if seen.rows else []), groups, ranks, *([inside] if inside.rows else [])]
        sentences = (*words(losses, options.english), *seen_words(seen), *said)
        tests = max(sum(row[-1] is not None for row in table.rows) for table in (losses, seen, inside))
        sentences = (*sentences, *reach_words(tests, options.resamples))
        unknown = sorted({name for row in study.run["intermediates"] if (name := options.reference(row))})
        notes += [f"the run has no row {name} to compare with" for name in unknown if not _there(held, name)]
        notes += [*more, *study.absent(targets), *study.seed_notes(targets), *by.SOURCES]
        return Answer(sentences, tuple(tables), (figure(losses),), tuple(notes))


def _there(held: Sequence[Scored], row: str) -> bool:
    return any(row in scored.rows for scored in held)


def _scored(study: Study, targets: Sequence[str], resamples: int) -> tuple[list[Scored], list[str]]:
    """Every checkpoint's scores, and a note for every target that has no loss."""
    found, notes = [], []
    for checkpoint in study.checkpoints:
        tables = []
        for target in targets:
            table = by.scores_by_language(study, checkpoint, target, resamples)
            if table is None:
                notes.append(f"{study.title(target)}: fewer than two rows have scores with {checkpoint}")
            elif ENGLISH not in table.languages or len(table.languages) < 2:
                notes.append(f"{study.title(target)} has no loss: English or another language is not there")
            else:
                tables.append(table)
                notes += table.notes
        rows = tuple(row for row in (NONE, *study.intermediates(checkpoint)) if any(row in t.rows for t in tables))
        found.append(Scored(checkpoint, tuple(tables), tuple(study.title(t.target) for t in tables), rows))
    return found, notes


def foreign(table: LanguageScores) -> list[str]:
    """A target's languages other than English."""
    return [code for code in table.languages if code != ENGLISH]


def _english_and_others(tables: Sequence[LanguageScores], row: str) -> tuple[Number, Number]:
    """Means over targets of English and of the mean of the other languages."""
    english = by.mean_of([by.score_in(table, row, [ENGLISH]) for table in tables])
    return english, by.mean_of([by.score_in(table, row, foreign(table)) for table in tables])


def _references(row: str, options: Options) -> list[str]:
    """The rows that a row is compared with."""
    return [] if row == NONE else [NONE, *([name] if (name := options.reference(row)) else [])]


def _each(held: Sequence[Scored], *rows: str) -> Iterator[tuple[Scored, str, list[LanguageScores]]]:
    """Checkpoint by checkpoint every target on which the rows have scores, and these together if several."""
    for scored in held:
        tables = scored.having(*rows)
        for table, title in zip(scored.tables, scored.titles, strict=True):
            if any(table is one for one in tables):
                yield scored, title, [table]
        if len(tables) > 1:
            # A mean over fewer targets does not stand under one name with means over all.
            whole = len(tables) == len(scored.tables)
            yield scored, ALL if whole else f"{len(tables)} of {len(scored.tables)} targets", tables


def _all_rows(held: Sequence[Scored]) -> list[str]:
    return list(dict.fromkeys(row for scored in held for row in scored.rows))


def _losses(held: Sequence[Scored], options: Options) -> Table:
    """A line for each row and target: its loss; and for each row that it is compared with the change."""
    lines: list[tuple[Any, ...]] = []
    for row in _all_rows(held):
        for reference in _references(row, options) or [""]:
            for scored, title, tables in _each(held, row, *([reference] if reference else [])):
                english, others = _english_and_others(tables, row)
                loss = by.less(english, others)
                line = (scored.checkpoint, row, title, reference, english[0], others[0], loss[0])
                if not reference:
                    lines.append((*line, None, None, None, None, None, None))
                    continue
                before, between = _english_and_others(tables, reference)
                change = valued(*by.less(loss, by.less(before, between)))
                risen = (english[0] - before[0], others[0] - between[0])
                lines.append((*line, *risen, change.value, change.low, change.high, change.p))
    columns = ("checkpoint", "intermediate", "target", "against", "English", "others", "loss", "English by",
               "others by", "loss by", "low", "high", "p", "p Holm")  # fmt: skip
    note = (
        "Loss: English less the mean of the other languages; *by*: the change against the row under *against*. "
        "Intervals: 95 %, paired bootstrap over examples and seeds, parallel languages drawn together; Holm over all."
    )
    return Table("loss", "The loss in transfer", columns, _with_holm(lines), note)


def _with_holm(lines: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    return tuple((*line, p) for line, p in zip(lines, holm([line[-1] for line in lines]), strict=True))


def languages_seen(study: Study, row: str) -> list[str]:
    """Languages of an intermediate's training data beside English, in any of its stages."""
    stages = study.run.get("rows", {}).get(row, {}).get("stages", ())
    return list(dict.fromkeys(code for stage in stages for code in stage["languages"] if code != ENGLISH))


def _seen(study: Study, held: Sequence[Scored], options: Options) -> Table:
    """Gains in the languages that an intermediate has seen, apart from those in the others."""
    lines: list[tuple[Any, ...]] = []
    for row in _all_rows(held):
        seen = languages_seen(study, row)
        for reference in _references(row, options) if seen else ():
            for scored, title, tables in _each(held, row, reference):
                halves = [_halves(table, seen) for table in tables]
                both = [(table, half) for table, half in zip(tables, halves, strict=True) if all(half)]
                if not both:
                    continue
                gains = [by.mean_of([_gain(t, row, reference, half[side]) for t, half in both]) for side in (0, 1)]
                one, two, gap = valued(*gains[0]), valued(*gains[1]), valued(*by.less(*gains))
                many = [len({code for _, half in both for code in half[side]}) for side in (0, 1)]
                lines.append(
                    (scored.checkpoint, row, title, reference, many[0], one.value, one.low, one.high,
                     many[1], two.value, two.low, two.high, gap.value, gap.low, gap.high, gap.p)
                )  # fmt: skip
    columns = ("checkpoint", "intermediate", "target", "against", "seen", "gain seen", "low", "high", "unseen",
               "gain unseen", "low of it", "high of it", "difference", "low of that", "high of that", "p",
               "p Holm")  # fmt: skip
    note = (
        "Languages other than English that are, and are not, in the intermediate's training data; Holm over the table."
    )
    return Table("seen", "Languages seen in the intermediate, and unseen ones", columns, _with_holm(lines), note)


def _halves(table: LanguageScores, seen: Sequence[str]) -> tuple[list[str], list[str]]:
    """A target's languages that were seen, and the others; English in neither."""
    codes = foreign(table)
    return [code for code in codes if code in seen], [code for code in codes if code not in seen]


def _gain(table: LanguageScores, row: str, reference: str, codes: Sequence[str]) -> Number:
    return by.less(by.score_in(table, row, codes), by.score_in(table, reference, codes))


def _change(table: LanguageScores, row: str, reference: str, codes: Sequence[str]) -> Number:
    """The change of English less languages."""
    return by.less(_gain(table, row, reference, [ENGLISH]), _gain(table, row, reference, codes))


def _pairs(held: Sequence[Scored], options: Options) -> Iterator[tuple[Scored, str, str, list[LanguageScores]]]:
    """Every row with the row in English, or with `none` where there is no such row, and their targets."""
    for scored in held:
        for row in scored.rows:
            for reference in reversed(_references(row, options)):
                if tables := scored.having(row, reference):
                    yield scored, row, reference, tables
                    break


def _groups(held: Sequence[Scored], options: Options) -> Table:
    """The change of the loss by family and by pretraining size, the mean over targets."""
    lines: list[tuple[Any, ...]] = []
    for scored, row, reference, tables in _pairs(held, options):
        for kind in ("family", "pretraining size"):
            codes = list(dict.fromkeys(code for table in tables for code in foreign(table)))
            for name, group in by.grouped(codes, kind).items():
                parts = [(t, inside) for t in tables if (inside := [c for c in group if c in t.languages])]
                changed = valued(*by.mean_of([_change(t, row, reference, inside) for t, inside in parts]))
                loss = by.mean_of([by.less(by.score_in(t, row, [ENGLISH]), by.score_in(t, row, inside))
                                   for t, inside in parts])  # fmt: skip
                numbers = (loss[0], changed.value, changed.low, changed.high)
                lines.append((scored.checkpoint, row, reference, kind, name, len(group), len(parts), *numbers))
    columns = ("checkpoint", "intermediate", "against", "by", "group", "languages", "targets", "loss", "loss by", "low",
               "high")  # fmt: skip
    note = "Means over the targets that have the group. Intervals: 95 %, not corrected: to be read together."
    return Table("groups", "The loss by family and pretraining size", columns, tuple(lines), note)


def _ranks(held: Sequence[Scored], options: Options) -> Table:
    """The change of each language's loss against its pretraining size and distance."""
    lines: list[tuple[Any, ...]] = []
    for scored, row, reference, tables in _pairs(held, options):
        codes = list(dict.fromkeys(code for table in tables for code in foreign(table)))
        for name in by.TRAITS:
            values = {
                code: by.mean_of([_change(t, row, reference, [code]) for t in tables if code in t.languages])
                for code in codes
                if by.trait(code, name) is not None
            }
            found = by.correlated(values, name)
            numbers = (found.value, found.low, found.high, found.reason, found.p)
            lines.append((scored.checkpoint, row, reference, name, len(values), *numbers))
    columns = (
        "checkpoint",
        "intermediate",
        "against",
        "with",
        "languages",
        "rho",
        "low",
        "high",
        "remark",
        "p",
        "p Holm",
    )
    note = (
        "Spearman's rho of the change of a language's loss, the mean over targets. p: permutations of the languages; "
        "Holm over the table. Intervals: 95 %, bootstrap over languages, and over examples and seeds where stored."
    )
    return Table("ranks", "The change of the loss, by rank", columns, _with_holm(lines), note)
