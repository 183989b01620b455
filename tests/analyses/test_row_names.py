"""With several checkpoints sentences and figures say whose a row is."""

from typing import Any

from xharness.analyses import gains
from xharness.analyses.in_language import _words as missing_words
from xharness.analyses.slicing.cases import Gain
from xharness.analyses.slicing.labels import NONE, labels_of
from xharness.analyses.slicing.pages import Sliced, slice_figure
from xharness.analyses.transfer_loss_words import seen_words
from xharness.analysis import Table


def gained(*checkpoints: str) -> tuple[tuple[Any, ...], ...]:
    """A sure gain of one row under each."""
    return tuple((c, "mnli", "XNLI", "accuracy", 50.0, 52.0, 2.0, 1.0, 3.0, 0.001, 0.002) for c in checkpoints)


def test_gains_under_two_checkpoints_are_told_apart() -> None:
    assert "gains of mnli on XNLI" in gains._words(gained("small"))[0]
    said = gains._words(gained("small", "large"))[0]
    assert "mnli (small) on XNLI" in said
    assert "mnli (large) on XNLI" in said


def test_so_are_languages_seen_and_what_is_missing_to_training_in_them() -> None:
    seen = [(c, "mnli", "XNLI", "none", 1, 2.0, 1.0, 3.0, 1, 0.0, -1.0, 1.0, 2.0, 1.0, 3.0, 0.001, 0.002) for c in "ab"]
    (said,) = seen_words(Table("seen", "", (), tuple(seen)))
    assert "mnli (a) on XNLI against none" in said
    rows = tuple((c, "mnli", "XNLI", 2, 50.0, 55.0, 5.0, 4.0, 6.0, 0.001, 0.002) for c in "ab")
    assert "with mnli (a)" in missing_words(rows)[0]


def test_the_lines_of_a_figure_leave_room_for_every_row() -> None:
    held = {name: Gain(30, 30, 50.0, 51.0, 0.0, 2.0, 0.1) for name in ("a", "b")}
    made = [Sliced("tiny", f"row{i}", "X", "topic", held, ("a", "b"), 0.5) for i in range(12)]
    assert slice_figure("topic", made).height > 0.7 + 2 * 12 * 0.08


def test_a_number_that_is_none_has_no_bin_and_takes_none_from_the_others() -> None:
    of = labels_of({"en": {"a": float("nan"), "b": 1.0, "c": 2.0, "d": 3.0, "e": 4.0}}, 2, 12).of
    assert [of["en", name] for name in "abcde"] == [NONE, *["1 of 2 (lowest)"] * 2, *["2 of 2 (highest)"] * 2]
