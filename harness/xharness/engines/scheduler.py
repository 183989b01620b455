"""Runs the steps that are missing: on worker processes, what is ready first, neighbours unharmed by a failure.

It knows nothing of tasks: a step has a key, needs and work. Whatever happens is told as events, plain dictionaries
with an `event` and mostly a `key`; the display, the log and the run's record listen.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from xharness.engines.machine import Share
from xharness.engines.worker_process import Worker
from xharness.plan.cost import ahead_of, durations, missing_steps
from xharness.plan.plan import Plan
from xharness.store.steps import Store

Listener = Callable[[dict[str, Any]], None]

SILENT_SECONDS = 120.0
"""A worker that says nothing for so long (it says it is alive every few seconds) is taken for hung."""


STOPPED = "stopped"
"""Why a step was not run when none that it needs had failed."""


@dataclass(frozen=True)
class Options:
    """How to run; none of it can change a result."""

    workers: tuple[Share, ...] = (Share(),)
    """What each worker process sees and takes."""
    threads: int = 1
    """Processor threads of each worker."""
    max_failures: int | None = None
    """Stop after so many failed cells."""
    xfail: Container[str] = ()
    """Cells that are expected to fail, and do not count for that."""
    keep: str = "intermediates"
    """Which tuned models stay: `all`, `intermediates`, `none`."""
    stuck_seconds: float = 3600.0
    """A step that makes no progress for so long is taken for hung."""
    log: Path | None = None
    """Where the workers' standard error goes."""
    in_use: Callable[[], set[str]] = set
    """Keys that other runs set out to make or read."""
    stopped: Callable[[], bool] = lambda: False
    """Asked twice a second; once it is true, the execution ends as if interrupted."""
    measure: bool = False
    """Have trainings tell how they go: `training` when one begins, `measured` now and then."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Written into the manifest of every step made: run, versions."""


@dataclass
class Outcome:
    """How the steps ended."""

    done: set[str] = field(default_factory=set)
    """Keys made by this run."""
    reused: set[str] = field(default_factory=set)
    """Keys that were in the store."""
    failed: dict[str, str] = field(default_factory=dict)
    """Key -> why."""
    not_run: dict[str, str] = field(default_factory=dict)
    """Key -> the failed key it needs, or `stopped`."""
    seconds: dict[str, float] = field(default_factory=dict)
    memory: int = 0
    """Peak memory of the largest worker, bytes."""
    interrupted: bool = False
    """By Ctrl-C, or since nobody reads what it says any more."""


class Execution:
    """One execution of a plan."""

    def __init__(self, plan: Plan, store: Store, options: Options, listen: Listener) -> None:
        self.plan, self.store, self.options, self.listen = plan, store, options, listen
        self.begun, reused = missing_steps(plan, store, models=options.keep == "all")
        self.outcome = Outcome(reused=set(reused))
        self.pending = set(self.begun)
        self.gone: set[str] = set()
        """Models that were let go of."""
        self.again: set[str] = set()
        """Models that could not be evaluated in every language: they are needed once the data are mended."""
        self.diverged: set[str] = set()
        """Trainings that would fail in the same way again; some steps do without them."""
        self.tried: dict[str, int] = {}
        self.ahead = ahead_of(plan, durations(plan, store), self.begun)
        """Seconds until the last step that waits for this one is done, by what such steps have taken before."""
        self.users: dict[str, list[str]] = {key: [] for key in plan.steps}
        for key, step in plan.steps.items():
            for need in step.needs:
                self.users[need].append(key)
        self.selector = selectors.DefaultSelector()
        self.workers: list[Worker] = []
        self._log: IO[bytes] | None = None
        self._stopping = False

    def run(self) -> Outcome:
        """Run until nothing is left that could run, or until it is interrupted."""
        try:
            self.listen({"event": "begin", "pending": sorted(self.pending), "reused": sorted(self.outcome.reused)})
            if self.pending:
                self._work()
        except (KeyboardInterrupt, BrokenPipeError):  # Stopped, or nobody reads what it says any more.
            self.outcome.interrupted = True
        finally:
            for worker in self.workers:
                worker.stop()
            self.selector.close()
            if self._log:
                self._log.close()
            self.store.sweep()
        for key in sorted(self.pending):
            self.outcome.not_run.setdefault(key, STOPPED)
        return self.outcome

    def _work(self) -> None:
        if self.options.log:
            self._log = self.options.log.open("ab")
        for number, own in enumerate(self.options.workers):
            if any(own.takes(self.plan.steps[key].work.ACCELERATED) for key in self.pending):
                self._hire(number, own)
            if own.accelerated is None and number + 1 >= len(self.pending):
                break
        while self.pending or any(w.step for w in self.workers):
            if not self._give_orders() and not any(w.step for w in self.workers):
                break
            self._hear()
        self._let_go()

    def _hire(self, number: int, own: Share) -> Worker:
        worker = Worker(number, self.store.root, self.options.threads, self._log, own)
        self.workers.append(worker)
        self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
        return worker

    def _ready(self) -> list[str]:
        busy = {w.step for w in self.workers}
        return [
            k
            for k in self.plan.steps
            if k in self.pending
            and k not in busy
            and not any(n in self.pending or n in busy for n in self.plan.steps[k].needs)
        ]

    def _give_orders(self) -> int:
        """Hand the ready steps to idle workers: to whom has the parent at hand; the longest way to the end first."""
        if self._stopping:
            return 0
        given = 0
        for worker in [w for w in self.workers if w.step is None]:
            ready = [k for k in self._ready() if worker.own.takes(self.plan.steps[k].work.ACCELERATED)]
            if not ready:
                continue
            key = max(ready, key=lambda k: self._urgency(k, worker))
            step = self.plan.steps[key]
            about = {
                **self.options.about,
                "kind": step.work.KIND,
                "label": step.work.label,
                "needs": list(step.needs),
                "ingredients": step.ingredients,
            }
            try:
                worker.order(step, about, self.options.measure, self.diverged & set(step.needs))
            except OSError:
                worker.step = None
                self._lost(worker, "could not be reached")
                continue
            given += 1
            self.listen({"event": "start", "key": key, "worker": worker.number, "label": step.work.label})
        return given

    def _urgency(self, key: str, worker: Worker) -> tuple[bool, bool, float]:
        """What comes first: what was asked for first, what has its parent at hand, the longest way to the end."""
        at_hand = bool(worker.last & set(self.plan.steps[key].needs))
        return key in self.plan.first, at_hand, self.ahead[key]

    def _hear(self) -> None:
        for selected, _ in self.selector.select(timeout=0.5):
            worker: Worker = selected.data
            events = worker.read()
            if events is None:
                self._lost(worker, worker.death())
                continue
            for event in events:
                self._take(worker, event)
        now = time.monotonic()
        for worker in list(self.workers):
            if worker.step and now - worker.heard > SILENT_SECONDS:
                self._lost(worker, f"hung: it gave no sign of life for {SILENT_SECONDS:g} s")
            elif worker.step and now - worker.moved > self.options.stuck_seconds:
                self._lost(worker, f"hung: it made no progress for {self.options.stuck_seconds:g} s")
        self.listen({"event": "tick"})
        if self.options.stopped():
            raise KeyboardInterrupt

    def _take(self, worker: Worker, event: dict[str, Any]) -> None:
        kind, key = event["event"], event.get("key")
        if kind == "alive":
            worker.memory = event["memory"]
        elif kind in ("progress", "training", "measured"):
            worker.moved = time.monotonic()
            self.listen(event)
        elif kind == "waiting":
            worker.moved = float("inf")
            self.listen(event)
        elif kind == "done" and key:
            worker.step = None
            worker.last = {key, *self.plan.steps[key].needs}
            self.pending.discard(key)
            self.gone.discard(key)
            (self.outcome.reused if event["found"] else self.outcome.done).add(key)
            self.outcome.seconds[key] = event["seconds"]
            if event["summary"].get("unscored"):
                self.again.update(self.plan.closure([key]))
            self.outcome.memory = max(self.outcome.memory, event["memory"])
            self.listen(event)
            self._let_go()
        elif kind == "failed" and key:
            worker.step = None
            if event["lost"] and self._again(key):
                self.pending |= set(event["lost"])
                self.outcome.reused -= set(event["lost"])
                self.outcome.done -= set(event["lost"])
                for lost in event["lost"]:
                    self._want(lost)
                self.listen({"event": "remake", "key": key, "lost": event["lost"], "message": event["message"]})
            else:
                # What cannot be stored now cannot be stored a step later: hours of work would be for nothing.
                self._stopping = self._stopping or event.get("store", False)
                self._fail(key, event)

    def _want(self, key: str) -> None:
        """A step is needed again: so is whatever it needs and the store has not."""
        for need in self.plan.steps[key].needs:
            if need not in self.pending and not self.store.has(need):
                self.pending.add(need)
                self._want(need)

    def _again(self, key: str) -> bool:
        """Whether a step may be tried a second time."""
        self.tried[key] = self.tried.get(key, 0) + 1
        return self.tried[key] <= 1

    def _lost(self, worker: Worker, how: str) -> None:
        """A worker is gone: its step is tried once more on a fresh one."""
        self.selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        worker.stop()
        self.workers.remove(worker)
        key = worker.step
        again = key is not None and self._again(key)
        self.listen({"event": "worker_lost", "key": key, "worker": worker.number, "message": how, "again": again})
        if key is not None and not again:
            log = f" Its last words may be in {self.options.log}." if self.options.log else ""
            self._fail(key, {"message": f"its worker {how}; so had the first that tried.{log}", "traceback": ""})
        if self.pending and not self._stopping:
            if key is None:
                self.tried["worker"] = self.tried.get("worker", 0) + 1
                if self.tried["worker"] > 2 * len(self.options.workers):
                    raise RuntimeError(f"workers end before they begin ({how}); see {self.options.log}")
            self._hire(worker.number, worker.own)

    def _fail(self, key: str, event: Mapping[str, Any]) -> None:
        """A step failed: so does what needs it, and nothing else."""
        self.pending.discard(key)
        self.outcome.failed[key] = event["message"]
        if event.get("diverged"):
            self.diverged.add(key)
        self.listen({**event, "event": "failed", "key": key})
        for other in self.plan.steps:
            step = self.plan.steps[other]
            spared = self.diverged if step.work.SPARES_DIVERGED else ()
            bad = (n for n in step.needs if n in self.outcome.failed or n in self.outcome.not_run)
            hit = next((n for n in bad if n not in spared), None)
            if hit is not None and other in self.pending:
                self.pending.discard(other)
                self.outcome.not_run[other] = self.outcome.not_run.get(hit, hit)
                self.listen({"event": "not_run", "key": other, "needs": hit})
        limit = self.options.max_failures
        if limit is not None and len(self._failed_cells()) >= limit:
            self._stopping = True

    def _failed_cells(self) -> list[str]:
        bad = {*self.outcome.failed, *(k for k, why in self.outcome.not_run.items() if why != STOPPED)}
        return [name for name, end in self.plan.ends.items() if end in bad and name not in self.options.xfail]

    def _let_go(self) -> None:
        """Drop tuned models that no step still needs, as `keep` says."""
        if self.options.keep == "all":
            return
        candidates = {
            key
            for key in (self.begun | self.outcome.done) - self.pending - self.gone - self.again
            if (step := self.plan.steps[key]).work.KIND in ("tune", "choose")
            and not (self.options.keep == "intermediates" and step.role == "intermediate")
            and self._used(key)
        }
        # Where two runs use a model, the one that ends last lets go of it.
        for key in sorted(candidates - self.options.in_use() if candidates else ()):
            with self.store.unread(key) as unread:
                if unread:
                    self.gone.add(key)
                    if freed := self.store.drop(key):
                        self.listen({"event": "dropped", "key": key, "bytes": freed})

    def _used(self, key: str) -> bool:
        """Whether every step that reads this one is finished."""
        return all(k in self.outcome.done or k in self.outcome.reused for k in self.users[key])


def execute(plan: Plan, store: Store, options: Options, listen: Listener) -> Outcome:
    """Run what the store lacks of a plan; see `Execution`."""
    return Execution(plan, store, options, listen).run()
