"""`xharness status` says what a run under way is doing, from another shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xharness.session.status import progress, progress_of
from xharness.store.runs import going

FACTS = {"title": "A run", "profile": "micro", "started": 1000.0, "workers": 2}
TOLD = [
    {"event": "begin", "time": 1000.0, "pending": ["a", "b", "c", "d"], "reused": ["z"]},
    {"event": "start", "time": 1001.0, "key": "a", "label": "encode x", "worker": 0},
    {"event": "start", "time": 1001.0, "key": "b", "label": "tune x", "worker": 1},
    {"event": "done", "time": 1011.0, "key": "a"},
    {"event": "start", "time": 1011.0, "key": "c", "label": "tune y", "worker": 0},
    {"event": "failed", "time": 1015.0, "key": "c", "message": "the disk is full"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from xharness.store.runs import write_run

    run = tmp_path / "runs" / "20260101-000000-a-micro-0000"
    run.mkdir(parents=True)
    write_run(run, FACTS)
    torn = '{"event": "done", "time": 1016.0, "key'
    (run / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in TOLD) + torn)
    return run


def test_a_run_is_told_by_its_events_up_to_the_line_that_is_being_written(folder: Path) -> None:
    found = progress_of(folder, 1021.0)
    assert found is not None
    assert (found.done, found.steps, found.reused) == (2, 4, 1)
    assert [(step.label, step.worker, step.seconds) for step in found.running] == [("tune x", 1, 20.0)]
    assert found.failed == (("tune y", "the disk is full"),)
    # One step took ten seconds, two are left for two workers.
    assert found.left == 10.0
    assert found.seconds == 21.0


def test_only_what_a_living_process_is_at_is_under_way(folder: Path) -> None:
    store = folder.parent.parent
    assert progress(store) == []
    with going(folder):
        assert [one.run for one in progress(store)] == [folder.name]


def test_the_command_says_it_in_words_and_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from xharness.cli.status import status

    store = folder.parent.parent
    status(store)
    assert "no run is under way" in capsys.readouterr().out
    with going(folder):
        status(store)
        said = capsys.readouterr().out
        status(store, as_json=True)
        told = json.loads(capsys.readouterr().out)
    assert "A run · profile micro" in said
    assert "2 of 4 steps" in said
    assert "worker 1: tune x" in said
    assert "failed: tune y: the disk is full" in said
    assert told["steps"] == 4


def test_a_run_that_has_written_nothing_yet_is_no_error(tmp_path: Path) -> None:
    assert progress(tmp_path) == []
    (tmp_path / "runs" / "x").mkdir(parents=True)
    assert progress_of(tmp_path / "runs" / "x", 0.0) is None
