"""The terminal that commands write to: text is text, and a pipe whose reader has gone is an error like others."""

from __future__ import annotations

import os
from typing import IO, NoReturn

from rich.console import Console

WIDE = 150
"""Columns where the output is no terminal and nobody has said how wide it is."""


class _Plain(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Leave it to `main`, which knows how a command ends."""
        raise BrokenPipeError


def terminal(file: IO[str] | None = None, width: int | None = None) -> Console:
    """A console that shows titles and names as they were written: no brackets or colons of theirs mean anything."""
    found = _Plain(file=file, width=width, markup=False, emoji=False, highlight=False)
    if width is None and not found.is_terminal and "COLUMNS" not in os.environ:
        found.width = WIDE
    return found
