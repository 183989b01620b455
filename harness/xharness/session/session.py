"""One run from the command line to its exit code: collect, plan, execute, score, report."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from xharness.collect.analyses import texts_asked
from xharness.collect.cells import Cell, collect, expected_failure, skipper
from xharness.collect.checkpoints import given_checkpoints
from xharness.collect.fit import check_known
from xharness.collect.selection import Selection, select, unmatched
from xharness.engines.engine import Engine
from xharness.engines.machine import Share
from xharness.engines.names import LOCAL
from xharness.engines.names import required as required_engine
from xharness.engines.scheduler import Options, Outcome, execute
from xharness.errors import ExitCode
from xharness.plan.cost import duration, estimate
from xharness.plan.plan import Plan
from xharness.plan.planner import Planner
from xharness.plan.vectors import add_vectors
from xharness.record import Record
from xharness.remote.address import without_secrets
from xharness.session.crew import crew, engine_of, memory_of, parallel, sees_gpus
from xharness.session.description import described, embedded_texts, failed_stages, left_out
from xharness.session.display import Display
from xharness.session.energy import Energy
from xharness.session.events import event_log
from xharness.session.expectations import Judged, compared_with, judge
from xharness.session.failed import Mode, broken_off, by_last_failed, last_failed, still_failing
from xharness.session.fetching import Remote, add_uploads, fetch_missing, hand_on, remote_of
from xharness.session.provenance import git_state, hardware, versions
from xharness.session.results import BAD, CellResult, Status, cell_results, stopped_cells, stored_records
from xharness.session.row_expectations import judge_rows
from xharness.session.status import Notes
from xharness.session.stored_checkpoints import stored, with_stored
from xharness.session.tracked import tracked
from xharness.spec.device import Device
from xharness.spec.load import Loaded, load_suite
from xharness.spec.suite import Checkpoint
from xharness.store.care import in_use
from xharness.store.runs import EVENTS, LOG, going, new_run, write_run
from xharness.store.steps import Store
from xharness.study import Study
from xharness.tracking.names import required
from xharness.tracking.tracking import Tracking


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    suite: str
    selection: Selection = field(default_factory=Selection)
    profile: str | None = None
    checkpoints: tuple[str, ...] = ()
    """As given: names from the suite select among its own, hub ids and folders add rows."""
    store: Path = Path(".xharness")
    device: str = "auto"
    workers: int | None = None
    """None is auto."""
    max_failures: int | None = None
    keep: str = "intermediates"
    verbosity: int = 0
    save_seconds: float = 120.0
    stuck_seconds: float = 3600.0
    failed: Mode | None = None
    """Run the cells that failed last only, or first."""
    events: Path | None = None
    """Where every event goes, beside the run's folder."""
    engine: str = LOCAL
    """Who runs the steps: `local`, `ray`, `slurm`."""
    track: tuple[str, ...] = ()
    """Trackers that are told of the run and its trainings."""
    argv: tuple[str, ...] = ()
    remote: str = ""
    """URL of a store elsewhere, asked for what this one lacks and given what the run makes."""
    remote_read_only: bool = False


@dataclass
class Prepared:
    """A request resolved down to its plan."""

    loaded: Loaded
    extra: tuple[Checkpoint, ...]
    cells: list[Cell]
    skipped: dict[Cell, str]
    plan: Plan
    compared_with: Plan
    """Cells outside the run that its expectations compare with; only what the store has of them is read."""
    store: Store
    workers: tuple[Share, ...]
    threads: int
    """Of each; like `workers` of the local engine's alone."""
    memory: int
    """That a step takes about, in bytes."""
    note: str = ""
    """What `--lf` or `--ff` came to, in words."""
    trackers: tuple[str, ...] = ()


@dataclass
class Finished:
    """A run that has ended."""

    loaded: Loaded
    folder: Path
    results: list[CellResult]
    judged: list[Judged]
    outcome: Outcome
    seconds: float
    exit_code: ExitCode = ExitCode.OK
    made: dict[str, Any] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    remote: Remote | None = None
    left: str = ""
    """What it would take to go on, where it was stopped."""


def prepare(request: Request) -> Prepared:
    """Load, collect, select and plan. Nothing is stored; a --deselect that matches nothing gets a warning on stderr."""
    trackers = required(request.track)
    required_engine(request.engine)
    loaded = load_suite(request.suite, request.profile)
    store = Store(request.store)
    loaded = with_stored(loaded, store)
    extra, kept = given_checkpoints(request.checkpoints, loaded)
    extra = stored(extra, store)
    check_known(loaded, extra)
    every = collect(loaded, extra)
    cells = select(every, replace(request.selection, checkpoints=kept), loaded)
    for said in unmatched(every, request.selection, loaded).values():
        print(f"warning: {said}", file=sys.stderr)
    cells, first, note = by_last_failed(cells, request.failed, request.store, loaded)
    skip_reason = skipper(loaded, gpu=sees_gpus(request))
    skipped = {c: why for c in cells if (why := skip_reason(c)) is not None}
    memory = memory_of(loaded, extra, cells)
    workers, threads = parallel(request, loaded, memory)
    kind = "cpu" if request.device == "cpu" else request.device.partition(":")[0]
    device = Device(
        device=kind, threads=threads or None, tokens=loaded.profile.device_tokens, save_seconds=request.save_seconds
    )
    planner = Planner(loaded, extra, device, store.has)
    plan = planner.plan([c for c in cells if c not in skipped])
    add_vectors(plan, planner, texts_asked(loaded))
    plan.first = frozenset(plan.closure([plan.ends[name] for name in first if name in plan.ends]))
    beside = planner.plan(compared_with(loaded, plan.cells))
    return Prepared(loaded, extra, cells, skipped, plan, beside, store, workers, threads, memory, note, trackers)


Listener = Callable[[dict[str, Any]], None]


def run(
    request: Request,
    console: Console,
    listener: Listener | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Finished:
    """Run what is missing and write the run's folder; an interrupted run keeps what it has finished.

    `listener` hears every event beside the display; once `stopped` says so, the run ends as if interrupted.
    """
    began = time.time()
    prepared = prepare(request)
    with closing(engine_of(request, prepared)) as engine:
        return _run(prepared, request, engine, console, began, listener, stopped)


def _run(
    prepared: Prepared,
    request: Request,
    engine: Engine,
    console: Console,
    began: float,
    listener: Listener | None,
    stopped: Callable[[], bool],
) -> Finished:
    store, loaded = prepared.store.prepare(), prepared.loaded
    remote = None
    if request.remote:
        remote = remote_of(request.remote, request.remote_read_only, prepared.plan, store, request.keep)
    store.sweep()
    head = {
        **described(loaded, prepared.cells, prepared.extra),
        "argv": without_secrets(request.argv or sys.argv),
        "started": began,
        "engine": request.engine,
        "workers": len(engine.seats),
        "devices": [seat.visible for seat in engine.seats if seat.accelerated],
        "threads": engine.threads,
        "versions": versions(),
        "git": git_state(Path.cwd()),
        "hardware": hardware(),
    }
    folder = _begin(prepared, head)
    energy = Energy(None if request.engine == LOCAL else {})

    def heard(event: dict[str, Any]) -> None:
        energy.sample()
        if listener is not None:
            listener(event)

    try:
        with Tracking(prepared.trackers, prepared.plan, folder, versions()) as tracking:
            outcome = _carry_out(prepared, request, engine, console, folder, tracking, heard, stopped, remote)
            finished = _finish(prepared, outcome, folder, {**head, "energy": energy.facts()}, began, remote)
            told = tracked(tracking, finished.made, finished.records, outcome)
        if told and request.verbosity >= 0:
            console.print(told, highlight=False, markup=False, soft_wrap=True)
        if remote is not None:
            hand_on(remote, folder.name, console, request.verbosity >= 0, wait=not outcome.interrupted)
            add_uploads(remote, folder, finished.made)
        return finished
    except BaseException as error:
        broken_off(folder, head, error, store.root, loaded)
        raise


def _carry_out(
    prepared: Prepared,
    request: Request,
    engine: Engine,
    console: Console,
    folder: Path,
    tracking: Tracking,
    listener: Listener | None,
    stopped: Callable[[], bool],
    remote: Remote | None,
) -> Outcome:
    """Fetch or make what the store lacks, and show how that goes."""
    store, loaded = prepared.store, prepared.loaded
    about = {"run": folder.name, "versions": versions()}
    options = Options(
        max_failures=request.max_failures,
        xfail=_expected_failures(prepared),
        keep=request.keep,
        stuck_seconds=request.stuck_seconds,
        log=folder / LOG,
        in_use=lambda: in_use(store.root, besides=folder),
        measure=bool(prepared.trackers),
        about=about,
        stopped=stopped,
    )
    if request.verbosity >= 0:
        cells = f"{len(prepared.cells)} cells, {len(prepared.plan.steps)} steps · {crew(engine)}"
        console.print(
            f"{loaded.suite.title} · profile {loaded.profile_name or '-'} · {cells}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        if prepared.note:
            console.print(prepared.note, style="yellow", highlight=False, markup=False)
    engine.open(folder)
    with (
        going(folder),
        event_log(folder / EVENTS, request.events) as log,
        Notes(folder) as note,
        Display(console, prepared.plan, request.verbosity) as shown,
    ):

        def listen(event: dict[str, Any]) -> None:
            if event["event"] not in ("tick", "progress", "measured"):
                log(event)
            note(event)
            shown(event)
            if listener is not None:
                listener(event)
            for said in tracking(event):
                log({"event": "untracked", "message": said})
                shown({"event": "untracked", "message": said})
            for said in remote.hear(event) if remote is not None else ():
                log({"event": "unreached", "message": said})
                shown({"event": "unreached", "message": said})

        if remote is not None:
            fetch_missing(remote, prepared.plan, store, request.keep == "all", listen)
        return execute(prepared.plan, store, engine, options, listen)


def _begin(prepared: Prepared, head: dict[str, Any]) -> Path:
    """Make the folder of a new run with its record; it is removed again if that cannot be written."""
    loaded = prepared.loaded
    folder = new_run(prepared.store.root, loaded.path.stem, loaded.profile_name or "default")
    try:
        write_run(folder, {**head, "state": "running"})
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _finish(
    prepared: Prepared, outcome: Outcome, folder: Path, head: dict[str, Any], began: float, remote: Remote | None
) -> Finished:
    loaded = prepared.loaded
    xfail = _expected_failures(prepared)
    results, records = cell_results(prepared.plan, outcome, prepared.store, prepared.skipped, xfail)
    order = {c.name: i for i, c in enumerate(prepared.cells)}
    results.sort(key=lambda r: order[r.name])
    cells = [r.as_json() for r in results]
    judged = judge(loaded, prepared.cells, [*records, *_records_of_bases(prepared)], prepared.store.path)
    judged += judge_rows(Study(loaded, {**head, "cells": cells}, records, prepared.store.path))
    seconds = time.time() - began
    bad = any(r.status in BAD for r in results) or any(j.failed for j in judged)
    exit_code = ExitCode.INTERRUPTED if outcome.interrupted else ExitCode.FAILED if bad else ExitCode.OK
    made = {
        **head,
        "state": "interrupted" if outcome.interrupted else "finished",
        "seconds": seconds,
        "peak_memory": outcome.memory,
        "made": len(outcome.done),
        "reused": len(outcome.reused),
        **({"remote": remote.as_json()} if remote is not None else {}),
        "exit": int(exit_code),
        "cells": cells,
        "failing": still_failing(
            last_failed(prepared.store.root, loaded) or (),
            cells,
            wrong={name for j in judged if j.failed for name in j.names},
            stopped=stopped_cells(prepared.plan, outcome),
            unsettled={*head["languages_selected"], *(name for j in judged if j.found is None for name in j.names)},
        ),
        "expectations": [j.as_json() for j in judged],
        "failed_stages": list(failed_stages(prepared.plan, prepared.store)),
        "vectors": list(embedded_texts(prepared.plan)),
        "left_out": list(left_out(prepared.plan, prepared.store)),
    }
    # Without records the run does not count as finished: `show` still shows the last whole board.
    write_run(folder, made, None if outcome.interrupted else records)
    stopped = outcome.interrupted or stopped_cells(prepared.plan, outcome)
    left = estimate(prepared.plan, prepared.store).sentence() if stopped else ""
    return Finished(loaded, folder, results, judged, outcome, seconds, exit_code, made, records, remote, left)


def _expected_failures(prepared: Prepared) -> dict[str, str]:
    """Cell -> why it is expected to fail."""
    reasons = ((c.name, expected_failure(c, prepared.loaded)) for c in prepared.plan.cells)
    return {name: why for name, why in reasons if why is not None}


def _records_of_bases(prepared: Prepared) -> list[Record]:
    ends = [(cell, prepared.compared_with.ends.get(cell.name)) for cell in prepared.compared_with.cells]
    return [
        r for cell, key in ends if key and prepared.store.has(key) for r in stored_records(cell, key, prepared.store)[0]
    ]


def summary_line(finished: Finished) -> str:
    """`97 passed, 2 skipped in 4 min 10 s (…)`, as pytest's last line."""
    counts = {status: sum(r.status is status for r in finished.results) for status in Status}
    parts = [f"{n} {status}" for status, n in counts.items() if n]
    wrong = sum(j.failed for j in finished.judged)
    if wrong:
        parts.append(f"{wrong} expectation{'s' if wrong > 1 else ''} failed")
    outcome, remote = finished.outcome, finished.remote
    fetched = f", {len(remote.fetched)} of them fetched" if remote is not None and remote.fetched else ""
    memory = f", peak memory of a worker {outcome.memory / 2**30:.1f} GiB" if outcome.memory else ""
    return (
        f"{', '.join(parts)} in {duration(finished.seconds)} "
        f"({len(outcome.done)} steps made, {len(outcome.reused)} reused{fetched}{memory})"
    )


def slowest(finished: Finished, store: Store, count: int) -> list[tuple[float, str]]:
    """(seconds, label) of the steps that took this run longest; all of them where the count is 0."""
    times = sorted(((s, k) for k, s in finished.outcome.seconds.items() if k in finished.outcome.done), reverse=True)
    shown = times[:count] if count else times
    return [(seconds, _with_throughput(store.manifest(key) or {}, key)) for seconds, key in shown]


def _with_throughput(manifest: Mapping[str, Any], key: str) -> str:
    """A step's label, and how well it used the device."""
    summary = manifest.get("summary", {})
    facts = []
    if "tokens_per_second" in summary:
        facts.append(f"{summary['tokens_per_second']:,.0f} tokens/s, {summary['padding']:.0%} padding")
    if "mfu" in summary:
        facts.append(f"{summary['mfu']:.0%} of the device's peak")
    if "device_memory" in summary:
        facts.append(f"{summary['device_memory'] / 2**30:.1f} GiB on the device")
    return ", ".join([str(manifest.get("label", key)), *facts])
