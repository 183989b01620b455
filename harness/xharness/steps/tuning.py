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
from xharness.spec.task import Recipe, Task
from xharness.steps.context import StepContext
from xharness.steps.tune import Tune
from xharness.training.batches import plan_batches
from xharness.training.checkpoints import bounded_recipe, folder_origin, load_both, origin_of
from xharness.training.devices import Hardware, hardware
from xharness.training.features import Item, encode, items_of
from xharness.training.loop import Training, arguments, states, whole_state
from xharness.training.model_selection import ModelSelection
from xharness.training.network import ENCODER, Network, read_lineage, save_tuned
from xharness.training.prediction import predict
from xharness.training.progress import Progress
from xharness.training.trimmed_vocabulary import TrimmedVocabulary, trim_vocabulary

ENGLISH = "en"
"""The language of all training, and of the dev sets that choose among states."""


@dataclass(frozen=True)
class Dev:
    """The encoded English dev set of one task."""

    task: Task
    examples: list[Example]
    features: list[Feature]

    def score(self, network: Network, padding: int, machine: Hardware, trimmed: TrimmedVocabulary | None) -> float:
        """The headline of the task's metric, 0 to 100."""
        ids = trimmed.ids if trimmed else None
        found = predict(network, self.task.name, self.task, self.examples, self.features, padding, machine, ids)
        adapter, rule = tunable_adapter(self.task.adapter), metric(self.task.metric)
        outcomes = rule.outcomes(found, [adapter.reference(self.task, e) for e in self.examples], ENGLISH)
        return float(rule.score(outcomes.sum(axis=0)))


def tune(work: Tune, context: StepContext) -> dict[str, Any]:
    """Train, keep the state the recipe asks for, and save encoder, heads and lineage."""
    began = time.monotonic()
    machine = hardware(work.device, work.recipe.precision)
    parent = context.folder(work.parent) if work.parent else None
    origin = (
        folder_origin(work.checkpoint.name, parent / ENCODER) if parent else origin_of(work.checkpoint, work.identity)
    )
    encoder, tokenizer = load_both(origin)
    tasks, items, devs = _data(work, tokenizer, encoder, context)
    network = Network(encoder, {task.name: task for task in tasks}, work.seed)
    used = [f.ids for of_task in items.values() for i in of_task for f in i.features]
    used += [f.ids for dev in devs for f in dev.features]
    trimmed = trim_vocabulary(network.encoder, used, tokenizer.all_special_ids, work.recipe.weight_decay)
    order = plan_batches({t: [i.length for i in held] for t, held in items.items()}, work.recipe.batch_size,
                         work.recipe.epochs, work.seed)  # fmt: skip
    batches = [[items[task][i] for i in batch] for task, batch in order]

    def scored() -> float:
        return float(np.mean([dev.score(network, tokenizer.pad_token_id, machine, trimmed) for dev in devs]))

    selection, loss = _train(
        work, context, network, batches, tokenizer.pad_token_id, machine, trimmed, scored if devs else None
    )
    if trimmed:
        trimmed.restore(network.encoder)
    network.cpu()
    lineage = _lineage(work, tasks, parent, len(batches), machine)
    save_tuned(network, tokenizer, lineage, context.out)
    _clear(context.scratch)
    return {
        "steps": len(batches),
        "examples": {task: len(held) for task, held in items.items()},
        "tokens": sum(item.tokens for batch in batches for item in batch),
        "seconds": round(time.monotonic() - began, 3),
        "loss": loss,
        "dev": selection.kept_score,
        "evaluations": selection.history,
        "resumed_at": selection.resumed_at,
        "device": str(machine.device),
        "precision": machine.precision,
        "rows": len(trimmed.rows) if trimmed else None,
    }


def _data(
    work: Tune, tokenizer: Any, encoder: Any, context: StepContext
) -> tuple[list[Task], dict[str, list[Item]], list[Dev]]:
    """The tasks, their training items by name, and the dev sets of those that have one."""
    tasks: list[Task] = []
    items: dict[str, list[Item]] = {}
    devs: list[Dev] = []
    for trained in work.tasks:
        task, recipe = trained.task, bounded_recipe(trained.recipe, encoder)
        rows = planned_examples(task, "train", ENGLISH, trained.limit, trained.fingerprints)
        if work.cap and work.cap < len(rows):
            rows = [rows[i] for i in sorted(_chosen(task, len(rows))[: work.cap])]
        progress = Progress(context.report, len(rows), "examples", f"encoding {task.name}")
        task = labelled(task, rows)
        tasks.append(task)
        features = encode(task, rows, tokenizer, recipe, train=True, counted=progress.add)
        held = items_of(task.name, features)
        items[task.name] = within_tokens(held, trained.limit.tokens, _chosen(task, len(rows)))
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


def within_tokens(items: list[Item], tokens: int | None, order: Sequence[int]) -> list[Item]:
    """The first items in `order` that have at most `tokens` sub-words together, at least one, as they stood."""
    if tokens is None:
        return items
    total = np.cumsum([items[i].tokens for i in order])
    taken = max(1, int(np.searchsorted(total, tokens, side="right")))
    return [items[i] for i in sorted(order[:taken])]


def _train(
    work: Tune,
    context: StepContext,
    network: Network,
    batches: Sequence[Sequence[Item]],
    padding: int,
    machine: Hardware,
    trimmed: TrimmedVocabulary | None,
    scored: Any,
) -> tuple[ModelSelection, float]:
    """Run the batches, from a saved state where there is one; returns what was watched and the mean loss."""
    recipe: Recipe = work.recipe
    context.scratch.mkdir(parents=True, exist_ok=True)
    args = arguments(recipe, len(batches), work.seed, machine, context.scratch)
    progress = Progress(context.report, len(batches), "steps", work.label)
    selection = ModelSelection(network, recipe, batches, progress, work.device.save_seconds, scored)
    ids = trimmed.ids if trimmed else None
    training = Training(network, batches, args, machine, padding, ids, [selection], selection.save)
    state = whole_state(context.scratch)
    if state is not None:
        selection.load(state)
    loss = training.train(resume_from_checkpoint=str(state) if state else None).training_loss
    if not math.isfinite(loss):
        raise HarnessError(
            Problem(work.label or "training", "diverged: the loss is not a number.",
                    'Lower the learning rate, or set precision = "fp32" in the recipe.')
        )  # fmt: skip
    selection.finish()
    return selection, float(loss)


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
