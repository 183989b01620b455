"""The answer on transfer loss in words, and its figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xharness.analyses.by_language import row_names
from xharness.analysis import Figure, Table
from xharness.errors import listed
from xharness.score.rounding import gained
from xharness.spec.load import NONE

CHECKPOINT, ROW, TARGET, AGAINST, LOSS, ENGLISH_BY, OTHERS_BY, CHANGE, LOW, HIGH, P = 0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 13
"""Columns of the table of losses."""


def words(losses: Table, english: str | Mapping[str, str]) -> list[str]:
    """Which rows lessen the loss, by how much, how sure; against `none`, and against English."""
    lines = [row for row in losses.rows if row[AGAINST]]
    said = _said([row for row in lines if row[AGAINST] == NONE], "no intermediate")
    other = [row for row in lines if row[AGAINST] != NONE]
    names = list(dict.fromkeys(row[AGAINST] for row in other))
    if other:
        said += _said(other, f"the intermediate in English ({listed(names)})")
    elif english:
        said.append("No row can be compared with one in English.")
    return said


def _said(lines: Sequence[tuple[Any, ...]], against: str) -> list[str]:
    if not lines:
        return []
    if all(row[P] is None for row in lines):
        return [f"Against {against} nothing says how sure the {len(lines)} changes of the loss are: no outcomes."]
    row_of = row_names(lines)
    sure = [row for row in lines if row[P] is not None and row[P] < 0.05]
    less, more = [row for row in sure if row[CHANGE] < 0], [row for row in sure if row[CHANGE] > 0]
    said = []
    if less:
        said.append(f"Against {against} the loss is lessened by {listed([_line(row, row_of) for row in less])}.")
    if more:
        said.append(f"Against {against} the loss is enlarged by {listed([_line(row, row_of) for row in more])}.")
    if not sure:
        nearest = min(lines, key=lambda row: row[CHANGE])
        said.append(
            f"Against {against} no row changes the loss by more than chance; the lowest is that of "
            f"{_line(nearest, row_of)}."
        )
    elif len(sure) < len(lines):
        said.append(f"The other {len(lines) - len(sure)} of {len(lines)} changes may be chance (Holm, 0.05).")
    return said


def _line(row: tuple[Any, ...], row_of: Callable[[Sequence[Any]], str]) -> str:
    interval = "" if row[LOW] is None else f", {gained(row[LOW])} to {gained(row[HIGH])}"
    why = f"English {gained(row[ENGLISH_BY])}, others {gained(row[OTHERS_BY])}"
    if row[CHANGE] < 0 and row[OTHERS_BY] <= 0:
        why += ": English falls, and the others do not gain"
    return f"{row_of(row)} on {row[TARGET]} ({gained(row[CHANGE])}{interval}; {why})"


def seen_words(seen: Table) -> list[str]:
    """Whether the languages of the intermediate gain more than others."""
    lines = [row for row in seen.rows if row[-1] is not None]
    if not lines:
        return []
    sure = [row for row in lines if row[-1] < 0.05]
    if not sure:
        return [
            f"Nothing shows that languages seen in the intermediate gain otherwise than unseen ones "
            f"(none of {len(lines)} differences, Holm, 0.05)."
        ]
    row_of = row_names(lines)
    named = listed([f"{row_of(r)} on {r[TARGET]} against {r[AGAINST]} ({_two(r)})" for r in sure])
    return [f"Languages seen in the intermediate and unseen ones gain differently with {named}."]


def _two(row: tuple[Any, ...]) -> str:
    one, other, difference, low, high = (gained(row[i]) for i in (5, 9, 12, 13, 14))
    return f"{one} and {other}, difference {difference}, {low} to {high}"


def figure(losses: Table) -> Figure:
    """The change of the loss with its interval: a line for each row and target, a mark for what it is compared with."""
    lines = [row for row in losses.rows if row[AGAINST]]
    many = len({row[CHECKPOINT] for row in lines}) > 1
    keys = list(dict.fromkeys((row[CHECKPOINT], row[ROW], row[TARGET]) for row in lines))

    def draw(axes: Any) -> None:
        axes.axvline(0, color="0.7", linewidth=0.8, marker="")
        named = set()
        for row in lines:
            english = row[AGAINST] != NONE
            at = len(keys) - 1 - keys.index((row[CHECKPOINT], row[ROW], row[TARGET])) - (0.15 if english else -0.15)
            colour, marker = ("#D55E00", "s") if english else ("#0072B2", "o")
            if row[LOW] is not None:
                axes.plot([row[LOW], row[HIGH]], [at, at], color=colour, marker="", linewidth=1)
            sure = row[P] is not None and row[P] < 0.05
            label = "against English" if english else "against none"
            axes.plot([row[CHANGE]], [at], color=colour, marker=marker, linestyle="",
                      fillstyle="full" if sure else "none", label=None if label in named else label)  # fmt: skip
            named.add(label)
        names = [f"{row}, {target}" + (f" ({checkpoint})" if many else "") for checkpoint, row, target in keys]
        axes.set_yticks([len(keys) - 1 - i for i in range(len(keys))], names)
        axes.set_xlabel("change of the loss, points (95 % interval; filled: Holm p < 0.05)")
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=6.5, borderaxespad=0.2)

    height = max(1.8, 0.8 + 0.24 * len(keys))
    words_of_it = "Change of the loss in transfer; to the left of zero it is less"
    return Figure("loss", words_of_it, "loss", draw, columns=2, height=height)
