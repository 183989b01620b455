"""What a plan will cost: from the steps of the same kind that the store has made before."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from xharness.plan.plan import Plan, Step
from xharness.steps.encode import Encode
from xharness.steps.tune import Tune
from xharness.store.steps import Store


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(frozen=True)
class Estimate:
    """Which steps are missing and how long they may take on one worker."""

    missing: frozenset[str]
    seconds: float | None
    """None when the store has made nothing alike."""
    unknown: int
    """Missing steps of kinds that the store has no example of."""

    def state(self, key: str) -> str:
        """How the table names a step that is not stored."""
        return "to do" if key in self.missing else "not needed"

    def sentence(self) -> str:
        """The estimate in words."""
        if not self.missing:
            return "everything that the cells need is stored: nothing to do"
        text = f"{len(self.missing)} steps to do"
        if self.seconds is None:
            return f"{text}; the time is unknown until the store has made steps of these kinds"
        more = f", and {self.unknown} steps of kinds not made before" if self.unknown else ""
        return f"{text}: about {duration(self.seconds)} on one worker, going by the steps stored{more}"


def _family(step: Step) -> str:
    """Steps that cost alike: the kind, and what is trained on or evaluated."""
    work = step.work
    if isinstance(work, Tune):
        return f"tune {' '.join(t.task.name for t in work.tasks)} {work.checkpoint.name}"
    if isinstance(work, Encode):
        return f"encode {work.task.name} {' '.join(work.splits)} {work.checkpoint.name}"
    return f"{work.KIND} {work.target.name} {work.checkpoint.name}"


def missing_steps(plan: Plan, store: Store) -> tuple[frozenset[str], frozenset[str]]:
    """(steps a run would make: absent ends, and back to the roots what those need; stored ones that it would reuse)."""
    missing: set[str] = set()
    reused: set[str] = set()
    stack = list(plan.ends.values())
    while stack:
        key = stack.pop()
        if key in missing or key in reused:
            continue
        if store.has(key):
            reused.add(key)
        else:
            missing.add(key)
            stack.extend(plan.steps[key].needs)
    return frozenset(missing), frozenset(reused)


def estimate(plan: Plan, store: Store) -> Estimate:
    """The cost of what is missing, by the mean time of stored steps of the same family, else of the same kind."""
    missing, _ = missing_steps(plan, store)
    times: dict[str, list[float]] = defaultdict(list)
    for key, step in plan.steps.items():
        manifest = store.manifest(key)
        if manifest and "seconds" in manifest:
            for name in (_family(step), step.work.KIND):
                times[name].append(manifest["seconds"])
    total, known, unknown = 0.0, False, 0
    for key in missing:
        step = plan.steps[key]
        seen = times.get(_family(step)) or times.get(step.work.KIND)
        if seen:
            total, known = total + sum(seen) / len(seen), True
        else:
            unknown += 1
    return Estimate(missing, total if known else None, unknown)
