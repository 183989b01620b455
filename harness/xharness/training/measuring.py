"""What a tracker is told of a training: losses, learning rate, speed, dev scores. It changes nothing of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from xharness.store.files import read_json, write_json
from xharness.training.batches import Batches
from xharness.training.model_selection import ModelSelection

if TYPE_CHECKING:
    from xharness.training.loop import Training

POINTS = 100
"""Measurements of a training, about; those with a dev score are beside them."""
TRAINING = "training.json"


def training_id(scratch: Path) -> str:
    """What this training is called, by whichever process goes on with it; it ends with the step's scratch folder."""
    path = scratch / TRAINING
    found = read_json(path)
    if found is None:
        found = {"training": secrets.token_hex(4)}  # Of the system: the random state of the training is untouched.
        with suppress(OSError):
            write_json(path, found)
    return str(found["training"])


class Measuring(TrainerCallback):
    """Trainer's callback; it stands behind `ModelSelection`, whose dev scores it reads."""

    def __init__(
        self,
        training: Training,
        batches: Batches,
        selection: ModelSelection,
        measure: Callable[[dict[str, Any]], None],
    ) -> None:
        self._training, self._batches, self._selection, self._measure = training, batches, selection, measure
        self._every = -(-len(batches) // POINTS)
        self._tokens, self._since = 0, time.monotonic()
        self._before: dict[str, tuple[float, int]] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Begin from where the training goes on."""
        self._before, self._tokens, self._since = self._training.losses(), 0, time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **rest: Any) -> None:
        """Measure when it is time."""
        step = state.global_step
        self._tokens += self._batches.tokens(step - 1)
        history = self._selection.history
        scored = history[-1] if history and history[-1]["step"] == step else None
        if step % self._every and step != state.max_steps and not scored:
            return
        values = self._losses()
        rates = lr_scheduler.get_last_lr()
        values["learning_rate"] = float(max(rates))
        if min(rates) != max(rates):
            values["learning_rate_lowest"] = float(min(rates))
        now = time.monotonic()
        values["tokens_per_second"] = self._tokens / max(now - self._since, 1e-9)
        self._tokens, self._since = 0, now
        if scored:
            values["eval_dev"] = float(scored["score"])
            values |= {f"eval_dev_{task}": float(value) for task, value in scored["tasks"].items()}
        self._measure({"event": "measured", "step": step, "values": values})

    def _losses(self) -> dict[str, float]:
        """The mean loss of the steps since the last look, and of each task's where there are several."""
        now, before = self._training.losses(), self._before
        self._before = now
        made = {task: (total - before[task][0], n - before[task][1]) for task, (total, n) in now.items()}
        made = {task: held for task, held in made.items() if held[1]}
        found = {"loss": sum(total for total, _ in made.values()) / sum(n for _, n in made.values())}
        if len(now) > 1:
            found |= {f"loss_{task}": total / n for task, (total, n) in made.items()}
        return found
