"""The head of language modelling that a checkpoint comes with, its last layer tied to the encoder's word embeddings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM
from transformers.modeling_outputs import BaseModelOutput

from xharness.errors import CheckpointError, Problem
from xharness.training.checkpoints import load_config, word_embeddings
from xharness.training.origins import Origin


class _Given(nn.Module):
    """Stands where a model has its encoder, and gives what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.states: Tensor | None = None

    def forward(self, *args: Any, **more: Any) -> BaseModelOutput:
        """The hidden states, whatever is asked."""
        return BaseModelOutput(last_hidden_state=self.states)


class LanguageHead(nn.Module):
    """transformers' own model for masked language modelling around hidden states that are computed elsewhere."""

    def __init__(self, model: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.given = _Given()
        setattr(model, model.base_model_prefix, self.given)  # type: ignore[arg-type]
        self.model = model
        output = model.get_output_embeddings()  # type: ignore[operator]
        words = word_embeddings(encoder)
        if words is not None and getattr(model.config, "tie_word_embeddings", True):
            # The encoder's own tensor, and no parameter of the head: trained once and saved once.
            _lend(output, "weight", words.weight)
        seen: set[int] = set()
        for module in self.model.modules():
            for name, value in list(module.named_parameters(recurse=False)):
                if id(value) in seen:
                    _lend(module, name, value)
                seen.add(id(value))

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """[batch, length, hidden] -> [batch, length, sub-words]."""
        self.given.states = states
        try:
            nothing = torch.zeros(states.shape[:2], dtype=torch.long, device=states.device)
            logits: Tensor = self.model(input_ids=nothing, attention_mask=mask).logits
        finally:
            self.given.states = None
        return logits


def _lend(module: nn.Module, name: str, value: Any) -> None:
    """Let a module use a parameter that is another's."""
    delattr(module, name)
    object.__setattr__(module, name, value)


def language_head(origin: Origin, encoder: nn.Module, fresh: bool = False) -> LanguageHead:
    """The head of the checkpoint at `origin`, for an encoder that began as its own.

    Without one CheckpointError, or a `fresh` one by torch's random numbers, as transformers begins it.
    """
    where = f"checkpoint {origin.name}"
    try:
        model, info = AutoModelForMaskedLM.from_pretrained(
            origin.place,
            revision=origin.revision,
            config=load_config(origin),
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=origin.remote_code,
        )
    except CheckpointError:
        raise
    except Exception as error:
        what = f"{origin.place} has no head for masked language modelling: {' '.join(str(error).split())[:300]}"
        raise CheckpointError(Problem(where, what)) from None
    prefix = f"{model.base_model_prefix}."
    lacking = sorted(key for key in info["missing_keys"] if not key.startswith(prefix))
    if lacking and not fresh:
        what = f"the head for masked language modelling is not in {origin.place}: {lacking[0]} is missing."
        hint = (
            "Take the checkpoint as it was pretrained (FacebookAI/xlm-roberta-base has its head), or say "
            "options.fresh_head = true in the task, which begins with a fresh one."
        )
        raise CheckpointError(Problem(where, what, hint))
    return LanguageHead(model, encoder)
