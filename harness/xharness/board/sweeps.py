"""What sweeps chose, under the board and by `--by sweep`: drawn from the cells of a run."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from xharness.errors import UsageError, listed
from xharness.score.rounding import rounded

INSIDE = 3
"""Values of a setting from which on one of them can be inside: of two each is at an edge."""


@dataclass(frozen=True)
class Sweep:
    """One swept stage: a target's own tuning in all its rows, or a stage of an intermediate."""

    checkpoint: str
    place: str
    """The target, or the intermediate with the tasks of its stage."""
    of_target: bool
    tried: tuple[tuple[tuple[str, Any], ...], ...]
    """The values in their order, each with its settings' names."""
    found: Mapping[tuple[str, int], Mapping[str, Any]]
    """(intermediate, seed) -> what was chosen there, as the cell has it."""

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of what was swept."""
        return tuple(key for key, _ in self.tried[0])


def sweeps(run: Mapping[str, Any]) -> list[Sweep]:
    """The sweeps of a run, targets before intermediates; none of runs that were stored before there were sweeps."""
    held: dict[tuple[Any, ...], dict[tuple[str, int], Mapping[str, Any]]] = {}
    for cell in run["cells"]:
        for one in cell.get("sweep") or ():
            of_target = one["role"] == "target"
            on = "+".join(one["on"])
            row = cell["intermediate"]
            place = cell["target"] if of_target else row if row == on else f"{row} ({on})"
            tried = tuple(tuple(t["values"].items()) for t in one["tried"])
            held.setdefault((cell["checkpoint"], place, of_target, tried), {})[row, cell["seed"]] = one
    made = [Sweep(name, place, own, tried, found) for (name, place, own, tried), found in held.items()]
    order = {name: n for n, name in enumerate([*run["targets"], *run["intermediates"]])}
    return sorted(made, key=lambda s: (s.checkpoint, not s.of_target, order.get(s.place.partition(" ")[0], 0)))


def sweep_notes(run: Mapping[str, Any]) -> list[str]:
    """What was chosen, a line a setting and checkpoint; and where that is the lowest or highest value tried."""
    several = len(run["checkpoints"]) > 1
    chosen: dict[tuple[str, str], list[str]] = {}
    edges: dict[tuple[str, str], list[str]] = {}
    for sweep in sweeps(run):
        for setting in sweep.settings:
            place = (setting, sweep.checkpoint)
            chosen.setdefault(place, []).append(f"{sweep.place}: {_counts(sweep, setting)}")
            if edge := _edge(sweep, setting):
                edges.setdefault(place, []).append(f"{sweep.place} {edge}")
    notes = []
    for (setting, checkpoint), said in chosen.items():
        with_one = f" with {checkpoint}" if several else ""
        notes.append(f"{setting}{with_one}, chosen on English dev: {'; '.join(said)}")
        if at := edges.get((setting, checkpoint)):
            notes.append(f"{setting}{with_one}, chosen at the edge of what was tried: {'; '.join(at)}")
    return notes


def _counts(sweep: Sweep, setting: str) -> str:
    """`2e-05 (3 of 4 runs), 5e-05 (mnli seed 1)`: the most frequent value, then where another was chosen."""
    by_value: dict[Any, list[str]] = {}
    for (row, seed), one in sweep.found.items():
        by_value.setdefault(one["chosen"][setting], []).append(
            f"{row} seed {seed}" if sweep.of_target else f"seed {seed}"
        )
    first, *rest = sorted(by_value.items(), key=lambda item: -len(item[1]))
    total = len(sweep.found)
    runs = f" ({len(first[1])} of {total} runs)" if total > 1 else ""
    return ", ".join([f"{first[0]}{runs}", *(f"{value} ({listed(where)})" for value, where in rest)])


def _edge(sweep: Sweep, setting: str) -> str:
    """`5e-05 (highest, 2 of 3 runs)` where the lowest or highest value was chosen; empty where none was."""
    values = {dict(one)[setting] for one in sweep.tried}
    if len(values) < INSIDE or not all(isinstance(value, (int, float)) for value in values):
        return ""
    counts = Counter(one["chosen"][setting] for one in sweep.found.values())
    total = len(sweep.found)
    said = [
        f"{value} ({word}{f', {counts[value]} of {total} runs' if total > 1 else ''})"
        for word, value in (("lowest", min(values)), ("highest", max(values)))
        if counts[value]
    ]
    return ", ".join(said)


def show_sweeps(run: Mapping[str, Any], console: Console) -> None:
    """A table a swept stage: the dev scores of all values by row, and how many seeds chose each."""
    found = sweeps(run)
    if not found:
        what = "nothing was swept in this run."
        raise UsageError(f"--by sweep: {what} Try several values: [sweep] with learning_rate = [1e-5, 2e-5, 5e-5].")
    several = len(run["checkpoints"]) > 1
    for sweep in found:
        title = f"{sweep.place}: dev by {', '.join(sweep.settings)}" + (f", {sweep.checkpoint}" if several else "")
        # Not the table's own: it would be broken to the width of a narrow one.
        console.print(Text(title, style="italic"), soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        table.add_column("", no_wrap=True)
        for values in sweep.tried:
            table.add_column(Text(" ".join(str(value) for _, value in values)), justify="right", no_wrap=True)
        for row in dict.fromkeys(row for row, _ in sweep.found):
            table.add_row(Text(row), *_dev_scores(sweep, row))
        console.print(table)
    console.print("dev scores, the mean over seeds; in brackets: chosen by so many seeds", style="dim", highlight=False)


def _dev_scores(sweep: Sweep, row: str) -> Iterator[Text]:
    """A row's dev score under each value."""
    seeds = [one for (name, _), one in sweep.found.items() if name == row]
    for number, values in enumerate(sweep.tried):
        scores: Sequence[float] = [d for one in seeds if (d := one["tried"][number]["dev"]) is not None]
        picked = sum(one["chosen"] == dict(values) for one in seeds)
        text = rounded(statistics.fmean(scores)) if scores else "diverged"
        yield Text(f"{text} ({picked})" if picked else text, style="bold" if picked else "")
