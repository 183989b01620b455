"""Embed: every distinct sentence of a retrieval target once, one hidden layer of the encoder, pooled.

The folder holds `embeddings.npy` [sentences, hidden], by the numbers that the encode step gave them, and
`embedding.json`, which says how they were made.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xharness.data.encoded import EncodedRetrieval
from xharness.errors import CheckpointError, Problem
from xharness.spec.suite import Retrieval
from xharness.steps.context import StepContext
from xharness.steps.embed import Embed
from xharness.training.checkpoints import depth_of, load_encoder, reads_forward, require_rows
from xharness.training.devices import Hardware, hardware
from xharness.training.features import budgeted, pad
from xharness.training.language_inputs import LanguageInputs, language_inputs
from xharness.training.network import ENCODER
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
    machine = hardware(work.device)
    encoder = load_encoder(
        folder_origin(work.checkpoint.name, context.folder(work.parent) / ENCODER, work.checkpoint.remote_code)
        if work.parent
        else origin_of(work.checkpoint, work.identity)
    )
    encoded = EncodedRetrieval(context.folder(work.encoded), ())
    require_rows(work.checkpoint, encoder, encoded.vocabulary)
    encoder.to(machine.device).eval()
    how = work.checkpoint.retrieval
    layer = layer_of(encoder, how, work.checkpoint.name)
    if how.pooling == "cls" and reads_forward(encoder.config):
        what = "retrieval.pooling is cls, but of a model that reads from left to right the first token sees nothing."
        raise CheckpointError(Problem(f"checkpoint {work.checkpoint.name}", what, "Use mean or last."))
    if encoder.config.model_type == "canine" and layer != depth_of(encoder):  # type: ignore[union-attr]
        what = f"layer {layer} of CANINE has one state for several characters; only its last layer has one for each."
        raise CheckpointError(Problem(f"checkpoint {work.checkpoint.name}", what, "Set retrieval.layer = -1."))
    n, width = len(encoded.sentences), int(encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]
    kind = np.float16 if n >= MANY else np.float32
    vectors = np.lib.format.open_memmap(context.out / VECTORS, mode="w+", dtype=kind, shape=(n, width))
    _reserve(context.out / VECTORS)
    progress = Progress(context.report, n, "sentences", work.label)
    languages = language_inputs(encoder.config, work.checkpoint.languages)
    size = (width, depth_of(encoder))
    used = Throughput(machine, size, layer_parameters(encoder), training=False)
    for where, found, tokens in embedded(encoder, encoded, layer, how, machine, languages, used):
        vectors[where] = found
        progress.add(len(where), tokens)
    vectors.flush()
    about = {
        "layer": layer,
        "depth": depth_of(encoder),
        "pooling": how.pooling,
        "prefix": how.prefix,
        "dtype": np.dtype(kind).name,
        "sentences": n,
    }
    (context.out / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    seconds = round(time.monotonic() - began, 3)
    return {**about, "tokens": progress.tokens, "seconds": seconds, "device": str(machine.device),
            "precision": machine.precision, **used.facts()}  # fmt: skip


def layer_of(encoder: nn.Module, how: Retrieval, name: str) -> int:
    """The index into hidden_states, from 0 (the embedding layer) to the depth; CheckpointError outside."""
    depth = depth_of(encoder)
    if how.layer is None:
        return round(2 * depth / 3)
    layer = how.layer if how.layer >= 0 else depth + 1 + how.layer
    if not 0 <= layer <= depth:
        raise CheckpointError(
            Problem(f"checkpoint {name}", f"retrieval.layer is {how.layer}, but the encoder has layers 0 to {depth}.")
        )
    return layer


def _reserve(path: Path) -> None:
    """Take the room of a mapped file now: on a full disk a write into the map would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)


def embedded(
    encoder: nn.Module,
    encoded: EncodedRetrieval,
    layer: int,
    how: Retrieval,
    machine: Hardware,
    languages: LanguageInputs | None = None,
    throughput: Throughput | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], int]]:
    """(numbers of sentences, embeddings, tokens) batch by batch, the longest sentences first."""
    config: Any = encoder.config
    budget = machine.budget(int(config.hidden_size), int(config.num_hidden_layers), training=False)
    sentences, padding = encoded.sentences, encoded.padding
    lengths, ones = sentences.lengths, np.ones(len(sentences), dtype=np.int64)
    waiting = deque(np.array(batch) for batch in budgeted(lengths, ones, budget))
    while waiting:
        batch = waiting.popleft()
        features = [sentences[number] for number in batch.tolist()]
        try:
            vectors = _pooled(encoder, pad(features, padding, machine.device, None, languages), layer, how, machine)
        except torch.OutOfMemoryError:
            budget = machine.halved(budget)
            left = np.concatenate([batch, *waiting])
            waiting = deque(left[places] for places in budgeted(lengths[left], ones[left], budget))
            continue
        if throughput is not None:
            throughput.add(features)
        yield batch, vectors, int(lengths[batch].sum())


def _pooled(
    encoder: nn.Module, inputs: dict[str, Tensor], layer: int, how: Retrieval, machine: Hardware
) -> NDArray[np.float32]:
    """[sentences, hidden] of one batch: the first token, or the mean over real tokens, special ones included."""
    with torch.inference_mode(), machine.autocast():
        states = read(encoder, inputs, lambda given: hidden_state(encoder, given, layer)).float()
    if how.pooling == "cls":
        return states[:, 0].cpu().numpy()
    if how.pooling == "last":
        ends = inputs["attention_mask"].sum(dim=1) - 1
        return states[torch.arange(len(states), device=states.device), ends].cpu().numpy()
    mask = inputs["attention_mask"].unsqueeze(-1)
    return ((states * mask).sum(dim=1) / mask.sum(dim=1)).cpu().numpy()


class _Reached(Exception):
    """The wanted layer was reached; the rest of the forward pass is not needed."""

    def __init__(self, states: Tensor) -> None:
        self.states = states


def hidden_state(encoder: nn.Module, inputs: dict[str, Tensor], layer: int) -> Tensor:
    """hidden_states[layer] [batch, length, hidden], without computing the layers above it."""
    depth = depth_of(encoder)
    if layer == depth:
        last: Tensor = encoder(**inputs).last_hidden_state
        return last
    stacks = [m for m in encoder.modules() if isinstance(m, nn.ModuleList) and len(m) == depth]
    if len(stacks) != 1:  # ALBERT runs one layer many times
        every: Tensor = encoder(**inputs, output_hidden_states=True).hidden_states[layer]
        return every

    def stop(module: nn.Module, args: Any, kwargs: Any) -> None:
        raise _Reached(args[0] if args else kwargs["hidden_states"])

    hook = stacks[0][layer].register_forward_pre_hook(stop, with_kwargs=True)
    try:
        encoder(**inputs)
    except _Reached as reached:
        return reached.states
    finally:
        hook.remove()
    # Some call their layers' `forward` by name, past all hooks.
    told: Tensor = encoder(**inputs, output_hidden_states=True).hidden_states[layer]
    return told


class Embeddings:
    """The embeddings that a step stored, by the numbers of the sentences."""

    def __init__(self, folder: Path) -> None:
        self._vectors = np.load(folder / VECTORS, mmap_mode="r")
        self.about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))

    def __call__(self, sentences: NDArray[np.int64]) -> NDArray[np.float32]:
        """[sentences, hidden], float32."""
        return np.asarray(self._vectors[sentences], dtype=np.float32)
