"""Embed: every distinct sentence of a retrieval target once, one hidden layer of the encoder, pooled.

The folder holds `embeddings.npy` [sentences, hidden], by the numbers that the encode step gave them, and
`embedding.json`, which says how they were made.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xharness.adapter import Feature, options_of
from xharness.data.encoded import EncodedRetrieval
from xharness.errors import CheckpointError, Problem
from xharness.spec.suite import Checkpoint, Retrieval
from xharness.steps.context import StepContext
from xharness.steps.embed import Embed
from xharness.training.checkpoints import depth_of, load_encoder, reads_forward, require_rows
from xharness.training.devices import Hardware, hardware
from xharness.training.features import budgeted, pad
from xharness.training.hidden_states import hidden_state, place_of
from xharness.training.language_inputs import LanguageInputs, language_inputs
from xharness.training.network import ENCODER, load_tuned
from xharness.training.origins import folder_origin, origin_of
from xharness.training.padding import read
from xharness.training.progress import Progress
from xharness.training.throughput import Throughput, layer_parameters

VECTORS, ABOUT = "embeddings.npy", "embedding.json"
MANY = 500_000
"""From this many sentences on the vectors are kept in half precision."""


def embed(work: Embed, context: StepContext) -> dict[str, Any]:
    """Embed the sentences that the target's splits have in all languages."""
    began = time.monotonic()
    machine = hardware(work.device, work.precision)
    encoded = EncodedRetrieval(context.folder(work.encoded), ())
    tuned = context.folder(work.parent) if work.parent else None
    reader = _trained(work, context) if work.head else pooling(work.checkpoint, work.identity, tuned)
    encoder: Any = reader.encoder
    require_rows(work.checkpoint, encoder, encoded.vocabulary)
    reader.module.to(machine.device).eval()
    n, width = len(encoded.sentences), int(encoder.config.hidden_size)
    kind = np.float16 if n >= MANY else np.float32
    vectors = np.lib.format.open_memmap(context.out / VECTORS, mode="w+", dtype=kind, shape=(n, width))
    _reserve(context.out / VECTORS)
    progress = Progress(context.report, n, "sentences", work.label)
    size = (width, depth_of(encoder))
    used = Throughput(machine, size, layer_parameters(encoder), training=False)
    with machine.autocast():  # Around all batches, so that in bf16 the weights are converted once.
        for where, found, tokens in embedded(reader, encoded.sentences, encoded.padding, machine, used):
            vectors[where] = found
            progress.add(len(where), tokens)
    vectors.flush()
    about = {**reader.about, "depth": depth_of(encoder), "dtype": np.dtype(kind).name, "sentences": n}
    (context.out / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    seconds = round(time.monotonic() - began, 3)
    return {**about, "tokens": progress.tokens, "seconds": seconds, "device": str(machine.device),
            "precision": machine.precision, **used.facts()}  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """What makes embeddings of features."""

    module: nn.Module
    encoder: nn.Module
    languages: LanguageInputs | None
    pooled: Callable[[dict[str, Tensor], Sequence[Feature]], Tensor]
    """(a padded batch, its features) -> [features, hidden]"""
    about: dict[str, Any]
    """How, for the record."""


def _trained(work: Embed, context: StepContext) -> Reader:
    """The head of a dual encoder."""
    assert work.head is not None
    assert work.parent is not None
    folder, head = context.folder(work.parent), work.head
    pretrained = origin_of(work.checkpoint, work.identity)
    network, _ = load_tuned(folder, head.name, head, work.checkpoint.languages, pretrained)
    about = {"head": head.name, **options_of(head).model_dump(mode="json", include={"layer", "pooling"})}
    return Reader(
        network, network.encoder, network.languages, partial(network.outputs, head.name), {"prefix": "", **about}
    )


def pooling(checkpoint: Checkpoint, identity: str, tuned: Path | None) -> Reader:
    """A hidden layer of the encoder, as it came or as it was tuned."""
    encoder = load_encoder(
        folder_origin(checkpoint.name, tuned / ENCODER, checkpoint.remote_code)
        if tuned
        else origin_of(checkpoint, identity)
    )
    config: Any = encoder.config
    how = checkpoint.retrieval
    layer = layer_of(encoder, how, checkpoint.name)
    if how.pooling == "cls" and reads_forward(config):
        what = "retrieval.pooling is cls, but of a model that reads from left to right the first token sees nothing."
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", what, "Use mean or last."))
    if config.model_type == "canine" and layer != depth_of(encoder):
        what = f"layer {layer} of CANINE has one state for several characters; only its last layer has one for each."
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", what, "Set retrieval.layer = -1."))
    about = {"layer": layer, "pooling": how.pooling, "prefix": how.prefix, "candidate_prefix": how.candidate_prefix}
    return Reader(
        encoder,
        encoder,
        language_inputs(config, checkpoint.languages),
        lambda inputs, features: _pooled(encoder, inputs, layer, how),
        about,
    )


def layer_of(encoder: nn.Module, how: Retrieval, name: str) -> int:
    """The index into hidden_states; two thirds of the depth if none is said."""
    if how.layer is None:
        return round(2 * depth_of(encoder) / 3)
    return place_of(how.layer, encoder, f"checkpoint {name}, retrieval.layer")


def _reserve(path: Path) -> None:
    """Take the room of a mapped file now: on a full disk a write into the map would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)


class Sentences(Protocol):
    """Features by number, with their lengths in sub-words [features]."""

    @property
    def lengths(self) -> NDArray[np.int32]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, number: int) -> Feature: ...


def embedded(
    reader: Reader, sentences: Sentences, padding: int, machine: Hardware, throughput: Throughput | None = None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], int]]:
    """(numbers of sentences, embeddings, tokens) batch by batch, the longest sentences first."""
    config: Any = reader.encoder.config
    budget = machine.budget(int(config.hidden_size), int(config.num_hidden_layers), training=False)
    lengths, ones = sentences.lengths, np.ones(len(sentences), dtype=np.int64)
    waiting = deque(np.array(batch) for batch in budgeted(lengths, ones, budget))
    while waiting:
        batch = waiting.popleft()
        features = [sentences[number] for number in batch.tolist()]
        try:
            with torch.inference_mode(), machine.autocast():
                inputs = pad(features, padding, machine.device, None, reader.languages)
                vectors = reader.pooled(inputs, features).float().cpu().numpy()
        except torch.OutOfMemoryError:
            budget = machine.halved(budget)
            left = np.concatenate([batch, *waiting])
            waiting = deque(left[places] for places in budgeted(lengths[left], ones[left], budget))
            continue
        if throughput is not None:
            throughput.add(features)
        yield batch, vectors, int(lengths[batch].sum())


def _pooled(encoder: nn.Module, inputs: dict[str, Tensor], layer: int, how: Retrieval) -> Tensor:
    """[sentences, hidden] of one batch: the first token, or the mean over real tokens, special ones included."""
    states = read(encoder, inputs, lambda given: hidden_state(encoder, given, layer)).float()
    if how.pooling == "cls":
        return states[:, 0]
    if how.pooling == "last":
        ends = inputs["attention_mask"].sum(dim=1) - 1
        return states[torch.arange(len(states), device=states.device), ends]
    mask = inputs["attention_mask"].unsqueeze(-1)
    return (states * mask).sum(dim=1) / mask.sum(dim=1)


class Embeddings:
    """The embeddings that a step stored, by the numbers of the sentences."""

    def __init__(self, folder: Path) -> None:
        self._vectors = np.load(folder / VECTORS, mmap_mode="r")
        self.about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))

    def __call__(self, sentences: NDArray[np.int64]) -> NDArray[np.float32]:
        """[sentences, hidden], float32."""
        return np.asarray(self._vectors[sentences], dtype=np.float32)
