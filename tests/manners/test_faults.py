"""What can befall a run: workers that die or hang, a full disk, a store that cannot be written, files that vanish."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

import xharness.engines.scheduler
from xharness.errors import ExitCode

from .conftest import House


def events(house: House) -> list[dict[str, Any]]:
    """What the newest run told."""
    log = sorted((house.store / "runs").glob("*/events.jsonl"), key=lambda p: p.stat().st_mtime_ns)[-1]
    return [json.loads(line) for line in log.read_text().splitlines()]


def troubled(house: House, how: str, times: int, *words: object, **env: str) -> subprocess.CompletedProcess[str]:
    """A run where the workers that evaluate `plants` are troubled so many times."""
    count = house.root / "count"
    count.unlink(missing_ok=True)
    return house.run(
        *words, STAND_IN_TROUBLE=f"plants:{how}", STAND_IN_TIMES=str(times), STAND_IN_COUNT=str(count), **env
    )


WAYS = {
    "killed": "was killed (SIGKILL: the system does so when memory runs out",
    "fault": "died of SIGSEGV",
    "exits": "ended by itself (exit code 7)",
    "frozen": "hung: it gave no sign of life for 7 s",
    "hangs": "hung: it made no progress for 2 s",
}


@pytest.mark.parametrize("how", WAYS)
def test_a_worker_that_dies_or_hangs_is_told_and_its_step_tried_once_more(
    house: House, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(xharness.engines.scheduler, "SILENT_SECONDS", 7.0)
    stuck = ("--stuck-after", 2) if how == "hangs" else ()
    ended = troubled(house, how, 1, *stuck, "none->*")
    assert ended.returncode == ExitCode.OK, ended.stdout + ended.stderr
    assert f"worker 0 {WAYS[how]}" in ended.stdout
    assert "while it made evaluate none->plants[fake-0]; trying it again" in ended.stdout
    assert "3 passed" in ended.stdout
    found = events(house)
    (lost,) = [e for e in found if e["event"] == "worker_lost"]
    assert lost["again"] is True
    assert [e["key"] for e in found if e["event"] == "start"].count(lost["key"]) == 2
    done = [e["key"] for e in found if e["event"] == "done"]
    assert len(done) == len(set(done))


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_a_step_whose_worker_dies_twice_fails_and_its_neighbours_do_not(house: House, how: str) -> None:
    ended = troubled(house, how, 2, "--stuck-after", 2, "none->*")
    assert ended.returncode == ExitCode.FAILED
    assert "2 passed, 1 failed" in ended.stdout
    assert f"its worker {WAYS[how]}" in ended.stdout
    assert "so had the first that tried" in ended.stdout
    assert "workers.log" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    assert not list((house.store / "tmp").iterdir())
    assert house.run("none->*").returncode == ExitCode.OK


def test_a_log_that_grows_is_kept_to_its_newest_part(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xharness.engines.scheduler.LOG_BYTES", 10)
    ended = house.run("none->*", STAND_IN_SAYS="nothing of note", STAND_IN_SECONDS="1.2")
    assert ended.returncode == ExitCode.OK
    (folder,) = (house.store / "runs").iterdir()
    kept = [(folder / name).read_text() for name in ("workers.log", "workers.log.1")]
    assert len(kept[0]) <= 2 * len("nothing of note\n")
    assert set(kept[1].splitlines()) == {"nothing of note"}


def test_a_hung_worker_of_a_killed_run_holds_up_no_later_run(house: House) -> None:
    trouble = {"STAND_IN_TROUBLE": "plants:frozen", "STAND_IN_TIMES": "1", "STAND_IN_COUNT": str(house.root / "c")}
    run = subprocess.Popen(
        house.command("run", "small.toml", "-n", 1, "none->plants"), cwd=house.root, env={**house.env, **trouble},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(600):
        if (house.root / "c").exists():
            break
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert house.run("none->plants").returncode == ExitCode.OK


def test_a_full_disk_told_by_a_library_stops_the_run_and_nothing_is_lost(house: House) -> None:
    ended = troubled(house, "full", 1)
    assert ended.returncode == ExitCode.FAILED
    assert "cannot write: the disk is full. What was finished is safe" in ended.stdout
    assert "stopped before its turn" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    finished = len([e for e in events(house) if e["event"] == "done"])
    again = house.run()
    assert "6 passed" in again.stdout
    assert len([e for e in events(house) if e["event"] == "done"]) == 18 - finished


@pytest.fixture
def disk(house: House) -> Iterator[House]:
    """The house with its store on a file system of one mebibyte of its own."""
    house.store.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "xharness-test", str(house.store)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"needs the right to mount a file system: {made.stderr.decode().strip()}")
    yield house
    subprocess.run(["umount", "-l", str(house.store)], check=True)


def remount(house: House, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(house.store)], check=True)


def test_a_full_disk_is_told_keeps_what_was_finished_and_more_room_lets_the_run_go_on(disk: House) -> None:
    ended = disk.run("--keep", "all", "--target", "animals", "--target", "plants", STAND_IN_BYTES="300000")
    assert ended.returncode == ExitCode.FAILED, ended.stdout + ended.stderr
    said = ended.stdout + ended.stderr
    assert f"{disk.store}" in said
    assert "the disk is full. What was finished is safe; free space or choose another --store" in said
    assert "Traceback" not in said
    assert not list((disk.store / "tmp").iterdir())
    assert disk("store", "check").returncode == 0
    finished = [p.name for p in (disk.store / "steps").iterdir()]
    assert len(finished) >= 2
    remount(disk, "size=20m")
    again = disk.run("--keep", "all", "--target", "animals", "--target", "plants", STAND_IN_BYTES="300000")
    assert again.returncode == ExitCode.OK
    made = {e["key"] for e in events(disk) if e["event"] == "done"}
    assert not made & set(finished)


def test_a_read_only_store_is_told_and_what_it_holds_can_be_shown(disk: House) -> None:
    assert disk.run("none->animals").returncode == ExitCode.OK
    board = disk("show").stdout
    remount(disk, "ro")
    ended = disk.run("none->plants")
    assert ended.returncode == ExitCode.FAILED
    assert str(disk.store) in ended.stderr
    assert "the file system is read-only" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert disk("show").stdout == board
    assert disk("why", "small.toml::none->animals").returncode == ExitCode.OK
    assert disk("store", "ls").returncode == ExitCode.OK
    assert disk("store", "gc", "--yes").returncode == ExitCode.OK  # There is nothing to remove.
    remount(disk, "rw")
    (disk.store / "steps" / "tune-0").mkdir()
    remount(disk, "ro")
    ended = disk("store", "gc", "--yes")
    assert ended.returncode == ExitCode.FAILED
    assert "tune-0" in ended.stderr
    assert "the file system is read-only" in ended.stderr


def test_a_store_without_permission_is_told(house: House) -> None:
    if os.getuid() == 0:
        pytest.skip("nothing is forbidden to root")
    house.store.mkdir(mode=0o500)
    ended = house.run("none->plants")
    assert ended.returncode == ExitCode.FAILED
    assert "permission denied" in ended.stderr


def test_files_that_vanish_between_runs_are_made_again_and_nothing_else(house: House) -> None:
    house.run("--keep", "all")
    before = {c["name"]: c["key"] for c in house.last()["cells"]}
    step = house.store / "steps" / before["colours->plants[fake-0]"]
    tuned = next(k for k in json.loads((step / "manifest.json").read_text())["needs"] if k.startswith("tune-"))
    (step / "scores.json").unlink()
    (house.store / "steps" / tuned / "encoder" / "weights.bin").unlink()
    ended = house.run()
    assert ended.returncode == ExitCode.OK
    assert {c["name"]: c["key"] for c in house.last()["cells"]} == before
    assert [e["key"] for e in events(house) if e["event"] == "done"] == [tuned, step.name]


def test_a_model_that_vanishes_while_it_is_read_is_made_again_in_the_same_run(house: House) -> None:
    ended = troubled(house, "loses", 1, "none->*")
    assert ended.returncode == ExitCode.OK, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout
    done = [e["key"].partition("-")[0] for e in events(house) if e["event"] == "done"]
    assert sorted(d for d in done if d != "encode") == [
        "embed", "evaluate", "evaluate", "mine", "tune", "tune", "tune",
    ]  # fmt: skip
    assert done.count("encode") == 5
