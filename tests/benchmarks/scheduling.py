"""The scheduler at scale, time simulated: `python tests/benchmarks/scheduling.py [CELLS [SEATS [STORE]]]`.

The plan is the main suite's under as many seeds as it takes, the policy is the real `Execution`, and a step is a sleep
as long as such steps were measured to be: in STORE, or on the miniature, each with a spread. Prints what the scheduler
itself takes for a step and in memory, and the makespan over the bound that no schedule can beat: the longest path, or
all work divided by the seats.
"""

from __future__ import annotations

import heapq
import itertools
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xharness.collect.cells import collect
from xharness.engines.engine import Event, Order
from xharness.engines.machine import Share
from xharness.engines.scheduler import Execution, Options, Outcome
from xharness.plan.cost import ahead_of, durations
from xharness.plan.plan import Plan
from xharness.plan.planner import Planner
from xharness.spec.load import load_suite
from xharness.store.steps import Store

ROOT = Path(__file__).parents[2]
MEASURED = {"encode": 0.59, "tune": 5.95, "choose": 0.1, "evaluate": 0.57, "embed": 0.2, "mine": 0.05}
"""Mean seconds of the miniature's steps on two cores."""
SPREAD = 0.3
"""Standard deviation of the logarithm of a step's length about the mean of its kind."""
ALIVE_SECONDS = 20.0
CELLS_A_SEED = 99


class NoStore(Store):
    """A store without a disk, which has nothing and keeps nothing."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))

    def has(self, key: str, small_only: bool = True) -> bool:
        return False

    def keys(self) -> list[str]:
        return []

    @contextmanager
    def unread(self, key: str) -> Iterator[bool]:
        yield True

    def drop(self, key: str, keep: tuple[str, ...] = ()) -> int:
        return 1

    def sweep(self) -> None:
        """Nothing lies about."""


class SimulatedEngine:
    """An engine whose steps only take time, and whose time only passes when nothing else is to be done."""

    place, threads = "", 1

    def __init__(self, seats: int, lengths: Mapping[str, float]) -> None:
        self.seats = (Share(),) * seats
        self.now = self.own = 0.0
        self._lengths, self._order = lengths, itertools.count()
        self._coming: list[tuple[float, int, bool, str, float]] = []

    def open(self, folder: Path) -> None:
        """Nothing is written."""

    def _timed(self, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        try:
            return work()
        finally:
            self.own += time.process_time() - began

    def submit(self, order: Order) -> None:
        """It ends after its length, and tells now and then that it is alive."""
        self._timed(lambda: self._begin(order.key))

    def _begin(self, key: str) -> None:
        end = self.now + self._lengths[key]
        heapq.heappush(self._coming, (end, next(self._order), True, key, end))
        self._breathe(key, end)

    def _breathe(self, key: str, end: float) -> None:
        if self.now + ALIVE_SECONDS < end:
            heapq.heappush(self._coming, (self.now + ALIVE_SECONDS, next(self._order), False, key, end))

    def events(self, timeout: float) -> list[Event]:
        """What happens next."""
        return self._timed(self._next)

    def _next(self) -> list[Event]:
        told: list[Event] = []
        while self._coming and (not told or self._coming[0][0] == self.now):
            self.now, _, ended, key, end = heapq.heappop(self._coming)
            if ended:
                seconds = self._lengths[key]
                told.append(
                    {"event": "done", "key": key, "found": False, "seconds": seconds, "memory": 0, "summary": {}}
                )
            else:
                told.append({"event": "alive", "key": key, "memory": 0})
                self._breathe(key, end)
        return told

    def stop(self, key: str) -> None:
        raise AssertionError(f"{key} was taken for hung")

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Simulated:
    """What came of it."""

    outcome: Outcome
    steps: int
    seats: int
    own: float
    """Processor seconds of the scheduler itself."""
    makespan: float
    path: float
    """Seconds of the longest path."""
    work: float
    """Seconds of all steps together."""

    @property
    def bound(self) -> float:
        """What no schedule can beat."""
        return max(self.path, self.work / self.seats)


def plan_of(cells: int) -> Plan:
    """The main suite in its miniature, under as many seeds as give so many cells."""
    loaded = load_suite(str(ROOT / "suites" / "xtreme.toml"), "micro")
    seeds = tuple(range(-(-cells // CELLS_A_SEED)))
    grid = loaded.suite.grid.model_copy(update={"seeds": seeds})
    changed = replace(loaded, suite=loaded.suite.model_copy(update={"grid": grid}))
    return Planner(changed).plan(collect(changed)[:cells])


def lengths_of(plan: Plan, store: Store | None = None) -> dict[str, float]:
    """Key -> seconds of a step, the same every time."""
    means = durations(plan, store) if store else {k: MEASURED[s.work.KIND] for k, s in plan.steps.items()}
    chance = random.Random(0)
    return {key: mean * chance.lognormvariate(-(SPREAD**2) / 2, SPREAD) for key, mean in means.items()}


def simulate(plan: Plan, seats: int, lengths: Mapping[str, float]) -> Simulated:
    """Run a plan by the real policy on simulated seats."""
    engine = SimulatedEngine(seats, lengths)
    began = time.process_time()
    options = Options(clock=lambda: engine.now)
    outcome = Execution(plan, NoStore(), engine, options, lambda event: None).run()
    own = time.process_time() - began - engine.own
    path = max(ahead_of(plan, lengths, plan.steps).values())
    return Simulated(outcome, len(plan.steps), seats, own, engine.now, path, sum(lengths.values()))


def main() -> None:
    """Print what it comes to."""
    cells, seats = (int(word) for word in (sys.argv[1:3] + ["100000", "2000"][len(sys.argv) - 1 :])[:2])
    store = Store(Path(sys.argv[3])) if len(sys.argv) > 3 else None
    began = time.perf_counter()
    plan = plan_of(cells)
    kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(s.work.KIND for s in plan.steps.values()).most_common())
    print(f"{len(plan.cells)} cells, {len(plan.steps)} steps ({kinds}), planned in {time.perf_counter() - began:.0f} s")
    print(f"memory with the plan alone: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    found = simulate(plan, seats, lengths_of(plan, store))
    assert len(found.outcome.done) == found.steps, f"{len(found.outcome.done)} of {found.steps} steps were done"
    print(
        f"{seats} seats: own time {1e3 * found.own / found.steps:.3f} ms a step (promised 1 ms), "
        f"{found.own:.0f} s in all"
    )
    print(
        f"makespan {found.makespan:.0f} s, {found.makespan / found.bound:.3f} x the bound of {found.bound:.0f} s "
        f"(promised 1.1; longest path {found.path:.0f} s, work over seats {found.work / seats:.0f} s)"
    )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
