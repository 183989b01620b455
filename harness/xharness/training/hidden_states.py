"""One hidden layer of an encoder, without computing those above it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from xharness.errors import CheckpointError, Problem
from xharness.training.checkpoints import depth_of


def place_of(layer: int, encoder: nn.Module, where: str) -> int:
    """An index into hidden_states, from 0 (the embedding layer) to the depth; CheckpointError, at `where`, outside."""
    depth = depth_of(encoder)
    place = layer if layer >= 0 else depth + 1 + layer
    if not 0 <= place <= depth:
        raise CheckpointError(Problem(where, f"there is no layer {layer}: the encoder has layers 0 to {depth}."))
    return place


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
