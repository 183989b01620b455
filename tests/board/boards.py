"""Boards made by hand, and what a terminal of some width shows of them."""

from __future__ import annotations

import io

from rich.console import Console

from xharness.board.board import Board, Column, Row, Value
from xharness.board.show import show_board

GROUPS = {
    "Sentence pair": ("XNLI", "PAWS-X"),
    "Structured prediction": ("UDPOS", "PAN-X"),
    "Question answering": ("XQuAD", "MLQA", "TyDiQA"),
    "Sentence retrieval": ("BUCC 2018", "Tatoeba"),
}

PLAIN = Value(70.0, have=1, want=1)


def columns(groups: dict[str, tuple[str, ...]] = GROUPS) -> tuple[Column, ...]:
    """Targets, the mean of each group, and the average."""
    made: list[Column] = []
    for group, targets in groups.items():
        made += [Column(title.lower(), title, "target", group) for title in targets]
        made += [Column(f"group:{group}", f"{group} mean", "group", group)] if len(targets) > 1 else []
    return (*made, Column("average", "Average", "average"))


def board(
    *rows: tuple[str, dict[str, Value]],
    checkpoint: str = "tiny",
    groups: dict[str, tuple[str, ...]] = GROUPS,
    fill: Value = PLAIN,
) -> Board:
    """A board whose rows give what differs from `fill`."""
    heads = columns(groups)
    made = tuple(Row(checkpoint, name, {c.name: values.get(c.name, fill) for c in heads}) for name, values in rows)
    return Board("a title", "", True, heads, made)


def drawn(made: Board, width: int, color: bool = False) -> list[str]:
    """The lines of a terminal."""
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    show_board(made, console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def tables(lines: list[str]) -> int:
    """How many tables there are."""
    return sum(line.startswith(("intermediate ", "checkpoint / intermediate ")) for line in lines)
