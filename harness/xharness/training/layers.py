"""Which part of an encoder a weight belongs to: freezing and learning rates go by layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from xharness.errors import CheckpointError, Problem
from xharness.spec.recipe import Recipe
from xharness.training.checkpoints import depth_of


def depths(encoder: nn.Module) -> dict[str, int]:
    """Weight -> 0 for the embeddings, 1 to n for the layers from below, n + 1 for what stands behind them.

    CheckpointError for a model whose layers are not a list of that length (ALBERT's share their weights).
    """
    n, lists = depth_of(encoder), _lists(encoder)
    if not lists:
        kind = getattr(encoder.config, "model_type", "model")
        what = f"its {n} layers are no list that could be taken apart ({kind})."
        hint = 'Leave out layer_decay, and freeze "embeddings" or "encoder" only.'
        raise CheckpointError(Problem(f"checkpoint {encoder.config.name_or_path}", what, hint))  # type: ignore[union-attr]
    # XLM has no module that is a layer: its attentions, norms and feed-forwards are lists side by side.
    beside = lists[0].rpartition(".")[0]
    layers = [f"{name}." for name in lists if name.rpartition(".")[0] == beside]
    return {name: _depth(name, layers, n, embedding) for name, embedding in _weights(encoder)}


def _lists(encoder: nn.Module) -> list[str]:
    """Names of the lists that are as long as the encoder is deep, the outermost first."""
    n = depth_of(encoder)
    return [name for name, m in encoder.named_modules() if isinstance(m, nn.ModuleList) and len(m) == n]


def _depth(name: str, layers: Sequence[str], n: int, embedding: bool) -> int:
    if (prefix := next((prefix for prefix in layers if name.startswith(prefix)), None)) is not None:
        return int(name.removeprefix(prefix).partition(".")[0]) + 1
    return 0 if embedding else n + 1


BEFORE = ("embed", "layer_norm_emb", "initial_char_encoder", "chars_to_molecules")
"""Parts of the names of what is embeddings, or is made of them before the first layer: of all kinds, XLM, CANINE."""


def _weights(encoder: nn.Module) -> Iterator[tuple[str, bool]]:
    """(name, whether it is of the embeddings: their tables, and what is made of them before the first layer)."""
    # A table inside a layer (T5's of distances) is the layer's.
    layers = tuple(f"{name}." for name in _lists(encoder))
    tables = {id(m.weight) for m in encoder.modules() if isinstance(m, nn.Embedding)}
    for name, value in encoder.named_parameters():
        told = id(value) in tables or any(part in name.lower() for part in BEFORE)
        yield name, told and not name.startswith(layers)


def freeze(encoder: nn.Module, what: str | int) -> None:
    """Let nothing change the embeddings, the embeddings and `what` lowest layers, or the whole encoder."""
    if what == "nothing":
        return
    if what == "encoder":
        encoder.requires_grad_(False)
        return
    if isinstance(what, str):
        of_embeddings = dict(_weights(encoder))
        frozen = {name for name, embedding in of_embeddings.items() if embedding}
    else:
        if what > depth_of(encoder):
            said = f"freeze = {what}, but the encoder has {depth_of(encoder)} layers."
            raise CheckpointError(Problem(f"checkpoint {encoder.config.name_or_path}", said))  # type: ignore[union-attr]
        frozen = {name for name, depth in depths(encoder).items() if depth <= what}
    for name, value in encoder.named_parameters():
        if name in frozen:
            value.requires_grad_(False)


def rates(network: Any, recipe: Recipe) -> dict[str, float]:
    """Learning rate of every weight of a network of encoder and heads."""
    head = recipe.head_learning_rate or recipe.learning_rate
    found = {name: head for name, _ in network.named_parameters() if not name.startswith("encoder.")}
    if recipe.layer_decay == 1:
        return found | {f"encoder.{name}": recipe.learning_rate for name, _ in network.encoder.named_parameters()}
    n = depth_of(network.encoder)
    for name, depth in depths(network.encoder).items():
        found[f"encoder.{name}"] = recipe.learning_rate * recipe.layer_decay ** (n + 1 - min(depth, n + 1))
    return found
