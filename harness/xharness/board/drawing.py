"""A stored run on a console: the board, and a breakdown of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xharness.board.board import Board
from xharness.board.breakdown import breakdown
from xharness.board.show import show_board, show_breakdown, show_groups
from xharness.record import Record

if TYPE_CHECKING:
    from rich.console import Console

BREAKDOWNS = ("language", "family", "script", "wikipedia", "transfer", "group", "size", "sweep")


def draw_run(
    run: Mapping[str, Any],
    records: Sequence[Record],
    board: Board,
    console: Console,
    by: str | None = None,
    chance: bool = False,
    baselines: bool = False,
) -> None:
    """Draw a board; broken down by one of BREAKDOWNS, with published rows, where asked."""
    show_board(board, console, chance)
    if by == "group":
        show_groups(board, console)
    elif by == "size":
        from xharness.board.curve import show_curves

        show_curves(run, board, console)
    elif by == "sweep":
        from xharness.board.sweeps import show_sweeps

        show_sweeps(run, console)
    elif by is not None:
        show_breakdown(by, breakdown(run, records, by), run, console)
    if baselines:
        from xharness.board.baseline_table import show_baselines

        show_baselines(run, console)
