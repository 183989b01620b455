"""The training loop: transformers' Trainer, with batches, memory, clipping and saved states of our own.

What a batch is does not depend on the device: a batch goes through it in as many chunks as fit, each weighing what
its terms weigh. Trainer keeps the loop, the optimiser, the schedule, the random states and the way back to them.
"""

from __future__ import annotations

import contextlib
import gc
import math
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from xharness.adapter import Feature, FreshTargets, WholeBatch
from xharness.errors import Diverged, Problem
from xharness.spec.recipe import Recipe
from xharness.store.files import broken, read_json, seal, sync, write_json
from xharness.training.batches import Batches
from xharness.training.checkpoints import word_embeddings
from xharness.training.devices import Hardware
from xharness.training.features import Item, budgeted_items, pad, pieces
from xharness.training.layers import rates
from xharness.training.network import Network
from xharness.training.throughput import Throughput, layer_parameters

SCHEDULES = {"linear": "linear", "constant": "constant_with_warmup", "cosine": "cosine"}
# Trainer collects garbage before every training; what the libraries made when imported need not be looked at again.
gc.collect()
gc.freeze()

LOSSES = "losses.json"
LOOK = 25
"""Steps on a GPU between two looks at whether the loss is a number."""
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
        batches: Batches,
        args: TrainingArguments,
        recipe: Recipe,
        machine: Hardware,
        tokenizer: Any,
        ids: NDArray[np.int32] | None = None,
        callbacks: Sequence[TrainerCallback] = (),
        keep: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        """`ids` renames sub-words; `keep` adds files to a training state before it counts as saved."""
        super().__init__(model=network, args=args, train_dataset=batches, callbacks=list(callbacks))
        self.remove_callback(PrinterCallback)
        self.network, self.machine, self.tokenizer, self.ids, self.keep = network, machine, tokenizer, ids, keep
        self.recipe = recipe
        self.budget = machine.budget(*network.size, training=True)
        self._batches: Any = self.train_dataset
        self._parameters = list(network.parameters())
        self._run_dir = args.output_dir
        self._losses = {name: torch.zeros((), device=machine.device) for name in network.tasks}
        """Task -> sum of the losses of its steps."""
        self._counts = dict.fromkeys(network.tasks, 0)
        self.throughput = Throughput(machine, network.size, layer_parameters(network.encoder), training=True)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """One batch after the other; not prepared by accelerate, which would deal them out to processes."""
        return DataLoader(self._batches, batch_size=1, shuffle=False, collate_fn=_only)

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward of a batch, in chunks that fit; after an OOM again, in smaller ones."""
        model.train()
        items = self._drawn(inputs["items"])
        while True:
            try:
                loss = self._step(items)
                break
            except torch.OutOfMemoryError:
                model.zero_grad()
                self.budget = self.machine.halved(self.budget)
        task = items[0].task
        self._losses[task] = self._losses[task] + loss
        self._counts[task] += 1
        step = self.state.global_step + 1
        # Looking at a number of a GPU waits for it.
        if self.machine.device.type == "cpu" or step % LOOK == 0 or step == self.state.max_steps:
            self._require_number(task, step)
        return loss

    def _require_number(self, task: str, step: int) -> None:
        if math.isfinite(sum(map(float, self._losses.values()))):
            return
        since = "" if self.machine.device.type == "cpu" else f", or one of the {LOOK - 1} steps before"
        what = f"diverged: the loss of step {step} of {self.state.max_steps} ({task}){since} is not a number."
        hint = 'Lower the learning rate, or set precision = "fp32" in the recipe.'
        raise Diverged(Problem("training", what, hint))

    def losses(self) -> dict[str, tuple[float, int]]:
        """Task -> sum of the losses of its steps, and their number; of those before a resume too."""
        return {name: (float(self._losses[name]), n) for name, n in self._counts.items()}

    def mean_losses(self) -> dict[str, float]:
        """Task -> mean loss of its steps, of those before a resume too."""
        return {name: total / n for name, (total, n) in self.losses().items() if n}

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Trainer's, with a learning rate of its own for heads and layers where the recipe says so."""
        plain = self.recipe.head_learning_rate is None and self.recipe.layer_decay == 1
        if plain or self.optimizer is not None:
            return super().create_optimizer()
        decayed, rate = set(self.get_decay_parameter_names(self.network)), rates(self.network, self.recipe)
        groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for name, value in self.network.named_parameters():
            if value.requires_grad:
                groups.setdefault((rate[name], name in decayed), []).append(value)
        kind, settings = self.get_optimizer_cls_and_kwargs(self.args)
        self.optimizer = kind(
            [
                {"params": held, "lr": lr, "weight_decay": self.args.weight_decay if decays else 0.0}
                for (lr, decays), held in groups.items()
            ],
            **settings,
        )
        return self.optimizer

    def _drawn(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items as this step sees them: some families make their targets anew."""
        task = items[0].task
        adapter = self.network.adapters[task]
        if not isinstance(adapter, FreshTargets):
            return items
        seed = [self.args.seed, self.state.global_step, zlib.crc32(task.encode())]
        features = [f for item in items for f in item.features]
        made = iter(adapter.draw(self.network.tasks[task], features, self.tokenizer, np.random.default_rng(seed)))
        return [Item(task, tuple(next(made) for _ in item.features)) for item in items]

    def _step(self, items: Sequence[Item]) -> Tensor:
        # Where nothing was masked there is nothing to learn, and nothing to divide by.
        weight = sum(f.weight for item in items for f in item.features) or 1.0
        task = items[0].task
        whole = isinstance(self.network.adapters[task], WholeBatch)
        # A GPU takes its time to begin a piece, and each piece of a whole batch is run twice.
        cut = budgeted_items if whole or self.machine.device.type != "cpu" else pieces
        chunks = [[f for item in chunk for f in item.features] for chunk in cut(items, self.budget)]
        if whole and len(chunks) > 1:
            return self._step_of_whole(task, chunks, [f for item in items for f in item.features], weight)
        total = torch.zeros((), device=self.machine.device)
        # Once around all chunks, so that in bf16 the weights are converted once.
        with self.machine.autocast():
            for features in chunks:
                loss = self.network.loss(task, self._outputs(task, features), features) / weight
                with self.machine.as_written():
                    self.accelerator.backward(loss)
                total += loss.detach()
        return total

    def _outputs(self, task: str, features: Sequence[Feature]) -> Tensor:
        self.throughput.add(features)
        padding, languages = self.tokenizer.pad_token_id, self.network.languages
        inputs = pad(features, padding, self.machine.device, self.ids, languages)
        return self.network.outputs(task, inputs, features)

    def _step_of_whole(
        self, task: str, chunks: Sequence[Sequence[Feature]], features: Sequence[Feature], weight: float
    ) -> Tensor:
        """One loss over all chunks: their outputs, its gradient at those, then the gradient of each chunk.

        A chunk runs twice, the second time with the random state of the first, so that dropout is the same. Cached
        gradients: Gao et al. 2021, arXiv 2101.06983, section 3.2.
        """
        states: list[dict[str, Tensor]] = []
        outputs: list[Tensor] = []
        with torch.no_grad(), self.machine.autocast():
            for chunk in chunks:
                states.append(self._random_state())
                outputs.append(self._outputs(task, chunk))
        place = {id(feature): row for row, feature in enumerate(f for chunk in chunks for f in chunk)}
        order = torch.tensor([place[id(feature)] for feature in features], device=self.machine.device)
        held = torch.cat(outputs).requires_grad_()
        with self.machine.autocast():
            loss = self.network.loss(task, held[order], features) / weight
        loss.backward()  # type: ignore[no-untyped-call]
        assert held.grad is not None
        gradients = torch.split(held.grad, [len(of_chunk) for of_chunk in outputs])
        for chunk, state, gradient in zip(chunks, states, gradients, strict=True):
            with self._forked(state), self.machine.autocast():
                again = self._outputs(task, chunk)
            self.accelerator.backward((again * gradient).sum())
        return loss.detach()

    def _random_state(self) -> dict[str, Tensor]:
        found = {"cpu": torch.get_rng_state()}
        if self.machine.device.type == "cuda":
            found["cuda"] = torch.cuda.get_rng_state(self.machine.device)
        return found

    @contextlib.contextmanager
    def _forked(self, state: dict[str, Tensor]) -> Iterator[None]:
        """Run with another random state, and go on with the present one after."""
        cuda = self.machine.device.type == "cuda"
        with torch.random.fork_rng(devices=[self.machine.device] if cuda else []):
            torch.set_rng_state(state["cpu"])
            if cuda:
                torch.cuda.set_rng_state(state["cuda"], self.machine.device)
            yield

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Clip to the global norm; the word embeddings' part is summed in float64.

        There, rows without gradient must not change the sum's last bit: training with them trimmed is the same.
        """
        embeddings = word_embeddings(self.network.encoder)
        words: Any = None if embeddings is None else embeddings.weight
        held = [p for p in self._parameters if p.grad is not None]
        norms = [torch.nn.utils.get_total_norm([p.grad for p in held if p is not words and p.grad is not None])]
        if words is not None and words.grad is not None:
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
        write_json(written / LOSSES, {name: [float(self._losses[name]), n] for name, n in self._counts.items()})
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
        for name, (total, count) in (read_json(Path(resume_from_checkpoint) / LOSSES) or {}).items():
            self._losses[name] = torch.tensor(total, device=self.machine.device)
            self._counts[name] = int(count)


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
