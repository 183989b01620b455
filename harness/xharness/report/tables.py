"""The tables of a report: the board with what stands behind each value, gains as a heat map, targets by language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xharness.board.board import NONE, Board, Column, Row, Value
from xharness.board.breakdown import breakdown
from xharness.languages import languages
from xharness.record import Record
from xharness.score.averages import Average
from xharness.score.compare import Comparison, Settings, compare
from xharness.score.rounding import direction, gained, rounded
from xharness.study import Study

RESAMPLES = 2_000
MOST_COMPARED = 60
"""Rows whose gains get intervals; of a larger board they would take minutes."""
FULL = 10.0
"""Points of gain at which a heat map's colour is full."""


@dataclass(frozen=True)
class Cell:
    """A place of a table."""

    text: str = ""
    below: str = ""
    """A second line, smaller: the gain."""
    order: float | None = None
    """What the column is sorted by; None is last."""
    hover: str = ""
    heat: float = 0.0
    """-1 (full loss) to 1 (full gain)."""
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """A table with one head cell a row and one a column."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]
    """(head cells, the others) of each row."""
    heads: tuple[str, ...] = ("",)
    note: str = ""


def label_of(row: Row, several: bool) -> str:
    """A row's name; with its checkpoint where there are several."""
    return f"{row.intermediate} [{row.checkpoint}]" if several else row.intermediate


def comparisons(study: Study) -> dict[tuple[str, str], Comparison]:
    """Every row against `none` of its checkpoint, with intervals; empty where there are too many."""
    if len({(record.checkpoint, record.intermediate) for record in study.records}) > MOST_COMPARED:
        return {}
    rows = study.rows
    others = [label for label in rows if label[1] != NONE and (label[0], NONE) in rows]
    return {label: compare(rows[label[0], NONE], rows[label], study.scheme, Settings(RESAMPLES)) for label in others}


def board_grid(board: Board, records: Sequence[Record], compared: Mapping[tuple[str, str], Comparison]) -> Grid:
    """The leaderboard."""
    several = len({row.checkpoint for row in board.rows}) > 1
    examples = _examples(records)
    rows = tuple(
        (
            (label_of(row, several),),
            tuple(_value(row, column, row.values[column.name], examples, compared) for column in board.columns),
        )
        for row in board.rows
    )
    note = "" if compared or len(board.rows) < 2 else f"no intervals: more than {MOST_COMPARED} rows"
    return Grid("Leaderboard", tuple(column.title for column in board.columns), rows, ("intermediate",), note)


def _examples(records: Sequence[Record]) -> dict[tuple[str, str, str], int]:
    """(checkpoint, intermediate, target) -> test examples of one seed, over all languages."""
    found: dict[tuple[str, str, str], dict[tuple[int, str], int]] = {}
    for record in records:
        place = (record.checkpoint, record.intermediate, record.target)
        found.setdefault(place, {}).setdefault((record.seed, record.language), record.n)
    return {
        place: sum(n for (seed, _), n in held.items() if seed == next(iter(held))[0]) for place, held in found.items()
    }


def _value(
    row: Row,
    column: Column,
    value: Value,
    examples: Mapping[tuple[str, str, str], int],
    compared: Mapping[tuple[str, str], Comparison],
) -> Cell:
    if not value.want:
        return Cell(hover="no cell: left out of the grid, or not selected")
    if value.mean is None:
        return Cell(value.state or f"— {value.have}/{value.want}", hover=f"{value.have} of {value.want} members scored")
    text = rounded(value.mean) + (f" ±{value.spread:.1f}" if value.spread is not None else "")
    below = "" if value.gain is None else gained(value.gain) + ("*" if value.significant else "")
    hover = [f"{row.intermediate} on {column.title}: {rounded(value.mean)}"]
    hover += [f"{column.note}"] if column.note else []
    if n := examples.get((row.checkpoint, row.intermediate, column.name)):
        hover.append(f"{n:,} test examples")
    hover.append(f"{value.seeds} seed{'s' if value.seeds != 1 else ''}")
    if (found := compared.get(row.label)) is not None and value.gain is not None:
        name = f"group:{column.group}" if column.kind == "group" else column.name
        for line in found.lines:
            if line.name == name and not line.language and line.low is not None and line.high is not None:
                hover.append(f"gain {gained(value.gain)}, 95 % interval {gained(line.low)} to {gained(line.high)}")
    heat = _heat(value.gain, value.higher_is_better)
    state = "!" if value.state == "degenerate" else ""
    return Cell(text + state, below, value.mean, "; ".join(hover), heat, value.best)


def _heat(gain: float | None, higher_is_better: bool) -> float:
    if gain is None or not direction(gain):
        return 0.0
    heat = max(-1.0, min(1.0, gain / FULL))
    return round(heat if higher_is_better else -heat, 3)


def heat_grid(board: Board) -> Grid | None:
    """Gains over `none`, a row an intermediate, a column a target; None where nothing is compared."""
    several = len({row.checkpoint for row in board.rows}) > 1
    rows = []
    for row in board.rows:
        cells = []
        for column in board.columns:
            value = row.values[column.name]
            text = "" if value.gain is None else gained(value.gain) + ("*" if value.significant else "")
            cells.append(Cell(text, "", value.gain, "", _heat(value.gain, value.higher_is_better)))
        if any(cell.text for cell in cells):
            rows.append(((label_of(row, several),), tuple(cells)))
    if not rows:
        return None
    note = f"Points; *: larger than chance (Holm). Colours are full at {FULL:g} points: blue gains, orange losses."
    columns = tuple(column.title for column in board.columns)
    return Grid("Gains over no intermediate", columns, tuple(rows), ("intermediate",), note)


def target_grids(run: Mapping[str, Any], records: Sequence[Record], board: Board) -> list[Grid]:
    """A table a target: its languages, then its families, under every row; gains over `none` beside and as colour."""
    known = languages()
    parts = [(by, breakdown(run, records, by)) for by in ("language", "family")]
    several = len({row.checkpoint for row in board.rows}) > 1
    better = {column.name: column.higher_is_better for column in board.columns}
    grids = []
    for target in run["targets"]:
        labels = [row.label for row in board.rows if row.label in parts[0][1].get(target, {})]
        if not labels:
            continue
        rows: list[tuple[tuple[str, ...], tuple[Cell, ...]]] = []
        for by, found in parts:
            held = found.get(target, {})
            for part in dict.fromkeys(name for label in labels for name in held.get(label, {})):
                facts = known.get(part)
                about = f"{facts.name}, {facts.family}" if facts else ""
                heads = (part, about) if by == "language" else ("family", part)
                rows.append((heads, tuple(_part(held, label, part, better.get(target, True)) for label in labels)))
        titles = tuple(f"{i} [{c}]" if several else i for c, i in labels)
        title = str(run["tasks"][target]["title"])
        note = str(run["tasks"][target]["metric"])
        grids.append(Grid(title, titles, tuple(rows), ("language", "name and family"), note))
    return grids


def _part(
    held: Mapping[tuple[str, str], Mapping[str, Average]], label: tuple[str, str], part: str, higher_is_better: bool
) -> Cell:
    value = held.get(label, {}).get(part)
    base = held.get((label[0], NONE), {}).get(part)
    if value is None or value.value is None:
        return Cell("—")
    gain = None if base is None or base.value is None or label[1] == NONE else value.value - base.value
    below = "" if gain is None else gained(gain)
    return Cell(rounded(value.value), below, value.value, "", _heat(gain, higher_is_better))
