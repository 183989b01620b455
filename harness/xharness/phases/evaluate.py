"""Evaluate: a tuned head on the test sets of every language of a target, in one stream."""

from __future__ import annotations

import time
from typing import Any

from xharness.adapter import Example, Found, tunable_adapter
from xharness.data.fingerprints import planned_examples
from xharness.errors import DataError
from xharness.phases import Place
from xharness.phases.encoder import fitting
from xharness.phases.features import encode
from xharness.phases.hardware import hardware
from xharness.phases.network import load_tuned
from xharness.phases.prediction import predict
from xharness.phases.progress import Progress
from xharness.phases.scores import Sheet, collapsed
from xharness.plan.work import Evaluate


def evaluate(work: Evaluate, place: Place) -> dict[str, Any]:
    """Predict and score; a language without data is recorded, the others are scored."""
    began = time.monotonic()
    machine = hardware(work.device, work.recipe.precision)
    network, task, tokenizer = load_tuned(place.folder(work.parent or ""), work.tuned_on, work.target)
    sheet = Sheet(work.target)
    rows: list[Example] = []
    spans: dict[str, slice] = {}
    for language in work.target.languages:
        try:
            found = planned_examples(work.target, "test", language, work.limit, work.fingerprints)
        except DataError as error:
            sheet.failed(language, error)
            continue
        spans[language] = slice(len(rows), len(rows) + len(found))
        rows += found
    network.to(machine.device)
    recipe = fitting(work.recipe, network.encoder)
    features = encode(task, rows, tokenizer, recipe, train=False)
    progress = Progress(place.report, len(rows), "examples", work.label)
    predictions = predict(
        network, work.tuned_on, task, rows, features, tokenizer.pad_token_id, machine, counted=progress.add
    )
    adapter = tunable_adapter(task.adapter)
    for language, span in spans.items():
        ids = [example["id"] for example in rows[span]]
        rule = Found(ids, predictions[span], [adapter.reference(task, example) for example in rows[span]])
        sheet.add(language, {m.name: rule for m in sheet.metrics}, collapsed(rule.predictions))
        sheet.chance(language, adapter.trivial(rule.references), rule.references)
    sheet.write(place.out)
    return {
        "examples": len(rows),
        "tokens": sum(len(f.ids) for f in features),
        "seconds": round(time.monotonic() - began, 3),
        "languages": len(spans),
        "unscored": sheet.unscored,
        "device": str(machine.device),
        "precision": machine.precision,
    }
