"""A tuned model as a folder that plain transformers loads with its head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers
from torch import Tensor, nn

from xharness.adapter import ExportedHead, LanguageModelling, tunable_adapter
from xharness.errors import CheckpointError, Problem
from xharness.training.checkpoints import load_config, load_encoder, load_tokenizer
from xharness.training.network import ENCODER, HEADS, read_lineage
from xharness.training.origins import folder_origin

WHERE = (
    {"dense": "classifier.dense", "out": "classifier.out_proj"},
    {"dense": "{base}.pooler.dense", "out": "classifier"},
    {"out": "classifier"},
    {"out": "qa_outputs"},
)
"""Where transformers' models have the layers of our heads: the RoBERTa kinds, the BERT kinds, tokens, answers."""
CLOSE = 1e-4


def export_model(tuned: Path, task: str, out: Path) -> str:
    """Write encoder, head and tokenizer of one task of a tuned folder; the class that loads it.

    CheckpointError where transformers has no model of that kind that computes the same: what is written has given the
    same logits on a few random inputs.
    """
    lineage = read_lineage(tuned)
    about = lineage["heads"].get(task)
    if about is None:
        raise CheckpointError(Problem(str(tuned), f"has no head of '{task}'; it has: {', '.join(lineage['heads'])}."))
    adapter = tunable_adapter(about["adapter"])
    family = "MaskedLM" if isinstance(adapter, LanguageModelling) else None
    if isinstance(adapter, ExportedHead):
        family = adapter.exported
    name = lineage["checkpoint"]["name"]
    if family is None:
        what = f"the {adapter.name} adapter says no kind of transformers model."
        raise CheckpointError(Problem(f"task {task}", what))
    origin = folder_origin(name, tuned / ENCODER, bool(lineage["checkpoint"].get("remote_code")))
    encoder, config = load_encoder(origin), load_config(origin)
    prefix = f"{task}:"
    held = safetensors.torch.load_file(str(tuned / HEADS))
    head = {key.removeprefix(prefix): value for key, value in held.items() if key.startswith(prefix)}
    labels = about["labels"]
    if family != "MaskedLM":
        config.num_labels = 2 if family == "QuestionAnswering" else len(labels) or 1
    if labels:
        config.id2label, config.label2id = dict(enumerate(labels)), {label: i for i, label in enumerate(labels)}
    kind = getattr(transformers, f"AutoModelFor{family}")
    try:
        model: Any = kind.from_config(config)
    except ValueError as error:
        what = f"transformers has no {family} model of the kind {config.model_type}."
        raise CheckpointError(Problem(f"checkpoint {name}", what)) from error
    _fill(model, encoder, head, f"{name} as {type(model).__name__}")
    _require_same(model.eval(), encoder.eval(), head, family, f"{name} as {type(model).__name__}")
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(out))
    load_tokenizer(origin).save_pretrained(str(out))
    return f"AutoModelFor{family}"


def _fill(model: Any, encoder: nn.Module, head: dict[str, Tensor], called: str) -> None:
    """Put the trained weights where the model has them; CheckpointError if any has no place."""
    where = f"export of {called}"
    found = model.base_model.load_state_dict(encoder.state_dict(), strict=False)
    if found.unexpected_keys or [key for key in found.missing_keys if not key.startswith("pooler.")]:
        raise CheckpointError(Problem(where, "its encoder is built in another way than the one that was trained."))
    if all(key.startswith("model.") for key in head):
        lost = model.load_state_dict({k.removeprefix("model."): v for k, v in head.items()}, strict=False)
        model.tie_weights()
        if lost.unexpected_keys:
            raise CheckpointError(Problem(where, f"it has no place for {lost.unexpected_keys[0]}."))
        return
    layers = {key.rpartition(".")[0] for key in head}
    modules = dict(model.named_modules())
    for places in WHERE:
        named = {ours: theirs.format(base=model.base_model_prefix) for ours, theirs in places.items()}
        if set(named) == layers and all(isinstance(modules.get(theirs), nn.Linear) for theirs in named.values()):
            for ours, theirs in named.items():
                modules[theirs].load_state_dict({k: head[f"{ours}.{k}"] for k in ("weight", "bias")})
            return
    raise CheckpointError(Problem(where, "its head is built in another way than ours, so its scores would differ."))


@torch.no_grad()
def _require_same(model: Any, encoder: nn.Module, head: dict[str, Tensor], family: str, called: str) -> None:
    """CheckpointError unless the model gives what encoder and head give."""
    ids = torch.randint(5, int(model.config.vocab_size), (2, 7), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    states = encoder(**inputs).last_hidden_state
    if family == "MaskedLM":
        return
    if "dense.weight" in head:
        states = torch.tanh(nn.functional.linear(states[:, 0], head["dense.weight"], head["dense.bias"]))
    expected = nn.functional.linear(states, head["out.weight"], head["out.bias"])
    given = {k: v.unsqueeze(0) for k, v in inputs.items()} if family == "MultipleChoice" else inputs
    found = model(**given)
    if family == "QuestionAnswering":
        logits = torch.stack([found.start_logits, found.end_logits], dim=-1)
    else:
        logits = found.logits.reshape(expected.shape)
    if (logits - expected).abs().max() > CLOSE * max(1.0, float(expected.abs().max())):
        raise CheckpointError(Problem(f"export of {called}", "it computes another function than what was trained."))
