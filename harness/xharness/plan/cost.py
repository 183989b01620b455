"""What a plan will cost: from the steps of the same kind that the store has made before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from xharness.errors import counted
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
    """Of all of them; None when the store has made nothing alike."""
    guessed: int
    """Missing steps that the store has no example of; their times are a guess."""
    each: Mapping[str, float]
    """Key of every step of the plan -> seconds that it may take."""
    made_on: tuple[str, ...] = ()
    """Devices that the steps which it goes by were made on."""
    elsewhere: frozenset[str] = frozenset()
    """Steps that are fetched from a remote store."""
    begun: int = 0
    """Missing steps that go on from a saved state, and so take less."""

    def state(self, key: str) -> str:
        """How the table names a step that is not stored."""
        return "to do" if key in self.missing else "to fetch" if key in self.elsewhere else "not needed"

    def sentence(self) -> str:
        """The estimate in words."""
        fetched = f"{counted(len(self.elsewhere), 'step')} to fetch from the remote store" if self.elsewhere else ""
        if not self.missing:
            return fetched or "everything that the cells need is stored: nothing to do"
        text = f"{fetched}, {counted(len(self.missing), 'step')} to do".removeprefix(", ")
        begun = (
            f"; {self.begun} of them {'goes' if self.begun == 1 else 'go'} on from a saved state" if self.begun else ""
        )
        if self.seconds is None:
            return f"{text}; the time is unknown until the store has made steps like these{begun}"
        on = f" (made on {', '.join(self.made_on)})" if self.made_on else ""
        more = f"; {self.guessed} of them are like none of those, and guessed" if self.guessed else ""
        return f"{text}: about {duration(self.seconds)} on one worker, going by the steps stored{on}{more}{begun}"


Times = Mapping[str, Sequence[float]]
"""Family of steps, a checkpoint's steps of a kind, or kind -> seconds that each stored one took."""


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


def ends(plan: Plan, models: bool = False) -> list[str]:
    """Keys of the steps that a run is for; with `models` every tuned model is one too."""
    found = [*plan.ends.values(), *plan.vectors.values()]
    if models:
        found += [key for key, step in plan.steps.items() if isinstance(step.work, (Tune, Choose))]
    return found


def missing_steps(
    plan: Plan, store: Store, models: bool = False, elsewhere: Container[str] = frozenset()
) -> tuple[frozenset[str], frozenset[str]]:
    """(steps a run would make: absent ends, and back to the roots what those need; stored ones that it would reuse).

    With `models` every tuned model is an end too. What is `elsewhere`, in a remote store, is fetched and not made.
    """
    missing: set[str] = set()
    reused: set[str] = set()
    known = set(store.keys())
    stack = ends(plan, models)
    while stack:
        key = stack.pop()
        if key in missing or key in reused:
            continue
        if (key in known and store.has(key)) or key in elsewhere:
            reused.add(key)
        else:
            missing.add(key)
            stack.extend(plan.steps[key].needs)
    return frozenset(missing), frozenset(reused)


UNKNOWN = {
    "encode": 5.0,
    "tune": 60.0,
    "choose": 1.0,
    "evaluate": 20.0,
    "embed": 20.0,
    "texts": 20.0,
    "mine": 5.0,
    "judge": 60.0,
}
"""Seconds of a step that the store has nothing alike to: only which is longer than which matters."""


def durations(plan: Plan, store: Store, times: Times | None = None) -> dict[str, float]:
    """Key -> seconds that each step may take: the mean of stored ones that are most like it, else a guess."""
    times = times_of(plan, store)[0] if times is None else times
    found: dict[str, float] = {}
    for key, step in plan.steps.items():
        seen = _seen(step, times)
        found[key] = sum(seen) / len(seen) if seen else UNKNOWN.get(step.work.KIND, 10.0)
    return found


def _seen(step: Step, times: Times) -> Sequence[float]:
    """Of its family, else of its checkpoint's steps of its kind, else of all checkpoints'."""
    work = step.work
    return times.get(_family(step)) or times.get(f"{work.identity} {work.KIND}") or times.get(work.KIND) or ()


def ahead_of(plan: Plan, seconds: Mapping[str, float], missing: Container[str]) -> dict[str, float]:
    """Key -> the longest way from a step's beginning to the end: its own time and that of what then waits for it."""
    longest: dict[str, float] = {}
    for key in reversed(plan.steps):
        own = seconds[key] if key in missing else 0.0
        longest[key] = own + longest.get(key, 0.0)
        for need in plan.steps[key].needs:
            longest[need] = max(longest.get(need, 0.0), longest[key])
    return longest


def times_of(plan: Plan, store: Store) -> tuple[dict[str, list[float]], tuple[str, ...]]:
    """Seconds of stored steps, those of the plan and others of its checkpoints; the devices they were made on."""
    times: dict[str, list[float]] = defaultdict(list)
    devices: set[str] = set()
    checkpoints = {step.work.identity for step in plan.steps.values()}
    for key in store.keys():  # noqa: SIM118
        step, manifest = plan.steps.get(key), store.manifest(key)
        if not manifest or "seconds" not in manifest:
            continue
        # Only a step without a parent has its checkpoint's identity among its ingredients.
        identity = step.work.identity if step else manifest.get("ingredients", {}).get("identity")
        if identity not in checkpoints:
            continue
        families = [_family(step), step.work.KIND] if step else []
        for name in (*families, f"{identity} {manifest.get('kind')}"):
            times[name].append(manifest["seconds"])
        devices.add(str(manifest.get("summary", {}).get("device", "")))
    return times, tuple(sorted(devices - {""}))


def estimate(plan: Plan, store: Store, elsewhere: frozenset[str] = frozenset()) -> Estimate:
    """The cost of what is missing, by the mean times of stored steps that are like those.

    What is `elsewhere`, in a remote store, takes no time here.
    """
    times, devices = times_of(plan, store)
    missing, _ = missing_steps(plan, store, elsewhere=elsewhere)
    each = durations(plan, store, times)
    guessed = sum(not _seen(plan.steps[key], times) for key in missing)
    seconds = sum(each[key] for key in missing) if guessed < len(missing) else None
    begun = sum(store.begun(key) for key in missing)
    return Estimate(missing, seconds, guessed, each, devices, elsewhere, begun)
