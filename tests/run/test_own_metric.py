"""A metric of one's own, from its file in a user's folder to board, choice and comparison."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiny import make_encoder, sentiment, sentiment_rows, write_rows
from tuning import QUICK, evaluation, run, tuning
from xharness.metrics import metric, register_metric
from xharness.metrics.base import Metric
from xharness.spec.recipe import Recipe
from xharness.spec.task import Data, Source, Task

SUITE = """
title = "errors"
plugins = ["error_rate.py"]
[[checkpoint]]
name = "tiny"
path = "encoder"
[grid]
intermediates = ["none", "same"]
targets = ["wrong"]
[recipe.wrong]
epochs = 3
batch_size = 8
learning_rate = 3e-3
evaluations = 6
select = "best"
[recipe.same]
epochs = 1
learning_rate = 1e-9
[[expect]]
cells = "none->wrong*"
at_most = 40
"""
TASK = """
name = "{name}"
title = "{name}"
adapter = "classification"
metric = "{metric}"
also = ["f1_macro", "matthews"]
languages = ["en"]
labels = ["negative", "positive"]
[data]
train = {{ file = "../rows.jsonl" }}
dev = {{ file = "../rows.jsonl" }}
test = {{ file = "../rows.jsonl" }}
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "XHARNESS_STORE"}


def xharness(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xharness", *words]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: a metric from `xharness new metric`, two tasks and a suite that has run."""
    here = tmp_path_factory.mktemp("own")
    made = xharness(here, "new", "metric", "error_rate")
    assert made.returncode == 0, made.stderr
    make_encoder(here / "encoder")
    write_rows(here / "rows.jsonl", sentiment_rows(120, 1))
    (here / "tasks").mkdir()
    for name in ("wrong", "same"):
        (here / "tasks" / f"{name}.toml").write_text(TASK.format(name=name, metric="error_rate"))
    (here / "suite.toml").write_text(SUITE)
    ran = xharness(here, "run", "suite.toml", "--store", "store")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "error_rate (lower is better): wrong" in ran.stdout
    return here


def cells(folder: Path) -> list[dict]:
    (found,) = (folder / "store" / "runs").glob("*/run.json")
    return json.loads(found.read_text())["cells"]


def test_the_lowest_dev_score_is_chosen_and_kept(folder):
    for cell in cells(folder):
        (step,) = (folder / "store" / "steps").glob(cell["key"])
        needs = json.loads((step / "manifest.json").read_text())["needs"]
        tuned = next(key for key in needs if key.startswith("tune-"))
        summary = json.loads((folder / "store" / "steps" / tuned / "manifest.json").read_text())["summary"]
        assert summary["dev"] == min(e["score"] for e in summary["evaluations"])
        assert summary["dev"] < max(e["score"] for e in summary["evaluations"])
    board = json.loads(xharness(folder, "show", "--store", "store", "--format", "json").stdout)["board"]
    best = min(cells(folder), key=lambda c: c["dev"])
    assert any(f"wrong: {best['intermediate']}" in note for note in board["footnotes"])


def test_every_format_and_the_comparison_know_it_in_a_new_process(folder):
    for form in ("latex", "html", "csv", "json"):
        shown = xharness(folder, "show", "--store", "store", "--format", form)
        assert shown.returncode == 0, shown.stderr
        assert "error_rate" in shown.stdout or form == "latex"
    compared = xharness(folder, "compare", "none", "same", "--store", "store")
    assert compared.returncode == 0, compared.stderr
    assert "wrong" in compared.stdout
    again = xharness(folder, "run", "suite.toml", "--store", "store")
    assert "0 steps made" in again.stdout


def test_a_new_version_of_a_metric_is_scored_anew(folder):
    file = folder / "error_rate.py"
    before = file.read_text()
    file.write_text(before.replace("version=1,", "version=2,"))
    ended = xharness(folder, "plan", "suite.toml", "--store", "store")
    file.write_text(before)
    assert "to do" in ended.stdout


def test_a_plug_in_may_not_take_the_name_of_another_metric(folder):
    (folder / "second.py").write_text((folder / "error_rate.py").read_text())
    (folder / "taken.py").write_text(
        (folder / "error_rate.py").read_text().replace('name="error_rate"', 'name="accuracy"')
    )
    for file, said in (("second.py", "error_rate.py"), ("taken.py", "is installed")):
        suite = SUITE.replace('["error_rate.py"]', f'["error_rate.py", "{file}"]')
        (folder / "double.toml").write_text(suite)
        ended = xharness(folder, "check", "double.toml")
        assert ended.returncode == 4
        assert "one of that name" in ended.stdout + ended.stderr
        assert said in ended.stdout + ended.stderr


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_metric_that_does_not_fit_the_labels_is_refused(tmp_path, command):
    rows = [{"tokens": ["a", "dog"], "tags": ["DET", "NOUN"]}] * 4
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tasks").mkdir()
    text = TASK.format(name="tags", metric="f1_entity").replace('"classification"', '"tagging"')
    text = text.replace('also = ["f1_macro", "matthews"]\n', "").replace(
        '"negative", "positive"', '"DET", "NOUN", "VERB"'
    )
    (tmp_path / "tasks" / "tags.toml").write_text(text)
    suite = SUITE.replace('plugins = ["error_rate.py"]\n', "").replace('"wrong"', '"tags"').replace(', "same"', "")
    (tmp_path / "suite.toml").write_text(suite.partition("[recipe.wrong]")[0])
    ended = xharness(tmp_path, command, "suite.toml")
    assert ended.returncode == 4
    assert "'f1_entity' does not fit the task" in ended.stdout + ended.stderr
    assert "tags.toml:5" in ended.stdout + ended.stderr


def test_labels_that_are_learned_from_the_data_are_looked_at_too(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"tokens": ["old", "dog"], "tags": ["ADJ", "NOUN"]}) + "\n" for _ in range(8)))
    source = (Source(file=str(rows)),)
    task = Task(name="tags", title="", adapter="tagging", metric="f1_entity", data=Data(train=source, test=source),
                languages=("en",))  # fmt: skip
    run(tuning(checkpoint, task, recipe=Recipe(epochs=1, batch_size=8)), tmp_path, "tuned")
    with pytest.raises(Exception, match=r"the metric f1_entity does not fit: .*ADJ is none"):
        run(evaluation(checkpoint, task, "tuned", "tags"), tmp_path, "scores")


def test_a_regression_is_learned_and_scored_by_pearson(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    task = sentiment(tmp_path / "data", n=200, languages=("en",))
    task = task.model_copy(update={"labels": (), "label_map": {}, "metric": "pearson", "options": {"regression": True}})
    summary = run(tuning(checkpoint, task, recipe=QUICK.model_copy(update={"epochs": 6})), tmp_path, "tuned")
    assert summary["dev"] > 90
    run(evaluation(checkpoint, task, "tuned", "sentiment"), tmp_path, "scores")
    found = json.loads((tmp_path / "scores" / "scores.json").read_text())["languages"]["en"]
    assert found["score"] > 90
    assert found["chance"] == 0


def test_a_registered_metric_is_found_by_its_name():
    own = Metric("mine", "", ("n",), metric("accuracy").outcomes, metric("accuracy").values, ("accuracy",))
    register_metric(own)
    assert metric("mine") is own
