"""`xharness report`: a run as one page to send around."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xharness.cli import options as o
from xharness.cli.output import writable, write


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's folder or part of its name; the newest when absent.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    store: o.StoreOption = o.DEFAULT_STORE,
    answers: Annotated[bool, typer.Option("--answers/--no-answers", help="With the suite's analyses.")] = True,
) -> None:
    """Write a stored run as one self-contained HTML page: board, languages, answers, failures, wrong predictions."""
    from xharness.api.runs import Run
    from xharness.api.stored import find_run

    writable("--output", output)
    found = Run(find_run(run, store))
    write(output, found.report(answers))
    print(f"{found.title}: {output} ({output.stat().st_size / 1e6:.1f} MB)")
