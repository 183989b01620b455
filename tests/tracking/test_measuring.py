"""What a training tells a tracker, and that telling changes nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import xharness.training.progress
from conftest import MIXED, measured
from tiny import make_encoder, sentiment
from tuning import run, same, tuning
from xharness.spec.device import Device
from xharness.steps.tune import Tune


@pytest.fixture
def work(tmp_path: Path) -> Tune:
    checkpoint = make_encoder(tmp_path / "checkpoint")
    tasks = sentiment(tmp_path / "data", n=48), sentiment(tmp_path / "data", name="second", n=32)
    return tuning(checkpoint, *tasks, recipe=MIXED, device=Device(save_seconds=0.0))


def test_a_measured_training_ends_with_the_same_bits_as_one_that_nobody_tracks(work: Tune, tmp_path: Path) -> None:
    plain = run(work, tmp_path, "plain")
    told, summary = measured(work, tmp_path, "measured")
    assert len(told) > 10
    assert same(tmp_path / "plain", tmp_path / "measured")
    assert summary["losses"] == plain["losses"]
    assert summary["evaluations"] == plain["evaluations"]


def test_losses_by_task_learning_rate_speed_and_dev_scores_are_told(work: Tune, tmp_path: Path) -> None:
    run(work, tmp_path, "plain")
    (begun, *points), summary = measured(work, tmp_path, "measured")
    assert begun["event"] == "training"
    assert begun["steps"] == len(points) == summary["steps"]
    values = [point["values"] for point in points]
    for task, mean in summary["losses"].items():
        own = [v[f"loss_{task}"] for v in values if f"loss_{task}" in v]
        assert sum(own) / len(own) == pytest.approx(mean, rel=1e-4)
    assert values[-1]["learning_rate"] == pytest.approx(0, abs=1e-9)
    assert max(v["learning_rate"] for v in values) == pytest.approx(MIXED.learning_rate)
    assert all(v["tokens_per_second"] > 0 for v in values)
    scored = {p["step"]: p["values"] for p in points if "eval_dev" in p["values"]}
    assert {step: v["eval_dev"] for step, v in scored.items()} == {
        h["step"]: h["score"] for h in summary["evaluations"]
    }
    assert all({"eval_dev_sentiment", "eval_dev_second"} <= v.keys() for v in scored.values())


def test_a_resumed_training_is_the_same_training_and_tells_on(
    work: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xharness.training.progress, "INTERVAL", 0)
    run(work, tmp_path, "plain")

    def stop(message: dict[str, object]) -> None:
        if message["unit"] == "steps" and message["done"] == 9:
            raise InterruptedError

    (first, *_), _ = measured(work, tmp_path, "killed", stop)
    (second, *points), summary = measured(work, tmp_path, "killed")
    assert first["training"] == second["training"]
    assert first["resumed_at"] == 0
    assert second["resumed_at"] == summary["resumed_at"] == 8
    assert [point["step"] for point in points] == list(range(9, second["steps"] + 1))
    assert same(tmp_path / "plain", tmp_path / "killed")
    (other, *_), _ = measured(work, tmp_path, "anew")
    assert other["training"] != first["training"]
