"""Running steps in a folder, for tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from xharness.data.encoded import Encoded
from xharness.spec.device import Device
from xharness.spec.recipe import Recipe
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Limit, Split, Task
from xharness.steps import AnyWork, StepContext, perform
from xharness.steps.encode import Encode
from xharness.steps.evaluate import Evaluate
from xharness.steps.tune import Trained, Tune

QUICK = Recipe(epochs=3, batch_size=8, learning_rate=3e-3, warmup=0.1)
WHOLE = Limit()
ENCODES: dict[str, Encode] = {}
"""What the steps made here read, by the name of its folder; made when a step is run."""
NUMBERS = itertools.count()


def run(
    work: AnyWork, root: Path, name: str, report: Callable[[dict[str, Any]], None] = lambda message: None
) -> dict[str, Any]:
    """Perform a step whose output, and whose parents' outputs, are folders of `root`."""
    for key in _encoded(work):
        if not (root / key).exists():
            run(ENCODES[key], root, key)
    out = root / name
    out.mkdir(parents=True)
    return perform(work, StepContext(lambda key: root / key, out, root / f"{name}.scratch", report))


def _encoded(work: AnyWork) -> list[str]:
    if isinstance(work, Encode):
        return [work.labelled_by] if work.labelled_by else []
    if isinstance(work, Tune):
        return [key for task in work.tasks for key in (task.train, task.dev) if key]
    return [work.encoded]


def encoding(
    checkpoint: Checkpoint,
    task: Task,
    *splits: Split,
    recipe: Recipe = QUICK,
    limit: Limit = WHOLE,
    train: bool = False,
    **more: Any,
) -> str:
    """The name under which a split is encoded when a step needs it."""
    name = f"encoded-{next(NUMBERS)}"
    ENCODES[name] = Encode(
        checkpoint=checkpoint, identity="test", tokenizer="test", task=task, splits=splits, train=train,
        limits=tuple(getattr(limit, split) for split in splits), max_length=recipe.max_length,
        doc_stride=recipe.doc_stride, **more,
    )  # fmt: skip
    return name


def encoded(checkpoint: Checkpoint, task: Task, root: Path, split: Split = "test", **more: Any) -> Encoded:
    """An encoded split."""
    name = encoding(checkpoint, task, split, **more)
    run(ENCODES[name], root, name)
    return Encoded(root / name)


def tuning(
    checkpoint: Checkpoint,
    *tasks: Task,
    recipe: Recipe = QUICK,
    device: Device | None = None,
    limit: Limit = WHOLE,
    **more: Any,
) -> Tune:
    """A tuning on whole tasks."""
    trained = []
    for task in (given.model_copy(update={"languages": ("en",)}) for given in tasks):
        train = encoding(checkpoint, task, "train", recipe=recipe, limit=limit, train=True)
        dev = (
            encoding(checkpoint, task, "dev", recipe=recipe, limit=limit, labelled_by=train) if task.data.dev else None
        )
        trained.append(Trained(task=task, train=train, dev=dev, tokens=limit.tokens))
    return Tune(
        checkpoint=checkpoint, identity="test", tasks=tuple(trained), recipe=recipe, device=device or Device(), **more
    )


def evaluation(
    checkpoint: Checkpoint, target: Task, parent: str, tuned_on: str, recipe: Recipe = QUICK, **more: Any
) -> Evaluate:
    """An evaluation of a whole target."""
    test = encoding(checkpoint, target, "test", recipe=recipe)
    return Evaluate(
        checkpoint=checkpoint, identity="test", parent=parent, target=target, tuned_on=tuned_on, encoded=test, **more
    )


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
