"""Gains: what each row gains over `none` or another row, by target and metric, each with its interval."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from xharness.analyses.by_language import row_names
from xharness.analysis import Answer, Figure, Table
from xharness.errors import DataError, HarnessError, Problem, listed
from xharness.metrics import metric as rule_of
from xharness.score.rounding import gained
from xharness.score.statistics import RESAMPLES, bootstrap, holm, interval, observed, p_value, reach_words
from xharness.spec.load import NONE
from xharness.study import Study


class Options(BaseModel):
    """Settings of the gains."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    targets: tuple[str, ...] = ()
    """All of the run if not said."""
    metrics: tuple[str, ...] = ()
    """Metrics that a target may have beside its own; those that it lacks are left out. Its own if none is said."""
    beside: tuple[str, ...] = ()
    """Metrics that are shown without a test: `same_language_at_20`."""
    over: str = NONE
    """The row that the others are compared with: `squad_v1` asks what they gain over SQuAD."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Of the bootstrap."""


class Gains:
    """What intermediates gain, target by target and metric by metric."""

    name: ClassVar[str] = "gains"
    options: ClassVar[type[BaseModel]] = Options

    def unknown(
        self, options: Options, rows: Collection[str], targets: Collection[str]
    ) -> Iterator[tuple[tuple[str | int, ...], str, Collection[str]]]:
        """A row to compare with that the suite has in no profile."""
        if options.over not in rows:
            yield ("over",), options.over, rows

    def answer(self, study: Study, options: Options) -> Answer:
        """A table of gains with intervals, and a figure of them."""
        targets = options.targets or tuple(study.run["targets"])
        lines: list[tuple[Any, ...]] = []
        told: dict[str, None] = {}
        for checkpoint in study.checkpoints:
            for target in targets:
                for metric in options.metrics or (study.run["tasks"][target]["metric"],):
                    try:
                        lines += _lines(study, checkpoint, target, metric, options, told)
                    except HarnessError as error:
                        told[f"{study.title(target)}: left out, {error}"] = None
        if not lines:
            what = f"no row has a score beside `{options.over}` on these targets under these metrics."
            what = " ".join([what, *(f"{one.rstrip('.')}." for one in told)])
            raise DataError(Problem("analysis gains", what, f"Run the cells of `{options.over}` and of another row."))
        adjusted = holm([line[-1] for line in lines])
        rows = tuple((*line, p) for line, p in zip(lines, adjusted, strict=True))
        columns = (
            "checkpoint",
            "intermediate",
            "target",
            "metric",
            options.over,
            "score",
            "gain",
            "low",
            "high",
            "p",
            "p Holm",
        )
        note = "Intervals: 95 %, paired bootstrap over examples and, where there are several, seeds."
        table = Table("gains", f"Gain over {_named(options.over)}", columns, rows, note)
        tables = [table, *_beside(study, targets, options.beside)]
        low = dict.fromkeys(row[3] for row in rows if not _rises(row))
        if low:
            told[f"lower is better under {listed(list(low))}: a gain is a fall of the score"] = None
        notes = (*study.absent(targets), *told, *study.seed_notes(targets))
        said = (*_words(rows), *reach_words(len(rows), options.resamples))
        return Answer(said, tuple(tables), (_figure(rows, options.over),), notes)


def _lines(
    study: Study, checkpoint: str, target: str, metric: str, options: Options, told: dict[str, None]
) -> list[tuple[Any, ...]]:
    """A line for each intermediate that has, as the other row, a score in every language."""
    task, found = study.run["tasks"][target], []
    if metric not in (task["metric"], *task["also"]):
        return []
    plain = study.rows.get((checkpoint, options.over))
    for intermediate in study.intermediates(checkpoint):
        if intermediate == options.over:
            continue
        side = study.rows[checkpoint, intermediate]
        if plain is None or target not in plain.targets or target not in side.targets:
            continue
        sample = study.sample(target, [(checkpoint, options.over), (checkpoint, intermediate)], metric)
        if lacking := study.lacking(target, sample, f"{intermediate}[{checkpoint}] against {options.over}"):
            told[lacking] = None
            continue
        draws = bootstrap(sample, options.resamples).mean(axis=1)
        before, after = observed(sample).mean(axis=0).tolist()
        change = draws[:, 1] - draws[:, 0]
        low, high = interval(change)
        found.append(
            (checkpoint, intermediate, study.title(target), metric, before, after, after - before, low, high,
             p_value(change))
        )  # fmt: skip
    return found


def _rises(row: tuple[Any, ...]) -> bool:
    """Whether higher is better under a line's metric."""
    return rule_of(row[3]).higher_is_better


def _words(rows: tuple[tuple[Any, ...], ...]) -> tuple[str, ...]:
    row_of = row_names(rows)

    def named(kept: list[tuple[Any, ...]]) -> str:
        return listed(
            [f"{row_of(r)} on {r[2]} by {r[3]} ({gained(r[6])}, {gained(r[7])} to {gained(r[8])})" for r in kept]
        )

    sure = [row for row in rows if row[-1] < 0.05]
    up, down = ([r for r in sure if (r[6] > 0) == (_rises(r) is better)] for better in (True, False))
    said = []
    said.append(f"Larger than chance are the gains of {named(up)}." if up else "No gain is larger than chance.")
    if down:
        said.append(f"Larger than chance are the losses of {named(down)}.")
    undecided = len(rows) - len(sure)
    if undecided:
        said.append(f"Of {len(rows)} differences {undecided} may be chance (Holm's correction over all, 0.05).")
    return tuple(said)


def _beside(study: Study, targets: tuple[str, ...], metrics: tuple[str, ...]) -> list[Table]:
    """Scores without a test."""
    rows = []
    for (checkpoint, intermediate), side in study.rows.items():
        for target in targets:
            for metric in metrics:
                held = study.scores((checkpoint, intermediate), target, metric) if target in side.targets else {}
                if held:
                    mean = sum(held.values()) / len(held)
                    rows.append((checkpoint, intermediate, study.title(target), metric, mean))
    columns = ("checkpoint", "intermediate", "target", "metric", "mean over languages")
    return [Table("beside", "Beside them", columns, tuple(rows))] if rows else []


def _named(row: str) -> str:
    return "no intermediate" if row == NONE else row


def _figure(rows: tuple[tuple[Any, ...], ...], over: str) -> Figure:
    row_of = row_names(rows)

    def draw(axes: Any) -> None:
        places = range(len(rows))[::-1]
        for place, row in zip(places, rows, strict=True):
            axes.plot([row[7], row[8]], [place, place], color="0.4", marker="", linewidth=1)
            axes.plot([row[6]], [place], color="black", marker="o", fillstyle="full" if row[-1] < 0.05 else "none")
        axes.axvline(0, color="0.7", linewidth=0.8, marker="")
        axes.set_yticks(list(places), [f"{row_of(r)}, {r[2]}, {r[3]}" for r in rows])
        axes.set_xlabel(f"gain over {over}, points (95 % interval; filled: Holm p < 0.05)")

    height = max(1.6, 0.6 + 0.17 * len(rows))
    return Figure("gains", f"Gains over {_named(over)}", "gains", draw, columns=2, height=height)
