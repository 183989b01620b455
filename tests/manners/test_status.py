"""`xharness status` says what a run under way is doing, from another shell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from xharness.errors import UsageError
from xharness.report.status_page import status_page
from xharness.session.status import Notes, Progress, progress, progress_of
from xharness.store.runs import going, write_run

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
    assert found.failed == (("tune y", "the disk is full", 6.0),)
    # One step took ten seconds, two are left for two workers, one of them for longer than that already.
    assert found.left == 7.5
    assert found.seconds == 21.0


def test_a_line_that_is_no_event_hides_no_run(folder: Path) -> None:
    whole = progress_of(folder, 1021.0)
    wrong = [
        b"null",
        b"[1]",
        b'{"a": 1}',
        b'{"event": "begin", "time": 1}',
        b'{"event": "begin"}',
        b"\xff\xfe",
        b"\0" * 99,
    ]
    wrong += [b'{"event": "start", "time": "x", "key": "q"}']
    (folder / "events.jsonl").write_bytes(
        b"\n".join([b"{torn", *wrong])
        + b"\n"
        + (folder / "events.jsonl").read_bytes()
        + b"\n"
        + b"\n".join(wrong)
        + b"\n"
    )
    assert progress_of(folder, 1021.0) == whole


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
    assert re.search(r"failed .* ago: tune y: the disk is full", said)
    assert told["steps"] == 4


def test_a_run_that_has_written_nothing_yet_is_no_error(tmp_path: Path) -> None:
    assert progress(tmp_path) == []
    (tmp_path / "runs" / "x").mkdir(parents=True)
    assert progress_of(tmp_path / "runs" / "x", 0.0) is None


def test_what_is_left_is_reckoned_by_the_kind_of_the_steps(tmp_path: Path) -> None:
    told = [
        {"event": "begin", "time": 0.0, "pending": ["encode-1", "tune-1", "tune-2", "mine-1"], "reused": []},
        {"event": "start", "time": 0.0, "key": "encode-1", "label": "encode x", "worker": 0},
        {"event": "done", "time": 2.0, "key": "encode-1"},
        {"event": "start", "time": 2.0, "key": "tune-1", "label": "tune x", "worker": 0},
        {"event": "done", "time": 102.0, "key": "tune-1"},
        {"event": "start", "time": 102.0, "key": "tune-2", "label": "tune y", "worker": 0},
    ]
    found = progress_of(_run(tmp_path, told), 112.0)
    assert found is not None
    # 90 seconds of the second training; mining is of no kind that was made, and taken for the mean of all: 51.
    assert found.left == (90 + 51) / 2


def test_how_far_and_where_a_step_is(tmp_path: Path) -> None:
    told = [
        {"event": "begin", "time": 0.0, "pending": ["a", "b"], "reused": []},
        {"event": "start", "time": 0.0, "key": "a", "label": "tune x", "worker": 0},
        {"event": "queued", "time": 1.0, "key": "a"},
        {"event": "start", "time": 0.0, "key": "b", "label": "tune y", "worker": 1},
        {"event": "queued", "time": 1.0, "key": "b"},
        {"event": "began", "time": 5.0, "key": "b", "where": "node7"},
    ]
    folder = _run(tmp_path, told)
    with Notes(folder) as note:
        note({"event": "progress", "key": "b", "done": 1200, "total": 4000, "unit": "steps", "tokens_per_second": 950})
        found = progress_of(folder, 15.0)
        assert found is not None
        assert [(s.where, s.waiting, s.seconds, s.words()) for s in found.running] == [
            ("", True, 14.0, "waits for a place"),
            ("node7", False, 10.0, "1,200 of 4,000 steps, 950 tokens/s"),
        ]
    assert sorted(path.name for path in folder.iterdir()) == ["events.jsonl", "run.json"]


def test_a_note_is_of_steps_under_way_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xharness.session.status.NOTED_SECONDS", 0.0)
    told = {"event": "progress", "done": 1, "total": 2, "unit": "steps"}
    with Notes(tmp_path) as note:
        for number, end in enumerate(("done", "failed", "worker_lost", "remake")):
            note({**told, "key": f"tune-{number}"})
            note({"event": end, "key": f"tune-{number}"})
        note({**told, "key": "tune-9"})
        assert json.loads((tmp_path / "now.json").read_text()).keys() == {"tune-9"}


def test_a_note_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    with Notes(tmp_path / "gone") as note:
        note({"event": "progress", "key": "a", "done": 1, "total": 2, "unit": "steps"})


def test_the_page_escapes_and_reads_itself_again_until_nothing_is_left(folder: Path) -> None:
    from xharness.cli.status import status

    store, page = folder.parent.parent, folder / "status.html"
    with (folder / "events.jsonl").open("w") as stream:
        for event in [*TOLD[:-1], {**TOLD[-1], "message": "<script>alert(1)</script>"}]:
            stream.write(json.dumps(event) + "\n")
    with going(folder):
        status(store, output=page)
        said = page.read_text()
    assert "&lt;script&gt;alert(1)" in said
    assert "<script" not in said
    assert "tune x" in said
    assert 'http-equiv="refresh"' not in said
    status(store, output=page, every=5)
    assert "No run is under way." in page.read_text()
    assert 'http-equiv="refresh"' not in page.read_text()
    assert 'content="5"' in status_page(_standing(folder), store, 5)


def test_every_is_of_a_page(tmp_path: Path) -> None:
    from xharness.cli.status import status

    with pytest.raises(UsageError, match="--every: is of a page"):
        status(tmp_path, every=5)


def _standing(folder: Path) -> list[Progress]:
    found = progress_of(folder, 1021.0)
    assert found is not None
    return [found]


def _run(root: Path, told: list[dict[str, Any]]) -> Path:
    write_run(root, FACTS)
    (root / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in told))
    return root
