"""`xharness status`: what runs at a store are doing, from another shell."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from xharness.cli import options as o


def status(
    store: o.StoreOption = o.DEFAULT_STORE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a run.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it as a page for a browser, such as status.html.")
    ] = None,
    every: Annotated[
        int | None,
        typer.Option("--every", min=1, metavar="SECONDS", help="Write the page again and again until no run is left."),
    ] = None,
) -> None:
    """Say of the runs under way what each worker is at, what has failed, and how long the rest may take."""
    from xharness.errors import Problem, UsageError
    from xharness.session.status import progress

    if output is not None:
        _page(store, output, every)
        return
    if every is not None:
        raise UsageError(Problem("--every", "is of a page.", "Name one: -o status.html."))
    found = progress(store)
    if as_json:
        for one in found:
            print(json.dumps(one.as_json(), ensure_ascii=False))
        return
    from xharness.cli.terminal import terminal
    from xharness.plan.cost import duration

    console = terminal()
    if not found:
        there = "" if store.exists() else ": there is no such folder"
        console.print(f"no run is under way in {store}{there}")
    for one in found:
        profile = f" · profile {one.profile}" if one.profile else ""
        console.print(f"{one.title}{profile} · {one.run}", style="bold", soft_wrap=True)
        console.print(f"  {one.words()}", soft_wrap=True)
        for step in one.running:
            where = f" on {step.where}" if step.where else ""
            far = f": {step.words()}" if step.words() else ""
            told = f"  worker {step.worker}{where}: {step.label}, for {duration(step.seconds)}{far}"
            console.print(told, soft_wrap=True)
        for label, why, since in one.failed:
            told = f"  failed {duration(since)} ago: {label}: {why}"
            console.print(told, style="red", soft_wrap=True)


def _page(store: Path, output: Path, every: int | None) -> None:
    """Write the page; with `every` until no run is under way any more, which the last one says."""
    from xharness.cli.output import writable, write
    from xharness.report.status_page import status_page
    from xharness.session.status import progress

    writable("--output", output)
    while True:
        found = progress(store)
        write(output, status_page(found, store, every))
        if every is None or not found:
            break
        time.sleep(every)
    print(f"{output}: " + (f"{len(found)} under way" if found else f"no run is under way in {store}"))
