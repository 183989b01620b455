"""What the marks on a board mean, followed by its footnotes; the same words in every format."""

from __future__ import annotations

from xharness.board.board import Board


def legend(board: Board, gain: str = "second line") -> list[str]:
    """The notes of a board; `gain` says where the format puts differences."""
    values = [v for r in board.rows for v in r.values.values()]
    notes = []
    if any(v.gain is not None for v in values):
        notes.append(f"{gain}: difference from none; bold: best of the column")
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
    if any(not v.want for v in values):
        notes.append("empty: no cell, left out of the grid or not selected")
    return [*notes, *board.footnotes]
