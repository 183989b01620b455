"""`xharness show`: the board of a stored run again; no model, no data."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xharness.cli import options as o
from xharness.cli.output import writable, write
from xharness.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from xharness.board.board import Board
    from xharness.record import Record
    from xharness.store.steps import Store

BREAKDOWNS = ("language", "family", "script", "wikipedia", "transfer", "group", "size", "sweep")


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


def find_run(run: str | None, store: Path) -> Path:
    """The folder of a run; UsageError when there is none."""
    from xharness.store.runs import RECORDS, latest_run

    if run and os.path.isfile(os.path.join(run, RECORDS)):
        return Path(run).resolve()
    folder = latest_run(store, run)
    if folder is None:
        what = f"no finished run is called '{run}'" if run else "there is no finished run"
        raise UsageError(f"{what} in {store}. `xharness run SUITE` makes one; --store names another place.")
    return folder


def store_of(run: Path) -> Store:
    """The store that a run's folder is in, which need not be the one of --store."""
    from xharness.store.steps import Store

    return Store(run.parent.parent)


def read_board(folder: Path, metric: str | None = None) -> tuple[dict[str, Any], list[Record], Board]:
    """A stored run, its records, and the board that they make, with the marks of significant gains.

    Under another metric than the targets' own if one is given.
    """
    from xharness.board.board import make_board
    from xharness.board.metric_view import under
    from xharness.board.significance import significant_gains
    from xharness.metrics import metric as rule
    from xharness.plugins import load_plugins
    from xharness.score.scheme import scheme_of
    from xharness.store.runs import read_run

    run, records = read_run(folder)
    load_plugins(run.get("plugins", ()))
    if metric is not None:
        run, records = under(metric, run, records, lambda name: rule(name).higher_is_better)
    return run, records, make_board(run, records, scheme_of(run), significant_gains(run, records, store_of(folder)))


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
    from xharness.board.breakdown import breakdown
    from xharness.board.show import show_board, show_breakdown, show_groups

    if by is not None and by not in BREAKDOWNS:
        raise UsageError(f"--by '{by}' is not known. Allowed: {', '.join(BREAKDOWNS)}.")
    run, records, board = read_board(folder, metric)
    show_board(board, console, chance)
    if by == "group":
        show_groups(board, console)
    elif by == "size":
        from xharness.board.curve import show_curves

        show_curves(run, board, console)
    elif by == "sweep":
        from xharness.board.sweeps import show_sweeps

        show_sweeps(run, console)
    elif by is not None:
        show_breakdown(by, breakdown(run, records, by), run, console)
    if baselines:
        from xharness.board.baseline_table import show_baselines

        show_baselines(run, console)
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
    from xharness.run.expectations import Judged

    for judged in (Judged(**found) for found in run["expectations"]) if "f" in letters else ():
        if judged.failed or judged.found is None:
            word, style = ("failed", "red") if judged.failed else ("not judged", "yellow")
            line = f"expectation {word}: {judged.cell}: {judged.sentence()}"
            console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)
