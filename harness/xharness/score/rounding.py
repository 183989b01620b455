"""Numbers as they are shown: to a tenth, and what rounds to zero is zero, without a sign."""

from __future__ import annotations


def rounded(value: float, digits: int = 1) -> str:
    """`71.3`, `-4.0`, and `0.0` for what would read `-0.0`."""
    return f"{value:z.{digits}f}"


def gained(difference: float) -> str:
    """`+1.3`, `-0.4`, and `0.0` for a difference that no digit shows."""
    return f"{difference:+.1f}" if direction(difference) else "0.0"


def direction(difference: float) -> int:
    """1 for a gain, -1 for a loss, 0 for what is shown as 0.0."""
    shown = round(difference, 1)
    return (shown > 0) - (shown < 0)
