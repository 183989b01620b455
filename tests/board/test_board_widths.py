"""A board fits the terminal: in one table as long as short heads can make it, whole words where there is room."""

from __future__ import annotations

import pytest
from boards import board, columns, drawn, tables
from hypothesis import given
from hypothesis import strategies as st

from xharness.board.board import Board, Column, Row, Value
from xharness.board.layout import abbreviated, fitted

STARRED = {"paws-x": -35.2, "udpos": -3.3, "pan-x": -16.1, "tatoeba": -24.5}


def xtreme() -> Board:
    """XTREME's fourteen columns, as wide as in a whole run of the miniature."""
    starred = {name: Value(63.5, None, 1, gain, 1, 1, significant=True) for name, gain in STARRED.items()}
    rows: list[tuple[str, dict[str, Value]]] = [("none", {}), ("commonsenseqa", starred), ("best per target", {})]
    return board(*rows, fill=Value(82.3, None, 1, -4.5, 1, 1))


@pytest.mark.parametrize(("width", "count"), [(80, 2), (100, 1), (120, 1), (200, 1)])
def test_all_of_xtreme_fits_one_table_from_a_hundred_columns_on_and_two_below(width: int, count: int) -> None:
    made = xtreme()
    lines = drawn(made, width)
    assert tables(lines) == count
    body = lines[: next(i for i, line in enumerate(lines) if line.startswith("second line"))]
    assert max(map(len, body)) <= width
    text = "\n".join(body)
    assert text.count("82.3") + text.count("63.5") == len(made.rows) * len(made.columns)
    assert text.count("*") == 4


def test_heads_are_whole_words_where_there_is_room_and_cut_short_where_there_is_none() -> None:
    wide, narrow = drawn(xtreme(), 200), drawn(xtreme(), 100)
    for word in ("Structured", "prediction", "answering", "retrieval", "Tatoeba", "Average"):
        assert any(word in line for line in wide)
        assert not any(word in line for line in narrow)
    for word in ("Struc.", "pred.", "answ.", "retr.", "Tatoe.", "Aver."):
        assert any(word in line for line in narrow)


def test_heads_that_would_become_the_same_keep_all_their_letters() -> None:
    groups = {"other": tuple(f"classification_{i}" for i in range(12))}
    lines = drawn(board(("none", {}), groups=groups), 110)
    heads = lines[1 : next(i for i, line in enumerate(lines) if line.startswith("none"))]
    assert tables(lines) == 1
    letters = "".join("".join(heads).split()).replace("intermediate", "").replace("othermean", "")
    for i in range(12):
        assert letters.count(str(i)[-1]) >= 1
    assert "." not in letters.replace("Aver.", "")


def test_a_group_too_wide_for_any_terminal_is_divided_and_nothing_is_squeezed() -> None:
    made = board(("none", {}), groups={"other": tuple(f"target{i:02}" for i in range(30))})
    lines = drawn(made, 80)
    assert sum(line.count("70.0") for line in lines) == len(made.columns)
    assert max(map(len, lines[1:-1])) <= 80


def test_long_labels_of_rows_leave_room_for_the_numbers() -> None:
    made = board(("an_intermediate_of_a_name_that_is_far_too_long_for_a_terminal", {}))
    lines = drawn(made, 80)
    assert tables(lines) <= 4
    assert sum(line.count("70.0") for line in lines) == len(made.columns)


def test_several_checkpoints_stand_above_their_rows_within_the_width() -> None:
    values = {c.name: Value(70.0, have=1, want=1) for c in columns()}
    rows = tuple(
        Row(checkpoint, name, values) for checkpoint in ("xlmr-large", "e5-small") for name in ("none", "mnli")
    )
    lines = drawn(Board("t", "", True, columns(), rows), 100)
    assert tables(lines) == 1
    assert [line.split()[0] for line in lines if line.startswith(("xlmr", "e5", "  "))][-6:] == [
        "xlmr-large", "none", "mnli", "e5-small", "none", "mnli",
    ]  # fmt: skip


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40), st.integers(5, 12))
def test_an_abbreviation_is_no_longer_than_allowed_and_begins_as_the_word(word: str, letters: int) -> None:
    short = abbreviated(word, letters)
    assert 1 <= len(short) <= letters
    assert word.startswith(short[:-1])


@given(
    st.lists(st.tuples(st.text("abc DEF-", min_size=1, max_size=30), st.integers(4, 10)), min_size=1, max_size=30),
    st.integers(40, 200),
)
def test_every_column_stands_in_one_table_in_order_and_every_table_fits(
    given_columns: list[tuple[str, int]], width: int
) -> None:
    heads = [Column(str(i), title, "target", str(i // 4)) for i, (title, _) in enumerate(given_columns)]
    filled = {str(i): wide for i, (_, wide) in enumerate(given_columns)}
    found = fitted(heads, filled, ["none", "best per target"], width)
    assert [c for some in found.tables for c in some] == heads
    assert all(found.widths[name] >= wide for name, wide in filled.items())
    for some in found.tables:
        assert len(some) == 1 or found.label + sum(found.widths[c.name] + found.gap for c in some) <= width
