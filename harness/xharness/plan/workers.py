"""How long a plan takes on so many workers: list scheduling of its steps over the times that they may take."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xharness.plan.cost import Estimate, ahead_of, duration, estimate
from xharness.plan.plan import Plan
from xharness.store.steps import Store

FALLS = 0.95
"""Twice the workers are worth showing while they take less than this share of the time."""
MOST = 1 << 14


@dataclass(frozen=True)
class Course:
    """What the missing steps take, in seconds."""

    work: float
    """Of all of them, one after another."""
    accelerated: float
    """Of those that use a GPU where there is one."""
    path: float
    """Of the longest chain: no number of workers is faster."""
    on: tuple[tuple[int, float], ...]
    """(workers, seconds), twice as many each time until it stops falling."""
    guessed: bool = False
    """Whether no such steps are stored, so that only the proportions mean something."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "on": {str(workers): seconds for workers, seconds in self.on}}

    def sentences(self) -> list[str]:
        """The cost in words; nothing where nothing is missing."""
        if not self.work:
            return []
        if self.guessed:  # Only the proportions mean something.
            falls = ", ".join(f"{n}: {self.work / seconds:.1f} times" for n, seconds in self.on[1:])
            return [f"workers make it faster by a rough guess: {falls}"] if falls else []
        took = ", ".join(f"{n}: {duration(seconds)}" for n, seconds in self.on)
        return [
            f"work: {hours(self.work)}, of which {hours(self.accelerated)} of GPU time where there are GPUs; "
            f"the longest chain takes {duration(self.path)}",
            f"on so many workers: {took}",
        ]


def hours(seconds: float) -> str:
    """Work is counted in hours, short work as any time is."""
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else duration(seconds)


def cost_of(plan: Plan, store: Store, elsewhere: frozenset[str] = frozenset()) -> tuple[Estimate, Course]:
    """What is missing of a plan, and what it takes and how that falls with workers; see `estimate`."""
    left = estimate(plan, store, elsewhere)
    return left, _course(plan, left.each, left.missing, left.seconds is None)


def _course(plan: Plan, seconds: Mapping[str, float], missing: Collection[str], guessed: bool) -> Course:
    work = sum(seconds[key] for key in missing)
    gpu = sum(seconds[key] for key in missing if plan.steps[key].work.ACCELERATED)
    ahead = ahead_of(plan, seconds, missing)
    path = max((ahead[key] for key in missing), default=0.0)
    on: list[tuple[int, float]] = []
    workers = 1
    while missing and workers <= MOST:
        took = work if workers == 1 else makespan(plan, missing, seconds, ahead, workers)
        if on and took > FALLS * on[-1][1]:
            break
        on.append((workers, took))
        workers *= 2
    return Course(work, gpu, path, tuple(on), guessed)


def makespan(
    plan: Plan, missing: Collection[str], seconds: Mapping[str, float], ahead: Mapping[str, float], workers: int
) -> float:
    """Seconds until the last of the missing steps is done: whoever is free takes what has the longest way ahead."""
    waits: dict[str, int] = {}
    users: dict[str, list[str]] = {key: [] for key in missing}
    for key in missing:
        needs = [need for need in plan.steps[key].needs if need in users]
        waits[key] = len(needs)
        for need in needs:
            users[need].append(key)
    ready = [(-ahead[key], key) for key, count in waits.items() if not count]
    heapq.heapify(ready)
    ends: list[tuple[float, str]] = []
    now = 0.0
    while ready or ends:
        while ready and len(ends) < workers:
            _, key = heapq.heappop(ready)
            heapq.heappush(ends, (now + seconds[key], key))
        now, done = heapq.heappop(ends)
        for user in users[done]:
            waits[user] -= 1
            if not waits[user]:
                heapq.heappush(ready, (-ahead[user], user))
    return now
