"""Embed texts: those of a split, with the checkpoint as it came.

The folder is as `data.text_vectors` writes it.
"""

from __future__ import annotations

import time
from typing import Any

from xharness.data.fingerprints import iter_planned_examples
from xharness.data.text_vectors import write_vectors
from xharness.data.texts import contexts_in, pieces_in
from xharness.errors import DataError, Problem
from xharness.spec.task import Limit
from xharness.steps.context import StepContext
from xharness.steps.embed_texts import EmbedTexts
from xharness.steps.reading_texts import TextReader
from xharness.training.devices import hardware
from xharness.training.progress import Progress


def embed_texts(work: EmbedTexts, context: StepContext) -> dict[str, Any]:
    """Embed the texts."""
    began = time.monotonic()
    machine = hardware(work.device)
    texts, language = _texts(work), work.task.languages[0]
    reader = TextReader(work.checkpoint, work.identity, None, work.max_length, machine)
    progress = Progress(context.report, len(texts), "texts", work.label)
    vectors = reader.vectors(texts, work.checkpoint.retrieval.prefix, progress, language)
    about = reader.reader.about
    write_vectors(context.out, vectors, texts, {**about, "unit": work.unit})
    seconds = round(time.monotonic() - began, 3)
    return {**about, "texts": len(texts), "tokens": progress.tokens, "seconds": seconds,
            "device": str(machine.device), "precision": machine.precision}  # fmt: skip


def _texts(work: EmbedTexts) -> list[str]:
    """What is embedded, in order."""
    language, limit = work.task.languages[0], Limit(**{work.split: work.limit})
    rows = iter_planned_examples(work.task, work.split, language, limit, work.fingerprints)
    whole = work.unit == "text"
    made = contexts_in(work.task, work.split, rows) if whole else pieces_in(work.task, work.split, rows)
    if not made:
        what = f"its {work.split} split in {language} has no {work.unit} to embed."
        raise DataError(Problem(f"task {work.task.name}", what))
    return made[: work.most]
