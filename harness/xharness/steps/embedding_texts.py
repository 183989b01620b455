"""Embed texts: those of a split, with the checkpoint as it came.

The folder is as `data.text_vectors` writes it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.adapter import Feature
from xharness.data.fingerprints import iter_planned_examples
from xharness.data.text_vectors import write_vectors
from xharness.data.texts import contexts_in, pieces_in
from xharness.errors import DataError, Problem
from xharness.spec.task import Limit
from xharness.steps.context import StepContext
from xharness.steps.embed_texts import EmbedTexts
from xharness.steps.embedding import embedded, pooling
from xharness.training.checkpoints import load_config, load_tokenizer, positions_of, require_rows
from xharness.training.devices import hardware
from xharness.training.origins import origin_of
from xharness.training.progress import Progress


@dataclass(frozen=True)
class Held:
    """Features in memory."""

    features: list[Feature]
    lengths: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, number: int) -> Feature:
        return self.features[number]


def embed_texts(work: EmbedTexts, context: StepContext) -> dict[str, Any]:
    """Embed the texts."""
    began = time.monotonic()
    machine, origin = hardware(work.device), origin_of(work.checkpoint, work.identity)
    tokenizer = load_tokenizer(origin)
    texts, language = _texts(work), work.task.languages[0]
    length = min(work.max_length, positions_of(load_config(origin)))
    put = work.checkpoint.retrieval.prefix
    ids = tokenizer([put + text for text in texts], truncation=True, max_length=length, verbose=False)["input_ids"]
    features = [Feature(0, given or [tokenizer.pad_token_id], language=language) for given in ids]
    reader = pooling(work.checkpoint, work.identity, None)
    require_rows(work.checkpoint, reader.encoder, len(tokenizer))
    reader.module.to(machine.device).eval()
    encoder: Any = reader.encoder
    vectors = np.zeros((len(features), int(encoder.config.hidden_size)), dtype=np.float16)
    progress = Progress(context.report, len(features), "texts", work.label)
    held = Held(features, np.array([len(feature.ids) for feature in features], dtype=np.int32))
    for where, found, tokens in embedded(reader, held, tokenizer.pad_token_id, machine):
        vectors[where] = found
        progress.add(len(where), tokens)
    write_vectors(context.out, vectors, texts, {**reader.about, "unit": work.unit})
    seconds = round(time.monotonic() - began, 3)
    return {**reader.about, "texts": len(texts), "tokens": progress.tokens, "seconds": seconds,
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
