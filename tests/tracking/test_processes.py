"""A tracker in its own process, read back by its own reader; and one that fails."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import installed
from xharness.tracking.tracking import Process

SOON = 300.0
"""Seconds; a busy machine takes its time to import what a tracker needs."""
TRAINING = {
    "do": "begin",
    "kind": "training",
    "id": "tune-0123-abcdef01",
    "name": "tune tiny on mnli, seed 0",
    "group": "the-run",
    "tags": {"xharness.run": "the-run", "xharness.step": "tune-0123", "xharness.kind": "training"},
    "settings": {"step": "tune-0123", "recipe.learning_rate": 0.001, "tasks": "mnli"},
    "lineage": {"needs": {"encode-1": {"label": "encode mnli", "needs": []}}},
    "resumed_at": 0,
}


def points(*steps: int) -> list[dict[str, Any]]:
    return [{"do": "log", "step": n, "values": {"loss": 1 / n, "loss_mnli": 1 / n, "eval_dev": 50.0}} for n in steps]


def tell(tracker: str, folder: Path, *orders: dict[str, Any]) -> str:
    """Give a tracker its orders and let it end; why it failed, if it did."""
    process = Process(tracker, folder / "log")
    for order in orders:
        process.send(order)
    process.close()
    process.wait(time.monotonic() + SOON)
    return process.said


def killed_and_resumed(tracker: str, folder: Path) -> None:
    """A training whose run is gone after step 5, of which step 4 was saved, and a second run that goes on."""
    assert not tell(tracker, folder, TRAINING, *points(1, 2, 3, 4, 5))
    end = {"do": "end", "status": "finished"}
    assert not tell(tracker, folder, {**TRAINING, "group": "other", "resumed_at": 4}, *points(5, 6), end)


def test_tensorboard_reads_one_run_of_a_training_that_was_killed_and_resumed(trackers: Path) -> None:
    installed("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    killed_and_resumed("tensorboard", trackers)
    (folder,) = (trackers / "runs").iterdir()
    found = EventAccumulator(str(folder))
    found.Reload()
    assert {"train/loss", "train/loss_mnli", "eval/dev"} <= set(found.Tags()["scalars"])
    losses = found.Scalars("train/loss")
    assert [event.step for event in losses] == [1, 2, 3, 4, 5, 6]
    assert [event.value for event in losses] == pytest.approx([1 / n for n in range(1, 7)])
    assert b"encode mnli" in found.Tensors("args/text_summary")[0].tensor_proto.string_val[0]


def test_mlflow_reads_one_run_of_a_training_that_was_killed_and_resumed(trackers: Path) -> None:
    installed("mlflow")
    from mlflow import MlflowClient

    client = MlflowClient(str(trackers / "mlruns"))
    assert not tell("mlflow", trackers, TRAINING, *points(1, 2, 3, 4, 5))
    experiment = client.get_experiment_by_name("xharness")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED"
    end = {"do": "end", "status": "finished"}
    assert not tell("mlflow", trackers, {**TRAINING, "group": "other", "resumed_at": 4}, *points(5, 6), end)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == TRAINING["name"]
    assert run.data.params["recipe.learning_rate"] == "0.001"
    assert run.data.tags["xharness.step"] == "tune-0123"
    history = client.get_metric_history(run.info.run_id, "loss_mnli")
    assert {metric.step: metric.value for metric in history} == {n: 1 / n for n in range(1, 7)}
    (lineage,) = client.list_artifacts(run.info.run_id)
    assert lineage.path == "lineage.json"


def test_wandb_writes_a_folder_for_each_of_two_runs_without_network(trackers: Path) -> None:
    installed("wandb")
    end = {"do": "end", "status": "finished"}
    other = {**TRAINING, "id": "the-run", "name": "the-run", "kind": "run"}
    assert not tell("wandb", trackers, TRAINING, *points(1, 2), end, other, *points(1), end)
    written = sorted(path.name for path in (trackers / "wandb").glob("offline-run-*/run-*.wandb"))
    assert written == ["run-the-run.wandb", "run-tune-0123-abcdef01.wandb"]


def test_trackio_keeps_one_run_of_a_training_that_was_killed_and_resumed(trackers: Path) -> None:
    installed("trackio")
    import sqlite3

    killed_and_resumed("trackio", trackers)
    with sqlite3.connect(trackers / "trackio" / "xharness.db") as opened:
        rows = opened.execute("SELECT DISTINCT run_name FROM metrics").fetchall()
    assert rows == [("tune tiny on mnli, seed 0 abcdef01",)]


def test_a_tracker_whose_folder_is_lost_in_the_middle_says_so_and_ends(trackers: Path) -> None:
    installed("mlflow")
    process = Process("mlflow", trackers / "log")
    process.send(TRAINING)
    process.send(points(1)[0])
    until = time.monotonic() + SOON
    while not list(trackers.glob("mlruns/*/*/metrics/loss")) and time.monotonic() < until:
        pass
    shutil.rmtree(trackers / "mlruns")
    (trackers / "mlruns").write_text("a file in its place")
    for order in points(2, 3):
        process.send(order)
    process.close()
    process.wait(until)
    assert process.said


def test_a_tracker_that_hangs_is_given_up_when_the_time_has_come(trackers: Path) -> None:
    installed("tensorboard")
    process = Process("tensorboard", trackers / "log")
    process.send(TRAINING)
    process.wait(time.monotonic())  # Nobody has closed it, so it would wait for more.
    assert "in time" in process.said
