"""The board as a picture for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from xharness.board.board import Board, Column, Row, Value
from xharness.board.layout import fitted
from xharness.board.legend import legend
from xharness.score.averages import Average
from xharness.score.rounding import gained, rounded


def show_board(board: Board, console: Console, chance: bool = False) -> None:
    """Draw the board; on a terminal too narrow even for short heads, in several tables with the same rows."""
    console.print(Rule(Text(board.title), style="dim"))
    if board.note:
        console.print(Text(board.note), style="bold yellow")
    _show_columns(board, board.columns, console, chance)
    for note in legend(board):
        console.print(Text(note), style="dim", soft_wrap=True)


def show_groups(board: Board, console: Console) -> None:
    """One table per group: its targets and their mean."""
    for group in dict.fromkeys(c.group for c in board.columns if c.kind == "group"):
        _show_columns(board, [c for c in board.columns if c.group == group], console)


INTERMEDIATE, CHANCE = "intermediate", "chance or majority"
STYLES = {"target": "", "group": "cyan", "average": "bold"}


def _show_columns(board: Board, columns: Sequence[Column], console: Console, chance: bool = False) -> None:
    """Draw some columns of a board, in as many tables as the terminal needs."""
    cells = {(row.label, c.name): value_text(row.values[c.name]) for row in board.rows for c in columns}
    chances = {c.name: Text(rounded(board.chance[c.name]), style="dim") for c in columns if c.name in board.chance}
    chances = chances if chance else {}
    several = len({r.checkpoint for r in board.rows}) > 1
    indent = "  " if several else ""
    labels = [INTERMEDIATE, *(indent + r.intermediate for r in board.rows), *([CHANCE] if chances else [])]
    labels += [r.checkpoint for r in board.rows] if several else []
    filled = dict.fromkeys((c.name for c in columns), 0)
    for name, text in (*((name, text) for (_, name), text in cells.items()), *chances.items()):
        filled[name] = max(filled[name], *(cell_len(line) for line in text.plain.split("\n")))
    layout = fitted(columns, filled, labels, console.width)
    for some in layout.tables:
        table = Table(header_style="bold", pad_edge=False, box=None, padding=(0, 1, 0, layout.gap - 1))
        title = f"checkpoint / {INTERMEDIATE}" if several else INTERMEDIATE
        table.add_column(title, width=layout.label, overflow="fold")
        for c in some:
            head = Text(layout.heads[c.name])
            table.add_column(head, justify="right", style=STYLES[c.kind], width=layout.widths[c.name], overflow="fold")
        if chances:
            table.add_row(Text(CHANCE, style="dim"), *(chances.get(c.name, "") for c in some))
        above = None
        for row in board.rows:
            if several and row.checkpoint != above:
                table.add_row(Text(row.checkpoint, style="bold"))
            above = row.checkpoint
            label = Padding(Text(row.intermediate), (0, 0, 0, len(indent)))
            table.add_row(label, *(cells[row.label, c.name] for c in some))
        console.print(table)


def value_text(value: Value) -> Text:
    """`71.3` with its spread, and the signed gain below; empty without a cell."""
    if not value.want:
        return Text("")
    if value.mean is None:
        if value.state in ("failed", "xfailed"):
            return Text(value.state, style="red")
        if value.state:
            return Text(value.state, style="yellow")
        return Text(f"— {value.have}/{value.want}", style="dim")
    text = Text(rounded(value.mean), style="bold" if value.best else "")
    if value.spread is not None:
        text.append(f"±{value.spread:.1f}", style="dim")
    if value.state == "degenerate":
        text.append("!", style="bold red")
    if value.gain is not None:
        style = ("dim", "green", "red")[value.way]
        text.append(f"\n{gained(value.gain)}{'*' if value.significant else ''}", style=style)
    return text


def show_breakdown(
    title: str,
    table_of: Mapping[str, Mapping[tuple[str, str], Mapping[str, Average]]],
    run: Mapping[str, Any],
    console: Console,
) -> None:
    """One table per target: rows as on the board, a column for each language, family, script or size."""
    for target, rows in table_of.items():
        parts = list(dict.fromkeys(part for row in rows.values() for part in row))
        several = len(run["checkpoints"]) > 1
        labels = {(c, i): f"{c} / {i}" if several else i for c, i in rows}
        room = console.width - max(map(cell_len, labels.values()))
        per_table = max(2, room // (max(map(cell_len, [*parts, "00.0"])) + 2))
        for start in range(0, len(parts), per_table):
            some = parts[start : start + per_table]
            heading = Text(f"{run['tasks'][target]['title']} by {title}")
            table = Table(title=heading, title_justify="left", box=None, pad_edge=False)
            table.add_column("", no_wrap=True)
            for part in some:
                table.add_column(Text(part), justify="right", no_wrap=True)
            for label, row in rows.items():
                table.add_row(Text(labels[label]), *(str(row[p]) if p in row else "" for p in some))
            console.print(table)


def row_label(row: Row, several: bool) -> str:
    """How a row is named outside the terminal."""
    return f"{row.checkpoint} / {row.intermediate}" if several else row.intermediate
