"""Tables, figures and sentences of the gains by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xharness.analyses.slicing.cases import Gain
from xharness.analysis import Figure, Table
from xharness.errors import listed
from xharness.score.rounding import gained, p_in_words
from xharness.score.statistics import holm

LEVEL = 0.05


@dataclass(frozen=True)
class Sliced:
    """A row's gains on one target by one kind of slice."""

    checkpoint: str
    intermediate: str
    target: str
    by: str
    gains: Mapping[str, Gain]
    ranked: tuple[str, ...]
    """Slices that are large enough."""
    p: float | None
    """Of the slices' gains being alike; None where there are not two to compare."""
    about: str = ""

    @property
    def best(self) -> str:
        """The slice with the largest gain."""
        return max(self.ranked, key=lambda name: self.gains[name].gain)

    @property
    def worst(self) -> str:
        """The slice with the smallest gain."""
        return min(self.ranked, key=lambda name: self.gains[name].gain)

    @property
    def spread(self) -> float:
        """Points between the two."""
        return self.gains[self.best].gain - self.gains[self.worst].gain

    @property
    def row(self) -> str:
        """How a sentence names the row."""
        return f"{self.intermediate}[{self.checkpoint}] on {self.target}"


def _adjusted(found: Sequence[Sliced]) -> dict[tuple[int, str], float | None]:
    """(number of the sliced, slice) -> p by Holm over all slices that are ranked."""
    keys = [(number, name) for number, s in enumerate(found) for name in s.ranked]
    values = holm([found[number].gains[name].p for number, name in keys])
    return dict(zip(keys, values, strict=True))


def tests_table(found: Sequence[Sliced]) -> Table:
    """A line for each row, target and kind of slice: how far the slices' gains lie apart."""
    adjusted = holm([s.p for s in found])
    rows: list[tuple[Any, ...]] = []
    for s, p in zip(found, adjusted, strict=True):
        if s.p is None:
            rows.append((s.checkpoint, s.intermediate, s.target, s.by, len(s.ranked), *[None] * 7))
            continue
        best, worst = s.gains[s.best].gain, s.gains[s.worst].gain
        rows.append(
            (
                s.checkpoint,
                s.intermediate,
                s.target,
                s.by,
                len(s.ranked),
                s.best,
                best,
                s.worst,
                worst,
                s.spread,
                s.p,
                p,
            )
        )
    columns = (
        "checkpoint", "intermediate", "target", "by", "slices", "best", "its gain", "worst", "the worst's gain",
        "spread", "p", "p Holm",
    )  # fmt: skip
    note = "p: that gains differ as much between slices by chance (permutation of the slices' labels)."
    return Table("tests", "Does the gain depend on the slice?", columns, tuple(rows), note)


def slice_table(by: str, mine: Sequence[Sliced], found: Sequence[Sliced]) -> Table:
    """A line for each slice of one kind; the correction is over all kinds."""
    adjusted = _adjusted(found)
    rows = []
    for s in mine:
        number = next(i for i, other in enumerate(found) if other is s)
        for name, g in s.gains.items():
            ranked = name in s.ranked
            rows.append(
                (s.checkpoint, s.intermediate, s.target, name, g.n, g.questions, g.before, g.after, g.gain, g.low,
                 g.high, g.p if ranked else None, adjusted.get((number, name)), "" if ranked else "not ranked")
            )  # fmt: skip
    columns = (
        "checkpoint", "intermediate", "target", "slice", "n", "questions", "none", "score", "gain", "low", "high",
        "p", "p Holm", "",
    )  # fmt: skip
    note = ". ".join(dict.fromkeys(f"{s.target}: {s.about}" for s in mine if s.about))
    return Table(f"by-{by.replace('_', '-')}", f"Gain by {by.replace('_', ' ')}", columns, tuple(rows), note)


def words_of(found: Sequence[Sliced]) -> tuple[str, ...]:
    """What depends on the slice, the worst slices, and how many gains are sure."""
    said = []
    tested = [(s, p) for s, p in zip(found, holm([s.p for s in found]), strict=True) if p is not None]
    sure = [(s, p) for s, p in tested if p < LEVEL]
    if not tested:
        said.append("No two slices are large enough to be compared.")
    elif not sure:
        said.append(f"That gains depend on the slice is not shown in any of {len(tested)} comparisons.")
    else:
        shown = [
            f"that of {s.row} by {s.by.replace('_', ' ')} (p = {p_in_words(p)}; {_gain(s, s.best)} at best, "
            f"{_gain(s, s.worst)} at worst)"
            for s, p in sorted(sure, key=lambda pair: pair[1])
        ]
        said.append(f"The gain depends on the slice in {len(sure)} of {len(tested)} comparisons: {listed(shown)}.")
    every = [(s, name) for s in found for name in s.ranked if len(s.ranked) > 1]
    if every:
        adjusted = _adjusted(found)
        numbers = {id(s): i for i, s in enumerate(found)}
        low, name = min(every, key=lambda pair: pair[0].gains[pair[1]].gain)
        up = sum((adjusted[numbers[id(s)], n] or 1) < LEVEL and s.gains[n].gain > 0 for s, n in every)
        down = sum((adjusted[numbers[id(s)], n] or 1) < LEVEL and s.gains[n].gain < 0 for s, n in every)
        said.append(f"The worst slice is {low.by.replace('_', ' ')} {_gain(low, name)} of {low.row}.")
        said.append(
            f"Of {len(every)} slices, {up} gain more than chance explains, {down} lose, and {len(every) - up - down} "
            f"may be chance (Holm's correction over all, {LEVEL})."
        )
    return tuple(said)


def _gain(s: Sliced, name: str) -> str:
    g = s.gains[name]
    return f"'{name}' ({gained(g.gain)}, {gained(g.low)} to {gained(g.high)})"


def _bounds(mine: Sequence[Sliced]) -> tuple[float, float]:
    """From left to right of a figure: all that is ranked, and not the whole width of slices of two questions."""
    ranked = [s.gains[name] for s in mine for name in s.ranked]
    kept = ranked or [gain for s in mine for gain in s.gains.values()]
    low, high = min(0.0, *(g.low for g in kept)), max(0.0, *(g.high for g in kept))
    edge = 0.25 * (high - low) or 1.0
    return low - edge, high + edge


def slice_figure(by: str, mine: Sequence[Sliced]) -> Figure:
    """Gains with intervals, a line for each slice; rows by mark; hollow where a slice is too small to be ranked."""
    rows = list(dict.fromkeys((s.checkpoint, s.intermediate) for s in mine))
    lines = list(dict.fromkeys((s.target, name) for s in mine for name in s.gains))
    targets = {target for target, _ in lines}

    def draw(axes: Any) -> None:
        marks, greys = "os^DvPX", ("0.0", "0.35", "0.55", "0.2", "0.45")
        for number, (checkpoint, row) in enumerate(rows):
            shift = 0.0 if len(rows) == 1 else 0.3 - 0.6 * number / (len(rows) - 1)
            colour, label = greys[number % 5], row if len({c for c, _ in rows}) == 1 else f"{row}[{checkpoint}]"
            for s in mine:
                if (s.checkpoint, s.intermediate) != (checkpoint, row):
                    continue
                for name, g in s.gains.items():
                    place = len(lines) - 1 - lines.index((s.target, name)) + shift
                    axes.plot([g.low, g.high], [place, place], color=colour, marker="", linewidth=0.9)
                    style = "full" if name in s.ranked else "none"
                    axes.plot(
                        [g.gain], [place], color=colour, marker=marks[number % 7], fillstyle=style, linestyle="",
                        label=label,
                    )  # fmt: skip
                    label = "_nolegend_"
        axes.axvline(0, color="0.7", linewidth=0.8, marker="")
        ticks = [f"{target}: {name}" if len(targets) > 1 else name for target, name in lines]
        axes.set_yticks(range(len(lines) - 1, -1, -1), ticks)
        axes.set_ylim(-0.7, len(lines) - 0.3)
        axes.set_xlim(*_bounds(mine))
        axes.set_xlabel("gain over none, points (95 % interval; hollow: too small to rank, its interval may be cut)")
        if len(rows) > 1:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(4, len(rows)), fontsize=7)

    # Each row has its own place on a line, or the intervals of several cover one another.
    height = max(1.6, 0.7 + max(0.17, 0.09 * len(rows)) * len(lines) + 0.15 * (len(rows) > 4))
    name = f"by-{by.replace('_', '-')}"
    return Figure(name, f"Gain over no intermediate by {by.replace('_', ' ')}", name, draw, columns=2, height=height)
