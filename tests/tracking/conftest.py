"""Trackers on local folders, and a training of two tasks that takes a second."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xharness.spec.recipe import Recipe
from xharness.steps import StepContext, perform
from xharness.steps.tune import Tune

MIXED = Recipe(epochs=3, batch_size=8, learning_rate=3e-3, warmup=0.1, evaluations=3, select="best")


def installed(name: str) -> None:
    """Skip a test whose tracker is not installed."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed: pip install 'xharness-stilts[{name}]'")


def measured(
    work: Tune, root: Path, name: str, report: Callable[[dict[str, Any]], None] = lambda message: None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run a tuning whose inputs were encoded before; what it told a tracker, and its summary."""
    out = root / name
    out.mkdir(parents=True)
    told: list[dict[str, Any]] = []
    scratch = root / f"{name}.scratch"
    summary: dict[str, Any] = {}
    try:
        summary = perform(work, StepContext(lambda key: root / key, out, scratch, report, told.append))
    except InterruptedError:
        out.rmdir()
    return told, summary


@pytest.fixture
def trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, in which every tracker writes; nothing of the user's environment."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "WANDB_", "TRACKIO_", "TENSORBOARD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
