"""Padding that changes nothing, also of models that look at it.

A mask keeps attention from padding. Convolutions over neighbours, landmarks and pools of characters see it all the
same, so that what such a model makes of a text depends on what stands beside it in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

SEEING = ("canine", "convbert", "mobilebert", "nystromformer", "squeezebert")
"""Model types that look at padding."""


def read(encoder: nn.Module, inputs: dict[str, Tensor], states_of: Callable[[dict[str, Tensor]], Tensor]) -> Tensor:
    """Hidden states [batch, length, hidden] of a padded batch, of each text as if it stood alone.

    `states_of` runs the encoder. A model that looks at padding reads texts of one length at a time, without any.
    """
    config: Any = encoder.config
    length = inputs["input_ids"].shape[1]
    if config.model_type not in SEEING:
        # Some models pad once more, to a multiple of their window.
        return states_of(inputs)[:, :length]
    lengths = inputs["attention_mask"].sum(dim=1)
    out: Tensor | None = None
    for own in torch.unique(lengths).tolist():
        rows = torch.nonzero(lengths == own).squeeze(1)
        given = {name: value[rows][:, :own] if value.ndim > 1 else value[rows] for name, value in inputs.items()}
        found = states_of(given)
        if out is None:
            out = found.new_zeros(len(lengths), length, found.shape[-1])
        out[rows, : min(own, found.shape[1])] = found[:, :own]
    assert out is not None
    return out
