"""The network: one encoder and a head a task; and the folder in which a tuned one is kept.

A tuned folder holds `encoder/` (transformers' own format, or peft's where low-rank weights are kept; with the
tokenizer), `heads.safetensors` (every head, its weights prefixed by the task's name) and `lineage.json`, which says how
it came to be. A head is only ever the one that was trained: loading one that is not there is an error (jiant evaluated
untrained heads, nyu-mll/jiant#829).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from xharness.adapter import (
    ChosenPositions,
    Feature,
    LabellingAdapter,
    LanguageModelling,
    ReadsLayer,
    options_of,
    tunable_adapter,
)
from xharness.errors import CheckpointError, Problem
from xharness.spec.task import Task
from xharness.training.checkpoints import dropout_of, load_encoder, reads_forward
from xharness.training.hidden_states import hidden_state, place_of
from xharness.training.language_inputs import language_inputs
from xharness.training.origins import LINEAGE, Origin, folder_origin
from xharness.training.padding import read

ENCODER, HEADS = "encoder", "heads.safetensors"


class Network(nn.Module):
    """Encoder and heads; a batch goes through the head of its one task."""

    def __init__(
        self,
        encoder: nn.Module,
        tasks: Mapping[str, Task],
        seed: int = 0,
        instead: Mapping[str, str] | None = None,
        pretrained: Origin | None = None,
        shared: bool = False,
    ) -> None:
        """`shared`: all tasks have the head of the first.

        `instead` names languages to be said in the place of those that the encoder lacks.

        `pretrained` is the checkpoint that a language-model head is taken from, where a task wants one.
        """
        super().__init__()
        self.languages = language_inputs(encoder.config, instead or {})
        self.encoder = encoder
        self.tasks = dict(tasks)
        self.adapters = {name: tunable_adapter(task.adapter) for name, task in tasks.items()}
        self._choosers = {name: a for name, a in self.adapters.items() if isinstance(a, ChosenPositions)}
        self._layers = {
            name: place_of(layer, encoder, f"task {name}, options.layer")
            for name, a in self.adapters.items()
            if isinstance(a, ReadsLayer) and (layer := a.layer(tasks[name])) is not None
        }
        first = next(iter(tasks))
        self.names = {name: _module_name(first if shared else name) for name in tasks}
        hidden, dropout = self.size[0], dropout_of(encoder)
        heads = {}
        for name, task in tasks.items():
            if shared and name != first:
                continue
            # A generator of its own: a head begins the same whatever other heads there are.
            adapter = self.adapters[name]
            if isinstance(adapter, LanguageModelling):
                fresh = bool(getattr(options_of(task), "fresh_head", False))
                heads[self.names[name]] = self._language_head(pretrained, seed, fresh)
                continue
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed * 1_000_003 + zlib.crc32(name.encode()))
                heads[self.names[name]] = adapter.head(task, hidden, dropout)
        self.heads = nn.ModuleDict(heads)
        for module in self.heads.modules():
            if hasattr(module, "causal"):
                setattr(module, "causal", reads_forward(encoder.config))  # noqa: B010

    def _language_head(self, pretrained: Origin | None, seed: int, fresh: bool) -> nn.Module:
        from xharness.training.language_head import language_head

        if pretrained is None:
            raise CheckpointError("a language-model head is the checkpoint's own, and no checkpoint is given.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return language_head(pretrained, self.encoder, fresh)

    @property
    def size(self) -> tuple[int, int]:
        """Hidden units and layers of the encoder."""
        config: Any = self.encoder.config
        return int(config.hidden_size), int(config.num_hidden_layers)

    def forward(self, task: str, inputs: dict[str, Tensor], places: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Outputs of a padded batch under one task's head.

        With `places` (rows, columns) the head sees those sub-words alone: [places, values].
        """
        mask = inputs["attention_mask"]
        states = read(self.encoder, inputs, lambda given: self._states(task, given))
        head = self.heads[self.names[task]]
        if places is None:
            outputs: Tensor = head(states, mask)
            return outputs
        chosen: Tensor = head(states[places].unsqueeze(0), mask[places].unsqueeze(0)).squeeze(0)
        return chosen

    def _states(self, task: str, inputs: dict[str, Tensor]) -> Tensor:
        if task in self._layers:
            return hidden_state(self.encoder, inputs, self._layers[task])
        last: Tensor = self.encoder(**inputs).last_hidden_state
        return last

    def outputs(self, task: str, inputs: dict[str, Tensor], features: Sequence[Feature]) -> Tensor:
        """Outputs of a padded batch, at the places that the family chooses if it chooses any."""
        chooser = self._choosers.get(task)
        if chooser is None:
            whole: Tensor = self(task, inputs)
            return whole
        found = [np.asarray(chooser.positions(self.tasks[task], f), dtype=np.int64) for f in features]
        rows = np.repeat(np.arange(len(found)), [len(columns) for columns in found])
        places = [torch.from_numpy(held).to(inputs["input_ids"].device) for held in (rows, np.concatenate(found))]
        chosen: Tensor = self(task, inputs, (places[0], places[1]))
        return chosen

    def loss(self, task: str, outputs: Tensor, features: Sequence[Feature]) -> Tensor:
        """The loss of a batch's outputs, summed."""
        return self.adapters[task].loss(self.tasks[task], outputs, features)


def _module_name(task: str) -> str:
    # Modules may not have dots in their names, tasks may; tasks have no capitals.
    return task.replace(".", "D")


def save_tuned(
    network: Network, tokenizer: Any, lineage: Mapping[str, Any], out: Path, low_rank: Any | None = None
) -> None:
    """Write a tuned folder: with `low_rank` those weights alone, which belong on what was trained."""
    if low_rank is None:
        network.encoder.save_pretrained(str(out / ENCODER))  # type: ignore[operator]
    else:
        low_rank.save_pretrained(str(out / ENCODER), save_embedding_layers=False)
    tokenizer.save_pretrained(str(out / ENCODER))
    weights = {
        f"{task}:{key}": value.detach().cpu().contiguous().clone()
        for task, module in network.names.items()
        for key, value in network.heads[module].state_dict().items()
    }
    safetensors.torch.save_file(weights, str(out / HEADS), metadata={"format": "pt"})
    (out / LINEAGE).write_text(json.dumps(lineage, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_lineage(folder: Path) -> dict[str, Any]:
    """How a tuned encoder came to be; CheckpointError when the folder is none."""
    try:
        found: dict[str, Any] = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(Problem(str(folder), f"holds no tuned encoder ({LINEAGE}): {error}.")) from None
    return found


def load_tuned(
    folder: Path,
    tuned_on: str,
    target: Task,
    instead: Mapping[str, str] | None = None,
    pretrained: Origin | None = None,
) -> tuple[Network, Task]:
    """Network with one trained head, and the target under that head's labels.

    Raises CheckpointError when the head is not in the folder or was trained on other labels.
    """
    lineage = read_lineage(folder)
    trained = lineage.get("heads", {})
    if tuned_on not in trained:
        raise CheckpointError(
            Problem(str(folder), f"has no head trained on '{tuned_on}'; it has: {', '.join(trained) or 'none'}.")
        )
    labels = tuple(trained[tuned_on]["labels"])
    by_label = isinstance(tunable_adapter(target.adapter), LabellingAdapter)
    differ = by_label and target.labels and set(target.labels) != set(labels)
    if trained[tuned_on]["adapter"] != target.adapter or differ:
        raise CheckpointError(
            Problem(
                f"task {target.name}",
                f"cannot use the head of '{tuned_on}', trained for {trained[tuned_on]['adapter']} "
                f"with the labels {', '.join(labels) or '(none)'}.",
            )
        )
    # The head's order of labels decides what its outputs mean.
    target = target.model_copy(update={"labels": labels}) if by_label else target
    checkpoint = lineage.get("checkpoint", {})
    own_code = bool(checkpoint.get("remote_code"))
    origin = folder_origin(str(checkpoint.get("name", folder.name)), folder / ENCODER, own_code)
    network = Network(load_encoder(origin), {tuned_on: target}, instead=instead, pretrained=pretrained)
    load_head(network, tuned_on, folder, tuned_on)
    return network, target


def load_head(network: Network, task: str, folder: Path, stored: str) -> None:
    """Give the head of a task the weights of a stored one; CheckpointError where they do not fit."""
    prefix = f"{stored}:"
    with safetensors.safe_open(str(folder / HEADS), framework="pt") as held:
        weights = {key.removeprefix(prefix): held.get_tensor(key) for key in held.keys() if key.startswith(prefix)}  # noqa: SIM118
    try:
        network.heads[network.names[task]].load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            Problem(str(folder), f"the head of '{stored}' does not fit: {' '.join(str(error).split())}")
        ) from None
