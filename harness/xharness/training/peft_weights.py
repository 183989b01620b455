"""PEFT weights: a folder that `peft` saved, put on the checkpoint that it belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xharness.errors import CheckpointError, Problem
from xharness.spec.encoder_config import PEFT_CONFIG
from xharness.training.origins import Origin, problem

ROOT = "base_model.model."
"""What `peft` writes before the name of every weight."""


def is_peft(origin: Origin) -> bool:
    """Whether a folder holds PEFT weights and not a model."""
    return origin.local and (Path(origin.place) / PEFT_CONFIG).is_file()


def base_of(origin: Origin) -> Origin:
    """The checkpoint that a PEFT folder's weights are put on."""
    if origin.base is not None:
        return origin.base
    told = json.loads((Path(origin.place) / PEFT_CONFIG).read_text(encoding="utf-8"))
    base = told.get("base_model_name_or_path")
    if not base:
        raise problem(origin, f"{PEFT_CONFIG} of {origin.place} does not say which model it belongs to")
    return Origin(origin.name, str(base), origin.base_revision or told.get("revision"), origin.remote_code)


def merged(model: Any, origin: Origin) -> Any:
    """The encoder with a PEFT folder's weights merged into its own.

    They may have been trained on a model with a head (`task_type` SEQ_CLS, CAUSAL_LM, …): its head is left behind.
    CheckpointError unless every weight of the encoder that PEFT adds or replaces is in the folder.
    """
    try:
        import peft
    except ImportError:
        what = f"{origin.place} holds PEFT weights, and the library `peft` is not installed."
        hint = "Install it: `pip install 'xharness-stilts[peft]'`."
        raise CheckpointError(Problem(f"checkpoint {origin.name}", what, hint)) from None
    try:
        saved = peft.load_peft_weights(origin.place, device="cpu")
        config: Any = peft.PeftConfig.from_pretrained(origin.place)
        config.task_type = None
        if getattr(config, "modules_to_save", None):
            held = {name.rpartition(".")[2] for name, _ in model.named_modules()}
            config.modules_to_save = [name for name in config.modules_to_save if name in held] or None
        prefix = f"{model.base_model_prefix}."
        adapted = peft.get_peft_model(model, config)
        wanted = set(peft.get_peft_model_state_dict(adapted))
        known = wanted | set(adapted.state_dict())
        weights = {}
        for name, value in saved.items():
            # A model with a head holds the encoder under a name of its own: `model.layers.0`, `roberta.encoder`.
            inner = ROOT + name.removeprefix(ROOT).removeprefix(prefix)
            if (found := name if name in known else inner) in known:
                weights[found] = value
        missing = sorted(wanted - set(weights))
        if not missing and weights:
            peft.set_peft_model_state_dict(adapted, weights)
            # peft stops the training of all but its own weights; a stage says for itself what it trains.
            return adapted.merge_and_unload().requires_grad_()
    except Exception as error:
        raise problem(origin, f"the PEFT weights of {origin.place} cannot be put on their model", error) from error
    lacking = (
        f"{len(missing)} of {len(wanted)} are missing, first {missing[0]}" if missing else "none are the encoder's"
    )
    raise problem(origin, f"the PEFT weights of {origin.place} do not fit their model: {lacking}")
