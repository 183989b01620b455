"""`xharness compare`: two or more rows, of runs or published, with intervals and corrected tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xharness.cli import options as o
from xharness.cli.output import writable, write
from xharness.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from xharness.api.comparison import Compared
    from xharness.score.compare import Comparison, Difference


def compare(
    rows: Annotated[
        list[str],
        typer.Argument(
            metavar="ROW ROW...",
            help="[RUN::]INTERMEDIATE[[CHECKPOINT]], [RUN::]best (per target, chosen on dev), or baseline:NAME; "
            "the first is what the others are compared with.",
        ),
    ],
    store: o.StoresOption = o.DEFAULT_STORES,
    resamples: Annotated[int, typer.Option(min=100, max=1_000_000, help="Resamples of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    languages: Annotated[bool, typer.Option("--languages", help="Show every language.")] = False,
    baselines: Annotated[
        str | None, typer.Option(help="File of published rows; the one of the run's scheme when absent.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here; - is the terminal.")] = None,
) -> None:
    """Compare rows: differences with confidence intervals and corrected p-values."""
    from xharness.api.comparison import compare_rows
    from xharness.cli.terminal import terminal
    from xharness.score.compare import Settings

    if len(rows) < 2:
        raise UsageError("compare needs two rows or more: the first is what the others are compared with.")
    writable("--json", None if json_file == Path("-") else json_file)
    found = compare_rows(rows, store, Settings(resamples, seed), baselines)
    if json_file is not None:
        text = json.dumps([comparison.as_json() for comparison in found.comparisons], indent=2, ensure_ascii=False)
        if json_file == Path("-"):
            typer.echo(text)
            return
        write(json_file, text + "\n")
    show_comparisons(found, terminal(), languages)


def show_comparisons(found: Compared, console: Console, languages: bool = False) -> None:
    """Tables, and under them the words that go with the numbers."""
    for comparison in found.comparisons:
        console.print(comparison_table(comparison, languages))
        for words in comparison.words:
            console.print(words, style="dim", highlight=False, markup=False, soft_wrap=True)
    for choice in found.choices:
        if choice.intermediate is None:
            line = f"best per target, {choice.target}: none chosen ({choice.reason})"
        else:
            more = f"; {choice.reason}" if choice.reason else ""
            line = f"best per target, {choice.target}: {choice.intermediate} ({choice.words} {choice.dev:z.1f}{more})"
        console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
    for cell in found.degenerate:
        line = f"degenerate: {cell.intermediate}->{cell.target}[{cell.checkpoint}-{cell.seed}]: {cell.reason}"
        console.print(line, style="bold red", highlight=False, markup=False, soft_wrap=True)


def comparison_table(comparison: Comparison, languages: bool = False) -> Table:
    """One comparison as a table; an asterisk marks differences that are significant after correction."""
    from rich.table import Table
    from rich.text import Text

    level = comparison.settings.level
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for title in (comparison.left, comparison.right):
        table.add_column(Text(title), justify="right", overflow="fold")
    for title in ("difference", f"{level:.0%} interval", "p", "p, Holm", "examples"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    kinds = ("language", "target", "group", "average") if languages else ("target", "group", "average")
    for line in comparison.lines:
        if line.kind in kinds:
            style = {"language": "dim", "target": "", "group": "cyan", "average": "bold"}[line.kind]
            table.add_row(*(Text(cell) for cell in _cells(line, level)), style=style)
    return table


def _cells(line: Difference, level: float) -> list[str]:
    from xharness.score.rounding import gained, p_in_column, rounded

    name = f"  {line.name} {line.language}" if line.kind == "language" else line.name.replace("group:", "mean of ")
    scores = ["—" if score is None else rounded(score) for score in (line.left, line.right)]
    if line.difference is None:
        gap = f"— {line.have}/{line.want}" if line.have < line.want and not line.note else "—"
    else:
        gap = f"{gained(line.difference)}{'*' if line.significant(level) else ''}"
    span = "" if line.low is None or line.high is None else f"[{gained(line.low)}, {gained(line.high)}]"
    tests = ["" if p is None else p_in_column(p, 4) for p in (line.p, line.adjusted)]
    return [name, *scores, gap, span, *tests, f"{line.n:,}" if line.n else "", line.note]
