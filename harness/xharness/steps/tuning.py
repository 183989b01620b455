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
from numpy.typing import NDArray

import xharness
from xharness.adapter import FreshTargets, LanguageModelling
from xharness.data.encoded import Encoded
from xharness.errors import DataError, HarnessError, Problem
from xharness.metrics import metric
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task
from xharness.steps.context import StepContext
from xharness.steps.tune import Tune
from xharness.training.batches import Batches, TrainingSet
from xharness.training.checkpoints import load_encoder, load_tokenizer, require_rows
from xharness.training.devices import Hardware, hardware
from xharness.training.loop import Training, arguments, states, whole_state
from xharness.training.model_selection import ModelSelection, Score
from xharness.training.network import ENCODER, Network, read_lineage, save_tuned
from xharness.training.origins import folder_origin, origin_of
from xharness.training.prediction import predict
from xharness.training.progress import Progress
from xharness.training.trimmed_vocabulary import TrimmedVocabulary, trim_vocabulary

ENGLISH = "en"
"""The language of all training, and of the dev sets that choose among states."""


@dataclass(frozen=True)
class Dev:
    """The encoded English dev set of one task."""

    task: Task
    encoded: Encoded

    def score(self, network: Network, tokenizer: Any, machine: Hardware, trimmed: TrimmedVocabulary | None) -> float:
        """The headline of the task's metric, 0 to 100."""
        ids = trimmed.ids if trimmed else None
        found = predict(network, self.task.name, self.task, self.encoded, machine, ids, tokenizer)[ENGLISH]
        rule = metric(self.task.metric).of(self.task.labels)
        outcomes = rule.outcomes(found, self.encoded.references(self.encoded.spans[ENGLISH]), ENGLISH)
        return float(rule.score(outcomes.sum(axis=0)))


def tune(work: Tune, context: StepContext) -> dict[str, Any]:
    """Train, keep the state the recipe asks for, and save encoder, heads and lineage."""
    began = time.monotonic()
    machine = hardware(work.device, work.recipe.precision)
    parent = context.folder(work.parent) if work.parent else None
    origin = (
        folder_origin(work.checkpoint.name, parent / ENCODER, work.checkpoint.remote_code)
        if parent
        else origin_of(work.checkpoint, work.identity)
    )
    sets, devs = _data(work, context)
    tokenizer, encoder = load_tokenizer(origin), load_encoder(origin)
    tasks = {name: held.task for name, held in sets.items()}
    for held in sets.values():
        require_rows(work.checkpoint, encoder, held.encoded.vocabulary)
    pretrained = origin_of(work.checkpoint, work.identity)
    network = Network(encoder, tasks, work.seed, work.checkpoint.languages, pretrained)
    trimmed = None
    if not any(isinstance(a, (LanguageModelling, FreshTargets)) for a in network.adapters.values()):
        read = [*(held.encoded for held in sets.values()), *(dev.encoded for dev in devs)]
        trimmed = trim_vocabulary(
            network.encoder, [e.features for e in read], tokenizer.all_special_ids, work.recipe.weight_decay
        )
    batches = Batches(sets, work.recipe.batch_size, work.recipe.epochs, work.seed)
    loaded = time.monotonic()

    rises = [metric(dev.task.metric).higher_is_better for dev in devs]

    def scored() -> float:
        """The mean over tasks; where a low score is good for some of them only, theirs are subtracted."""
        scores = [dev.score(network, tokenizer, machine, trimmed) for dev in devs]
        mixed = any(rises) and not all(rises)
        return float(np.mean([-s if mixed and not up else s for s, up in zip(scores, rises, strict=True)]))

    score = Score(scored, higher_is_better=any(rises)) if devs else None
    selection, loss, used = _train(work, context, network, batches, tokenizer, machine, trimmed, score)
    if trimmed:
        trimmed.restore(network.encoder)
    network.cpu()
    lineage = _lineage(work, list(tasks.values()), parent, len(batches), machine)
    save_tuned(network, tokenizer, lineage, context.out)
    _clear(context.scratch)
    return {
        "steps": len(batches),
        "examples": {name: len(held.kept) for name, held in sets.items()},
        "tokens": sum(batches.tokens(step) for step in range(len(batches))),
        "seconds": round(time.monotonic() - began, 3),
        "loading_seconds": round(loaded - began, 3),
        "loss": loss,
        "dev": selection.kept_score,
        "evaluations": selection.history,
        "resumed_at": selection.resumed_at,
        "device": str(machine.device),
        "precision": machine.precision,
        **used,
        "rows": len(trimmed.rows) if trimmed else None,
    }


def _data(work: Tune, context: StepContext) -> tuple[dict[str, TrainingSet], list[Dev]]:
    """The train splits by task, and the dev sets of the tasks that have one."""
    sets: dict[str, TrainingSet] = {}
    devs: list[Dev] = []
    for trained in work.tasks:
        encoded = Encoded(context.folder(trained.train))
        task = trained.task.model_copy(update={"labels": encoded.labels})
        sets[task.name] = TrainingSet(task, encoded, kept(task.name, encoded.tokens, work.cap, trained.tokens))
        if trained.dev:
            devs.append(Dev(task, Encoded(context.folder(trained.dev))))
    if work.recipe.select == "best" and not devs:
        names = ", ".join(t.task.name for t in work.tasks)
        raise DataError(
            Problem(f"task {names}", 'select = "best" needs dev data.', 'Add a dev split, or use select = "last".')
        )
    return sets, devs


def kept(task: str, tokens: NDArray[np.int64], examples: int | None, most: int | None) -> NDArray[np.int64]:
    """Numbers of the examples that caps on examples and on sub-words leave, at least one, in order.

    `tokens` are the sub-words of each example. A cap takes from a shuffled order, the same whatever the seed of the
    training.
    """
    numbers = np.arange(len(tokens))
    if examples is not None and examples < len(numbers):
        numbers = np.sort(_shuffled(task, numbers)[:examples])
    if most is not None:
        order = _shuffled(task, numbers)
        taken = max(1, int(np.searchsorted(np.cumsum(tokens[order]), most, side="right")))
        numbers = np.sort(order[:taken])
    return numbers


def _shuffled(task: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return numbers[np.random.default_rng(zlib.crc32(task.encode())).permutation(len(numbers))]


def _train(
    work: Tune,
    context: StepContext,
    network: Network,
    batches: Batches,
    tokenizer: Any,
    machine: Hardware,
    trimmed: TrimmedVocabulary | None,
    score: Score | None,
) -> tuple[ModelSelection, float, dict[str, Any]]:
    """Run the batches, from a saved state where there is one; the selection, the mean loss, how the device was used."""
    recipe: Recipe = work.recipe
    context.scratch.mkdir(parents=True, exist_ok=True)
    args = arguments(recipe, len(batches), work.seed, machine, context.scratch)
    progress = Progress(context.report, len(batches), "steps", work.label)
    selection = ModelSelection(network, recipe, batches, progress, work.device.save_seconds, score)
    ids = trimmed.ids if trimmed else None
    training = Training(network, batches, args, machine, tokenizer, ids, [selection], selection.save)
    state = whole_state(context.scratch)
    if state is not None:
        selection.load(state)
    loss = training.train(resume_from_checkpoint=str(state) if state else None).training_loss
    used = training.throughput.facts()
    if not math.isfinite(loss):
        raise HarnessError(
            Problem(work.label or "training", "diverged: the loss is not a number.",
                    'Lower the learning rate, or set precision = "fp32" in the recipe.')
        )  # fmt: skip
    selection.finish()
    return selection, float(loss), used


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
        "encoded": {t.task.name: t.train for t in work.tasks},
        "seed": work.seed,
        "steps": steps,
        "precision": machine.precision,
    }


def _clear(scratch: Path) -> None:
    for path in [*states(scratch), scratch / "partial"]:
        shutil.rmtree(path, ignore_errors=True)
