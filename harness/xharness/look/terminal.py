"""Predictions in a terminal: marked with colours, and with signs where there are none."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from xharness.adapter import Line, Mark
from xharness.look.predictions import Prediction
from xharness.look.selection import Difference

STYLES: Mapping[Mark, str] = {"": "", "right": "green", "wrong": "red", "missed": "yellow underline"}
SIGNS: Mapping[Mark, tuple[str, str]] = {
    "": ("", ""),
    "right": ("[=", "]"),
    "wrong": ("[-", "]"),
    "missed": ("[+", "]"),
}
"""Around marked parts: said and right, said and wrong, right and not said."""
TAB = "\t"
"""Between the two ids of a mined pair."""
LEGEND = "[=said and right] [-said and wrong] [+right and not said]"


def show(prediction: Prediction, console: Console) -> None:
    """One prediction, a line for each thing that is known of it."""
    console.print(_head(prediction))
    for line in prediction.lines:
        console.print(_line(line))
    console.print(_said(prediction))
    console.print()


def show_difference(difference: Difference, console: Console, names: tuple[str, str]) -> None:
    """An example and what both rows say of it; `names` of the rows."""
    right, wrong = names if difference.gained else names[::-1]
    console.print(_head(difference.ours, f"{right} right, {wrong} wrong"))
    for line in difference.ours.lines:
        if not any(mark for _, mark in line.parts) or difference.gained:
            console.print(_line(line))
    if not difference.gained:
        for line in difference.theirs.lines:
            if any(mark for _, mark in line.parts):
                console.print(_line(line))
    for name, held in zip(names, (difference.ours, difference.theirs), strict=True):
        console.print(_said(held, f"{name}: "))
    console.print()


def _head(prediction: Prediction, verdict: str = "") -> Text:
    word = {True: "right", False: "wrong", None: ""}[prediction.right]
    text = Text(f"{prediction.id.replace(TAB, ' – ')} [{prediction.language}]  ", style="bold")
    return text.append(verdict or word, style="green" if prediction.right else "red").append(
        f"  score {prediction.score:.1f}", style="dim"
    )


def _line(line: Line) -> Text:
    text = Text(f"  {line.name}: ", style="dim")
    for part, mark in line.parts:
        begin, end = SIGNS[mark]
        text.append(f"{begin}{part}{end}", style=STYLES[mark] or "not dim")
    return text


def _said(prediction: Prediction, before: str = "  ") -> Text:
    text = Text(before, style="dim")
    text.append(f"gold {plain(prediction.gold)}", style="not dim")
    text.append(f"  said {plain(prediction.prediction)}", style="green" if prediction.right else "red")
    if prediction.probabilities:
        ordered = sorted(prediction.probabilities.items(), key=lambda one: -one[1])
        text.append("  " + ", ".join(f"{name} {value:.2f}" for name, value in ordered), style="dim")
    return text


def plain(value: object, most: int = 160) -> str:
    """A gold answer or a prediction on one line."""
    if isinstance(value, list):
        value = " | ".join(map(str, value)) if value else "(none)"
    text = str(value) if value != "" else "(no answer)"
    return text if len(text) <= most else text[: most - 1] + "…"
