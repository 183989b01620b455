"""Runs the steps that are missing: what is ready first, neighbours unharmed by a failure, whoever performs them.

It knows nothing of tasks: a step has a key, needs and work. Whatever happens is told as events, plain dictionaries
with an `event` and mostly a `key`; the display, the log and the run's record listen.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xharness.engines.engine import Engine, Event, Order
from xharness.engines.keeping import Keeping
from xharness.engines.ready import Ready
from xharness.plan.cost import ahead_of, durations, missing_steps
from xharness.plan.plan import Plan
from xharness.store.files import checksums, rotate
from xharness.store.steps import Store

Listener = Callable[[dict[str, Any]], None]

SILENT_SECONDS = 120.0
"""A worker that says nothing for so long (it says it is alive every few seconds) is taken for hung."""
LOOK_SECONDS = 0.5
"""Between two looks for hung steps, and at the size of the log."""
LOG_BYTES = 32 * 2**20
"""Of what workers say beside their events; twice as much is kept at most."""

STOPPED = "stopped"
"""Why a step was not run when none that it needs had failed."""


@dataclass(frozen=True)
class Options:
    """How to run; none of it can change a result."""

    max_failures: int | None = None
    """Stop after so many failed cells."""
    xfail: Container[str] = ()
    """Cells that are expected to fail, and do not count for that."""
    keep: str = "intermediates"
    """Which tuned models stay: `all`, `intermediates`, `none`."""
    stuck_seconds: float = 3600.0
    """A step that makes no progress for so long is taken for hung."""
    log: Path | None = None
    """Where the last words of a worker that is gone may be."""
    in_use: Callable[[], set[str]] = set
    """Keys that other runs set out to make or read."""
    stopped: Callable[[], bool] = lambda: False
    """Asked twice a second; once it is true, the execution ends as if interrupted."""
    measure: bool = False
    """Have trainings tell how they go: `training` when one begins, `measured` now and then."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, by which hung steps are known."""
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


@dataclass
class _Underway:
    """A step on a seat."""

    seat: int
    heard: float
    """When it last gave a sign of life, by the clock; infinite while it is queued."""
    moved: float
    """When it last made progress; infinite while another run makes it."""
    began: bool = False


class Execution:
    """One execution of a plan."""

    def __init__(self, plan: Plan, store: Store, engine: Engine, options: Options, listen: Listener) -> None:
        self.plan, self.store, self.engine, self.options, self.listen = plan, store, engine, options, listen
        self.begun, reused = missing_steps(plan, store, models=options.keep == "all")
        self.outcome = Outcome(reused=set(reused))
        self.diverged: set[str] = set()
        """Trainings that would fail in the same way again; some steps do without them."""
        self.tried: dict[str, int] = {}
        # Seconds until the last step that waits for one is done, by what such steps have taken before.
        ahead = ahead_of(plan, durations(plan, store), self.begun)
        self.ready = Ready(plan, self.begun, ahead)
        self.keeping = Keeping(plan, store, options.keep, self.ready.users, self.begun)
        for key in reused:
            self.keeping.reused(key)
        self.underway: dict[str, _Underway] = {}
        self._free: dict[bool | None, list[int]] = {}
        """What seats take -> numbers of those that have no step, as heaps."""
        for number, seat in enumerate(engine.seats):
            self._free.setdefault(seat.accelerated, []).append(number)
        self._hands: dict[int, set[str]] = {}
        """Seat -> keys that it has just had in its hands: what follows them goes to it, the model still loaded."""
        self._looked = options.clock()
        self._stopping = False

    @property
    def pending(self) -> set[str]:
        """Keys of the steps still to be made, those under way among them."""
        return self.ready.pending

    def run(self) -> Outcome:
        """Run until nothing is left that could run, or until it is interrupted."""
        try:
            self.listen({"event": "begin", "pending": sorted(self.pending), "reused": sorted(self.outcome.reused)})
            while self.pending or self.underway:
                if not self._give_orders() and not self.underway:
                    break
                self._hear()
            if self.begun:
                self._let_go()
        except (KeyboardInterrupt, BrokenPipeError):  # Stopped, or nobody reads what it says any more.
            self.outcome.interrupted = True
        finally:
            self.engine.close()
            self.store.sweep()
        for key in sorted(self.pending):
            self.outcome.not_run.setdefault(key, STOPPED)
        return self.outcome

    def _give_orders(self) -> int:
        """Hand ready steps to free seats."""
        given = 0
        for kind, free in self._free.items():
            while free and not self._stopping:
                key = self.ready.take(kind, self._hands.get(free[0], ()))
                if key is None:
                    break
                self._order(key, heapq.heappop(free))
                given += 1
        return given

    def _order(self, key: str, seat: int) -> None:
        step = self.plan.steps[key]
        diverged = self.diverged & set(step.needs)
        about = {
            **self.options.about,
            "kind": step.work.KIND,
            "label": step.work.label,
            "needs": list(step.needs),
            "ingredients": step.ingredients,
            **({"plugins": checksums(step.work.plugins)} if step.work.plugins else {}),
        }
        message = {
            "key": key,
            "work": step.work.model_dump(mode="json"),
            "needs": [need for need in step.needs if need not in diverged],
            "diverged": sorted(diverged),
            "about": about,
            "measure": self.options.measure,
        }
        now = self.options.clock()
        self.underway[key] = _Underway(seat, heard=now, moved=now)
        self.listen({"event": "start", "key": key, "worker": seat, "label": step.work.label})
        self.engine.submit(Order(key, step.work.label, step.work.ACCELERATED, seat, message))

    def _hear(self) -> None:
        for event in self.engine.events(timeout=0.5):
            self._take(event)
        now = self.options.clock()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            for key, one in list(self.underway.items()):
                hung = ""
                if now - one.heard > SILENT_SECONDS:
                    hung = f"hung: it gave no sign of life for {SILENT_SECONDS:g} s"
                elif now - one.moved > self.options.stuck_seconds:
                    hung = f"hung: it made no progress for {self.options.stuck_seconds:g} s"
                if hung:
                    self.engine.stop(key)
                    self._lost(key, hung)
            if self.options.log is not None:
                rotate(self.options.log, LOG_BYTES)
        self.listen({"event": "tick"})
        if self.options.stopped():
            raise KeyboardInterrupt

    def _take(self, event: Event) -> None:
        kind, key = event["event"], event["key"]
        one = self.underway.get(key)
        if one is None:
            if kind == "lost" and key is None:  # While it had nothing to do.
                told = {"worker": event["seat"], "message": event["message"], "again": False}
                self.listen({"event": "worker_lost", "key": None, **told})
            return
        one.heard = self.options.clock()
        if kind in ("progress", "training", "measured"):
            one.moved = one.heard
            self.listen(event)
        elif kind == "waiting":
            one.moved = float("inf")
            self.listen(event)
        elif kind == "queued":
            self._queued(key, one, event)
        elif kind == "began":
            one.moved, one.began = one.heard, True
            self.listen({**event, "worker": one.seat})
        elif kind == "done":
            self._done(key, event)
        elif kind == "failed":
            self._failed(key, event)
        elif kind == "lost":
            self._lost(key, event["message"])

    def _queued(self, key: str, one: _Underway, event: Event) -> None:
        """It waits for a machine: at first, or once more where the one that it had is lost."""
        if one.began:
            told = {"worker": one.seat, "message": event["message"], "again": True}
            self.listen({"event": "worker_lost", "key": key, **told})
            self.listen({"event": "start", "key": key, "worker": one.seat, "label": self.plan.steps[key].work.label})
        one.heard = one.moved = float("inf")
        one.began = False
        self.listen(event)

    def _rise(self, key: str) -> int:
        """A step has left its seat, which is free again; the seat's number."""
        seat = self.underway.pop(key).seat
        heapq.heappush(self._free[self.engine.seats[seat].accelerated], seat)
        return seat

    def _done(self, key: str, event: Event) -> None:
        self._hands[self._rise(key)] = {key, *self.plan.steps[key].needs}
        self.ready.settle(key)
        (self.outcome.reused if event["found"] else self.outcome.done).add(key)
        self.outcome.seconds[key] = event["seconds"]
        if event["summary"].get("unscored"):
            self.keeping.again.update(self.plan.closure([key]))
        self.outcome.memory = max(self.outcome.memory, event["memory"])
        self.keeping.made(key)
        self.listen(event)
        self._let_go()

    def _failed(self, key: str, event: Event) -> None:
        self._rise(key)
        lost = event.get("lost") or ()
        if lost and self._again(key):
            for one in lost:
                self._want(one)
            self.ready.release(key)
            self.listen({"event": "remake", "key": key, "lost": lost, "message": event["message"]})
        else:
            # What cannot be stored now cannot be stored a step later: hours of work would be for nothing.
            self._stopping = self._stopping or event.get("store", False) or event.get("refused", False)
            self._fail(key, event)

    def _want(self, key: str) -> None:
        """A step is needed again: so is whatever it needs and the store has not."""
        self.outcome.reused.discard(key)
        self.outcome.done.discard(key)
        self.keeping.lost(key)
        self.ready.put(key)
        for need in self.plan.steps[key].needs:
            if need not in self.pending and not self.store.has(need):
                self._want(need)

    def _again(self, key: str) -> bool:
        """Whether a step may be tried a second time."""
        self.tried[key] = self.tried.get(key, 0) + 1
        return self.tried[key] <= 1

    def _lost(self, key: str, how: str) -> None:
        """What performed a step is gone: it is tried once more."""
        seat = self._rise(key)
        self._hands.pop(seat, None)
        again = self._again(key)
        self.listen({"event": "worker_lost", "key": key, "worker": seat, "message": how, "again": again})
        if again:
            self.ready.release(key)
        else:
            log = f" Its last words may be in {self.options.log}." if self.options.log else ""
            self._fail(key, {"message": f"its worker {how}; so had the first that tried.{log}", "traceback": ""})

    def _fail(self, key: str, event: Mapping[str, Any]) -> None:
        """A step failed: so does what needs it, and nothing else."""
        self.outcome.failed[key] = event["message"]
        if event.get("diverged"):
            self.diverged.add(key)
        self.listen({**event, "event": "failed", "key": key})
        reached = self.ready.in_order(self.ready.users[key])
        while reached:
            _, other = heapq.heappop(reached)
            step = self.plan.steps[other]
            spared = self.diverged if step.work.SPARES_DIVERGED else ()
            bad = (n for n in step.needs if n in self.outcome.failed or n in self.outcome.not_run)
            hit = next((n for n in bad if n not in spared), None)
            if hit is not None and other in self.pending:
                self.ready.settle(other)
                self.outcome.not_run[other] = self.outcome.not_run.get(hit, hit)
                self.listen({"event": "not_run", "key": other, "needs": hit})
                for placed in self.ready.in_order(self.ready.users[other]):
                    heapq.heappush(reached, placed)
        self.ready.settle(key)
        limit = self.options.max_failures
        if limit is not None and len(self._failed_cells()) >= limit:
            self._stopping = True

    def _failed_cells(self) -> list[str]:
        bad = {*self.outcome.failed, *(k for k, why in self.outcome.not_run.items() if why != STOPPED)}
        return [name for name, end in self.plan.ends.items() if end in bad and name not in self.options.xfail]

    def _let_go(self) -> None:
        """Drop tuned models that no step still needs, as `keep` says."""
        for key, freed in self.keeping.let_go(self.options.in_use):
            self.listen({"event": "dropped", "key": key, "bytes": freed})


def execute(plan: Plan, store: Store, engine: Engine, options: Options, listen: Listener) -> Outcome:
    """Run what the store lacks of a plan; see `Execution`. The engine is closed in the end."""
    return Execution(plan, store, engine, options, listen).run()
