"""Which steps can begin, the most urgent first; told of every change, it never looks through the plan."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from xharness.plan.plan import Plan

_Entry = tuple[bool, float, int, str]
"""(not among the first, minus the way to the end, place in the plan, key): the least is the most urgent."""


class Ready:
    """The steps that are pending, how many others each waits for, and those that wait for none."""

    def __init__(self, plan: Plan, pending: Iterable[str], ahead: Mapping[str, float]) -> None:
        self.plan, self.ahead = plan, ahead
        self.pending: set[str] = set()
        self.taken: set[str] = set()
        """Pending, and under way."""
        self.users: dict[str, list[str]] = {key: [] for key in plan.steps}
        for key, step in plan.steps.items():
            for need in step.needs:
                self.users[need].append(key)
        self._place = {key: number for number, key in enumerate(plan.steps)}
        self._waits: dict[str, int] = dict.fromkeys(plan.steps, 0)
        self._heaps: dict[bool, list[_Entry]] = {True: [], False: []}
        self._near: dict[tuple[str, bool], list[_Entry]] = defaultdict(list)
        """(a step, kind) -> those ready that need the step."""
        for key in sorted(pending, key=self._place.__getitem__):
            self.put(key)

    def put(self, key: str) -> None:
        """A step is to be made, perhaps once more; what needs it waits."""
        if key in self.pending:
            return
        self.pending.add(key)
        self._waits[key] = sum(need in self.pending for need in self.plan.steps[key].needs)
        for user in self.users[key]:
            self._waits[user] += 1
        self._offer(key)

    def release(self, key: str) -> None:
        """A step that was under way waits for its turn again."""
        self.taken.discard(key)
        self._offer(key)

    def settle(self, key: str) -> None:
        """A step is no longer to be made; what waited for it alone can begin."""
        self.taken.discard(key)
        if key not in self.pending:
            return
        self.pending.discard(key)
        for user in self.users[key]:
            self._waits[user] -= 1
            self._offer(user)

    def take(self, accelerated: bool | None, hand: Collection[str]) -> str | None:
        """The step that a seat should have: of the first ones, then of those that need what it has at hand, the one
        with the longest way to the end. None where none of its kind is ready; `accelerated` None takes both kinds.
        """
        kinds = (True, False) if accelerated is None else (accelerated,)
        best = min(filter(None, (self._top(self._heaps[kind]) for kind in kinds)), default=None)
        if best is None:
            return None
        heaps = [self._near[need, kind] for need in hand for kind in kinds if (need, kind) in self._near]
        near = min(filter(None, map(self._top, heaps)), default=None)
        key = near[-1] if near and near[0] <= best[0] else best[-1]
        self.taken.add(key)
        return key

    def in_order(self, keys: Iterable[str]) -> list[tuple[int, str]]:
        """The keys with their places in the plan, as a heap."""
        placed = [(self._place[key], key) for key in keys]
        heapq.heapify(placed)
        return placed

    def _offer(self, key: str) -> None:
        if not self._can_begin(key):
            return
        step = self.plan.steps[key]
        entry = (key not in self.plan.first, -self.ahead[key], self._place[key], key)
        heapq.heappush(self._heaps[step.work.ACCELERATED], entry)
        for need in step.needs:
            heapq.heappush(self._near[need, step.work.ACCELERATED], entry)

    def _can_begin(self, key: str) -> bool:
        return not self._waits[key] and key in self.pending and key not in self.taken

    def _top(self, heap: list[_Entry]) -> _Entry | None:
        """The first that can still begin; what cannot any more is taken out here."""
        while heap and not self._can_begin(heap[0][-1]):
            heapq.heappop(heap)
        return heap[0] if heap else None
