"""Numbers as they are shown: to a tenth, and what rounds to zero is zero, without a sign.

A number reads alike wherever it is shown: 1.25 and what another order of sums makes of it, 1.2500000000000071, are one.
"""

from __future__ import annotations

_DIGITS = 9


def rounded(value: float, digits: int = 1) -> str:
    """`71.3`, `-4.0`, and `0.0` for what would read `-0.0`."""
    return f"{round(value, _DIGITS):z.{digits}f}"


def p_in_words(p: float, level: float = 0.05) -> str:
    """`0.031`, `0.00020`: two digits, and more where fewer would put it on the other side of the level, or at it."""
    for digits in range(2, 6):
        shown = f"{p:#.{digits}g}"
        if _tells(shown, p, level):
            return shown
    return shown


def p_in_column(p: float, digits: int, level: float = 0.05) -> str:
    """As many digits as the others of its column, and more where these would say 0, or the other side of the level."""
    shown = f"{p:.{digits}f}"
    return shown if p <= 0 or (float(shown) > 0 and _tells(shown, p, level)) else p_in_words(p, level)


def _tells(shown: str, p: float, level: float) -> bool:
    """Whether what is shown is on the same side of the level as the p-value, and at it only where that is."""
    return p == level or ((float(shown) < level) == (p < level) and float(shown) != level)


def gained(difference: float) -> str:
    """`+1.3`, `-0.4`, and `0.0` for a difference that no digit shows."""
    return f"{round(difference, _DIGITS):+.1f}" if direction(difference) else "0.0"


def direction(difference: float) -> int:
    """1 for a gain, -1 for a loss, 0 for what is shown as 0.0."""
    shown = round(round(difference, _DIGITS), 1)
    return (shown > 0) - (shown < 0)
