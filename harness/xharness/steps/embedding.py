"""Embed: every distinct sentence of a retrieval target once, one hidden layer of the encoder, pooled.

The folder holds `embeddings.npy` [sentences, hidden], `sentences.npy` (the first half of each sentence's sha256, in
hexadecimal, ascending: row i of one belongs to row i of the other) and `embedding.json`, which says how they were made.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xharness.adapter import Feature, retrieval_adapter
from xharness.data.fingerprints import planned_examples
from xharness.errors import CheckpointError, DataError, Problem
from xharness.spec.suite import Retrieval
from xharness.steps.context import StepContext
from xharness.steps.embed import Embed
from xharness.training.checkpoints import (
    depth_of,
    folder_origin,
    load_both,
    origin_of,
    positions_of,
)
from xharness.training.devices import Hardware, hardware
from xharness.training.features import Item, budgeted, pad
from xharness.training.network import ENCODER
from xharness.training.progress import Progress

VECTORS, SENTENCES, ABOUT = "embeddings.npy", "sentences.npy", "embedding.json"
CHUNK = 20_000
"""Sentences tokenised at once, of like length."""
MANY = 500_000
"""From this many sentences on the vectors are kept in half precision."""


def embed(work: Embed, context: StepContext) -> dict[str, Any]:
    """Embed what the target's splits need in all languages; languages without data fail when they are searched."""
    began = time.monotonic()
    machine = hardware(work.device)
    origin = (
        folder_origin(work.checkpoint.name, context.folder(work.parent) / ENCODER)
        if work.parent
        else origin_of(work.checkpoint, work.identity)
    )
    encoder, tokenizer = load_both(origin)
    encoder.to(machine.device).eval()
    how = work.checkpoint.retrieval
    layer = layer_of(encoder, how, work.checkpoint.name)
    texts = _sentences(work)
    keys = np.array([key_of(text) for text in texts], dtype="S32")
    row_of = np.argsort(np.argsort(keys))
    width = int(encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]
    kind = np.float16 if len(texts) >= MANY else np.float32
    vectors = np.lib.format.open_memmap(context.out / VECTORS, mode="w+", dtype=kind, shape=(len(texts), width))
    _reserve(context.out / VECTORS)
    progress = Progress(context.report, len(texts), "sentences", work.label)
    for where, found, tokens in embedded(encoder, tokenizer, texts, layer, how, work.max_length, machine):
        vectors[row_of[where]] = found
        progress.add(len(where), tokens)
    vectors.flush()
    np.save(context.out / SENTENCES, np.sort(keys))
    about = {
        "layer": layer,
        "depth": depth_of(encoder),
        "pooling": how.pooling,
        "prefix": how.prefix,
        "max_length": work.max_length,
        "dtype": np.dtype(kind).name,
        "sentences": len(texts),
    }
    (context.out / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    seconds = round(time.monotonic() - began, 3)
    return {**about, "tokens": progress.tokens, "seconds": seconds, "device": str(machine.device),
            "precision": machine.precision}  # fmt: skip


def _sentences(work: Embed) -> list[str]:
    """Every distinct sentence, in order of appearance."""
    adapter = retrieval_adapter(work.target.adapter)
    found: dict[str, None] = {}
    errors: list[DataError] = []
    for language in work.target.languages:
        for split in adapter.splits(work.target):
            try:
                rows = planned_examples(work.target, split, language, work.limit, work.fingerprints)
            except DataError as error:
                errors.append(error)
                continue
            found.update(dict.fromkeys(adapter.sentences(work.target, rows)))
    if not found:
        raise DataError(*dict.fromkeys(problem for error in errors for problem in error.problems))
    return list(found)


def key_of(text: str) -> bytes:
    """How a sentence is found again."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32].encode()


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
    tokenizer: Any,
    texts: Sequence[str],
    layer: int,
    how: Retrieval,
    max_length: int,
    machine: Hardware,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], int]]:
    """(places in `texts`, embeddings, tokens) batch by batch, the longest sentences first."""
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    config: Any = encoder.config
    budget = machine.budget(int(config.hidden_size), int(config.num_hidden_layers), training=False)
    for start in range(0, len(order), CHUNK):
        places = order[start : start + CHUNK]
        found = tokenizer(
            [how.prefix + texts[i] for i in places],
            truncation=True,
            max_length=min(max_length, positions_of(encoder)),
            return_attention_mask=False,
            verbose=False,
        )["input_ids"]
        items = [Item("", (Feature(i, np.asarray(ids, np.int32)),)) for i, ids in zip(places, found, strict=True)]
        waiting = list(reversed(list(budgeted(items, budget))))
        while waiting:
            batch = waiting.pop()
            features = [item.features[0] for item in batch]
            try:
                vectors = _pooled(encoder, pad(features, tokenizer.pad_token_id, machine.device), layer, how, machine)
            except torch.OutOfMemoryError:
                budget = machine.halved(budget)
                waiting = list(reversed(list(budgeted([*batch, *(i for later in waiting for i in later)], budget))))
                continue
            yield np.array([f.example for f in features]), vectors, sum(len(f.ids) for f in features)


def _pooled(
    encoder: nn.Module, inputs: dict[str, Tensor], layer: int, how: Retrieval, machine: Hardware
) -> NDArray[np.float32]:
    """[sentences, hidden] of one batch: the first token, or the mean over real tokens, special ones included."""
    with torch.inference_mode(), machine.autocast():
        states = hidden_state(encoder, inputs, layer).float()
    if how.pooling == "cls":
        return states[:, 0].cpu().numpy()
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
    raise AssertionError("a layer of the encoder was not run")


class Embeddings:
    """The embeddings that a step stored, by sentence."""

    def __init__(self, folder: Path) -> None:
        self._vectors = np.load(folder / VECTORS, mmap_mode="r")
        self._keys = np.load(folder / SENTENCES)
        self.about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[texts, hidden], float32; DataError for a sentence that was not embedded."""
        keys = np.array([key_of(text) for text in texts], dtype="S32")
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        lost = np.flatnonzero(self._keys[rows] != keys)
        if len(lost):
            raise DataError(f"the sentence '{texts[int(lost[0])][:60]}' was not embedded: the data changed in between.")
        return np.asarray(self._vectors[rows], dtype=np.float32)
