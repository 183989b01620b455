"""The training loop: transformers' Trainer, with batches, memory, clipping and saved states of our own.

What a batch is does not depend on the device: a batch goes through it in as many chunks as fit, each weighing what
its terms weigh. Trainer keeps the loop, the optimiser, the schedule, the random states and the way back to them.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from xharness.spec.task import Recipe
from xharness.store.files import broken, read_json, seal, sync, write_json
from xharness.training.devices import Hardware
from xharness.training.features import Item, budgeted, pad
from xharness.training.network import Network

SCHEDULES = {"linear": "linear", "constant": "constant_with_warmup", "cosine": "cosine"}
# Trainer collects garbage before every training; what the libraries made when imported need not be looked at again.
gc.collect()
gc.freeze()

SEALED = "sealed.json"
"""Size and checksum of every other file of a training state."""
STATE = "checkpoint-"
"""Prefix of a saved training state's folder, followed by its step."""


def arguments(recipe: Recipe, steps: int, seed: int, machine: Hardware, scratch: Path) -> TrainingArguments:
    """The recipe as Trainer's arguments; it saves, logs and evaluates only when told to."""
    warmup = -(-recipe.warmup * steps // 1) if recipe.warmup < 1 else recipe.warmup
    made = TrainingArguments(
        output_dir=str(scratch),
        max_steps=steps,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        adam_epsilon=recipe.adam_epsilon,
        max_grad_norm=recipe.clip,
        lr_scheduler_type=SCHEDULES[recipe.schedule],
        warmup_steps=int(min(warmup, steps)),
        optim="adamw_torch_fused",
        seed=seed,
        use_cpu=machine.device.type == "cpu",
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        remove_unused_columns=False,
    )
    # One process, one device: more than one visible GPU must not become DataParallel.
    made._n_gpu = min(1, made._n_gpu)
    return made


class Training(Trainer):
    """Trainer over a fixed list of batches."""

    def __init__(
        self,
        network: Network,
        batches: Sequence[Sequence[Item]],
        args: TrainingArguments,
        machine: Hardware,
        padding: int,
        ids: NDArray[np.int32] | None = None,
        callbacks: Sequence[TrainerCallback] = (),
        keep: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        """`ids` renames sub-words; `keep` adds files to a training state before it counts as saved."""
        super().__init__(model=network, args=args, train_dataset=list(batches), callbacks=list(callbacks))
        self.remove_callback(PrinterCallback)
        self.network, self.machine, self.padding, self.ids, self.keep = network, machine, padding, ids, keep
        self.budget = machine.budget(*network.size, training=True)
        self._batches: Any = self.train_dataset
        self._parameters = list(network.parameters())
        self._run_dir = args.output_dir

    def get_train_dataloader(self) -> DataLoader[Any]:
        """One batch after the other; not prepared by accelerate, which would deal them out to processes."""
        return DataLoader(self._batches, batch_size=1, shuffle=False, collate_fn=_only)

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward of a batch, in chunks that fit; after an OOM again, in smaller ones."""
        model.train()
        while True:
            try:
                return self._step(inputs["items"])
            except torch.OutOfMemoryError:
                model.zero_grad()
                self.budget = self.machine.halved(self.budget)

    def _step(self, items: Sequence[Item]) -> Tensor:
        weight = sum(f.weight for item in items for f in item.features)
        total = torch.zeros((), device=self.machine.device)
        for chunk in budgeted(items, self.budget):
            features = [f for item in chunk for f in item.features]
            with self.machine.autocast():
                inputs = pad(features, self.padding, self.machine.device, self.ids)
                loss = self.network.loss(chunk[0].task, inputs, features) / weight
            self.accelerator.backward(loss)
            total += loss.detach()
        return total

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Clip to the global norm; the word embeddings' part is summed in float64.

        There, rows without gradient must not change the sum's last bit: training with them set aside is the same.
        """
        words = self.network.encoder.get_input_embeddings().weight  # type: ignore[operator]
        held = [p for p in self._parameters if p.grad is not None]
        norms = [torch.nn.utils.get_total_norm([p.grad for p in held if p is not words and p.grad is not None])]
        if words.grad is not None:
            norms.append(torch.linalg.vector_norm(words.grad, dtype=torch.float64).float())
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        torch.nn.utils.clip_grads_with_norm_(held, self.args.max_grad_norm, norm)
        return norm

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """Nobody reads the norm of an unclipped gradient."""
        return grad_norm

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted."""
        return 0

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._run_dir)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Save the training state whole or not at all: written aside, then renamed; older ones go."""
        scratch = Path(str(self.args.output_dir))
        aside = scratch / "partial"
        shutil.rmtree(aside, ignore_errors=True)
        self._run_dir = str(aside)
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self._run_dir = str(scratch)
        (written,) = aside.glob(f"{STATE}*")
        self.keep(written)
        write_json(written / SEALED, {"files": seal(written)})
        final = scratch / written.name
        shutil.rmtree(final, ignore_errors=True)
        written.rename(final)
        sync(scratch)
        for older in states(scratch):
            if older != final:
                shutil.rmtree(older, ignore_errors=True)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Every weight, or an error: Trainer would only warn."""
        import safetensors.torch

        found = safetensors.torch.load_file(str(Path(resume_from_checkpoint) / "model.safetensors"))
        self.network.load_state_dict(found, strict=True)


def _only(batch: list[Any]) -> dict[str, Any]:
    return {"items": batch[0]}


def whole_state(scratch: Path) -> Path | None:
    """The newest training state that is as it was saved; damaged ones are removed, so that they mislead nobody."""
    for state in reversed(states(scratch)):
        sealed = read_json(state / SEALED)
        if sealed is not None and not broken(state, sealed["files"]):
            return state
        shutil.rmtree(state, ignore_errors=True)
    return None


def states(scratch: Path) -> list[Path]:
    """Saved training states, the newest last."""
    found = [p for p in scratch.glob(f"{STATE}*") if p.name.removeprefix(STATE).isdigit()]
    return sorted(found, key=lambda p: int(p.name.removeprefix(STATE)))
