"""Judge: another evaluator asks for embeddings of texts, and what it finds becomes our scores.

The folder holds `scores.json` as every end has it, and whatever the evaluator writes. There are no outcomes of single
examples: the board has no marks of significance for such a target, and `compare` no interval.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.adapter import JudgedElsewhere, load_adapter
from xharness.errors import CheckpointError, DataError, HarnessError, Problem
from xharness.steps.context import StepContext
from xharness.steps.judge import Judge
from xharness.steps.reading_texts import TextReader
from xharness.steps.score_table import write_scores
from xharness.training.devices import Hardware, hardware
from xharness.training.progress import Progress


def judge(work: Judge, context: StepContext) -> dict[str, Any]:
    """Have the target judged; a language without data is recorded, the others are scored."""
    began = time.monotonic()
    machine = hardware(work.device, work.precision)
    adapter = load_adapter(work.target.adapter)
    assert isinstance(adapter, JudgedElsewhere)
    progress = Progress(context.report, None, "texts", work.label)
    embed = _Embed(work, context, machine, progress)
    languages: dict[str, dict[str, Any]] = {}
    for language, found in adapter.judge(work.target, embed, context.out):
        if isinstance(found, DataError):
            languages[language] = {"error": str(found)}
        else:
            values = {name: float(value) for name, value in found.values.items()}
            scored = {"n": found.n, "score": found.score, "values": values, "degenerate": False}
            languages[language] = scored
    errors = [entry["error"] for entry in languages.values() if "error" in entry]
    if len(errors) == len(languages):
        raise HarnessError(*dict.fromkeys(errors))
    write_scores(context.out, {"metric": work.target.metric, "languages": languages})
    return {
        "dev": None,
        "texts": progress.done,
        "tokens": progress.tokens,
        "languages": len(languages),
        "unscored": [language for language, entry in languages.items() if "error" in entry],
        "seconds": round(time.monotonic() - began, 3),
        "embedding": embed.reader.about,
        "device": str(machine.device),
        "precision": machine.precision,
    }


class _Embed:
    """Embeds texts with the checkpoint of a step."""

    def __init__(self, work: Judge, context: StepContext, machine: Hardware, progress: Progress) -> None:
        self._how, self._progress = work.checkpoint.retrieval, progress
        tuned = context.folder(work.parent) if work.parent else None
        self._texts = TextReader(work.checkpoint, work.identity, tuned, work.max_length, machine)
        self.reader = self._texts.reader
        if self.reader.languages is not None:
            what = f"must be told the language of a text, and the evaluator of {work.target.name} does not say it."
            raise CheckpointError(Problem(f"checkpoint {work.checkpoint.name}", what, "Leave the target out for it."))

    def __call__(self, texts: Sequence[str], candidates: bool = False) -> NDArray[np.float32]:
        """[texts, hidden], not normalised."""
        put = (self._how.candidate_prefix or self._how.prefix) if candidates else self._how.prefix
        return self._texts.vectors(texts, put, self._progress)
