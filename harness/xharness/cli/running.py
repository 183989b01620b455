"""`xharness run`: run what is missing, show the board, end with a code that means something."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xharness.cli import options as o
from xharness.cli.ending import interrupted, tell
from xharness.cli.output import writable
from xharness.cli.signals import deafen
from xharness.errors import ExitCode, HarnessError, UsageError, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from xharness.session.session import Finished

WORKERS_A_CORE, FEWEST_ALLOWED = 4, 16
"""Workers beyond these only wait for each other, and each takes the memory of an encoder."""


@o.filtered
def run(
    suite: o.SuiteArgument,
    ids: o.IdsArgument = None,
    profile: o.ProfileOption = None,
    checkpoint: o.CheckpointOption = None,
    store: o.StoreOption = o.DEFAULT_STORE,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda (every GPU), cuda:0,2 (these).")] = "auto",
    workers: Annotated[
        str,
        typer.Option("-n", metavar="N|auto", help="Steps at once: worker processes, or at most so many tasks or jobs."),
    ] = "auto",
    engine: o.EngineOption = "local",
    filters: o.Filters = o.NO_FILTERS,
    exit_first: Annotated[bool, typer.Option("-x", help="Stop after the first failed cell.")] = False,
    max_failures: Annotated[
        int | None, typer.Option("--maxfail", min=1, help="Stop after so many failed cells.")
    ] = None,
    keep: Annotated[
        str, typer.Option("--keep", help="Tuned models that stay: all, intermediates, none.")
    ] = "intermediates",
    by: Annotated[
        str | None,
        typer.Option("--by", help="Break the board down: language, family, script, wikipedia, transfer, group, size."),
    ] = None,
    chance: Annotated[bool, typer.Option("--chance", help="Show the chance or majority baseline.")] = False,
    baselines: Annotated[bool, typer.Option("--baselines", help="Show published rows below the board.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="Say more; -vv more still.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The board and the summary only.")] = False,
    save_seconds: Annotated[
        float,
        typer.Option(
            "--save-every", metavar="SECONDS", min=0, callback=o.seconds, help="Between saved training states."
        ),
    ] = 120.0,
    stuck_seconds: Annotated[
        float,
        typer.Option(
            "--stuck-after",
            metavar="SECONDS",
            min=1,
            callback=o.seconds,
            help="Try a step without progress for so long again.",
        ),
    ] = 3600.0,
    last_failed: o.LastFailedOption = False,
    failed_first: o.FailedFirstOption = False,
    durations: Annotated[
        int | None, typer.Option("--durations", metavar="N", min=0, help="Show the N slowest steps; 0 shows all.")
    ] = None,
    reasons: o.ReasonsOption = o.DEFAULT_REASONS,
    junit_xml: Annotated[
        Path | None, typer.Option("--junit-xml", metavar="FILE", help="Write a JUnit report, a test case a cell.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option("--events", metavar="FILE", help="Append every event there as a line of JSON.")
    ] = None,
    track: o.TrackOption = None,
    remote: o.RemoteOption = "",
    remote_read_only: o.ReadOnlyOption = False,
) -> None:
    """Run a suite: what the store has is reused, what is missing is made, and the board is shown."""
    from xharness.board.drawing import BREAKDOWNS
    from xharness.cli.terminal import terminal
    from xharness.session.session import Request, slowest, summary_line
    from xharness.session.session import run as run_session
    from xharness.store.steps import Store

    path, chosen = filters.of(suite, ids)
    if keep not in ("all", "intermediates", "none"):
        raise UsageError(f"--keep '{keep}' is not known. {nearest(keep, ('all', 'intermediates', 'none'))}")
    if by is not None and by not in BREAKDOWNS:
        raise UsageError(f"--by '{by}' is not known. {nearest(by, BREAKDOWNS)}")
    request = Request(
        suite=path,
        selection=chosen,
        profile=profile,
        checkpoints=tuple(checkpoint or ()),
        store=store,
        device=device,
        workers=_workers(workers, engine),
        engine=engine,
        max_failures=1 if exit_first else max_failures,
        keep=keep,
        verbosity=-1 if quiet else verbose,
        save_seconds=save_seconds,
        stuck_seconds=stuck_seconds,
        failed=o.failed_mode(last_failed, failed_first),
        events=writable("--events", events),
        track=tuple(track or ()),
        argv=tuple(sys.argv),
        remote=remote,
        remote_read_only=remote_read_only,
    )
    letters = o.reasons(reasons)
    writable("--junit-xml", junit_xml)
    console = terminal()
    if dry_run:
        from xharness.cli.planning import code_of, print_plan
        from xharness.session.session import prepare

        prepared = prepare(request)
        print_plan(prepared, console, remote)
        raise typer.Exit(int(code_of(prepared)))
    try:
        finished = run_session(request, console)
    except BrokenPipeError:  # Before the first step.
        raise KeyboardInterrupt from None
    try:
        if finished.exit_code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        from xharness.cli.showing import show_run

        show_run(finished.folder, console, by=by, chance=chance, baselines=baselines, reasons=letters)
        _answer(finished, console)
        if durations is not None:
            _show_durations(slowest(finished, Store(store), durations), console)
        if junit_xml is not None:
            from xharness.session.junit import write_junit

            write_junit(finished.made, junit_xml)
        style = "bold green" if finished.exit_code == ExitCode.OK else "bold red"
        console.print(summary_line(finished), style=style, highlight=False, soft_wrap=True)
        if finished.left:
            console.print(f"to go on: {finished.left}", style="dim", highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        deafen()
        raise typer.Exit(_interrupted(finished, junit_xml)) from None
    raise typer.Exit(int(finished.exit_code))


def _answer(finished: Finished, console: Console) -> None:
    """The answers of the suite's analyses; one that cannot be given is told, and changes no exit code."""
    from xharness.cli.analyse import show_answers

    if finished.loaded.suite.analysis:
        show_answers(finished.loaded, finished.folder, console)


def _interrupted(finished: Finished, junit_xml: Path | None) -> int:
    """Say what had ended by then, and how to go on; the report is written as it would have been."""
    from xharness.session.junit import write_junit
    from xharness.session.session import summary_line

    try:
        if junit_xml is not None:
            write_junit(finished.made, junit_xml)
    except HarnessError as error:
        tell(error)
    return interrupted(summary_line(finished), finished.left)


def _show_durations(times: list[tuple[float, str]], console: Console) -> None:
    from xharness.plan.cost import duration

    console.print(f"slowest {len(times)} steps" if times else "no step was made", style="bold", highlight=False)
    for seconds, label in times:
        console.print(f"{duration(seconds):>12}  {label}", highlight=False, markup=False, soft_wrap=True)


def _workers(given: str, engine: str) -> int | None:
    from xharness.session.provenance import cores

    if given == "auto":
        return None
    if not re.fullmatch("[0-9]{1,9}", given) or int(given) < 1:
        raise UsageError(f"-n '{given}' must be a number of at least 1, or auto.")
    most = max(FEWEST_ALLOWED, WORKERS_A_CORE * cores())
    if engine == "local" and int(given) > most:
        raise UsageError(f"-n '{given}' is more than {cores()} cores can bear: at most {most}, or auto.")
    return int(given)
