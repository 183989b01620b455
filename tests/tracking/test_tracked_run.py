"""`xharness run --track`: tracked, the same as untracked, and unharmed by a tracker that fails."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import installed
from inprocess import called
from xharness.errors import UsageError
from xharness.tracking.names import TRACKERS, required

ROOT = Path(__file__).parents[2]
SUITE = """
extends = "{suite}"
title = "one target"
[grid]
intermediates = ["none"]
targets = ["pawsx"]
[profile.micro.limit]
train = 32
dev = 16
test = 8
[profile.micro.recipe]
epochs = 1
"""


def xharness(*words: object) -> tuple[int, str, str]:
    """The command's exit code, output and errors; its workers are processes of their own."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["xharness", *map(str, words)])
        patch.setenv("COLUMNS", "200")
        code = called()
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def suite(trackers: Path) -> Path:
    path = trackers / "one.toml"
    path.write_text(SUITE.format(suite=os.path.relpath(ROOT / "suites" / "xtreme.toml", trackers)))
    return path


def made(store: Path) -> dict[str, Any]:
    """Key -> checksums of what the step made, but for how long it took; every tuned weight is in them."""
    manifests = [json.loads(path.read_text()) for path in (store / "steps").glob("*/manifest.json")]
    return {m["key"]: m["files"] for m in manifests}


def newest(store: Path, name: str) -> str:
    return max((store / "runs").glob(f"*/{name}"), key=lambda path: path.stat().st_mtime_ns).read_text()


def test_a_tracked_run_makes_what_an_untracked_one_makes_and_is_read_back(suite: Path, trackers: Path) -> None:
    installed("mlflow")
    installed("tensorboard")
    from mlflow import MlflowClient

    plain, tracked = trackers / "plain", trackers / "tracked"
    words = ("run", suite, "-n", 1, "--keep", "all", "--store")
    code, out, err = xharness(*words, plain)
    assert code == 0, out + err
    code, out, err = xharness(*words, tracked, "--track", "mlflow", "--track", "tensorboard")
    assert (code, err) == (0, "")
    assert "tracked with mlflow, tensorboard: this run and 1 training\n" in out
    assert made(plain) == made(tracked)
    assert newest(plain, "records.jsonl") == newest(tracked, "records.jsonl")

    client = MlflowClient(str(trackers / "mlruns"))
    experiment = client.get_experiment_by_name("xharness").experiment_id
    found = {run.data.tags["xharness.kind"]: run for run in client.search_runs([experiment])}
    run, training = found["run"], found["training"]
    assert training.data.tags["mlflow.parentRunId"] == run.info.run_id
    assert training.data.tags["xharness.run"] == run.info.run_name
    assert training.data.params["step"] in made(tracked)
    summary = json.loads((tracked / "steps" / training.data.params["step"] / "manifest.json").read_text())["summary"]
    assert training.data.metrics["eval_kept"] == pytest.approx(summary["dev"])
    records = [json.loads(line) for line in newest(tracked, "records.jsonl").splitlines()]
    scores = {f"test_none/pawsx/tiny-0/{r['language']}": r["value"] for r in records if r["metric"] == "accuracy"}
    assert run.data.metrics.pop("test_none/pawsx/tiny-0/mean") == pytest.approx(sum(scores.values()) / len(scores))
    assert run.data.metrics == pytest.approx(scores)
    lineage = json.loads(next((trackers / "mlruns").glob(f"*/{run.info.run_id}/artifacts/lineage.json")).read_text())
    assert lineage["steps"].keys() == made(tracked).keys()
    assert lineage["cells"]["none->pawsx[tiny-0]"]["status"] == "passed"
    assert len(list((trackers / "runs").iterdir())) == 2

    code, out, err = xharness(*words, tracked, "--track", "mlflow")
    assert (code, err) == (0, "")
    assert "tracked with mlflow: this run and 0 trainings; 1 training reused from the store, not tracked again" in out
    kinds = sorted(run.data.tags["xharness.kind"] for run in client.search_runs([experiment]))
    assert kinds == ["run", "run", "training"]


def test_a_tracker_that_cannot_write_is_one_warning_and_the_run_passes(
    suite: Path, trackers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("mlflow")
    (trackers / "full").write_text("no folder")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(trackers / "full" / "mlruns"))
    code, out, err = xharness("run", suite, "-n", 1, "--store", trackers / "store", "--track", "mlflow")
    assert code == 0
    assert "1 passed" in out
    assert "tracked with" not in out
    (warning,) = err.splitlines()
    assert warning.startswith("warning: mlflow is told nothing more of this run: ")


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_that_is_not_installed_is_one_sentence_before_anything_runs(
    name: str, suite: Path, trackers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr("xharness.tracking.names.find_spec", lambda n: None if n == name else there(n))
    code, out, err = xharness("run", suite, "--store", trackers / "store", "--track", name)
    assert code == 4
    assert err == f"error: --track {name}: it is not installed. Install it: pip install 'xharness-stilts[{name}]'\n"
    assert not out
    assert not (trackers / "store").exists()


def test_a_folder_that_a_tracker_wrote_is_not_taken_for_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    importlib.invalidate_caches()
    with pytest.raises(UsageError, match="not installed"):
        required(["wandb"])


def test_an_unknown_tracker_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'mlflow'"):
        required(["mlfow"])
