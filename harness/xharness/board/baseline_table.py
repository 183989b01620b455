"""Published rows beside a board, in a section of their own; never mixed with ours, never ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from xharness.baselines.files import Baselines, Check, load_baselines, recompute
from xharness.score.scheme import Scheme, load_scheme


def show_baselines(run: Mapping[str, Any], console: Console) -> None:
    """Show every file of published rows that the suite names, or the one of its scheme if it names none."""
    if not run.get("comparable", True):
        words = f"Published figures follow. This run ({run['profile']}) is not comparable with them and is not ranked."
        console.print(Text(words), style="bold yellow")
    beside = Path(run["suite"]).parent
    for name in run["baselines"] or [run["scheme"] or "xtreme"]:
        found = load_baselines(name, beside)
        _show(found, load_scheme(found.scheme, beside), console)


def _overall(averages: Sequence[Check]) -> str:
    """The printed average over tasks, with a star if the row's own figures give another."""
    chosen = next((c for c in averages if c.name == "average"), averages[0] if averages else None)
    return "" if chosen is None else f"{chosen.printed:.1f}{'*' if chosen.agrees is False else ''}"


def _show(found: Baselines, scheme: Scheme, console: Console) -> None:
    table = Table(
        title=Text(found.title), title_justify="left", header_style="bold", box=None, pad_edge=False, padding=(0, 1)
    )
    table.add_column("published", max_width=44)
    for task in scheme.tasks:
        table.add_column(Text(task), justify="right", no_wrap=True)
    table.add_column("average", justify="right", no_wrap=True)
    notes: list[str] = []
    sources: dict[str, None] = {}
    for row in found.row.values():
        cells = [str(row.task[t]) if t in row.task else "" for t in scheme.tasks]
        if not any(cells):
            continue
        sources |= dict.fromkeys(figure.source for figure in row.task.values())
        averages = [c for c in recompute(row, scheme) if c.name in {p.name for p in row.printed}]
        table.add_row(Text(row.title), *map(Text, cells), Text(_overall(averages)))
        notes += [f"{row.title}: {c.text}" for c in averages if c.agrees is False]
        notes += [f"{row.title}: {row.protocol}"] if row.protocol else []
    console.print(table)
    for note in ("F1/exact match where both were published; ?: unverified, remembered and not found in a text", *notes):
        console.print(note, style="dim", highlight=False, markup=False, soft_wrap=True)
    cited = "; ".join(found.source[key].title for key in sources if key in found.source)
    console.print(f"sources: {cited}", style="dim", highlight=False, markup=False, soft_wrap=True)
