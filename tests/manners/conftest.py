"""A small house to run in: a suite of two rows by three targets, its data, and phases that only pretend."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from inprocess import called

STAND_IN = Path(__file__).parent / "stand_in"

SUITE = """
title = "a small house"

[[checkpoint]]
name = "fake"
path = "encoder"

[grid]
intermediates = ["none", "colours"]
targets = ["animals", "plants", "pairs"]

[[mark]]
cells = "colours->plants*"
name = "slow"
"""
TASK = """
name = "{name}"
title = "{name}"
adapter = "classification"
metric = "accuracy"
labels = ["yes", "no"]
languages = {languages}
tags = ["{tag}"]
[data]
train = {{ file = "../rows/{name}.train.jsonl" }}
dev = {{ file = "../rows/{name}.dev.jsonl" }}
test = {{ file = "../rows/{name}.{{lang}}.jsonl" }}
"""
PAIRS = """
name = "pairs"
title = "pairs"
adapter = "retrieval"
metric = "accuracy_tatoeba"
languages = ["de", "fr"]
[data]
test = { file = "../rows/pairs.{lang}.jsonl" }
"""


def default_signals() -> None:
    """A test run in the background ignores interrupts, and what it starts would inherit that."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class House:
    """A folder with a suite, and a command line in it."""

    root: Path
    env: dict[str, str]

    @property
    def suite(self) -> Path:
        return self.root / "small.toml"

    @property
    def store(self) -> Path:
        return self.root / "store"

    def command(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "xharness", *map(str, words)]

    def __call__(self, *words: object, **env: str) -> subprocess.CompletedProcess[str]:
        """`xharness WORD…` in this process; its workers are processes of their own."""
        arguments = ["xharness", *map(str, words)]
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, {**self.env, **env}),
            mock.patch.object(sys, "argv", arguments),
            contextlib.chdir(self.root),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = called()
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def run(self, *words: object, **env: str) -> subprocess.CompletedProcess[str]:
        """`xharness run small.toml …` on one worker."""
        return self("run", "small.toml", "-n", 1, *words, **env)

    def last(self) -> dict[str, Any]:
        """The newest run's record."""
        folder = sorted((self.store / "runs").glob("*/run.json"), key=lambda p: p.stat().st_mtime_ns)[-1]
        found: dict[str, Any] = json.loads(folder.read_text())
        return found

    def rows(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Write a data file."""
        (self.root / "rows" / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def statuses(house: House) -> dict[str, str]:
    """Short name -> status of the cells of the newest run."""
    return {c["name"].split("[")[0]: c["status"] for c in house.last()["cells"]}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return make_house(tmp_path)


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house where both rows of one target have been run; for tests that leave that as it is."""
    made = make_house(tmp_path_factory.mktemp("lived_in"))
    ended = made.run("*->animals")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return made


def make_house(tmp_path: Path) -> House:
    """A house in an empty folder."""
    for folder in ("encoder", "tasks", "rows"):
        (tmp_path / folder).mkdir()
    (tmp_path / "encoder" / "config.json").write_text("{}")
    (tmp_path / "small.toml").write_text(SUITE.replace('"encoder"', f'"{tmp_path / "encoder"}"'))
    path = os.pathsep.join(filter(None, [str(STAND_IN), os.environ.get("PYTHONPATH")]))
    made = House(
        tmp_path, {**os.environ, "PYTHONPATH": path, "XHARNESS_STORE": str(tmp_path / "store"), "COLUMNS": "150"}
    )
    text = [{"text": f"row {i}", "label": "yes" if i % 2 else "no"} for i in range(6)]
    for name, languages, tag in (
        ("colours", ["en"], "x"),
        ("animals", ["en", "de"], "zoo"),
        ("plants", ["en", "fr"], "x"),
    ):
        (tmp_path / "tasks" / f"{name}.toml").write_text(
            TASK.format(name=name, languages=json.dumps(languages), tag=tag)
        )
        for part in ("train", "dev", *languages):
            made.rows(f"{name}.{part}.jsonl", text)
    (tmp_path / "tasks" / "pairs.toml").write_text(PAIRS)
    for language in ("de", "fr"):
        made.rows(f"pairs.{language}.jsonl", [{"source": f"a {i}", "target": f"b {i}"} for i in range(3)])
    return made
