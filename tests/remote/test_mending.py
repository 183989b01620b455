"""What was damaged or lost in a remote store is put there again; what is cleared away there is what nobody needs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from xharness.remote import care
from xharness.remote import runs as runs_there
from xharness.remote.place import Folder, place_at
from xharness.store.files import write_json
from xharness.store.steps import MANIFEST, Store

from .conftest import Lab, counts, flip, reseal, scores
from .test_runs_there import DAY, Meeting, aged, pushed


@pytest.fixture
def shared(lab: Lab, far: Path) -> Meeting:
    """By a shared folder, with one run pushed there."""
    return pushed(lab, far, "colours->plants")


@pytest.mark.parametrize("what", ["scores.json", "records.jsonl", "index.json", "manifest.json", "no records.jsonl"])
def test_what_was_damaged_there_is_put_there_again(shared: Meeting, far: Path, what: str) -> None:
    for path in far.rglob(what.removeprefix("no ")):
        if what.startswith("no "):
            path.unlink()
        else:
            flip(path)
    ended = shared.other("store", "pull", "small", "--remote", shared.url)
    assert ended.returncode == 1
    (run,) = (path.name for path in (shared.one.store / "runs").iterdir())
    assert f"`xharness store push {run} --remote {shared.url} --mend`" in ended.stderr
    assert not list((shared.other.store / "runs").glob("*/run.json"))
    assert "put there again: " in shared.store(shared.one, "push", run, "--mend")
    shared.store(shared.other, "pull", run)
    assert scores(shared.other) == scores(shared.one)


def test_a_torn_index_gives_way_to_the_next_push(shared: Meeting, far: Path) -> None:
    flip(next(far.rglob("index.json")))
    assert "pushed" in shared.store(shared.one, "push", "--all")
    shared.store(shared.other, "pull", "--all")


def test_an_index_of_a_newer_version_stays(shared: Meeting, far: Path) -> None:
    (path,) = far.rglob("index.json")
    reseal(path, format=99)
    before = path.read_bytes()
    ended = shared.one("store", "push", "--all", "--mend", "--remote", shared.url)
    assert ended.returncode == 1
    assert "has format 99" in ended.stderr
    assert path.read_bytes() == before


def test_a_torn_memory_of_a_step_harms_nobody_and_is_put_there_again(shared: Meeting, far: Path) -> None:
    torn = list(far.rglob("dropped.json"))
    assert torn
    for path in torn:
        flip(path)
    shared.store(shared.other, "pull", "--all")
    shutil.rmtree(shared.other.store)
    ended = shared.other.run("--remote", shared.url, "colours->plants")
    assert ended.stderr == ""
    assert counts(shared.other) == (0, 1, 1)
    damaged = {path: path.read_bytes() for path in torn}
    shared.store(shared.one, "push", "--all")
    assert not [path for path, content in damaged.items() if path.read_bytes() == content]


@pytest.mark.parametrize("how", ["torn", "of a newer version"])
def test_nothing_is_cleared_while_nobody_knows_what_a_young_run_rests_on(shared: Meeting, far: Path, how: str) -> None:
    (path,) = far.rglob("index.json")
    if how == "torn":
        flip(path)
    else:
        reseal(path, format=99)
    aged(far / "steps", 40)
    before = sorted(far.rglob("*"))
    ended = shared.one("store", "gc", "--older-than", "30", "--yes", "--remote", shared.url)
    assert ended.returncode == 1
    assert f"runs/{path.parent.name}" in ended.stderr
    assert "so that nobody knows which steps it rests on; nothing was removed." in ended.stderr
    assert ("--mend`" if how == "torn" else "pip install -U") in ended.stderr
    assert sorted(far.rglob("*")) == before


@pytest.mark.parametrize("what", ["the step again", "a run that rests on it"])
def test_what_somebody_puts_there_meanwhile_is_not_cleared(shared: Meeting, far: Path, what: str) -> None:
    aged(far, 40)
    place = place_at(shared.url)
    found = care.old(place, time.time() - 30 * DAY)
    assert found.steps
    if what == "the step again":
        step = next((far / "steps").glob("evaluate-*"))
        (step / MANIFEST).touch()
    else:
        next(far.rglob("index.json")).touch()
    gone = care.remove(place, found)
    assert not [key for key in gone.steps if key.startswith("evaluate")]
    assert list((far / "steps").glob(f"evaluate-*/{MANIFEST}"))


def test_a_step_that_becomes_young_at_the_last_moment_is_not_cleared(
    shared: Meeting, far: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(far, 40)
    place = place_at(shared.url)
    found = care.old(place, time.time() - 30 * DAY)
    step = next((far / "steps").glob("evaluate-*"))
    looked = care.old

    def then_touched(where: Folder, before: float) -> care.Old:
        made = looked(where, before)
        (step / MANIFEST).touch()
        return made

    monkeypatch.setattr(care, "old", then_touched)
    assert step.name not in care.remove(place, found).steps
    assert (step / MANIFEST).exists()


def test_a_step_that_is_cleared_while_its_run_is_pushed_is_put_there_again(
    lab: Lab, far: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = Meeting(lab("one"), lab("other"), f"file://{far}")
    meeting.one.run("--remote", meeting.url, "none->plants")
    put, cleared = Folder.put, []

    def clearing(self: Folder, name: str, content: Path | bytes, new: bool = False) -> bool:
        if name.endswith(runs_there.INDEX):
            cleared.extend((far / "steps").iterdir())
            shutil.rmtree(far / "steps")
        return put(self, name, content, new)

    monkeypatch.setattr(Folder, "put", clearing)
    meeting.store(meeting.one, "push", "--all")
    assert cleared
    meeting.store(meeting.other, "pull", "--all")
    assert scores(meeting.other) == scores(meeting.one)


@pytest.mark.parametrize("inside", ["", "steps", "remote/cache"])
def test_a_local_store_is_no_place_to_meet(lab: Lab, inside: str) -> None:
    one, other = lab("one"), lab("other")
    one.run("none->plants")
    before = {path: path.read_bytes() for path in one.store.rglob("*") if path.is_file()}
    url = f"file://{one.store}/{inside}".rstrip("/")
    for ended in (
        other.run("--remote", url, "none->plants"),
        other("store", "gc", "--older-than", "0", "--yes", "--remote", url),
        one("store", "push", "--all", "--remote", url),
    ):
        assert ended.returncode == 4, ended.stderr
        assert f"{one.store} is the store of somebody's runs" in ended.stderr
    assert {path: path.read_bytes() for path in one.store.rglob("*") if path.is_file()} == before


def test_a_store_beside_the_place_is_no_hindrance(tmp_path: Path) -> None:
    Store(tmp_path / "shared" / "store").prepare()
    write_json(tmp_path / "shared" / "note.json", {})
    assert place_at(f"file://{tmp_path}/shared/cache").items("steps") == []
