"""Evaluate: a tuned head on the test sets of every language of a target, in one stream."""

from __future__ import annotations

import time
from typing import Any

from xharness.adapter import FreshTargets, MetricInput, tunable_adapter
from xharness.data.encoded import Encoded
from xharness.steps.context import StepContext
from xharness.steps.evaluate import Evaluate
from xharness.steps.score_table import ScoreTable, collapsed
from xharness.training.checkpoints import load_tokenizer
from xharness.training.devices import hardware
from xharness.training.network import load_tuned
from xharness.training.origins import origin_of
from xharness.training.prediction import predict
from xharness.training.progress import Progress
from xharness.training.throughput import Throughput, layer_parameters


def evaluate(work: Evaluate, context: StepContext) -> dict[str, Any]:
    """Predict and score; a language without data is recorded, the others are scored."""
    began = time.monotonic()
    machine = hardware(work.device, work.precision)
    instead = work.checkpoint.languages
    pretrained = origin_of(work.checkpoint, work.identity)
    tuned = context.folder(work.parent or "")
    network, task = load_tuned(tuned, work.tuned_on, work.target, instead, pretrained)
    network.to(machine.device)
    adapter, encoded = tunable_adapter(task.adapter), Encoded(context.folder(work.encoded))
    drawn = isinstance(adapter, FreshTargets)
    tokenizer = load_tokenizer(origin_of(work.checkpoint, work.identity)) if drawn else None
    progress = Progress(context.report, sum(map(len, encoded.spans.values())), "examples", work.label)
    used = Throughput(machine, network.size, layer_parameters(network.encoder), training=False)
    sure: dict[str, list[list[float]]] = {}
    predictions = predict(
        network, work.tuned_on, task, encoded, machine,
        tokenizer=tokenizer, counted=progress.add, throughput=used, probabilities=sure,
    )  # fmt: skip
    facts = used.facts()
    table = ScoreTable(work.target, task.labels)
    for language in work.target.languages:
        if language in encoded.failures:
            table.failed(language, encoded.failures[language])
            continue
        span = encoded.spans[language]
        rule = MetricInput(encoded.ids(span), predictions[language], encoded.references(span))
        table.add(language, {m.name: rule for m in table.metrics}, collapsed(rule.predictions))
        table.sure(sure.get(language, ()))
        if trivial := adapter.trivial(rule.references):
            table.chance(language, trivial, rule.references)
    table.write(context.out)
    return {
        "examples": progress.done,
        "tokens": progress.tokens,
        "seconds": round(time.monotonic() - began, 3),
        "languages": len(encoded.spans),
        "unscored": table.unscored,
        "device": str(machine.device),
        "precision": machine.precision,
        **facts,
    }
