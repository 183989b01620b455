"""`xharness show`: the board of a stored run again; no model, no data."""

from __future__ import annotations

import io
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
    store: o.StoreOption = o.DEFAULT_STORE,
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
    """Show the board of a stored run again."""
    from xharness.api.stored import find_run, read_board
    from xharness.board.export import FORMATS
    from xharness.cli.terminal import terminal

    if form != "terminal" and form not in FORMATS:
        raise UsageError(f"--format '{form}' is not known. Allowed: terminal, {', '.join(FORMATS)}.")
    letters = o.reasons(reasons)
    folder = find_run(run, store)
    writable("--output", output)
    if form == "terminal":
        drawn = io.StringIO() if output else None
        show_run(folder, terminal(drawn), by, metric, chance, baselines, letters)
        text = drawn.getvalue() if drawn else ""
    else:
        _, records, board = read_board(folder, metric)
        text = FORMATS[form](board, records)
    if output:
        write(output, text)
    elif text:
        print(text)


def show_run(
    folder: Path,
    console: Console,
    by: str | None = None,
    metric: str | None = None,
    chance: bool = False,
    baselines: bool = False,
    reasons: str = o.DEFAULT_REASONS,
) -> None:
    """Draw a stored run: the board, a breakdown when asked, and why cells failed or were skipped."""
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
