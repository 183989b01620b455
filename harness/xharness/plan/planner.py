"""From cells to steps, keyed by content: what two cells share is one step.

    none row:        tune(target) -> evaluate
    other rows:      tune(stage) -> … -> tune(target) -> evaluate
    retrieval:       [tune(stage) -> … ->] embed -> mine

and before each of them the encode steps of what it reads. XQuAD and MLQA name the same `tune_on`, so their tuning has
one key; so have all targets' intermediate, and a retrieval target under several seeds of an untouched encoder.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from xharness.adapter import (
    JudgedElsewhere,
    PooledRetrieval,
    load_adapter,
    retrieval_adapter,
)
from xharness.collect.cells import Cell
from xharness.errors import HarnessError, Problem
from xharness.plan.asked import Asked
from xharness.plan.plan import Plan, Step
from xharness.plan.requirements import require_language_head, require_languages
from xharness.plan.sweeping import add_stage, encoded, training_of
from xharness.spec.device import Device
from xharness.spec.load import NONE, Loaded
from xharness.spec.recipe import Recipe
from xharness.spec.stage import ENGLISH, Target, Training
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Split, Task
from xharness.steps import AnyWork
from xharness.steps.embed import Embed
from xharness.steps.encode import Encode
from xharness.steps.evaluate import Evaluate
from xharness.steps.judge import Judge
from xharness.steps.mine import Mine
from xharness.steps.tune import Selected, Trained, Tune
from xharness.store.steps import content_key


class Planner:
    """Turns cells into steps."""

    def __init__(
        self,
        loaded: Loaded,
        extra: Sequence[Checkpoint] = (),
        device: Device | None = None,
        stored: Callable[[str], bool] = lambda key: False,
    ) -> None:
        self.loaded = loaded
        self.stored = stored
        self.checkpoints = {c.name: c for c in (*loaded.suite.checkpoint, *extra)}
        self.device = device or Device()
        here = loaded.path.resolve().parent
        self.plugins = tuple(str((here / p).resolve()) for p in loaded.suite.plugins)
        self.asked = Asked()
        self._encodes: dict[object, Step] = {}
        self._encoded_steps: dict[str, Step] = {}
        self._trainings: dict[object, Trained] = {}
        self._intermediates: dict[tuple[str, str, int], str] = {}
        self._recipes: dict[str, Recipe] = {}

    def plan(self, cells: Sequence[Cell]) -> Plan:
        """All steps of the cells; a cell that cannot be planned is blocked, and says why."""
        plan = Plan(list(cells))
        # Hundreds of thousands of values that live on: the collector would look through them again and again.
        collecting = gc.isenabled()
        gc.disable()
        try:
            for cell in cells:
                try:
                    plan.ends[cell.name] = self._part(plan, cell) or self._cell(plan, cell)
                except HarnessError as error:
                    plan.blocked[cell.name] = str(error)
        finally:
            gc.freeze()
            if collecting:
                gc.enable()
        return plan

    def _part(self, plan: Plan, cell: Cell) -> str | None:
        """The key of the whole cell's end where a part is asked for and the store has the whole."""
        if not cell.languages:
            return None
        whole = self.plan([replace(cell, languages=None)])
        end = whole.ends.get(cell.name)
        if end is None or not self.stored(end):
            return None
        plan.steps |= whole.steps
        plan.dev |= whole.dev
        return end

    def _cell(self, plan: Plan, cell: Cell) -> str:
        target = self.loaded.tasks[cell.target]
        if cell.languages and isinstance(load_adapter(target.adapter), PooledRetrieval):
            # Fewer languages would be a smaller pool, in which every score is higher: a part is cut from the whole.
            cell = replace(cell, languages=None)
        if cell.languages:
            target = target.model_copy(update={"languages": cell.languages})
        origin = self.origin(cell.checkpoint, target)
        parent = self._intermediate(plan, cell, origin)
        adapter = load_adapter(target.adapter)
        if isinstance(adapter, JudgedElsewhere):
            end = dev = self._judged(plan, cell, target, adapter, origin, parent)
        elif not adapter.trains:
            end, dev = self._retrieval(plan, cell, target, origin, parent)
        else:
            end, dev = self._trained(plan, cell, target, origin, parent)
        plan.dev[cell.name] = dev
        return end

    def origin(self, checkpoint: str, task: Task) -> dict[str, Any]:
        """What every kind of work says of its checkpoint, which can read the task's languages, and of where it runs."""
        known = self.checkpoints[checkpoint]
        identity = self.asked.identity(known)
        require_languages(known, identity, task)
        return {"checkpoint": known, "identity": identity.content, "device": self.device, "plugins": self.plugins}

    def _intermediate(self, plan: Plan, cell: Cell, origin: dict[str, Any]) -> str | None:
        if cell.intermediate == NONE:
            return None
        row = (cell.checkpoint, cell.intermediate, cell.seed)
        if (made := self._intermediates.get(row)) in plan.steps:
            return made
        stages = self.loaded.stages(cell.intermediate)
        parent: str | None = None
        for number, stage in enumerate(stages):
            place = f", stage {number + 1} of {len(stages)}" if len(stages) > 1 else ""
            label = f"tune {cell.checkpoint} on {cell.intermediate} as intermediate{place}, seed {cell.seed}"
            tries = self.asked.once(
                ("recipe", cell.intermediate, number), partial(self.loaded.stage_tries, cell.intermediate, number)
            )
            make = partial(self._tune, plan, stage.tasks, stage, origin, parent, cell.seed)
            add = partial(self._add, plan)
            _, parent = add_stage(tries, make, add, self._models(plan, parent), label, "intermediate")
        assert parent is not None
        self._intermediates[row] = parent
        return parent

    def _models(self, plan: Plan, key: str | None) -> tuple[str, ...]:
        """What must be there for a model to be read: itself, and what its low-rank weights belong on."""
        models: tuple[str, ...] = ()
        while key is not None:
            models = (*models, key)
            work = training_of(plan, key)
            lora = work.recipe.lora if work is not None else None
            key = work.parent if work is not None and lora is not None and lora.keep else None
        return models

    def _tune(
        self,
        plan: Plan,
        names: Sequence[str],
        said: Training,
        origin: dict[str, Any],
        parent: str | None,
        seed: int,
        recipe: Recipe,
        label: str,
        head_from: str | None = None,
    ) -> Tune:
        """The training of one stage. Each of several tasks is encoded at its own length."""
        several = len(names) > 1
        tasks = tuple(self._training(plan, name, None if several else recipe, said, origin) for name in names)
        return Tune(
            **origin,
            parent=parent,
            tasks=tasks,
            recipe=recipe,
            sampling=said.sampling,
            matched=said.amount == "matched",
            share_head=said.share_head,
            select_on=self._selected(plan, tasks, said, recipe, origin) if said.select_on else None,
            head_from=head_from,
            seed=seed,
            label=label,
        )

    def _selected(
        self, plan: Plan, trained: Sequence[Trained], said: Training, recipe: Recipe, origin: dict[str, Any]
    ) -> Selected:
        """The dev set of another task, read by the head of a trained one of its kind."""
        task = self.loaded.tasks[said.select_on].model_copy(update={"languages": (ENGLISH,)})
        like = [t for t in trained if t.task.adapter == task.adapter and {*t.task.labels} == {*task.labels}]
        if not like or not task.data.dev:
            why = "has no dev data" if like else "fits no head of this stage: adapter or labels differ"
            raise HarnessError(Problem(f'select_on = "{task.name}"', f"'{task.name}' {why}."))
        dev = self._encode(plan, task, ("dev",), recipe, origin, labelled_by=like[0].train)
        return Selected(task=task, dev=dev, head=like[0].task.name)

    def _trained(
        self, plan: Plan, cell: Cell, target: Task, origin: dict[str, Any], parent: str | None
    ) -> tuple[str, str]:
        tune, tuned, recipe = self._target_tuning(plan, cell, target, origin, parent)
        tuned_on = tune.tasks[0].task.name
        # Its own labels, in their order, say what the codes in its data mean; else those of the head.
        named = target if target.labels else target.model_copy(update={"labels": self.loaded.tasks[tuned_on].labels})
        test = self._encode(plan, named, ("test",), recipe, origin, labelled_by=tune.tasks[0].train)
        evaluate = Evaluate(
            **origin,
            parent=tuned,
            target=target,
            tuned_on=tuned_on,
            encoded=test,
            precision=recipe.precision,
            label=f"evaluate {_named(cell)}",
        )
        return self._add(plan, evaluate, (*self._models(plan, tuned), test), "evaluate"), tuned

    def _target_tuning(
        self, plan: Plan, cell: Cell, target: Task, origin: dict[str, Any], parent: str | None
    ) -> tuple[Tune, str, Recipe]:
        """The training that a target is evaluated after, its key, and its recipe."""
        tuned_on = target.tune_on or target.name
        said = self.loaded.suite.target.get(target.name, Target())
        if target.name in said.sampling.weights:
            # The suite names the target; what is trained for it may be another task.
            weights = {tuned_on if n == target.name else n: w for n, w in said.sampling.weights.items()}
            said = said.model_copy(update={"sampling": said.sampling.model_copy(update={"weights": weights})})
        tries = self.asked.once(("recipe of", target.name), lambda: self.loaded.target_tries(target.name))
        after = "" if parent is None else f" after {cell.intermediate}"
        before = None
        for name in target.tune_first:
            label = f"tune {cell.checkpoint}{after} on {name}, seed {cell.seed}"
            head_from = self._head_from(before, name)
            first = self._tune(plan, (name,), Target(), origin, parent, cell.seed, self._recipe(name), label, head_from)
            parent = self._add(plan, first, (*self._models(plan, parent), *encoded(first)), "target")
            after, before = _after(after, name), name
        label = f"tune {cell.checkpoint}{after} on {tuned_on}, seed {cell.seed}"
        head_from = self._head_from(before, tuned_on)
        make = partial(self._tune, plan, (tuned_on, *said.tasks), said, origin, parent, cell.seed, head_from=head_from)
        tune, tuned = add_stage(tries, make, partial(self._add, plan), self._models(plan, parent), label, "target")
        # Of several they differ in nothing that encoding or prediction reads.
        return tune, tuned, tries[0].recipe

    def _head_from(self, before: str | None, name: str) -> str | None:
        """The stage before, where its head fits the next task's: one family, the same labels if each is an output."""
        if before is None:
            return None
        one, other = self.loaded.tasks[before], self.loaded.tasks[name]
        alike = one.labels == other.labels or not self.asked.names_labels(other.adapter)
        return before if one.adapter == other.adapter and alike else None

    def _retrieval(
        self, plan: Plan, cell: Cell, target: Task, origin: dict[str, Any], parent: str | None
    ) -> tuple[str, str]:
        """By the encoder as it is, or by the head of what the target is tuned on; then its dev score counts."""
        splits = self.asked.once(("splits", target.name), lambda: retrieval_adapter(target.adapter).splits(target))
        after = "" if parent is None else f" after {cell.intermediate}"
        head, tuned = None, None
        if target.tune_on:
            tune, tuned, recipe = self._target_tuning(plan, cell, target, origin, parent)
            parent, head = tuned, tune.tasks[0].task
            for name in (*target.tune_first, target.tune_on):
                after = _after(after, name)
            encoded = self._encode(plan, target, splits, recipe, origin)
        else:
            how = origin["checkpoint"].retrieval
            put = {"prefix": how.prefix}
            if isinstance(load_adapter(target.adapter), PooledRetrieval):
                put["candidate_prefix"] = how.candidate_prefix or how.prefix
            recipe = self._recipe(target.name)
            encoded = self._encode(plan, target, splits, recipe, origin, **put)
        embed = Embed(
            **origin,
            parent=parent,
            target=target,
            encoded=encoded,
            head=head,
            precision=recipe.precision,
            label=f"embed {target.name} with {cell.checkpoint}{after}",
        )
        embedded = self._add(plan, embed, (*self._models(plan, parent), encoded), "embed")
        mine = Mine(
            **origin,
            parent=parent,
            target=target,
            encoded=encoded,
            embeddings=embedded,
            label=f"mine {_named(cell)}",
        )
        end = self._add(plan, mine, (embedded, encoded), "mine")
        return end, tuned or end

    def _judged(
        self, plan: Plan, cell: Cell, target: Task, adapter: JudgedElsewhere, origin: dict[str, Any], parent: str | None
    ) -> str:
        """By somebody else's evaluator, which reads its data itself."""
        recipe = self._recipe(target.name)
        judge = Judge(
            **origin,
            parent=parent,
            target=target,
            max_length=recipe.max_length,
            precision=recipe.precision,
            made_of=dict(adapter.made_of(target)),
            label=f"judge {_named(cell)}",
        )
        return self._add(plan, judge, self._models(plan, parent), "judge")

    def _training(
        self, plan: Plan, name: str, recipe: Recipe | None, said: Training, origin: dict[str, Any]
    ) -> Trained:
        recipe = recipe or self._recipe(name)
        languages, size = said.languages or (ENGLISH,), next(iter(said.size), None)
        # 1 is one example and 1.0 all of them, and the two are equal.
        known = (name, recipe.max_length, recipe.doc_stride, languages, repr(size), origin["checkpoint"].name)
        if known not in self._trainings:
            task = self.loaded.tasks[name].model_copy(update={"languages": languages})
            checkpoint = origin["checkpoint"]
            require_languages(checkpoint, self.asked.identity(checkpoint), task)
            require_language_head(checkpoint, self.asked.identity(checkpoint), task)
            train = self._encode(plan, task, ("train",), recipe, origin, train=True)
            dev = self._encode(plan, task, ("dev",), recipe, origin, labelled_by=train) if task.data.dev else None
            tokens = self.loaded.limit_of(name).tokens
            self._trainings[known] = Trained(task=task, train=train, dev=dev, tokens=tokens, size=size)
        made = self._trainings[known]
        for key in (made.train, made.dev):
            if key is not None:
                plan.steps.setdefault(key, self._encoded_steps[key])
        return made

    def _recipe(self, name: str) -> Recipe:
        if name not in self._recipes:
            self._recipes[name] = self.loaded.recipe_of(name)
        return self._recipes[name]

    def _encode(
        self,
        plan: Plan,
        task: Task,
        splits: tuple[Split, ...],
        recipe: Recipe,
        origin: dict[str, Any],
        train: bool = False,
        prefix: str = "",
        candidate_prefix: str = "",
        labelled_by: str | None = None,
    ) -> str:
        """The key of the step that encodes some splits of a task; `labelled_by` counts only where it has no labels."""
        checkpoint: Checkpoint = origin["checkpoint"]
        if task.labels or not self.asked.names_labels(task.adapter):
            labelled_by = None
        identity = self.asked.identity(checkpoint)
        length, tokenizer = recipe.max_length, identity.tokenizer
        if identity.positions is None:
            # Only the loaded model can tell how long its inputs are, so what is encoded for it is for it alone.
            tokenizer = f"{tokenizer} of {identity.content}"
        else:
            length = min(length, identity.positions)
        what = (task.name, task.languages, task.labels)
        known = (checkpoint.name, what, splits, length, recipe.doc_stride, train, prefix, candidate_prefix, labelled_by)
        step = self._encodes.get(known)
        if step is None:
            limit = self.loaded.limit_of(task.name)
            work = Encode(
                **origin,
                tokenizer=tokenizer,
                task=task,
                splits=splits,
                train=train,
                limits=tuple(getattr(limit, split, None) for split in splits),
                max_length=length,
                doc_stride=recipe.doc_stride,
                prefix=prefix,
                candidate_prefix=candidate_prefix,
                labelled_by=labelled_by,
                fingerprints=self.asked.fingerprints(task, splits),
                label=f"encode {task.name}, {' and '.join(splits)}, for {checkpoint.name}",
            )
            made_of = work.ingredients()
            needs = (labelled_by,) if labelled_by else ()
            step = Step(content_key(work.KIND, made_of), work, needs, made_of, work.KIND)
            self._encodes[known] = self._encoded_steps[step.key] = step
        plan.steps.setdefault(step.key, step)
        return step.key

    def _add(self, plan: Plan, work: AnyWork, needs: tuple[str, ...], role: str) -> str:
        made_of = work.ingredients()
        key = content_key(work.KIND, made_of)
        known = plan.steps.get(key)
        if known is None:
            plan.steps[key] = Step(key, work, needs, made_of, role)
        elif role == "intermediate" and known.role != role:
            plan.steps[key] = Step(key, known.work, needs, made_of, role)
        return key


def _after(after: str, name: str) -> str:
    """What a model was trained on, and one task more."""
    return f"{after} {'and' if after else 'after'} {name}"


def _named(cell: Cell) -> str:
    return f"{cell.name} ({', '.join(cell.languages)} only)" if cell.languages else cell.name
