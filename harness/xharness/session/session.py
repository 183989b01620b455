"""One run from the command line to its exit code: collect, plan, execute, score, report."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from xharness.collect.analyses import texts_asked
from xharness.collect.cells import Cell, collect, expected_failure, skipper
from xharness.collect.checkpoints import given_checkpoints
from xharness.collect.fit import check_known
from xharness.collect.selection import Selection, select, unmatched
from xharness.engines.machine import Share, accelerators, chosen, shares
from xharness.engines.scheduler import Options, Outcome, execute
from xharness.errors import ExitCode, HarnessError
from xharness.plan.cost import duration
from xharness.plan.identity import identity_of
from xharness.plan.plan import Plan
from xharness.plan.planner import Planner
from xharness.plan.vectors import add_vectors
from xharness.record import Record
from xharness.session.description import described, embedded_texts, failed_stages, left_out
from xharness.session.display import Display
from xharness.session.events import event_log
from xharness.session.expectations import Judged, compared_with, judge
from xharness.session.failed import Mode, by_last_failed, last_failed, still_failing
from xharness.session.provenance import cores, git_state, hardware, memory_bytes, versions
from xharness.session.results import BAD, CellResult, Status, cell_results, stopped_cells, stored_records
from xharness.session.row_expectations import judge_rows
from xharness.session.stored_checkpoints import stored, with_stored
from xharness.session.tracked import tracked
from xharness.spec.device import Device
from xharness.spec.encoder_config import training_bytes
from xharness.spec.load import Loaded, load_suite
from xharness.spec.suite import Checkpoint
from xharness.store.care import in_use
from xharness.store.runs import EVENTS, LOG, going, new_run, write_run
from xharness.store.steps import Store
from xharness.study import Study
from xharness.tracking.names import required
from xharness.tracking.tracking import Tracking

WORKER_MEMORY = 3 << 30
"""Memory that `-n auto` reckons for a worker whose checkpoint does not tell its size, in bytes."""
CPU_TOKENS = 2048
"""Tokens at once in training on a processor."""
BESIDE_GPUS = 8
"""Workers that encode and search beside GPUs, at the most: more do not read faster from one disk."""


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
    track: tuple[str, ...] = ()
    """Trackers that are told of the run and its trainings."""
    argv: tuple[str, ...] = ()


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


def prepare(request: Request) -> Prepared:
    """Load, collect, select and plan. Nothing is stored; a --deselect that matches nothing gets a warning on stderr."""
    trackers = required(request.track)
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
    skip_reason = skipper(loaded, gpu=bool(chosen(request.device, accelerators())))
    skipped = {c: why for c in cells if (why := skip_reason(c)) is not None}
    workers, threads = parallel(request, loaded, _memory(loaded, extra, cells))
    kind = "cpu" if request.device == "cpu" else request.device.partition(":")[0]
    device = Device(
        device=kind, threads=threads, tokens=loaded.profile.device_tokens, save_seconds=request.save_seconds
    )
    planner = Planner(loaded, extra, device, store.has)
    plan = planner.plan([c for c in cells if c not in skipped])
    add_vectors(plan, planner, texts_asked(loaded))
    plan.first = frozenset(plan.closure([plan.ends[name] for name in first if name in plan.ends]))
    beside = planner.plan(compared_with(loaded, plan.cells))
    return Prepared(loaded, extra, cells, skipped, plan, beside, store, workers, threads, note, trackers)


def _memory(loaded: Loaded, extra: Sequence[Checkpoint], cells: Sequence[Cell]) -> int:
    """Memory that a worker takes about: of the largest encoder that is trained, in bytes."""
    known = {c.name: c for c in (*loaded.suite.checkpoint, *extra)}
    tokens = loaded.profile.device_tokens or CPU_TOKENS
    rows, targets = ({getattr(cell, side) for cell in cells} for side in ("intermediate", "target"))
    recipes = [loaded.stage_recipe(row, n) for row in rows for n in range(len(loaded.stages(row)))]
    recipes += [loaded.target_recipe(name) for name in targets]
    length = max((recipe.max_length for recipe in recipes), default=0)
    found: list[int] = []
    for name in {cell.checkpoint for cell in cells}:
        with suppress(HarnessError):  # What is wrong with a checkpoint is told of its cells.
            found.append(training_bytes(identity_of(known[name]).config, tokens, length) or WORKER_MEMORY)
    return max(found, default=WORKER_MEMORY)


def parallel(request: Request, loaded: Loaded, memory: int) -> tuple[tuple[Share, ...], int]:
    """(what each worker sees, threads of each): the machine's cores divided, never oversubscribed; a worker a GPU.

    Beside GPUs `-n` counts the workers that encode and search on the processor.
    """
    total = cores()
    devices = chosen(request.device, accelerators())
    if devices:
        beside = request.workers or max(1, min(total // (len(devices) + 1), BESIDE_GPUS))
        return tuple(shares(devices, beside)), max(1, total // (len(devices) + beside))
    if request.workers is not None:
        share = max(1, total // request.workers)
        return tuple(shares((), request.workers)), min(loaded.profile.threads or share, share)
    # Steps side by side use cores better than one step on all of them, as far as memory reaches.
    fits = max(1, min(total, memory_bytes() // memory if memory_bytes() else total))
    threads = min(loaded.profile.threads or max(1, total // fits), total)
    return tuple(shares((), max(1, min(total // threads, fits)))), threads


def _crew(workers: Sequence[Share]) -> str:
    devices = sum(bool(w.accelerated) for w in workers)
    beside = f" and {devices} on GPUs" if devices else ""
    return f"{len(workers) - devices} workers{beside}"


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
    store, loaded = prepared.store.prepare(), prepared.loaded
    store.sweep()
    workers, threads = prepared.workers, prepared.threads
    head = {
        **described(loaded, prepared.cells, prepared.extra),
        "argv": list(request.argv or sys.argv),
        "started": began,
        "workers": len(workers),
        "devices": [w.visible for w in workers if w.accelerated],
        "threads": threads,
        "versions": versions(),
        "git": git_state(Path.cwd()),
        "hardware": hardware(),
    }
    folder = _begin(prepared, head)
    try:
        with Tracking(prepared.trackers, prepared.plan, folder, versions()) as tracking:
            outcome = _carry_out(prepared, request, console, folder, tracking, listener, stopped)
            finished = _finish(prepared, outcome, folder, head, began)
            told = tracked(tracking, finished.made, finished.records, outcome)
        if told and request.verbosity >= 0:
            console.print(told, highlight=False, markup=False, soft_wrap=True)
        return finished
    except KeyboardInterrupt:
        # Interrupted before the first step or after the last: the same cells fail as before.
        failing = list(last_failed(store.root, loaded) or ())
        write_run(folder, {**head, "state": "interrupted", "exit": int(ExitCode.INTERRUPTED), "failing": failing})
        raise


def _carry_out(
    prepared: Prepared,
    request: Request,
    console: Console,
    folder: Path,
    tracking: Tracking,
    listener: Listener | None,
    stopped: Callable[[], bool],
) -> Outcome:
    """Make what the store lacks, and show how that goes."""
    store, loaded = prepared.store, prepared.loaded
    workers, threads = prepared.workers, prepared.threads
    about = {"run": folder.name, "versions": versions()}
    options = Options(
        workers=workers,
        threads=threads,
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
        cells = f"{len(prepared.cells)} cells, {len(prepared.plan.steps)} steps · {_crew(workers)} × {threads} threads"
        console.print(
            f"{loaded.suite.title} · profile {loaded.profile_name or '-'} · {cells}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        if prepared.note:
            console.print(prepared.note, style="yellow", highlight=False, markup=False)
    with (
        going(folder),
        event_log(folder / EVENTS, request.events) as log,
        Display(console, prepared.plan, request.verbosity) as shown,
    ):

        def listen(event: dict[str, Any]) -> None:
            if event["event"] not in ("tick", "progress", "measured"):
                log(event)
            shown(event)
            if listener is not None:
                listener(event)
            for said in tracking(event):
                log({"event": "untracked", "message": said})
                shown({"event": "untracked", "message": said})

        return execute(prepared.plan, store, options, listen)


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


def _finish(prepared: Prepared, outcome: Outcome, folder: Path, head: dict[str, Any], began: float) -> Finished:
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
    return Finished(loaded, folder, results, judged, outcome, seconds, exit_code, made, records)


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
    outcome = finished.outcome
    memory = f", peak memory of a worker {outcome.memory / 2**30:.1f} GiB" if outcome.memory else ""
    return (
        f"{', '.join(parts)} in {duration(finished.seconds)} "
        f"({len(outcome.done)} steps made, {len(outcome.reused)} reused{memory})"
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
