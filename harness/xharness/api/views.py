"""The board as a value that shows itself: in a terminal, in a notebook, as text."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas

    from xharness.board.board import Board
    from xharness.record import Record

WIDE = 150
"""Columns of the board as text."""


@dataclass(frozen=True)
class BoardView:
    """A board. `print(view)` and a notebook's cell show it; `board` has its numbers."""

    board: Board
    records: tuple[Record, ...]
    _draw: Callable[[Console], None]

    def __str__(self) -> str:
        """The board as a terminal shows it, without colours."""
        drawn = io.StringIO()
        self._draw(Console(file=drawn, width=WIDE, markup=False, emoji=False, highlight=False))
        return drawn.getvalue().rstrip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows: the table, everything from the suite escaped."""
        return self.to("html")

    def show(self) -> None:
        """Draw it on the terminal, with colours where it has them."""
        self._draw(Console(markup=False, emoji=False, highlight=False))

    def to(self, form: str) -> str:
        """As `latex`, `html`, `csv` (every record) or `json`; UsageError for another form."""
        from xharness.board.export import FORMATS
        from xharness.errors import UsageError, nearest

        if form not in FORMATS:
            raise UsageError(f"a board has no form '{form}'. {nearest(form, FORMATS)}")
        return FORMATS[form](self.board, self.records)


def frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pandas.DataFrame:
    """A DataFrame with these columns, also where there is no row."""
    import pandas

    return pandas.DataFrame(rows, columns=list(columns))
