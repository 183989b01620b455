"""`--by size`: the scores of an intermediate at its sizes, from no example on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from xharness.board.board import NONE, Board, Column, Row
from xharness.board.show import value_text
from xharness.errors import UsageError
from xharness.spec.rows import size_text
from xharness.spec.stage import Size

BARS = "▁▂▃▄▅▆▇█"


def show_curves(run: Mapping[str, Any], board: Board, console: Console) -> None:
    """A table an intermediate and checkpoint: a line a size, and the shape of each column below it."""
    found = list(curves(run, board))
    if not found:
        what = "no intermediate of this run has several sizes."
        raise UsageError(f"--by size: {what} Give one some: [intermediate.NAME] with size = [1000, 4000].")
    several = len(run["checkpoints"]) > 1
    for checkpoint, name, points in found:
        title = f"{name} by size" + (f", {checkpoint}" if several else "")
        table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
        table.add_column("examples", justify="right", no_wrap=True)
        for column in board.columns:
            table.add_column(Text(column.title), justify="right")
        for size, row in points:
            table.add_row(size_text(size), *(value_text(row.values[c.name]) for c in board.columns))
        table.add_row("", *(Text(_shape(c, [row for _, row in points]), style="dim") for c in board.columns))
        console.print(table)


def curves(run: Mapping[str, Any], board: Board) -> Iterator[tuple[str, str, list[tuple[Size, Row]]]]:
    """(checkpoint, intermediate, its rows by size, the row without an intermediate first)."""
    facts = run.get("rows", {})
    titles = {found["intermediate"]: found.get("title") or found["intermediate"] for found in facts.values()}
    rows = {row.label: row for row in board.rows}
    for checkpoint in run["checkpoints"]:
        sized: dict[str, list[tuple[Size, Row]]] = {}
        for label, row in rows.items():
            found = facts.get(label[1], {})
            if label[0] == checkpoint and found.get("size") is not None:
                sized.setdefault(found["intermediate"], []).append((found["size"], row))
        plain = rows.get((checkpoint, NONE))
        for name, points in sized.items():
            yield (
                checkpoint,
                titles[name],
                [*([(0, plain)] if plain else []), *sorted(points, key=lambda point: point[0])],
            )


def _shape(column: Column, rows: list[Row]) -> str:
    """The means as bars, the lowest to the highest of them."""
    means = [row.values[column.name].mean for row in rows]
    known = [mean for mean in means if mean is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    steps = len(BARS) - 1
    return "".join(" " if m is None else BARS[round((m - low) / ((high - low) or 1) * steps)] for m in means)
