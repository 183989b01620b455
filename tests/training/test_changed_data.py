"""Data that change between a run's plan and its steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xharness.data.fingerprints import fingerprints, planned_examples
from xharness.errors import DataError, Unforeseen
from xharness.spec.load import load_suite
from xharness.spec.task import Data, Limit, Source, Task

SUITE = """
title = "colours"
checkpoint = [{ name = "c", path = "." }]
[grid]
targets = ["colours"]
"""
TASK = """
name = "colours"
title = "Colours"
adapter = "classification"
metric = "accuracy"
labels = ["red", "blue"]
languages = ["en", "de"]
[data]
train = { file = "rows.en.jsonl" }
test = { file = "rows.{lang}.jsonl" }
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "suite.toml").write_text(SUITE)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "colours.toml").write_text(TASK)
    _write(tmp_path, "en", "red")
    _write(tmp_path, "de", "red")
    return load_suite(str(tmp_path / "suite.toml")).tasks["colours"]


def _write(folder: Path, language: str, label: str) -> None:
    rows = [{"text": f"{language} {i}", "label": label} for i in range(4)]
    (folder / "tasks" / f"rows.{language}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_rows_are_read_while_they_are_what_they_were(task: Task, tmp_path: Path) -> None:
    planned = fingerprints(task, ("test",))
    for language in ("en", "de"):
        assert len(planned_examples(task, "test", language, Limit(), planned)) == 4
    _write(tmp_path, "de", "blue")
    assert len(planned_examples(task, "test", "en", Limit(), planned)) == 4
    with pytest.raises(Unforeseen, match=r"rows\.de\.jsonl: has changed since this run was planned"):
        planned_examples(task, "test", "de", Limit(), planned)


def test_a_file_that_has_vanished_is_no_result_but_one_that_was_never_there_is(task: Task, tmp_path: Path) -> None:
    planned = fingerprints(task, ("test",))
    (tmp_path / "tasks" / "rows.de.jsonl").unlink()
    with pytest.raises(Unforeseen, match="does not exist"):
        planned_examples(task, "test", "de", Limit(), planned)
    later = fingerprints(task, ("test",))
    assert later != planned
    with pytest.raises(DataError, match="does not exist"):
        planned_examples(task, "test", "de", Limit(), later)
    _write(tmp_path, "de", "red")
    with pytest.raises(Unforeseen, match="has changed"):
        planned_examples(task, "test", "de", Limit(), later)


def test_the_same_bytes_read_in_another_way_are_other_data(tmp_path: Path) -> None:
    ways = [
        {"file": "a.txt"},
        {"file": "a.tsv"},
        {"file": "a.tsv", "format": "columns"},
        {"file": "a.tsv", "encoding": "latin-1"},
        {"file": "a.tsv", "delimiter": ";"},
        {"file": "a.tsv", "header": False},
    ]
    found = set()
    for way in ways:
        (tmp_path / way["file"]).write_text("a\tb\n")
        source = Source(**{**way, "file": str(tmp_path / way["file"])})
        task = Task(name="a", title="a", adapter="classification", metric="accuracy", data=Data(test=(source,)))
        found.add(fingerprints(task, ("test",)))
    assert len(found) == len(ways)
