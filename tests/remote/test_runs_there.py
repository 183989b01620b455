"""Runs pushed into a remote store, listed, pulled into another, and cleared away by age."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from manners.conftest import House
from xharness.store.steps import MANIFEST, Store

from .conftest import Lab, counts, kinds, scores
from .s3 import S3

DAY = 86400.0
PLUGIN = """
import zlib
from xharness.metrics import metric
from xharness.metrics.base import Metric
KNOWN = metric("accuracy")
# Both labs are in one process here, where a name is of one file.
OWN = Metric(f"of_lab_{zlib.crc32(__file__.encode())}", "", ("n",), KNOWN.outcomes, KNOWN.values, ("classification",))
"""


@dataclass(frozen=True)
class Meeting:
    """Two labs and the URL where they meet."""

    one: House
    other: House
    url: str

    def store(self, house: House, *words: str) -> str:
        """What `xharness store WORD… --remote URL` prints where all is well."""
        ended = house("store", *words, "--remote", self.url)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert not ended.stderr
        return ended.stdout


def pushed(lab: Lab, far: Path, cells: str) -> Meeting:
    """By a shared folder, with one run of these cells pushed there."""
    made = Meeting(lab("one"), lab("other"), f"file://{far}")
    assert made.one.run(cells).returncode == 0
    made.store(made.one, "push", "--all")
    return made


@pytest.fixture(params=["folder", "bucket"])
def meeting(request: pytest.FixtureRequest, lab: Lab, far: Path) -> Meeting:
    """By a shared folder and by a bucket."""
    url = f"file://{far}" if request.param == "folder" else request.getfixturevalue("s3").url
    return Meeting(lab("one"), lab("other"), url)


@pytest.fixture
def shared(lab: Lab, far: Path) -> Meeting:
    """By a shared folder, with one run pushed there."""
    return pushed(lab, far, "*->plants")


def test_a_run_is_pushed_listed_pulled_and_shown(meeting: Meeting) -> None:
    one, other = meeting.one, meeting.other
    one.run("*->plants")
    said = meeting.store(one, "push", "small")
    steps = len(Store(one.store).keys())
    assert f"pushed: {steps} steps new, 0 there already" in said
    assert f"was there already: 0 steps new, {steps} there already" in meeting.store(one, "push", "--all")
    listed = meeting.store(other, "ls")
    assert "a small house" in listed
    assert f"1 run, {steps} steps" in listed
    (as_json,) = map(json.loads, meeting.store(other, "ls", "--json").splitlines())
    assert as_json["steps"] == steps
    assert "taken" in meeting.store(other, "pull", as_json["run"])
    assert "was there already" in meeting.store(other, "pull", "--all")
    assert other("show").stdout == one("show").stdout
    assert scores(other) == scores(one)
    assert kinds(other) == {"evaluate": 2}
    assert other("look", "none->plants", "-l", "fr").returncode == 0
    # And as a run of its own it is all there.
    other.run("*->plants")
    assert other.last()["made"] == 0


def test_what_was_pushed_is_what_another_lab_fetches(shared: Meeting) -> None:
    shared.other.run("--remote", shared.url, "*->plants")
    assert counts(shared.other) == (0, 2, 2)


def test_models_come_where_they_are_asked_for(shared: Meeting) -> None:
    shared.store(shared.other, "pull", "--all", "--models")
    assert kinds(shared.other) == {"evaluate": 2, "tune": 1}


def test_a_run_to_which_somebody_gave_a_name_of_ours_is_not_overwritten(shared: Meeting) -> None:
    (folder,) = (shared.one.store / "runs").iterdir()
    shared.other.run("*->animals")
    (others,) = (shared.other.store / "runs").iterdir()
    others.rename(others.with_name(folder.name))
    for command, words in (("push", "there is another run of that name"), ("pull", "the store has another run")):
        ended = shared.other("store", command, folder.name, "--remote", shared.url)
        assert ended.returncode == 1
        assert words in ended.stderr


@pytest.mark.parametrize("what", ["records.jsonl", "index.json", "scores.json", "absent"])
def test_a_run_that_was_damaged_there_is_not_taken_by_halves(shared: Meeting, far: Path, what: str) -> None:
    if what == "absent":
        for end in (far / "steps").glob("evaluate-*"):
            (end / MANIFEST).unlink()
    else:
        for path in far.rglob(what):
            path.write_bytes(b"#" + path.read_bytes()[1:])
    ended = shared.other("store", "pull", "small", "--remote", shared.url)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1
    assert not list((shared.other.store / "runs").glob("*/run.json"))
    assert not list((shared.other.store / "tmp").glob("*"))
    ended = shared.other("store", "pull", "--all", "--remote", shared.url)
    assert ended.returncode == 1


def test_plug_ins_are_code_and_are_asked_for(meeting: Meeting) -> None:
    for house in (meeting.one, meeting.other):
        (house.root / "mine.py").write_text(PLUGIN)
    meeting.one.suite.write_text('plugins = ["mine.py"]\n' + meeting.one.suite.read_text())
    assert meeting.one.run("*->plants").returncode == 0
    meeting.store(meeting.one, "push", "--all")
    ended = meeting.other("store", "pull", "--all", "--remote", meeting.url)
    assert "plug-ins, which are code and do not come with it: mine.py" in ended.stderr
    assert "taken" in meeting.store(meeting.other, "pull", "--all", "--plugins", str(meeting.other.root))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("push", "small"), "say which store: --remote URL"),
        (("push", "--remote", "memory://x"), "name a run, or say --all"),
        (("pull", "small", "--all", "--remote", "memory://x"), "name a run, or say --all"),
        (("pull", "small", "--remote", "memory://x/cache"), "has no run 'small'. No run was pushed there"),
        (("gc", "--remote", "memory://x/cache"), "--older-than DAYS"),
        (("gc", "--older-than", "3"), "--older-than is for a store elsewhere"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(lab: Lab, words: tuple[str, ...], said: str) -> None:
    one = lab("one")
    Store(one.store).prepare()
    ended = one("store", *words)
    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert said in ended.stderr


def aged(folder: Path, days: float) -> None:
    """Have everything in a folder be that old."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - days * DAY,) * 2)


def test_what_is_old_goes_unless_what_stays_rests_on_it(shared: Meeting, far: Path) -> None:
    assert "nothing to remove" in shared.store(shared.one, "gc", "--older-than", "30")
    aged(far / "steps", 40)
    # The run is younger.
    assert "nothing to remove" in shared.store(shared.one, "gc", "--older-than", "30")
    shared.one.run("--remote", shared.url, "colours->pairs")
    aged(far / "runs", 40)
    dry = shared.store(shared.one, "gc", "--older-than", "30")
    assert dry.count("would go: run") == 1
    assert "--yes removes it" in dry
    before = sorted(far.rglob("*"))
    assert sorted(far.rglob("*")) == before
    assert "removed: evaluate-" in shared.store(shared.one, "gc", "--older-than", "30", "--yes")
    left = {path.name.partition("-")[0] for path in (far / "steps").iterdir()}
    # What the younger search rests on has stayed, the old intermediate included.
    assert left == {"mine", "embed", "encode", "tune"}
    assert len(list((far / "steps").glob("tune-*"))) == 1
    assert not list((far / "runs").glob("*"))
    shared.other.run("--remote", shared.url, "colours->pairs")
    assert counts(shared.other)[0] == 0


def test_what_killed_uploads_left_goes_with_age(shared: Meeting, far: Path) -> None:
    (step,) = (path.parent for path in (far / "steps").glob(f"tune-*/{MANIFEST}"))
    (step / "0123456789abcdef").mkdir()
    (step / "0123456789abcdef" / "weights.bin").write_bytes(b"x" * 100)
    (far / ".arriving" / "half").write_bytes(b"x" * 100)
    (far / "steps" / "embed-0123").mkdir()
    (far / "steps" / "embed-0123" / "half.bin").write_bytes(b"x")
    assert "nothing to remove" in shared.store(shared.one, "gc", "--older-than", "30")
    for place in (step / "0123456789abcdef", far / ".arriving", far / "steps" / "embed-0123"):
        aged(place, 40)
    said = shared.store(shared.one, "gc", "--older-than", "30", "--yes")
    assert "removed: 2 files that belong to no step" in said
    assert "removed: embed-0123" in said
    assert not (step / "0123456789abcdef").exists()
    assert (step / MANIFEST).exists()
    assert not list((far / ".arriving").iterdir())


def test_a_bucket_is_cleared_by_age_too(lab: Lab, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Meeting(lab("one"), lab("other"), s3.url)
    meeting.one.run("none->plants")
    meeting.store(meeting.one, "push", "--all")
    assert "nothing to remove" in meeting.store(meeting.one, "gc", "--older-than", "1")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3 * DAY)
    assert "freed" in meeting.store(meeting.one, "gc", "--older-than", "1", "--yes")
    assert s3.names() == []
