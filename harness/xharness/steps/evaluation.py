"""Evaluate: a tuned head on the test sets of every language of a target, in one stream."""

from __future__ import annotations

import time
from typing import Any

from xharness.adapter import Example, MetricInput, tunable_adapter
from xharness.data.fingerprints import planned_examples
from xharness.errors import DataError
from xharness.steps.context import StepContext
from xharness.steps.evaluate import Evaluate
from xharness.steps.score_table import ScoreTable, collapsed
from xharness.training.checkpoints import bounded_recipe
from xharness.training.devices import hardware
from xharness.training.features import encode
from xharness.training.network import load_tuned
from xharness.training.prediction import predict
from xharness.training.progress import Progress


def evaluate(work: Evaluate, context: StepContext) -> dict[str, Any]:
    """Predict and score; a language without data is recorded, the others are scored."""
    began = time.monotonic()
    machine = hardware(work.device, work.recipe.precision)
    network, task, tokenizer = load_tuned(context.folder(work.parent or ""), work.tuned_on, work.target)
    table = ScoreTable(work.target)
    rows: list[Example] = []
    spans: dict[str, slice] = {}
    for language in work.target.languages:
        try:
            found = planned_examples(work.target, "test", language, work.limit, work.fingerprints)
        except DataError as error:
            table.failed(language, error)
            continue
        spans[language] = slice(len(rows), len(rows) + len(found))
        rows += found
    network.to(machine.device)
    recipe = bounded_recipe(work.recipe, network.encoder)
    features = encode(task, rows, tokenizer, recipe, train=False)
    progress = Progress(context.report, len(rows), "examples", work.label)
    predictions = predict(
        network, work.tuned_on, task, rows, features, tokenizer.pad_token_id, machine, counted=progress.add
    )
    adapter = tunable_adapter(task.adapter)
    for language, span in spans.items():
        ids = [example["id"] for example in rows[span]]
        rule = MetricInput(ids, predictions[span], [adapter.reference(task, example) for example in rows[span]])
        table.add(language, {m.name: rule for m in table.metrics}, collapsed(rule.predictions))
        table.chance(language, adapter.trivial(rule.references), rule.references)
    table.write(context.out)
    return {
        "examples": len(rows),
        "tokens": sum(len(f.ids) for f in features),
        "seconds": round(time.monotonic() - began, 3),
        "languages": len(spans),
        "unscored": table.unscored,
        "device": str(machine.device),
        "precision": machine.precision,
    }
