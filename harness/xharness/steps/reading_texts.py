"""Embeddings of texts that lie in memory: sub-words, batches by length, the pooled layer of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.adapter import Feature
from xharness.spec.suite import Checkpoint
from xharness.steps.embedding import embedded, pooling
from xharness.training.checkpoints import load_config, load_tokenizer, positions_of, require_rows
from xharness.training.devices import Hardware
from xharness.training.origins import origin_of
from xharness.training.progress import Progress


@dataclass(frozen=True)
class _Held:
    """Features in memory."""

    features: list[Feature]
    lengths: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, number: int) -> Feature:
        return self.features[number]


class TextReader:
    """An encoder, as it came or as it was tuned, that reads texts."""

    def __init__(
        self, checkpoint: Checkpoint, identity: str, tuned: Path | None, max_length: int, machine: Hardware
    ) -> None:
        origin = origin_of(checkpoint, identity)
        self.machine, self._tokenizer = machine, load_tokenizer(origin)
        self._length = min(max_length, positions_of(load_config(origin)))
        self.reader = pooling(checkpoint, identity, tuned)
        encoder: Any = self.reader.encoder
        self._width = int(encoder.config.hidden_size)
        require_rows(checkpoint, encoder, len(self._tokenizer))
        self.reader.module.to(machine.device).eval()

    def vectors(self, texts: Sequence[str], put: str, progress: Progress, language: str = "") -> NDArray[np.float32]:
        """[texts, hidden], not normalised; `put` stands before each of them."""
        vectors = np.zeros((len(texts), self._width), dtype=np.float32)
        if not texts:
            return vectors
        given = [put + text for text in texts]
        ids = self._tokenizer(given, truncation=True, max_length=self._length, verbose=False)["input_ids"]
        padding = self._tokenizer.pad_token_id
        features = [Feature(0, found or [padding], language=language) for found in ids]
        held = _Held(features, np.array([len(feature.ids) for feature in features], dtype=np.int32))
        with self.machine.autocast():  # Around all batches, so that in bf16 the weights are converted once.
            for where, found, tokens in embedded(self.reader, held, padding, self.machine):
                vectors[where] = found
                progress.add(len(where), tokens)
        return vectors
