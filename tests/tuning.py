"""Running steps in a folder, for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from xharness.spec.device import Device
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Limit, Recipe, Task
from xharness.steps import AnyWork, StepContext, perform
from xharness.steps.evaluate import Evaluate
from xharness.steps.tune import Trained, Tune

QUICK = Recipe(epochs=3, batch_size=8, learning_rate=3e-3, warmup=0.1)


def run(
    work: AnyWork, root: Path, name: str, report: Callable[[dict[str, Any]], None] = lambda message: None
) -> dict[str, Any]:
    """Perform a step whose output, and whose parents' outputs, are folders of `root`."""
    out = root / name
    out.mkdir(parents=True)
    return perform(work, StepContext(lambda key: root / key, out, root / f"{name}.scratch", report))


def tuning(
    checkpoint: Checkpoint, *tasks: Task, recipe: Recipe = QUICK, device: Device | None = None, **more: Any
) -> Tune:
    """A tuning on whole tasks."""
    trained = tuple(Trained(task=task, recipe=recipe, limit=Limit()) for task in tasks)
    return Tune(checkpoint=checkpoint, identity="test", tasks=trained, recipe=recipe, device=device or Device(), **more)


def evaluation(checkpoint: Checkpoint, target: Task, parent: str, tuned_on: str, **more: Any) -> Evaluate:
    """An evaluation of a whole target."""
    settings: dict[str, Any] = {"recipe": QUICK, "limit": Limit(), **more}
    return Evaluate(checkpoint=checkpoint, identity="test", parent=parent, target=target, tuned_on=tuned_on, **settings)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All weights of a tuned folder."""
    return {
        **safetensors.torch.load_file(folder / "encoder" / "model.safetensors"),
        **safetensors.torch.load_file(folder / "heads.safetensors"),
    }


def same(one: Path, other: Path) -> bool:
    """Whether two tuned folders hold the same weights to the last bit."""
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
