"""A stage with swept settings as steps: a training a value, and the step that chooses among them on dev."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from xharness.plan.plan import Plan
from xharness.spec.load import Try
from xharness.spec.recipe import Recipe
from xharness.spec.sweep import words
from xharness.steps import AnyWork
from xharness.steps.choose import Candidate, Choose
from xharness.steps.tune import Tune

CANDIDATE = "candidate"
"""The role of a training that takes part in a choice; its model goes once that is made."""
Add = Callable[[AnyWork, tuple[str, ...], str], str]
"""Adds (work, what it needs, role) to the plan, and gives the key."""


def add_stage(
    tries: Sequence[Try],
    make: Callable[[Recipe, str], Tune],
    add: Add,
    parents: tuple[str, ...],
    label: str,
    role: str,
) -> tuple[Tune, str]:
    """Add one training, or one of each value and what chooses; (a training, the key of the model that comes of it).

    `make` gives the training with a recipe and a label. A value that the plain recipe has gives the plain one's key.
    """
    if not tries[0].values:
        work = make(tries[0].recipe, label)
        return work, add(work, (*parents, *encoded(work)), role)
    candidates = []
    for one in tries:
        work = make(one.recipe, f"{label}, {words(one.values)}")
        key = add(work, (*parents, *encoded(work)), CANDIDATE)
        candidates.append(Candidate(values=one.values, tuned=key))
    choose = Choose(
        checkpoint=work.checkpoint,
        identity=work.identity,
        device=work.device,
        plugins=work.plugins,
        on=tuple(trained.task.name for trained in work.tasks),
        candidates=tuple(candidates),
        higher_is_better=work.higher_dev_is_better,
        label=f"choose {', '.join(tries[0].values)}: {label}",
    )
    return work, add(choose, tuple(one.tuned for one in candidates), role)


def encoded(work: Tune) -> tuple[str, ...]:
    """Keys of what a tuning reads."""
    selected = (work.select_on.dev,) if work.select_on else ()
    return (*(key for task in work.tasks for key in (task.train, task.dev) if key is not None), *selected)


def training_of(plan: Plan, key: str) -> Tune | None:
    """The training that a model comes of; of a chosen one the first candidate, which differs in what was swept only."""
    work = plan.steps[key].work
    if isinstance(work, Choose):
        work = plan.steps[work.candidates[0].tuned].work
    return work if isinstance(work, Tune) else None


@dataclass(frozen=True)
class Cost:
    """What the sweep of one stage costs over a plan."""

    stage: tuple[str, ...]
    """The tasks that it trains."""
    role: str
    """`target` for targets' own tunings, else `intermediate`."""
    settings: tuple[str, ...]
    values: int
    trainings: int
    """Different ones, of all values."""
    choices: int
    """How often one is chosen: the trainings that there would be without a sweep."""

    def sentence(self) -> str:
        """The same for people."""
        where = f"{', '.join(self.stage)} ({'targets' if self.role == 'target' else 'intermediates'})"
        many = f"{self.values} value{'s' * (self.values > 1)}: {self.trainings / self.choices:.1f} times the trainings"
        return f"sweep of {', '.join(self.settings)} on {where}, {many} ({self.trainings} in place of {self.choices})"


def costs(plan: Plan) -> Iterator[Cost]:
    """What each sweep of a plan costs."""
    found: dict[tuple[tuple[str, ...], str, tuple[str, ...], int], list[Choose]] = {}
    for step in plan.steps.values():
        if isinstance(step.work, Choose):
            settings, values = tuple(step.work.candidates[0].values), len(step.work.candidates)
            found.setdefault((step.work.on, step.role, settings, values), []).append(step.work)
    for (stage, role, settings, values), works in found.items():
        trainings = {one.tuned for work in works for one in work.candidates}
        yield Cost(stage, role, settings, values, len(trainings), len(works))
