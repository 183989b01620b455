"""Whole runs over broken data and broken checkpoints: those cells fail with a reason, the others are whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tiny import make_encoder, sentiment_rows

SUITE = """title = "broken things"
default_profile = "small"

[grid]
targets = [{targets}]
include = ["none->good[*", "*[whole-*"]

[profile.small]

[[checkpoint]]
name = "whole"
path = "{folder}/whole"
"""
TASK = """name = "{name}"
title = "{name}"
adapter = "classification"
metric = "accuracy"
languages = ["en", "de"]
labels = ["negative", "positive"]

[data]
train = {{ file = "{train}" }}
dev = {{ file = "dev.jsonl" }}
test = {{ file = "{test}" }}

[recipe]
epochs = 1
max_length = 32
"""


def lines(rows: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(row) for row in rows]


ROWS = lines(sentiment_rows(24, 1))
# target -> (its broken file, its lines, what the failed cell says)
TARGETS: dict[str, tuple[str, list[str], tuple[str, ...]]] = {
    "bad_label": (
        "test",
        [*ROWS[:3], '{"text": "a", "label": "positiv"}'],
        ("test.en.jsonl:4:", "'positiv'", "'positive'"),
    ),
    "bad_text": (
        "train",
        [*ROWS[:5], '{"text": 3, "label": 1}', *ROWS],
        ("train.jsonl:6:", "must be a string, found 3"),
    ),
    "cut_off": ("train", [*ROWS, '{"text": "a", "lab'], ("train.jsonl:25:", "is not valid JSON")),
    "empty": ("test", [], ("test [en]", "has no rows")),
    "no_column": ("train", ['{"sentence": "a", "label": 1}'], ("train.jsonl:1:", "no column 'text'", "sentence")),
    "twice": ("test", ['{"id": 1, "text": "a", "label": 1}'] * 2, ("test.en.jsonl:2:", "repeats the id '1'")),
}
# checkpoint -> what its cells say
CHECKPOINTS: dict[str, tuple[str, ...]] = {
    "gone": ("checkpoint gone", "does not exist"),
    "empty_folder": ("checkpoint empty_folder", "config.json"),
    "weightless": ("checkpoint weightless", "weights"),
    "decoder": ("checkpoint decoder", "weights of", "are missing or misshapen, first h.0.attn"),
    "translator": ("checkpoint translator", "weights of", "are missing or misshapen, first encoder.block.0"),
    "garbled": ("checkpoint garbled", "config.json"),
}


@dataclass(frozen=True)
class Ran:
    """A finished run."""

    code: int
    output: str
    cells: dict[str, dict[str, Any]]
    store: Path


def write(path: Path, rows: list[str]) -> None:
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def make_tasks(folder: Path) -> None:
    write(folder / "dev.jsonl", ROWS[:8])
    for name in ("good", "no_file", *TARGETS):
        files = {"train": ROWS, "test": ROWS}
        if name in TARGETS:
            files[TARGETS[name][0]] = TARGETS[name][1]
        write(folder / f"{name}.train.jsonl", files["train"])
        for language in ("en", "de"):
            write(folder / f"{name}.test.{language}.jsonl", files["test"])
        text = TASK.format(name=name, train=f"{name}.train.jsonl", test=f"{name}.test.{{lang}}.jsonl")
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    (folder / "no_file.test.de.jsonl").unlink()


def make_checkpoints(folder: Path) -> None:
    make_encoder(folder / "whole")
    (folder / "empty_folder").mkdir()
    for name, config in (("weightless", None), ("decoder", "gpt2"), ("translator", "t5")):
        make_encoder(folder / name)
        if config is None:
            for weights in (folder / name).glob("*.safetensors"):
                weights.unlink()
        else:
            (folder / name / "config.json").write_text(json.dumps({"model_type": config}))
    make_encoder(folder / "garbled")
    (folder / "garbled" / "config.json").write_text('{"model_type": "xlm-rob')


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "tasks").mkdir()
    make_tasks(folder / "tasks")
    make_checkpoints(folder)
    targets = ", ".join(f'"{name}"' for name in ("good", "no_file", *TARGETS))
    more = "".join(f'\n[[checkpoint]]\nname = "{name}"\npath = "{folder}/{name}"\n' for name in CHECKPOINTS)
    (folder / "suite.toml").write_text(SUITE.format(targets=targets, folder=folder) + more)
    store = folder / "store"
    command = [
        sys.executable,
        "-m",
        "xharness",
        "run",
        "suite.toml",
        "--store",
        str(store),
        "--device",
        "cpu",
        "-n",
        "1",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, timeout=600, check=False,
        env={**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    runs = list((store / "runs").glob("*/run.json"))
    assert runs, done.stdout + done.stderr
    about = json.loads(runs[0].read_text())
    return Ran(done.returncode, done.stdout + done.stderr, {c["name"]: c for c in about["cells"]}, store)


def assert_failed(ran: Ran, cell: str, says: tuple[str, ...]) -> None:
    found = ran.cells[cell]
    # "not run": the tuning under the cell failed, and the reason is the tuning's.
    assert found["status"] in ("failed", "not run"), found
    assert all(s in found["reason"] for s in says), found["reason"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_cell_on_broken_data_fails_with_file_and_line(target: str, ran: Ran) -> None:
    assert_failed(ran, f"none->{target}[whole-0]", TARGETS[target][2])


def test_a_language_without_a_file_fails_its_cell(ran: Ran) -> None:
    assert_failed(ran, "none->no_file[whole-0]", ("no_file.test.de.jsonl", "does not exist"))


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_a_cell_on_a_broken_checkpoint_fails_with_its_name(checkpoint: str, ran: Ran) -> None:
    assert_failed(ran, f"none->good[{checkpoint}-0]", CHECKPOINTS[checkpoint])


def test_the_other_cells_still_run(ran: Ran) -> None:
    assert ran.cells["none->good[whole-0]"]["status"] == "passed"


def test_the_run_ends_with_one_and_shows_reasons_but_no_traceback(ran: Ran) -> None:
    assert ran.code == 1, ran.output
    assert "Traceback" not in ran.output
    assert "internal error" not in ran.output
    for cell, found in ran.cells.items():
        assert cell in ran.output
        assert found["status"] == "passed" or found["reason"].strip(), found


def test_nothing_half_written_stays(ran: Ran) -> None:
    assert not list((ran.store / "tmp").iterdir())
    for step in (ran.store / "steps").iterdir():
        assert (step / "manifest.json").is_file(), step
