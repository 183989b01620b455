"""What a plan will cost: from the steps of the same kind that the store has made before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass

from xharness.plan.plan import Plan, Step
from xharness.steps.choose import Choose
from xharness.steps.embed_texts import EmbedTexts
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
    if isinstance(work, EmbedTexts):
        return f"texts {work.task.name} {work.split} {work.unit} {work.checkpoint.name}"
    if isinstance(work, Choose):
        return f"choose {' '.join(work.on)} {work.checkpoint.name}"
    return f"{work.KIND} {work.target.name} {work.checkpoint.name}"


def missing_steps(plan: Plan, store: Store, models: bool = False) -> tuple[frozenset[str], frozenset[str]]:
    """(steps a run would make: absent ends, and back to the roots what those need; stored ones that it would reuse).

    With `models` every tuned model is an end too.
    """
    missing: set[str] = set()
    reused: set[str] = set()
    known = set(store.keys())
    stack = [*plan.ends.values(), *plan.vectors.values()]
    if models:
        stack += [key for key, step in plan.steps.items() if isinstance(step.work, (Tune, Choose))]
    while stack:
        key = stack.pop()
        if key in missing or key in reused:
            continue
        if key in known and store.has(key):
            reused.add(key)
        else:
            missing.add(key)
            stack.extend(plan.steps[key].needs)
    return frozenset(missing), frozenset(reused)


UNKNOWN = {"encode": 5.0, "tune": 60.0, "choose": 1.0, "evaluate": 20.0, "embed": 20.0, "texts": 20.0, "mine": 5.0}
"""Seconds of a step that the store has nothing alike to: only which is longer than which matters."""


def durations(plan: Plan, store: Store) -> dict[str, float]:
    """Key -> seconds that each step may take: the mean of stored ones of its family, else of its kind, else a guess."""
    times = _times(plan, store)
    found: dict[str, float] = {}
    for key, step in plan.steps.items():
        seen = times.get(_family(step)) or times.get(step.work.KIND)
        found[key] = sum(seen) / len(seen) if seen else UNKNOWN.get(step.work.KIND, 10.0)
    return found


def ahead_of(plan: Plan, seconds: Mapping[str, float], missing: Container[str]) -> dict[str, float]:
    """Key -> the longest way from a step's beginning to the end: its own time and that of what then waits for it."""
    longest: dict[str, float] = {}
    for key in reversed(plan.steps):
        own = seconds[key] if key in missing else 0.0
        longest[key] = own + longest.get(key, 0.0)
        for need in plan.steps[key].needs:
            longest[need] = max(longest.get(need, 0.0), longest[key])
    return longest


def _times(plan: Plan, store: Store) -> dict[str, list[float]]:
    """Seconds of stored steps, by family and by kind."""
    times: dict[str, list[float]] = defaultdict(list)
    for key in store.keys():  # noqa: SIM118
        step, manifest = plan.steps.get(key), store.manifest(key)
        if step and manifest and "seconds" in manifest:
            for name in (_family(step), step.work.KIND):
                times[name].append(manifest["seconds"])
    return times


def estimate(plan: Plan, store: Store) -> Estimate:
    """The cost of what is missing, by the mean time of stored steps of the same family, else of the same kind."""
    missing, _ = missing_steps(plan, store)
    times = _times(plan, store)
    total, known, unknown = 0.0, False, 0
    for key in missing:
        step = plan.steps[key]
        seen = times.get(_family(step)) or times.get(step.work.KIND)
        if seen:
            total, known = total + sum(seen) / len(seen), True
        else:
            unknown += 1
    return Estimate(missing, total if known else None, unknown)
