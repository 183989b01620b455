"""The page: what is in it, put into the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from xharness.board.legend import legend
from xharness.errors import HarnessError
from xharness.look.pages import template_of
from xharness.look.predictions import Known, Prediction, predictions
from xharness.look.selection import Wanted, chosen
from xharness.report import facts
from xharness.report.tables import board_grid, comparisons, heat_grid, target_grids
from xharness.session.answers import Answered, answered, column_texts, svg_of
from xharness.session.expectations import Judged

if TYPE_CHECKING:
    from xharness.board.board import Board
    from xharness.study import Study

SAMPLED = 3
"""Wrong predictions of a cell that are shown."""
CELLS = 40
"""Cells whose wrong predictions are shown, those of the first seed."""
LONGEST = 60
"""Rows of an analysis' table that are shown; its CSV has all."""
LONGEST_VALUE = 300
"""Characters of a value that are shown."""
PAGED = 25
"""Rows from which on a table is shown in pages."""


@dataclass(frozen=True)
class Wrong:
    """A sample of what a cell got wrong."""

    cell: str
    shown: tuple[Prediction, ...]
    of: int
    notes: tuple[str, ...] = ()


def report_page(study: Study, board: Board, answers: bool = True) -> str:
    """A run as a page: board, targets, analyses, failures, expectations, wrong predictions, how it was made.

    HarnessError of nothing but the template: what a part lacks is said in its place.
    """
    run, records = study.run, study.records
    try:
        compared, untold = comparisons(study), ""
    except HarnessError as error:
        compared, untold = {}, f"no intervals: {error}"
    template = template_of(page_file("report.html.j2"), LONGEST_VALUE, column_texts=column_texts)
    script, style = _library()
    return template.render(
        svg_of=svg_of,
        title=run["title"],
        note=run.get("note", ""),
        summary=facts.summary(run),
        board=board_grid(board, records, compared),
        legend=[*legend(board), *([untold] if untold else [])],
        heat=heat_grid(board),
        targets=target_grids(run, records, board),
        answers=list(_answers(study)) if answers and study.loaded is not None else [],
        longest=LONGEST,
        paged=PAGED,
        reasons=facts.reasons(run),
        expectations=[(judged, judged.sentence()) for judged in (Judged(**held) for held in run["expectations"])],
        wrong=wrong_predictions(study),
        lineage=facts.lineage(run),
        trainings=facts.trainings(run, study.manifest),
        environment=facts.environment(run),
        suite=facts.suite_text(run),
        curves=_curves(run, board),
        script=script,
        style=style,
        looks=page_file("page.css"),
    )


def page_file(name: str) -> str:
    """A template or a style of this package."""
    return (files("xharness.report") / name).read_text(encoding="utf-8")


def _library() -> tuple[str, str]:
    """DataTables and its style, from the package that carries them, to stand in the page."""
    held = files("itables") / "html"
    return (held / "dt_bundle.js").read_text(encoding="utf-8"), (held / "dt_bundle.css").read_text(encoding="utf-8")


def _answers(study: Study) -> Sequence[Answered]:
    try:
        return list(answered(study))
    except HarnessError:  # The suite has changed since: its analyses are asked by `analyse`.
        return ()


def wrong_predictions(study: Study) -> list[Wrong]:
    """Of the cells of the first seed some wrong predictions each, drawn at random."""
    run, found = study.run, list[Wrong]()
    known = Known()
    first = min(run["seeds"], default=0)
    passed = [c for c in run["cells"] if c["key"] and c["seed"] == first and c["status"] in ("passed", "xpassed")]
    for cell in passed[:CELLS]:
        try:
            held = predictions(cell, run, study.folder, study.loaded, known=known)
        except HarnessError as error:
            found.append(Wrong(cell["name"], (), 0, (str(error),)))
            continue
        wrong = chosen(held.rows, Wanted(right=False))
        shown = tuple(held.read(chosen(wrong, Wanted(sample=SAMPLED))))
        found.append(Wrong(cell["name"], shown, len(wrong), held.notes if shown else ()))
    return found


def _curves(run: Mapping[str, Any], board: Board) -> list[tuple[str, str]]:
    """(title, figure) of every intermediate that has several sizes."""
    from xharness.analysis import Figure
    from xharness.board.curve import curves

    found = []
    for checkpoint, name, points in curves(run, board):
        columns = [c for c in board.columns if c.kind in ("target", "average")]

        def draw(axes: Any, points: Any = points, columns: Any = columns) -> None:
            for column in columns:
                drawn = [(place, row.values[column.name].mean) for place, (_, row) in enumerate(points)]
                known = [(place, mean) for place, mean in drawn if mean is not None]
                if known:
                    axes.plot(*zip(*known, strict=True), label=column.title)
            axes.set_xticks(range(len(points)), [str(size) for size, _ in points])
            axes.set_xlabel("examples of the intermediate")
            axes.set_ylabel("score")
            axes.legend(fontsize=7)

        figure = Figure("curve", name, "", draw, columns=2, height=3.0)
        found.append((f"{name} by size, {checkpoint}", svg_of(figure)))
    return found
