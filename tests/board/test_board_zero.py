"""What rounds to zero is zero in every format: no sign, no colour, no word of a gain or a loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from boards import board, drawn
from test_board import record, run_of

from xharness.board.board import Board, Value, make_board
from xharness.board.export import as_csv, as_html, as_json, as_latex
from xharness.board.show import value_text
from xharness.cli.compare import _cells
from xharness.record import Record
from xharness.score.compare import Difference
from xharness.score.rounding import gained, rounded
from xharness.score.scheme import load_scheme
from xharness.session.expectations import Judged

NOTHING = (0.0, -0.0, 0.04, -0.04)
GREEN, RED = "\x1b[32m", "\x1b[31m"


def of_gain(gain: float, **marks: Any) -> tuple[Board, list[Record]]:
    """A board, with its records, whose row `mnli` differs by this from `none`."""
    run = run_of({"xnli": ["en"], "pawsx": ["en"]}, ("none", "mnli"))
    records = [
        record("none", "xnli", "en", 50.0), record("none", "pawsx", "en", 50.0),
        record("mnli", "xnli", "en", 50.0 + gain), record("mnli", "pawsx", "en", 50.0),
    ]  # fmt: skip
    return make_board(run, records, load_scheme("xtreme"), **marks), records


@pytest.mark.parametrize("gain", NOTHING)
def test_a_gain_of_nothing_has_neither_sign_nor_colour_on_the_terminal(gain: float) -> None:
    lines = drawn(board(("mnli", {"xnli": Value(50.0, None, 1, gain, 1, 1)})), 150, color=True)
    text = "\n".join(lines)
    assert "+0.0" not in text
    assert "-0.0" not in text
    assert GREEN not in text
    assert RED not in text
    assert value_text(Value(50.0, None, 1, gain, 1, 1)).plain == "50.0\n0.0"


@pytest.mark.parametrize(("gain", "shown", "color"), [(0.06, "+0.1", GREEN), (-0.06, "-0.1", RED)])
def test_a_gain_that_is_shown_has_its_colour(gain: float, shown: str, color: str) -> None:
    text = "\n".join(drawn(board(("mnli", {"xnli": Value(50.0, None, 1, gain, 1, 1)})), 150, color=True))
    assert f"{color}{shown}" in text


@pytest.mark.parametrize("gain", NOTHING)
def test_a_gain_of_nothing_is_zero_in_latex_and_html(gain: float) -> None:
    made, records = of_gain(gain)
    assert "$^{0.0}$" in as_latex(made, records)
    assert "<small>0.0</small>" in as_html(made, records)
    for text in (as_latex(made, records), as_html(made, records)):
        assert "-0.0" not in text
        assert "+0.0" not in text


def test_a_gain_or_a_loss_says_so_in_html() -> None:
    assert '<small class="up">+0.1</small>' in as_html(*of_gain(0.06))
    assert '<small class="down">-0.1</small>' in as_html(*of_gain(-0.06))


@pytest.mark.parametrize("mean", [-0.0, -0.04])
def test_a_score_that_rounds_to_zero_is_zero(mean: float) -> None:
    assert value_text(Value(mean, None, 1, None, 1, 1)).plain == "0.0"


@pytest.mark.parametrize("gain", NOTHING)
def test_a_difference_of_nothing_is_zero_in_a_comparison_and_in_an_expectation(gain: float) -> None:
    line = Difference("target", "xnli", left=50.0, right=50.0 + gain, difference=gain, low=gain, high=gain)
    assert _cells(line, 0.95)[3:5] == ["0.0", "[0.0, 0.0]"]
    judged = Judged("cell", "difference from none at least 1", gain, True, low=gain, high=gain)
    assert judged.sentence().endswith("at least 1, found 0.0, 95% interval 0.0 to 0.0")


def test_machines_read_the_numbers_as_they_are() -> None:
    made, records = of_gain(-0.04)
    assert "49.96" in as_csv(made, records)
    assert '"gain": -0.03999' in as_json(made, records)


def test_marks_of_significant_gains_stand_in_every_format_with_their_meaning() -> None:
    made, records = of_gain(9.0, significant=frozenset({("c", "mnli", "xnli")}))
    assert "+9.0*" in "\n".join(drawn(made, 150))
    assert "$^{+9.0*}$" in as_latex(made, records)
    assert '<small class="up">+9.0*</small>' in as_html(made, records)
    for text in ("\n".join(drawn(made, 150)), as_latex(made, records), as_html(made, records)):
        assert text.count("*: significant difference from none") == 1


def test_latex_escapes_what_means_something_to_it() -> None:
    made, records = of_gain(1.0)
    columns = tuple(replace(c, title=r"a\b^c_d & 5% <e>|") if c.name == "xnli" else c for c in made.columns)
    text = as_latex(replace(made, columns=columns, title="two\nlines"), records)
    assert text.startswith("% two lines\n\\begin")
    assert r"a\textbackslash{}b\textasciicircum{}c\_d \& 5\% \textless{}e\textgreater{}\textbar{}" in text


def test_a_number_reads_alike_whatever_order_it_was_summed_in() -> None:
    for value in (1.25, 1.2500000000000071, 1.2499999999999929):
        assert (rounded(value), gained(value), rounded(-value)) == ("1.2", "+1.2", "-1.2")
    assert len({gained(value) for value in (0.05, 0.0500000000000071, 0.0499999999999929)}) == 1
