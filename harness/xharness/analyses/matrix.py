"""Matrix: gains over every language of the context and of the question, from one target for each question language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xharness.analyses.slicing.cases import Cases, cases_of
from xharness.analysis import Answer, Figure, Table
from xharness.errors import DataError, HarnessError, Problem, listed
from xharness.metrics.base import Array
from xharness.score.rounding import gained
from xharness.score.statistics import RESAMPLES, holm, interval, p_value, reach_words
from xharness.spec.load import NONE
from xharness.study import Study


class Options(BaseModel):
    """Settings of the matrix."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    columns: dict[str, str] = Field(min_length=1)
    """Language of the questions -> the target that asks in it."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Of the bootstrap."""


@dataclass(frozen=True)
class Cell:
    """Context and question language, and the outcomes of its examples by their ids."""

    context: str
    question: str
    none: float
    score: float
    gains: Mapping[str, float]

    @property
    def same(self) -> bool:
        """Whether it lies on the diagonal, which is XLT."""
        return self.context == self.question


class Matrix:
    """MLQA's generalised transfer (G-XLT, arXiv 1910.07475 §5): the diagonal against the rest."""

    name: ClassVar[str] = "matrix"
    options: ClassVar[type[BaseModel]] = Options

    def answer(self, study: Study, options: Options) -> Answer:
        """A line for every pair of languages, a line for diagonal and rest, a figure for each row."""
        cells: dict[tuple[str, str], list[Cell]] = {}
        targets = tuple(options.columns.values())
        told = list(study.absent(targets))
        lacking = [target for target in targets if target not in study.run["targets"]]
        told += [f"not in this run: {listed(lacking)}"] if lacking else []
        for checkpoint in study.checkpoints:
            for row in study.intermediates(checkpoint):
                cells[checkpoint, row] = _cells(study, checkpoint, row, options, told)
        cells = {row: held for row, held in cells.items() if held}
        if not cells:
            raise DataError(Problem("analysis matrix", "no row has outcomes beside those of `none`.", " ".join(told)))
        columns = ("checkpoint", "intermediate", "context", "question", "n", "none", "score", "gain")
        lines = tuple(
            (*row, c.context, c.question, len(c.gains), c.none, c.score, c.score - c.none)
            for row, held in cells.items()
            for c in held
        )
        table = Table("matrix", "Gain by language of context and question", columns, lines)
        parts = _parts(cells, options.resamples)
        figures = tuple(_figure(row, held, tuple(options.columns)) for row, held in cells.items())
        seeds = {len(study.seeds((c, r), t)) for c, r in cells for t in targets}
        told.append("intervals: 95 %, bootstrap over questions, each in all its pairs of languages together")
        told += ["one seed: nothing is said of other seeds"] if seeds <= {0, 1} else ["seeds are averaged, not drawn"]
        said = (*_words(parts), *reach_words(len(parts.rows), options.resamples))
        return Answer(said, (parts, table), figures, tuple(dict.fromkeys(told)))


def _cells(study: Study, checkpoint: str, row: str, options: Options, told: list[str]) -> list[Cell]:
    found = []
    for question, target in options.columns.items():
        sides = [study.rows.get((checkpoint, name)) for name in (NONE, row)]
        if any(side is None or target not in side.targets for side in sides):
            continue
        try:
            cases = cases_of(study, target, checkpoint, row)
        except HarnessError as error:
            told.append(f"{study.title(target)}: left out, {error}")
            continue
        found += _of_target(study, cases, target, (checkpoint, row), question)
    return found


def _of_target(study: Study, cases: Cases, target: str, row: tuple[str, str], question: str) -> list[Cell]:
    gains: dict[str, dict[str, float]] = {}
    for (language, name), gain in zip(cases.places, cases.gains.tolist(), strict=True):
        gains.setdefault(language, {})[name] = gain
    plain, other = (study.scores((row[0], name), target) for name in (NONE, row[1]))
    return [
        Cell(language, question, plain[language], other[language], held)
        for language, held in gains.items()
        if language in plain and language in other
    ]


def _parts(cells: Mapping[tuple[str, str], Sequence[Cell]], resamples: int) -> Table:
    """Mean gains on the diagonal and off it, and their difference."""
    lines: list[tuple[Any, ...]] = []
    for row, held in cells.items():
        same = np.array([c.same for c in held])
        draws = _draws(held, resamples)
        means = np.array([np.mean(list(c.gains.values())) for c in held])
        parts: list[tuple[str, Any, Any]] = [
            ("all", np.ones(len(held), bool), None),
            ("same language", same, None),
            ("two languages", ~same, None),
        ]
        parts += [("same language - two languages", same, ~same)]
        for name, inside, against in parts:
            if not inside.any() or (against is not None and not against.any()):
                continue
            value, drawn = means[inside].mean(), draws[:, inside].mean(axis=1)
            if against is not None:
                value, drawn = value - means[against].mean(), drawn - draws[:, against].mean(axis=1)
            count = int(inside.sum())
            lines.append((*row, name, count, float(value), *interval(drawn), p_value(drawn)))
    adjusted = holm([line[-1] for line in lines])
    columns = ("checkpoint", "intermediate", "pairs of languages", "pairs", "gain", "low", "high", "p", "p Holm")
    rows = tuple((*line, p) for line, p in zip(lines, adjusted, strict=True))
    return Table("parts", "The diagonal and the rest", columns, rows, "Means over pairs of languages.")


def _draws(held: Sequence[Cell], resamples: int) -> Array:
    """[resamples, cells]: mean gains of resampled questions; a pair without any of a resample's keeps its mean."""
    names = {name: place for place, name in enumerate(sorted({n for c in held for n in c.gains}))}
    sums, counts = np.zeros((len(names), len(held))), np.zeros((len(names), len(held)))
    for number, c in enumerate(held):
        places = [names[name] for name in c.gains]
        sums[places, number], counts[places, number] = list(c.gains.values()), 1.0
    out = np.empty((resamples, len(held)))
    rng, n = np.random.default_rng(0), len(names)
    for begin in range(0, resamples, 500):
        weights = rng.multinomial(n, np.full(n, 1 / n), min(500, resamples - begin)).astype(float)
        drawn = weights @ counts
        means = np.broadcast_to(sums.sum(axis=0) / counts.sum(axis=0), drawn.shape)
        out[begin : begin + len(weights)] = np.where(drawn > 0, weights @ sums / np.maximum(drawn, 1), means)
    return out


def _words(parts: Table) -> tuple[str, ...]:
    said = []
    for row in dict.fromkeys(line[:2] for line in parts.rows):
        mine = {line[2]: line for line in parts.rows if line[:2] == row}
        text = f"{row[1]}[{row[0]}] gains {_told(mine['all'])} over all pairs of languages"
        for name in ("same language", "two languages"):
            text += f", {_told(mine[name])} where context and question have {'the ' * (name[0] == 's')}{name}" * (
                name in mine
            )
        said.append(f"{text}.")
        if apart := mine.get("same language - two languages"):
            sure = "is larger than chance" if apart[-1] < 0.05 else "may be chance"
            said.append(f"The difference of {_told(apart)} {sure}.")
    return tuple(said)


def _told(line: Sequence[Any]) -> str:
    return f"{gained(line[4])} ({gained(line[5])} to {gained(line[6])})"


def _figure(row: tuple[str, str], held: Sequence[Cell], questions: Sequence[str]) -> Figure:
    questions = [q for q in questions if any(c.question == q for c in held)]
    contexts = [q for q in questions if any(c.context == q for c in held)]
    contexts += [c for c in dict.fromkeys(c.context for c in held) if c not in contexts]
    grid = np.full((len(contexts), len(questions)), np.nan)
    for c in held:
        grid[contexts.index(c.context), questions.index(c.question)] = c.score - c.none

    def draw(axes: Any) -> None:
        most = float(np.nanmax(np.abs(grid))) or 1.0
        axes.imshow(grid, cmap="Greys", vmin=-most, vmax=most, aspect="auto")
        for (y, x), value in np.ndenumerate(grid):
            if not np.isnan(value):
                colour = "white" if value > 0.3 * most else "black"
                axes.text(x, y, gained(value), ha="center", va="center", fontsize=6.5, color=colour)
        axes.set_xticks(range(len(questions)), questions)
        axes.set_yticks(range(len(contexts)), contexts)
        axes.set_xlabel("language of the question")
        axes.set_ylabel("of the context")

    name = f"matrix-{row[1]}-{row[0]}".replace("_", "-").replace("@", "-")
    title = f"Gain of {row[1]}[{row[0]}] over none; the diagonal is XLT"
    return Figure(name, title, "matrix", draw, height=0.9 + 0.24 * len(contexts))
