"""A number is shown as what it rounds to; zero has neither sign nor direction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xharness.score.averages import Average
from xharness.score.rounding import direction, gained, rounded


@pytest.mark.parametrize("value", [0.0, -0.0, 0.04, -0.04, 1e-300, -0.0499999])
def test_a_difference_that_rounds_to_zero_is_zero_without_a_sign(value: float) -> None:
    assert (gained(value), rounded(value), direction(value)) == ("0.0", "0.0", 0)
    assert str(Average(value, 1, 1)) == "0.0"


@pytest.mark.parametrize(("value", "shown", "way"), [(0.06, "+0.1", 1), (-0.06, "-0.1", -1), (12.34, "+12.3", 1)])
def test_a_difference_that_is_shown_has_its_sign(value: float, shown: str, way: int) -> None:
    assert (gained(value), direction(value)) == (shown, way)


@given(st.floats(-100, 100))
def test_sign_and_direction_agree_with_the_digits(value: float) -> None:
    shown = gained(value)
    assert direction(value) == (shown[0] == "+") - (shown[0] == "-")
    assert float(shown) == float(rounded(value)) == pytest.approx(value, abs=0.0500001)
