"""The figure of the families: gains language by language, in the order of their families, English apart."""

from __future__ import annotations

from typing import Any

from xharness.analysis import Figure, Table

SHAPES = ("o", "s", "^", "D", "v", "P")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000")
"""Okabe and Ito's."""
_GAP = 0.6
"""Between families, in languages."""


def figure(table: Table, title: str, most: int) -> Figure:
    """Gains of the first rows of the table of languages: filled the target's, hollow the other targets'."""
    place = {name: i for i, name in enumerate(table.columns)}
    rows = list(dict.fromkeys(row[:2] for row in table.rows))[: min(most, len(SHAPES))]
    lines = [row for row in table.rows if row[:2] in rows]
    many = len({checkpoint for checkpoint, _ in rows}) > 1

    def draw(axes: Any) -> None:
        spots, families = _places([(r[place["language"]], r[place["family"]]) for r in lines])
        step = min(0.2, 0.6 / len(rows))
        axes.axhline(0, color="0.7", linewidth=0.8, marker="")
        for number, key in enumerate(rows):
            mine = [row for row in lines if row[:2] == key]
            style = {"marker": SHAPES[number], "color": COLOURS[number], "linestyle": ""}
            at = [spots[r[place["language"]]] + step * (number - (len(rows) - 1) / 2) for r in mine]
            for x, row in zip(at, mine, strict=True):
                if row[place["low"]] is not None:
                    ends = [row[place["low"]], row[place["high"]]]
                    axes.plot([x, x], ends, color=COLOURS[number], marker="", linewidth=0.8)
            name = f"{key[1]} ({key[0]})" if many else key[1]
            axes.plot(at, [r[place["gain"]] for r in mine], label=f"{name}: {title}", **style)
            beside = [(x, r[place["others' gain"]]) for x, r in zip(at, mine, strict=True)]
            there = [(x + step / 2.5, y) for x, y in beside if y is not None]
            if there:
                axes.plot(*zip(*there, strict=True), label=f"{name}: others", fillstyle="none", **style)
        _name(axes, spots, families)
        axes.legend(ncols=len(rows), loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=6.5, borderaxespad=0.2)

    height = 2.9
    more = f"; the first {len(rows)} rows" if len({row[:2] for row in table.rows}) > len(rows) else ""
    words = f"Gain over none by language, English apart (95 % intervals; hollow: mean of the other targets{more})"
    return Figure("languages", words, "languages", draw, columns=2, height=height)


def _places(languages: list[tuple[str, str]]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Language -> its place, family -> those of its languages; English stands first and alone."""
    spots: dict[str, float] = {}
    families: dict[str, list[float]] = {}
    at, before = -1.0, ""
    for code, family in languages:
        if code in spots:
            continue
        group = "English" if code == "en" else family
        at += 1 + (_GAP if before and group != before else 0)
        spots[code], before = at, group
        families.setdefault(group, []).append(at)
    return spots, families


def _name(axes: Any, spots: dict[str, float], families: dict[str, list[float]]) -> None:
    """Codes under their places, families on two levels below them, rules between."""
    axes.set_xticks(list(spots.values()), list(spots))
    axes.set_xlim(-0.6, max(spots.values()) + 0.6)
    axes.tick_params(axis="x", length=0)
    for number, (name, at) in enumerate(families.items()):
        middle, low = (at[0] + at[-1]) / 2, -0.13 - 0.07 * (number % 2)
        axes.text(middle, low, name, transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=6.5)
        if number:
            axes.axvline(at[0] - (1 + _GAP) / 2, color="0.85", linewidth=0.6, marker="", zorder=0)
    axes.set_xlabel(" \n ", fontsize=6.5)
    axes.set_ylabel("gain over none, points")
