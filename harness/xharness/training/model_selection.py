"""The watch over a training: progress, scores on the dev set, the state to keep, when to save."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor
from transformers import TrainerCallback

from xharness.spec.recipe import Recipe
from xharness.training.batches import Batches
from xharness.training.network import Network
from xharness.training.progress import Progress

SAVING = 20.0
"""The pause after a save is at least so many times as long as it took."""
HISTORY, BEST, MEAN = "evaluations.json", "best.safetensors", "mean.safetensors"


@dataclass(frozen=True)
class Score:
    """How states are scored on dev."""

    by_task: Callable[[], dict[str, float]]
    """The scores of the network as it is."""
    together: Callable[[Mapping[str, float]], float]
    """One score of them."""
    higher_is_better: bool = True

    def best(self, scores: Iterable[float]) -> float:
        """The best of some scores."""
        return max(scores) if self.higher_is_better else min(scores)


class ModelSelection(TrainerCallback):
    """Trainer's callback; all that it knows survives in a saved state."""

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        batches: Batches,
        progress: Progress,
        save_seconds: float,
        score: Score | None,
    ) -> None:
        """`score` is None where no task has a dev set.

        `save_seconds` is the least pause between two saves; 0 saves after every step.
        """
        self._network, self._recipe, self._batches = network, recipe, batches
        self._progress, self._save_seconds, self._score = progress, save_seconds, score
        self._pause, self._saved = save_seconds, time.monotonic()
        self._began = self._saved
        averaged = recipe.select == "mean"
        steps, times = len(batches), recipe.evaluations if score or averaged else 0
        due = sorted({max(1, round(steps * (i + 1) / times)) for i in range(times)})
        self._due = set(due)
        self._averaged = due[-recipe.average :] if averaged else []
        self._mean: dict[str, Tensor] | None = None
        self.steps = len(batches)
        """Steps that were made."""
        self.history: list[dict[str, Any]] = []
        """Step, score, and scores by task of every evaluation."""
        self.kept_score: float | None = None
        """Dev score of the state that is kept; None without a dev set."""
        self.kept_tasks: dict[str, float] = {}
        """The same by task."""
        self.resumed_at = 0
        self._best: dict[str, Tensor] | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Count, score when due, ask for a save when the last is old enough."""
        step = state.global_step
        self._progress.add(1, self._batches.tokens(step - 1))
        if step in self._averaged:
            self._average(self._averaged.index(step) + 1)
        if step in self._due and self._score is not None:
            self._evaluate(step)
            if self._recipe.patience is not None and self._idle() >= self._recipe.patience:
                control.should_training_stop = True
                self.steps = step
        # A training that stops here has ended as one at its last step: a state of it would be trained on from.
        ends = step == state.max_steps or control.should_training_stop
        if not ends and time.monotonic() - self._saved >= self._pause:
            control.should_save = True
            self._began = time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Begin the pause before the next save: longer where states are large, so that saving takes little time."""
        self._saved = time.monotonic()
        self._pause = max(self._save_seconds, SAVING * (self._saved - self._began)) if self._save_seconds else 0.0

    def _evaluate(self, step: int) -> None:
        assert self._score is not None
        by_task = self._score.by_task()
        score = self._score.together(by_task)
        scores = [h["score"] for h in self.history]
        better = not scores or (score not in scores and self._score.best([score, *scores]) == score)
        self.history.append({"step": step, "score": score, "tasks": by_task})
        self._progress.note = f"dev {score:.1f}"
        if self._recipe.select == "best" and better:
            self._best = {name: value.detach().cpu().clone() for name, value in self._network.state_dict().items()}

    def _idle(self) -> int:
        """Evaluations since the best."""
        assert self._score is not None
        scores = [h["score"] for h in self.history]
        return len(scores) - 1 - scores.index(self._score.best(scores))

    def _average(self, number: int) -> None:
        """Take the state into the mean, as the `number`th."""
        states = self._network.state_dict()
        if self._mean is None:
            self._mean = {name: value.detach().cpu().clone() for name, value in states.items()}
            return
        for name, held in self._mean.items():
            if held.is_floating_point():
                held.lerp_(states[name].detach().cpu(), 1 / number)

    def finish(self) -> None:
        """Put the state back that the recipe keeps, and score it if its score is not known yet."""
        if self._mean is not None:
            self._network.load_state_dict(self._mean)
            self._score_kept()
            return
        if self._best is not None:
            self._network.load_state_dict(self._best)
            assert self._score is not None
            self._keep(self._score.best([h["score"] for h in self.history]))
        elif self.history and self.history[-1]["step"] == self.steps:
            self._keep(self.history[-1]["score"])
        else:
            self._score_kept()

    def _keep(self, score: float) -> None:
        """Take the scores of the first evaluation that had this one."""
        self.kept_score = score
        self.kept_tasks = next(h["tasks"] for h in self.history if h["score"] == score)

    def _score_kept(self) -> None:
        if self._score is not None:
            self.kept_tasks = self._score.by_task()
            self.kept_score = self._score.together(self.kept_tasks)

    def save(self, folder: Path) -> None:
        """Add what is known to a training state."""
        (folder / HISTORY).write_text(json.dumps(self.history), encoding="utf-8")
        for name, state in ((BEST, self._best), (MEAN, self._mean)):
            if state is not None:
                safetensors.torch.save_file(state, str(folder / name))

    def load(self, folder: Path) -> None:
        """Take it up again."""
        self.resumed_at = int(folder.name.rsplit("-", 1)[1])
        self.history = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
        self._best, self._mean = (
            safetensors.torch.load_file(str(folder / name)) if (folder / name).is_file() else None
            for name in (BEST, MEAN)
        )
        self._progress.done = self.resumed_at
