"""The board as a picture for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from xharness.board.board import Board, Column, Row, Value
from xharness.score.averages import Average

LABEL_WIDTH = 24


def show_board(board: Board, console: Console, chance: bool = False) -> None:
    """Draw the board; on a narrow terminal in several tables, the rows repeated."""
    console.print(Rule(Text(board.title), style="dim"))
    if board.note:
        console.print(Text(board.note), style="bold yellow")
    for columns in _chunks(board, console.width):
        console.print(_table(board, columns, chance))
    for note in _legend(board):
        console.print(Text(note), style="dim", soft_wrap=True)


def _width(column: Column) -> int:
    """Characters a column takes: its longest word or a score with its spread, and the space between columns."""
    return max(6, *(len(word) for word in column.title.split())) + 2


def _chunks(board: Board, width: int) -> list[list[Column]]:
    """Columns in as many tables as the width asks for; groups stay together."""
    room = width - max((len(row_label(r, several=False)) for r in board.rows), default=12) - 4
    groups: dict[str, list[Column]] = {}
    for column in board.columns:
        groups.setdefault(column.group, []).append(column)
    chunks: list[list[Column]] = [[]]
    for members in groups.values():
        if chunks[-1] and sum(map(_width, [*chunks[-1], *members])) > room:
            chunks.append([])
        chunks[-1].extend(members)
    return chunks


def _table(board: Board, columns: Sequence[Column], chance: bool) -> Table:
    table = Table(header_style="bold", pad_edge=False, box=None, padding=(0, 1))
    several = len({r.checkpoint for r in board.rows}) > 1
    table.add_column("checkpoint / intermediate" if several else "intermediate", no_wrap=True, min_width=12)
    for column in columns:
        style = {"target": "", "group": "cyan", "average": "bold"}[column.kind]
        table.add_column(Text(column.title), justify="right", style=style, min_width=6, overflow="fold")
    if chance and board.chance:
        cells = [Text(f"{board.chance[c.name]:.1f}" if c.name in board.chance else "", style="dim") for c in columns]
        table.add_row(Text("chance or majority", style="dim"), *cells)
    above = None
    for row in board.rows:
        if several and row.checkpoint != above:
            table.add_row(Text(row.checkpoint, style="bold"))
        above = row.checkpoint
        table.add_row(
            Text(("  " if several else "") + row.intermediate), *(value_text(row.values[c.name]) for c in columns)
        )
    return table


def value_text(value: Value) -> Text:
    """`71.3` with its spread, and under it the signed gain."""
    if value.mean is None:
        if value.state in ("failed", "xfailed"):
            return Text(value.state, style="red")
        if value.state:
            return Text(value.state, style="yellow")
        return Text(f"— {value.have}/{value.want}", style="dim")
    text = Text(f"{value.mean:.1f}", style="bold" if value.best else "")
    if value.spread is not None:
        text.append(f"±{value.spread:.1f}", style="dim")
    if value.state == "degenerate":
        text.append("!", style="bold red")
    if value.gain is not None:
        style = "green" if value.gain > 0 else "red" if value.gain < 0 else "dim"
        text.append(f"\n{value.gain:+.1f}{'*' if value.significant else ''}", style=style)
    return text


def _legend(board: Board) -> list[str]:
    values = [v for r in board.rows for v in r.values.values()]
    notes = []
    if any(v.gain is not None for v in values):
        notes.append("second line: difference from none; bold: best of the column")
    if any(v.significant for v in values):
        notes.append(
            "*: significant difference from none (paired bootstrap over examples, Holm-corrected over the board, 0.05)"
        )
    if any(v.spread is not None for v in values):
        notes.append("±: standard deviation over seeds")
    if any(v.state == "degenerate" for v in values):
        notes.append("!: degenerate: the predictions are all the same")
    if any(v.mean is None and v.want for v in values):
        notes.append("— have/want: an average that lacks a member is not shown")
    return [*notes, *board.footnotes]


def show_breakdown(
    title: str,
    table_of: Mapping[str, Mapping[tuple[str, str], Mapping[str, Average]]],
    run: Mapping[str, Any],
    console: Console,
) -> None:
    """One table a target: rows as on the board, a column for each language, family, script or size."""
    for target, rows in table_of.items():
        parts = list(dict.fromkeys(part for row in rows.values() for part in row))
        per_table = max(2, (console.width - LABEL_WIDTH) // (max(map(len, [*parts, "00.0"])) + 2))
        for start in range(0, len(parts), per_table):
            some = parts[start : start + per_table]
            heading = Text(f"{run['tasks'][target]['title']} by {title}")
            table = Table(title=heading, title_justify="left", box=None, pad_edge=False)
            table.add_column("", no_wrap=True)
            for part in some:
                table.add_column(Text(part), justify="right", no_wrap=True)
            for (checkpoint, intermediate), row in rows.items():
                label = f"{checkpoint} / {intermediate}" if len(run["checkpoints"]) > 1 else intermediate
                table.add_row(Text(label), *(str(row[p]) if p in row else "" for p in some))
            console.print(table)


def show_groups(board: Board, console: Console) -> None:
    """One table a group: its targets and their mean."""
    for group in dict.fromkeys(c.group for c in board.columns if c.kind == "group"):
        console.print(_table(board, [c for c in board.columns if c.group == group], chance=False))


def row_label(row: Row, several: bool) -> str:
    """How a row is named outside the terminal."""
    return f"{row.checkpoint} / {row.intermediate}" if several else row.intermediate
