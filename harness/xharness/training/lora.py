"""Low-rank adaptation of an encoder by `peft`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from xharness.errors import CheckpointError, Problem
from xharness.spec.recipe import Lora
from xharness.training.origins import Origin


def adapted(encoder: nn.Module, lora: Lora, seed: int, origin: Origin) -> Any:
    """Put low-rank weights into the encoder, and let nothing else of it be trained; what `merged` needs.

    CheckpointError without `peft`, and where the encoder lacks the modules.
    """
    where = f"checkpoint {origin.name}"
    try:
        import peft
    except ImportError:
        hint = "Install it: `pip install 'xharness-stilts[peft]'`."
        raise CheckpointError(Problem(where, "lora needs the library `peft`, which is not installed.", hint)) from None
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=list(lora.modules) if lora.modules else None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            made = peft.get_peft_model(encoder, config)
        except ValueError as error:
            linear = sorted({n.rpartition(".")[2] for n, m in encoder.named_modules() if isinstance(m, nn.Linear)})
            what = f"lora cannot be put into it: {' '.join(str(error).split())[:200]}"
            hint = f"Name its linear layers: lora.modules, of {', '.join(linear[:12])}."
            raise CheckpointError(Problem(where, what, hint)) from None
    # peft itself writes down what the encoder was first loaded from.
    made.peft_config["default"].base_model_name_or_path, config.revision = origin.place, origin.revision
    return made


def merged(held: Any) -> None:
    """Add the low-rank weights to the encoder's own, and take them out again."""
    held.merge_and_unload()
