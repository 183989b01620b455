"""Tune: fresh heads on an encoder, trained on English, one task or several at once."""

from __future__ import annotations

import math
import shutil
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import xharness
from xharness.adapter import Example, Feature, LabellingAdapter, tunable_adapter
from xharness.data.fingerprints import planned_examples
from xharness.errors import DataError, HarnessError, Problem
from xharness.metrics import metric
from xharness.phases import Place
from xharness.phases.batches import plan_batches
from xharness.phases.encoder import fitting, folder_origin, load_both, origin_of
from xharness.phases.features import Item, encode, items_of
from xharness.phases.hardware import Hardware, hardware
from xharness.phases.network import ENCODER, Network, read_lineage, save_tuned
from xharness.phases.prediction import predict
from xharness.phases.progress import Progress
from xharness.phases.touched import Touched, set_aside
from xharness.phases.training import Training, arguments, states, whole_state
from xharness.phases.watch import Watch
from xharness.plan.work import Tune
from xharness.spec.task import Recipe, Task

ENGLISH = "en"
"""The language of all training, and of the dev sets that choose among states."""


@dataclass(frozen=True)
class Dev:
    """The encoded English dev set of one task."""

    task: Task
    examples: list[Example]
    features: list[Feature]

    def score(self, network: Network, padding: int, machine: Hardware, touched: Touched | None) -> float:
        """The headline of the task's metric, 0 to 100."""
        ids = touched.ids if touched else None
        found = predict(network, self.task.name, self.task, self.examples, self.features, padding, machine, ids)
        adapter, rule = tunable_adapter(self.task.adapter), metric(self.task.metric)
        outcomes = rule.outcomes(found, [adapter.reference(self.task, e) for e in self.examples], ENGLISH)
        return float(rule.score(outcomes.sum(axis=0)))


def tune(work: Tune, place: Place) -> dict[str, Any]:
    """Train, keep the state the recipe asks for, and save encoder, heads and lineage."""
    began = time.monotonic()
    machine = hardware(work.device, work.recipe.precision)
    parent = place.folder(work.parent) if work.parent else None
    origin = (
        folder_origin(work.checkpoint.name, parent / ENCODER) if parent else origin_of(work.checkpoint, work.identity)
    )
    encoder, tokenizer = load_both(origin)
    tasks, items, devs = _data(work, tokenizer, encoder, place)
    network = Network(encoder, {task.name: task for task in tasks}, work.seed)
    used = [f.ids for of_task in items.values() for i in of_task for f in i.features]
    used += [f.ids for dev in devs for f in dev.features]
    touched = set_aside(network.encoder, used, tokenizer.all_special_ids, work.recipe.weight_decay)
    order = plan_batches({t: [i.length for i in held] for t, held in items.items()}, work.recipe.batch_size,
                         work.recipe.epochs, work.seed)  # fmt: skip
    batches = [[items[task][i] for i in batch] for task, batch in order]

    def scored() -> float:
        return float(np.mean([dev.score(network, tokenizer.pad_token_id, machine, touched) for dev in devs]))

    watch, loss = _train(
        work, place, network, batches, tokenizer.pad_token_id, machine, touched, scored if devs else None
    )
    if touched:
        touched.restore(network.encoder)
    network.cpu()
    lineage = _lineage(work, tasks, parent, len(batches), machine)
    save_tuned(network, tokenizer, lineage, place.out)
    _clear(place.scratch)
    return {
        "steps": len(batches),
        "examples": {task: len(held) for task, held in items.items()},
        "tokens": sum(item.tokens for batch in batches for item in batch),
        "seconds": round(time.monotonic() - began, 3),
        "loss": loss,
        "dev": watch.kept_score,
        "evaluations": watch.history,
        "resumed_at": watch.resumed_at,
        "device": str(machine.device),
        "precision": machine.precision,
        "rows": len(touched.rows) if touched else None,
    }


def _data(
    work: Tune, tokenizer: Any, encoder: Any, place: Place
) -> tuple[list[Task], dict[str, list[Item]], list[Dev]]:
    """The tasks, their training items by name, and the dev sets of those that have one."""
    tasks: list[Task] = []
    items: dict[str, list[Item]] = {}
    devs: list[Dev] = []
    for trained in work.tasks:
        task, recipe = trained.task, fitting(trained.recipe, encoder)
        rows = planned_examples(task, "train", ENGLISH, trained.limit, trained.fingerprints)
        if work.cap and work.cap < len(rows):
            rows = [rows[i] for i in sorted(_chosen(task, len(rows))[: work.cap])]
        progress = Progress(place.report, len(rows), "examples", f"encoding {task.name}")
        task = labelled(task, rows)
        tasks.append(task)
        features = encode(task, rows, tokenizer, recipe, train=True, counted=progress.add)
        held = items_of(task.name, features)
        items[task.name] = within(held, trained.limit.tokens, _chosen(task, len(rows)))
        if task.data.dev:
            rows = planned_examples(trained.task, "dev", ENGLISH, trained.limit, trained.fingerprints)
            devs.append(Dev(task, rows, encode(task, rows, tokenizer, recipe, train=False)))
    if work.recipe.select == "best" and not devs:
        names = ", ".join(t.task.name for t in work.tasks)
        raise DataError(
            Problem(f"task {names}", 'select = "best" needs dev data.', 'Add a dev split, or use select = "last".')
        )
    return tasks, items, devs


def labelled(task: Task, rows: Sequence[Example]) -> Task:
    """The task with the labels of its train split, where it names none and its head has one output a label."""
    adapter = tunable_adapter(task.adapter)
    if task.labels or not isinstance(adapter, LabellingAdapter):
        return task
    return task.model_copy(update={"labels": adapter.labels_of(task, rows)})


def _chosen(task: Task, n: int) -> list[int]:
    """The order in which a cap takes examples: shuffled, the same whatever the seed of the training."""
    order: list[int] = np.random.default_rng(zlib.crc32(task.name.encode())).permutation(n).tolist()
    return order


def within(items: list[Item], tokens: int | None, order: Sequence[int]) -> list[Item]:
    """The first items in `order` that have at most `tokens` sub-words together, at least one, as they stood."""
    if tokens is None:
        return items
    total = np.cumsum([items[i].tokens for i in order])
    taken = max(1, int(np.searchsorted(total, tokens, side="right")))
    return [items[i] for i in sorted(order[:taken])]


def _train(
    work: Tune,
    place: Place,
    network: Network,
    batches: Sequence[Sequence[Item]],
    padding: int,
    machine: Hardware,
    touched: Touched | None,
    scored: Any,
) -> tuple[Watch, float]:
    """Run the batches, from a saved state where there is one; returns what was watched and the mean loss."""
    recipe: Recipe = work.recipe
    place.scratch.mkdir(parents=True, exist_ok=True)
    args = arguments(recipe, len(batches), work.seed, machine, place.scratch)
    progress = Progress(place.report, len(batches), "steps", work.label)
    watch = Watch(network, recipe, batches, progress, work.device.save_seconds, scored)
    ids = touched.ids if touched else None
    training = Training(network, batches, args, machine, padding, ids, [watch], watch.save)
    state = whole_state(place.scratch)
    if state is not None:
        watch.load(state)
    loss = training.train(resume_from_checkpoint=str(state) if state else None).training_loss
    if not math.isfinite(loss):
        raise HarnessError(
            Problem(work.label or "training", "diverged: the loss is not a number.",
                    'Lower the learning rate, or set precision = "fp32" in the recipe.')
        )  # fmt: skip
    watch.finish()
    return watch, float(loss)


def _lineage(work: Tune, tasks: Sequence[Task], parent: Path | None, steps: int, machine: Hardware) -> dict[str, Any]:
    """How this encoder came to be, its ancestors included."""
    return {
        "xharness": xharness.__version__,
        "checkpoint": work.checkpoint.model_dump(mode="json", exclude_none=True),
        "identity": work.identity,
        "parent": work.parent,
        "parent_lineage": read_lineage(parent) if parent else None,
        "tasks": [task.name for task in tasks],
        "heads": {task.name: {"adapter": task.adapter, "labels": list(task.labels)} for task in tasks},
        "recipe": work.recipe.model_dump(mode="json"),
        "limits": {t.task.name: t.limit.model_dump(mode="json", exclude_none=True) for t in work.tasks},
        "seed": work.seed,
        "steps": steps,
        "precision": machine.precision,
    }


def _clear(scratch: Path) -> None:
    for path in [*states(scratch), scratch / "partial"]:
        shutil.rmtree(path, ignore_errors=True)
