"""Tune: fresh heads on an encoder, trained on one task or several at once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import xharness
from xharness.adapter import FreshTargets, LanguageModelling, tunable_adapter
from xharness.data.encoded import Encoded
from xharness.errors import DataError, Problem, listed
from xharness.metrics import metric
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task
from xharness.steps.context import StepContext
from xharness.steps.subset import subset
from xharness.steps.tune import Tune
from xharness.training.batches import Batches, TrainingSet
from xharness.training.checkpoints import load_encoder, load_tokenizer, require_rows
from xharness.training.devices import Hardware, hardware
from xharness.training.layers import freeze
from xharness.training.loop import Training, arguments, states, whole_state
from xharness.training.lora import adapted, merged
from xharness.training.measuring import Measuring, training_id
from xharness.training.model_selection import ModelSelection, Score
from xharness.training.network import ENCODER, Network, load_head, read_lineage, save_tuned
from xharness.training.origins import folder_origin, origin_of
from xharness.training.prediction import predict
from xharness.training.progress import Progress
from xharness.training.trimmed_vocabulary import TrimmedVocabulary, trim_vocabulary


@dataclass(frozen=True)
class Dev:
    """The encoded dev set of one task, in the languages that it is trained in."""

    task: Task
    encoded: Encoded
    head: str
    """The trained task whose head reads it."""

    def score(self, network: Network, tokenizer: Any, machine: Hardware, trimmed: TrimmedVocabulary | None) -> float:
        """The headline of the task's metric, the plain mean over its languages."""
        ids = trimmed.ids if trimmed else None
        found = predict(network, self.head, self.task, self.encoded, machine, ids, tokenizer)
        return float(np.mean([self._of(found[language], language) for language in self.encoded.spans]))

    def majority(self) -> float | None:
        """The same of what says that nothing was learnt: the most frequent class for all; None if nothing does."""
        adapter = tunable_adapter(self.task.adapter)
        spans = self.encoded.spans
        said = {language: adapter.trivial(self.encoded.references(span)) for language, span in spans.items()}
        if not all(said.values()):
            return None
        return float(np.mean([self._of(said[language], language) for language in spans]))

    def _of(self, predictions: Sequence[Any], language: str) -> float:
        rule = metric(self.task.metric).of(self.task.labels)
        references = self.encoded.references(self.encoded.spans[language])
        return float(rule.score(rule.outcomes(predictions, references, language).sum(axis=0)))


@dataclass(frozen=True)
class Prepared:
    """What is trained."""

    network: Network
    tokenizer: Any
    trimmed: TrimmedVocabulary | None
    low_rank: Any
    """What merges low-rank weights; None without any."""


def tune(work: Tune, context: StepContext) -> dict[str, Any]:
    """Train, keep the state the recipe asks for, and save encoder, heads and lineage."""
    began = time.monotonic()
    machine = hardware(work.device, work.recipe.precision)
    parent = context.folder(work.parent) if work.parent else None
    sets, devs = _data(work, context)
    prepared = _prepared(work, parent, sets, devs)
    batches = Batches(sets, work.recipe, work.seed, work.sampling)
    loaded = time.monotonic()
    score = _score(prepared, devs, machine) if devs else None
    selection, losses, used = _train(work, context, prepared, batches, machine, score)
    network = prepared.network
    if prepared.trimmed:
        prepared.trimmed.restore(network.encoder)
    network.cpu()
    low_rank = prepared.low_rank if work.recipe.lora and work.recipe.lora.keep else None
    if prepared.low_rank is not None and low_rank is None:
        merged(prepared.low_rank)
    network.requires_grad_()
    lineage = _lineage(work, [held.task for held in sets.values()], parent, selection.steps, machine)
    save_tuned(network, prepared.tokenizer, lineage, context.out, low_rank)
    _clear(context.scratch)
    return {
        "steps": selection.steps,
        "examples": {name: len(held.kept) for name, held in sets.items()},
        "tokens": sum(batches.tokens(step) for step in range(selection.steps)),
        "seconds": round(time.monotonic() - began, 3),
        "loading_seconds": round(loaded - began, 3),
        "loss": sum(losses.values()) / len(losses),
        "losses": losses,
        "dev": selection.kept_score,
        "dev_tasks": selection.kept_tasks,
        "majority": {dev.task.name: m for dev in devs if (m := dev.majority()) is not None},
        "evaluations": selection.history,
        "resumed_at": selection.resumed_at,
        "device": str(machine.device),
        "precision": machine.precision,
        **used,
        "rows": len(prepared.trimmed.rows) if prepared.trimmed else None,
    }


def _prepared(work: Tune, parent: Path | None, sets: Mapping[str, TrainingSet], devs: Sequence[Dev]) -> Prepared:
    """The encoder with its heads, as far as the recipe lets them be trained."""
    pretrained = origin_of(work.checkpoint, work.identity)
    own_code = work.checkpoint.remote_code
    origin = folder_origin(work.checkpoint.name, parent / ENCODER, own_code) if parent else pretrained
    tokenizer, encoder = load_tokenizer(origin), load_encoder(origin)
    for held in sets.values():
        require_rows(work.checkpoint, encoder, held.encoded.vocabulary)
    tasks = {name: held.task for name, held in sets.items()}
    network = Network(encoder, tasks, work.seed, work.checkpoint.languages, pretrained, work.share_head)
    if work.head_from and parent:
        load_head(network, next(iter(tasks)), parent, work.head_from)
    low_rank = adapted(encoder, work.recipe.lora, work.seed, origin) if work.recipe.lora else None
    freeze(encoder, work.recipe.freeze)
    trimmed = None
    if not any(isinstance(a, (LanguageModelling, FreshTargets)) for a in network.adapters.values()):
        read = [*(held.encoded for held in sets.values()), *(dev.encoded for dev in devs)]
        trimmed = trim_vocabulary(
            network.encoder, [e.features for e in read], tokenizer.all_special_ids, work.recipe.weight_decay
        )
    return Prepared(network, tokenizer, trimmed, low_rank)


def _score(prepared: Prepared, devs: Sequence[Dev], machine: Hardware) -> Score:
    """How states are compared: by the mean over tasks."""
    rises = [metric(dev.task.metric).higher_is_better for dev in devs]

    def by_task() -> dict[str, float]:
        network, tokenizer, trimmed = prepared.network, prepared.tokenizer, prepared.trimmed
        return {dev.task.name: dev.score(network, tokenizer, machine, trimmed) for dev in devs}

    def together(scores: Mapping[str, float]) -> float:
        """The mean over tasks; where a low score is good for some of them only, theirs are subtracted."""
        mixed = any(rises) and not all(rises)
        return float(np.mean([-s if mixed and not up else s for s, up in zip(scores.values(), rises, strict=True)]))

    return Score(by_task, together, higher_is_better=any(rises))


def _data(work: Tune, context: StepContext) -> tuple[dict[str, TrainingSet], list[Dev]]:
    """The train splits by task, and the dev sets of the tasks that have one."""
    sets: dict[str, TrainingSet] = {}
    devs: list[Dev] = []
    for trained in work.tasks:
        encoded = Encoded(context.folder(trained.train))
        task = trained.task.model_copy(update={"labels": encoded.labels})
        kept = subset(trained, encoded, work.sampling.cap, work.matched, work.seed)
        sets[task.name] = TrainingSet(task, encoded, kept)
        if trained.dev and work.select_on is None:
            devs.append(Dev(task, Encoded(context.folder(trained.dev)), task.name))
    if work.share_head:
        _require_one_order([held.task for held in sets.values()])
    if work.select_on is not None:
        head = sets[work.select_on.head].task
        # The order of the head's labels says what its outputs mean.
        task = work.select_on.task.model_copy(update={"labels": head.labels})
        devs.append(Dev(task, Encoded(context.folder(work.select_on.dev)), head.name))
    if (work.recipe.select == "best" or work.recipe.patience is not None) and not devs:
        names = ", ".join(t.task.name for t in work.tasks)
        what = 'select = "best"' if work.recipe.select == "best" else "patience"
        raise DataError(Problem(f"task {names}", f"{what} needs dev data.", 'Add a dev split, or use select = "last".'))
    return sets, devs


def _require_one_order(tasks: Sequence[Task]) -> None:
    """DataError where labels that were found in the data are other outputs of one head than those of another task."""
    for task in tasks[1:]:
        if task.labels != tasks[0].labels:
            first = tasks[0]
            what = f"its data have the labels {listed(task.labels)}, those of '{first.name}' {listed(first.labels)}."
            hint = "Tasks that share a head have the same labels: name them in both task files, in the same order."
            raise DataError(Problem(f"task {task.name}", what, hint))


def _train(
    work: Tune,
    context: StepContext,
    prepared: Prepared,
    batches: Batches,
    machine: Hardware,
    score: Score | None,
) -> tuple[ModelSelection, dict[str, float], dict[str, Any]]:
    """Run the batches, from a saved state where there is one; the selection, losses by task, use of the device."""
    recipe: Recipe = work.recipe
    context.scratch.mkdir(parents=True, exist_ok=True)
    args = arguments(recipe, len(batches), work.seed, machine, context.scratch)
    progress = Progress(context.report, len(batches), "steps", work.label)
    network, trimmed = prepared.network, prepared.trimmed
    selection = ModelSelection(network, recipe, batches, progress, work.device.save_seconds, score)
    ids = trimmed.ids if trimmed else None
    training = Training(network, batches, args, recipe, machine, prepared.tokenizer, ids, [selection], selection.save)
    state = whole_state(context.scratch)
    if state is not None:
        selection.load(state)
    if context.measure is not None:
        training.add_callback(Measuring(training, batches, selection, context.measure))
        about = {"training": training_id(context.scratch), "resumed_at": selection.resumed_at, "steps": len(batches)}
        context.measure({"event": "training", **about})
    training.train(resume_from_checkpoint=str(state) if state else None)
    used = training.throughput.facts()
    selection.finish()
    return selection, training.mean_losses(), used


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
        "languages": {t.task.name: list(t.task.languages) for t in work.tasks},
        "sizes": {t.task.name: t.size for t in work.tasks if t.size is not None},
        "sampling": work.sampling.model_dump(mode="json", exclude_defaults=True),
        "seed": work.seed,
        "steps": steps,
        "precision": machine.precision,
    }


def _clear(scratch: Path) -> None:
    for path in [*states(scratch), scratch / "partial"]:
        shutil.rmtree(path, ignore_errors=True)
