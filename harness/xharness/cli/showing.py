"""`xharness show`: the board of a stored run again; no model, no data."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xharness.cli import options as o
from xharness.cli.output import writable, write
from xharness.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


def show(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's folder or part of its name; the newest when absent.")
    ] = None,
    store: o.StoresOption = o.DEFAULT_STORES,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", help="Break targets down: language, family, script, wikipedia, transfer, group, size, sweep."
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Show the targets that have this metric, under it: recall_at_10.")
    ] = None,
    chance: Annotated[bool, typer.Option("--chance", help="Show the chance or majority baseline.")] = False,
    baselines: Annotated[bool, typer.Option("--baselines", help="Show published rows below the board.")] = False,
    form: Annotated[str, typer.Option("--format", help="terminal, json, csv, latex, html.")] = "terminal",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead of the terminal.")] = None,
    reasons: o.ReasonsOption = o.DEFAULT_REASONS,
) -> None:
    """Show the board of a stored run again; of several stores, their runs on one board."""
    from xharness.api.stored import find_runs, read_board
    from xharness.board.export import FORMATS
    from xharness.cli.terminal import terminal

    if form != "terminal" and form not in FORMATS:
        raise UsageError(f"--format '{form}' is not known. Allowed: terminal, {', '.join(FORMATS)}.")
    letters = o.reasons(reasons)
    folders = find_runs(run, store)
    writable("--output", output)
    if form == "terminal":
        drawn = io.StringIO() if output else None
        console = terminal(drawn)
        show_run(folders, console, by, metric, chance, baselines, letters)
        for line in _fetched(folders):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        text = drawn.getvalue() if drawn else ""
    else:
        _, records, board = read_board(folders, metric)
        text = FORMATS[form](board, records)
    if output:
        write(output, text)
    elif text:
        print(text)


def _fetched(folders: Sequence[Path]) -> Iterator[str]:
    """A line for each run that had steps from a remote store: how many, and where that is."""
    from xharness.store.runs import own_facts

    for folder in folders:
        facts = own_facts(folder) or {}
        came = facts.get("remote", {})
        if came.get("fetched"):
            name = f"{folder.name}: " if len(folders) > 1 else ""
            yield f"{name}{came['fetched']} of {facts['made'] + facts['reused']} steps were fetched from {came['at']}"


def show_run(
    folder: Path | Sequence[Path],
    console: Console,
    by: str | None = None,
    metric: str | None = None,
    chance: bool = False,
    baselines: bool = False,
    reasons: str = o.DEFAULT_REASONS,
) -> None:
    """Draw a stored run, or several as one: the board, a breakdown when asked, and why cells failed or were skipped."""
    from xharness.api.stored import read_board
    from xharness.board.drawing import BREAKDOWNS, draw_run

    if by is not None and by not in BREAKDOWNS:
        raise UsageError(f"--by '{by}' is not known. Allowed: {', '.join(BREAKDOWNS)}.")
    run, records, board = read_board(folder, metric)
    draw_run(run, records, board, console, by, chance, baselines)
    _reasons(run, console, reasons)


LETTERS = {"failed": "f", "not run": "f", "skipped": "s", "xfailed": "x", "xpassed": "X"}
"""How a cell ended -> its letter in -r."""


def _reasons(run: dict[str, Any], console: Console, letters: str) -> None:
    """One line for each reason that -r asks for, with all cells that have it."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for cell in run["cells"]:
        if LETTERS.get(cell["status"], "-") in letters and cell["reason"]:
            reasons.setdefault((cell["status"], cell["reason"]), []).append(cell["name"])
    for (status, reason), cells in reasons.items():
        names = ", ".join(cells[:4]) + (f" and {len(cells) - 4} more" if len(cells) > 4 else "")
        style = "red" if status == "failed" else "yellow"
        console.print(f"{status}: {names}: {reason}", style=style, highlight=False, markup=False, soft_wrap=True)
    from xharness.session.expectations import Judged

    for judged in (Judged(**found) for found in run["expectations"]) if "f" in letters else ():
        if judged.failed or judged.found is None:
            word, style = ("failed", "red") if judged.failed else ("not judged", "yellow")
            line = f"expectation {word}: {judged.cell}: {judged.sentence()}"
            console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)
