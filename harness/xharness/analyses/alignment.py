"""Alignment: whether the gain depends on how near an intermediate's texts are to a target's, and on their number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xharness.analyses.distances import DISTANCES, Distances, distances_of, texts_asked
from xharness.analyses.regression import Fit, Predictor, Slope, fit, numbered
from xharness.analyses.trained import trained_examples
from xharness.analysis import Answer, Figure, Table, Texts
from xharness.errors import DataError, HarnessError, Problem, listed
from xharness.score.rounding import gained, p_in_words
from xharness.score.statistics import RESAMPLES, bootstrap, holm, interval, observed
from xharness.spec.load import NONE, Loaded
from xharness.study import Study

SIZE = "log size"
CLUSTERS = 6
"""Intermediates from which on the bootstrap draws them as wholes."""


class Options(BaseModel):
    """Settings of the alignment."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    targets: tuple[str, ...] = ()
    """All of the run if not said."""
    words: int = Field(default=50_000, ge=100)
    """Of each corpus at the most: all intermediates are cut to as many, since vocabularies grow with a corpus."""
    pieces: int = Field(default=400, ge=20)
    """Of either corpus at the most, for the proxy A-distance."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """For the intervals of gains; the regression takes 2,000 of them, or fewer."""


@dataclass(frozen=True)
class Cell:
    """One point: what a row gains on a target."""

    checkpoint: str
    row: str
    intermediate: str
    target: str
    size: float | None
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One line of the table of regressions."""

    name: str
    fit: Fit
    tested: Slope | None
    beside: Slope | None = None
    alone: float | None = None
    size_alone: float | None = None


class Alignment:
    """Gain against four distances between corpora and the size of the intermediate."""

    name: ClassVar[str] = "alignment"
    options: ClassVar[type[BaseModel]] = Options

    def texts(self, loaded: Loaded, options: Options) -> Iterator[Texts]:
        """Pieces of the texts of every row and target."""
        return texts_asked(loaded, options.targets or loaded.targets, options.pieces)

    def answer(self, study: Study, options: Options) -> Answer:
        """The cells, the regressions, and a figure of gain against each distance."""
        targets = options.targets or tuple(study.run["targets"])
        cells, left_out = _cells(study, targets, options.resamples)
        if not cells:
            what = "no row has a score beside `none` on these targets."
            raise DataError(Problem("analysis alignment", what, "Run the cells of `none` and of an intermediate."))
        chosen = list(dict.fromkeys(cell.intermediate for cell in cells))
        found = distances_of(study, chosen, targets, options.words, options.pieces)
        lines = regressions(cells, found.values, min(options.resamples, 2000))
        tables = (_cell_table(study, cells, found), _regression_table(lines, found), _distance_table(study, found))
        figures = tuple(
            _figure(study, cells, found, name) for name in DISTANCES if any(name in v for v in found.values.values())
        )
        notes = [*found.notes, *left_out, *_notes(study, cells, targets)]
        return Answer(_words(lines, cells), tables, figures, tuple(notes))


def _cells(study: Study, targets: Sequence[str], resamples: int) -> tuple[list[Cell], list[str]]:
    """Every row's gain on every target, with its interval; and what is left out."""
    cells, left_out = [], []
    for checkpoint in study.checkpoints:
        sizes = {row: trained_examples(study, (checkpoint, row)) for row in study.intermediates(checkpoint)}
        for target in targets:
            rows = [row for row in sizes if study.scores((checkpoint, row), target)]
            if not rows or not study.scores((checkpoint, NONE), target):
                continue
            # All rows are drawn together: one in few languages would leave no more of any.
            whole = {row: len(study.scores((checkpoint, row), target)) == len(study.languages[target])
                     for row in (NONE, *rows)}  # fmt: skip
            if part := [f"{row}[{checkpoint}]" for row, all_there in whole.items() if not all_there]:
                left_out.append(f"{study.title(target)}: left out, without a score in every language: {listed(part)}")
            rows = [row for row in rows if whole[row]]
            if not rows or not whole[NONE]:
                continue
            try:
                sample = study.sample(target, [(checkpoint, row) for row in (NONE, *rows)])
            except HarnessError as error:
                left_out.append(f"left out: {error}")
                continue
            draws = bootstrap(sample, resamples).mean(axis=1)
            scores = observed(sample).mean(axis=0)
            for place, row in enumerate(rows, start=1):
                low, high = interval(draws[:, place] - draws[:, 0])
                intermediate = str(study.run["rows"][row]["intermediate"])
                gain = float(scores[place] - scores[0])
                cells.append(Cell(checkpoint, row, intermediate, target, sizes[row], gain, low, high))
    return cells, left_out


def regressions(
    cells: Sequence[Cell], distances: Mapping[tuple[str, str], Mapping[str, float]], resamples: int = 2000
) -> list[Line]:
    """Of log size alone, then of each distance together with log size; a predictor that is constant is left out."""
    sized = [cell for cell in cells if cell.size]
    lines = [_line(sized, {SIZE: _size(sized)}, resamples)] if sized else []
    for name in DISTANCES:
        held = [cell for cell in cells if name in distances.get((cell.intermediate, cell.target), {})]
        if not held:
            continue
        both = [cell for cell in held if cell.size]
        if both and not (lines and lines[0].fit.why):
            lines.append(_line(both, {name: _distance(both, distances, name), SIZE: _size(both)}, resamples))
        else:
            lines.append(_line(held, {name: _distance(held, distances, name)}, resamples))
    return lines


def _line(cells: Sequence[Cell], predictors: dict[str, Predictor], resamples: int) -> Line:
    outcome = np.array([cell.gain for cell in cells])
    strata = numbered([(cell.checkpoint, cell.target) for cell in cells])
    names = numbered([cell.intermediate for cell in cells])
    # Of a few intermediates most draws would leave out those that say something: there each row is drawn by itself.
    clusters = names if names.max() + 1 >= CLUSTERS else numbered([cell.row for cell in cells])
    together = fit(outcome, strata, clusters, predictors, resamples)
    name, *others = predictors
    slopes = together.slopes or {}
    alone: list[float | None] = [None, None]
    if together.slopes and others:
        alone = [fit(outcome, strata, clusters, {one: predictors[one]}, 100).explained for one in predictors]
    elif together.slopes:
        alone = [together.explained, None] if name != SIZE else [None, together.explained]
    return Line(name, together, slopes.get(name), slopes.get(SIZE) if others else None, *alone)


def _size(cells: Sequence[Cell]) -> Predictor:
    rows = numbered([(cell.checkpoint, cell.row) for cell in cells])
    table = np.zeros((rows.max() + 1, 1))
    for row, cell in zip(rows, cells, strict=True):
        table[row, 0] = math.log10(cell.size or 1)
    return Predictor(table, rows, np.zeros(len(cells), dtype=np.int64))


def _distance(cells: Sequence[Cell], distances: Mapping[tuple[str, str], Mapping[str, float]], name: str) -> Predictor:
    units, contexts = numbered([cell.intermediate for cell in cells]), numbered([cell.target for cell in cells])
    intermediates = list(dict.fromkeys(cell.intermediate for cell in cells))
    targets = list(dict.fromkeys(cell.target for cell in cells))
    # Where two corpora have no distance (no language in common), one that is there no cell asks for.
    table = [[distances.get((i, t), {}).get(name, math.nan) for t in targets] for i in intermediates]
    return Predictor(np.array(table), units, contexts)


def _cell_table(study: Study, cells: Sequence[Cell], found: Distances) -> Table:
    rows = tuple(
        (
            cell.checkpoint,
            cell.row,
            study.title(cell.target),
            None if cell.size is None else round(cell.size),
            *(found.values.get((cell.intermediate, cell.target), {}).get(name) for name in DISTANCES),
            cell.gain,
            cell.low,
            cell.high,
        )
        for cell in cells
    )
    columns = ("checkpoint", "intermediate", "target", "train examples", *DISTANCES, "gain", "low", "high")
    note = (
        "Gain over `none`, points; 95 % intervals by paired bootstrap over examples and seeds. Distances: 0 is alike."
    )
    return Table("cells", "Gain, distance and size of every cell", columns, rows, note)


def _regression_table(lines: Sequence[Line], found: Distances) -> Table:
    adjusted = holm([line.tested.p if line.tested else None for line in lines])
    rows = []
    for line, p in zip(lines, adjusted, strict=True):
        ends: list[Any] = [None] * 4
        if line.tested:
            ends = [line.tested.value, line.tested.low, line.tested.high, line.tested.p]
        beside = [line.beside.value, line.beside.low, line.beside.high] if line.beside else [None] * 3
        whole = None if line.fit.why else line.fit.explained
        rows.append((line.name, line.fit.points, *ends, p, *beside, line.alone, line.size_alone, whole, line.fit.why))
    columns = (
        "predictor", "cells", "slope", "low", "high", "p", "p Holm", "slope of log size beside it", "its low",
        "its high", "R² of it alone", "R² of log size alone", "R² together", "why not",
    )  # fmt: skip
    chance = [f"{line.name} {line.fit.by_chance:.2f}" for line in lines if not line.fit.why]
    note = (
        "Slopes: points of gain for a standard deviation, within each checkpoint and target; 95 % percentile intervals "
        "of a bootstrap over intermediates, each with all its sizes and targets (where there are fewer than "
        f"{CLUSTERS}, over rows, each with all its targets: then too narrow for a distance). P-values: intermediates "
        "(for log size: rows) exchanged as wholes; Holm's correction over the lines."
    )
    if chance:
        note += f" R² to be expected by chance alone: {', '.join(chance)}."
    return Table("regression", "Gain by distance and log size", columns, tuple(rows), note)


def _distance_table(study: Study, found: Distances) -> Table:
    rows = tuple(
        (i, study.title(t), found.texts[i, t], *(held.get(name) for name in DISTANCES))
        for (i, t), held in found.values.items()
    )
    columns = ("intermediate", "target", "compared with", *DISTANCES)
    return Table("distances", "Distances of the corpora", columns, rows)


def _words(lines: Sequence[Line], cells: Sequence[Cell]) -> tuple[str, ...]:
    adjusted = holm([line.tested.p if line.tested else None for line in lines])
    said = []
    without: dict[str, list[str]] = {}
    """Why there is no regression -> on what."""
    for line, p in zip(lines, adjusted, strict=True):
        if line.tested is None or p is None:
            without.setdefault(line.fit.why, []).append(line.name)
            continue
        slope = line.tested
        given = ", size held fixed," if line.beside else ""
        said.append(
            f"With each standard deviation of {line.name}{given} the gain changes by {gained(slope.value)} points "
            f"({gained(slope.low)} to {gained(slope.high)}; Holm p = {p_in_words(p)}), "
            f"{'larger than chance' if p < 0.05 else 'which may be chance'}."
        )
    said += [f"No regression on {listed(names)}: {why}." for why, names in without.items()]
    both = [line for line in lines if line.alone is not None and line.size_alone is not None]
    if both:
        best = max(both, key=lambda line: line.alone or 0)
        said.append(
            f"Within targets the distance that explains most of the gains' variance is {best.name}, {best.alone:.0%} "
            f"alone; log size explains {best.size_alone:.0%}, both {best.fit.explained:.0%} "
            f"({best.fit.by_chance:.0%} is to be expected of two variables without influence)."
        )
    return tuple(said)


def _notes(study: Study, cells: Sequence[Cell], targets: Sequence[str]) -> list[str]:
    notes = study.absent(targets)
    count = len({cell.intermediate for cell in cells})
    notes.append(
        f"a domain is a property of an intermediate: the test of a distance has {count} intermediates to exchange, "
        f"whatever the number of cells"
        + (f", so that no p-value can be below 1/{math.factorial(count)}" if count <= 6 else "")
    )
    if unsized := sorted({cell.row for cell in cells if not cell.size}):
        notes.append(f"size unknown, since the store lacks the training: {listed(unsized)}")
    if all(len(study.seeds((cell.checkpoint, cell.row), cell.target)) < 2 for cell in cells):
        notes.append("one seed: the intervals of gains hold for other examples, and say nothing of other seeds")
    return notes


def _figure(study: Study, cells: Sequence[Cell], found: Distances, name: str) -> Figure:
    def draw(axes: Any) -> None:
        targets = list(dict.fromkeys(cell.target for cell in cells))
        every = [held[name] for held in found.values.values() if name in held]
        span = (max(every) - min(every), max(c.gain for c in cells) - min(c.gain for c in cells))
        for target, mark, shade in zip(targets, cycle("os^DvPX"), cycle(("0.1", "0.55")), strict=False):
            held = [(cell, found.values.get((cell.intermediate, target), {}).get(name)) for cell in cells]
            points = [(cell, x) for cell, x in held if cell.target == target and x is not None]
            axes.scatter([x for _, x in points], [c.gain for c, _ in points], s=[_area(c, cells) for c, _ in points],
                         marker=mark, facecolors="none", edgecolors=shade, linewidths=1.1,
                         label=study.title(target))  # fmt: skip
            for label, place in _labels(study, points, span).items():
                axes.annotate(label, place, xytext=(6, 3), textcoords="offset points", fontsize=6.5, color=shade)
        axes.axhline(0, color="0.7", linewidth=0.8)
        axes.margins(x=0.12, y=0.12)
        axes.set_xlabel(f"{name} of intermediate and target")
        axes.set_ylabel("gain over none, points")
        axes.legend(fontsize=7, handletextpad=0.2, markerscale=0.8)

    slug = name.lower().replace(" ", "-")
    title = f"Gain against {name}; the larger the mark, the more train examples (log)"
    return Figure(slug, title, "cells", draw, columns=2, height=3.0)


def _labels(
    study: Study, points: Sequence[tuple[Cell, float]], span: tuple[float, float]
) -> dict[str, tuple[float, float]]:
    """Label -> place: of each intermediate at the highest of its sizes, of those that nearly meet together."""
    tops: list[tuple[list[str], float, float]] = []
    for intermediate in dict.fromkeys(cell.intermediate for cell, _ in points):
        top, x = max((p for p in points if p[0].intermediate == intermediate), key=lambda p: p[0].gain)
        near = (t for t in tops if abs(t[1] - x) <= 0.13 * span[0] and abs(t[2] - top.gain) <= 0.06 * span[1])
        home = next(near, None)
        if home is None:
            tops.append(([_short(study, intermediate)], x, top.gain))
        else:
            home[0].append(_short(study, intermediate))
    return {", ".join(names): (x, y) for names, x, y in tops}


def _area(cell: Cell, cells: Sequence[Cell]) -> float:
    """Of a mark, in square points: by the log of the size, 14 for the smallest and 90 for the largest."""
    logs = [math.log(one.size) for one in cells if one.size]
    if not cell.size or max(logs) == min(logs):
        return 40.0
    return 14 + 76 * (math.log(cell.size) - min(logs)) / (max(logs) - min(logs))


def _short(study: Study, intermediate: str) -> str:
    facts: dict[str, Any] = next((f for f in study.run["rows"].values() if f["intermediate"] == intermediate), {})
    tasks = [name for stage in facts.get("stages", ()) for name in stage["tasks"]]
    return str(facts.get("title") or "+".join(study.title(name) for name in tasks) or intermediate)
