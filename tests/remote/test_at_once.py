"""Two runs meet while both are at it; a run is interrupted or killed while it uploads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from manners.conftest import House, default_signals
from xharness.errors import ExitCode
from xharness.remote.care import contents
from xharness.remote.place import place_at
from xharness.store.care import check
from xharness.store.steps import MANIFEST, Store

from .conftest import Lab, board, counts, scores
from .s3 import S3, Line, environment, line_to


def begun(house: House, *words: str, **env: str) -> subprocess.Popen[str]:
    """A run of its own process that heeds signals."""
    return subprocess.Popen(
        house.command("run", "small.toml", "-n", 1, *words), cwd=house.root, env={**house.env, **env},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=default_signals,  # noqa: PLW1509
    )  # fmt: skip


@pytest.fixture
def line(s3: S3) -> Iterator[Line]:
    """A line to the bucket."""
    with line_to(s3.endpoint) as made:
        yield made


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_two_runs_at_once_meet_without_locks(lab: Lab, far: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url, env = f"file://{far}", {}
    if kind == "bucket":
        s3 = request.getfixturevalue("s3")
        url, env = s3.url, s3.env
    one, other, third = lab("one"), lab("other"), lab("third")
    runs = [begun(house, "--remote", url, STAND_IN_SECONDS="0.1", **env) for house in (one, other)]
    outputs = [run.communicate(timeout=120) for run in runs]
    for run, (output, error) in zip(runs, outputs, strict=True):
        assert run.returncode == 0, error
        assert error == ""
        assert board(output) == board(outputs[0][0])
    assert third.run("--remote", url, **env).stderr == ""
    assert counts(third) == (0, 6, 6)
    assert scores(third) == scores(one) == scores(other)
    assert all(damage is None for _, damage in check(Store(third.store)))
    # Each step is there once: whoever came second found it, or put the same files in the same place.
    for items in contents(place_at(url)).values():
        folders = {item.name.split("/")[2] for item in items} - {MANIFEST, "dropped.json"}
        assert len(folders) <= 1


def _waits_for_the_upload(run: subprocess.Popen[str]) -> str:
    """Read what a run prints until it says that it uploads."""
    assert run.stdout is not None
    read = ""
    for text in run.stdout:
        read += text
        if text.startswith("uploading "):
            return read
    pytest.fail(f"it never said that it uploads: {read}{run.stderr.read() if run.stderr else ''}")


def test_ctrl_c_while_uploading_ends_that_alone_and_the_board_is_shown(lab: Lab, s3: S3, line: Line) -> None:
    one = lab("one")
    line.bytes_a_second = 3000
    run = begun(one, "--remote", s3.url, "*->plants", **environment(line.endpoint))
    _waits_for_the_upload(run)
    run.send_signal(signal.SIGINT)
    output, error = run.communicate(timeout=60)
    assert run.returncode == 0, error
    assert "2 passed" in output
    name = next((one.store / "runs").iterdir()).name
    assert f"`xharness store push {name} --remote URL` completes it" in error
    assert "not in s3://labs/cache: " in error
    # As it says.
    line.bytes_a_second = float("inf")
    assert one("store", "push", name, "--remote", s3.url, **s3.env).returncode == 0
    other = lab("other")
    other.run("--remote", s3.url, "*->plants", **s3.env)
    assert counts(other) == (0, 2, 2)


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_a_run_that_is_killed_while_it_uploads_leaves_nothing_half_and_loses_nothing(
    lab: Lab, far: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    one, other = lab("one"), lab("other")
    words: tuple[str, ...]
    if kind == "bucket":
        s3, line = request.getfixturevalue("s3"), request.getfixturevalue("line")
        line.bytes_a_second = 20_000
        url, env = s3.url, s3.env
        run = begun(one, "--remote", url, "*->plants", STAND_IN_BYTES="300000", **environment(line.endpoint))
    else:
        url, env = f"file://{far}", {}
        slow = "import xharness.remote.place as p, time\nold = p._copy\n"
        slow += "def copy(s, t, m):\n  t.write(s.read(100)); t.flush(); time.sleep(1); old(s, t, m)\np._copy = copy\n"
        slow += "import sys, xharness.__main__ as x; sys.argv[0] = 'xharness'; x.main()"
        words = (sys.executable, "-c", slow, "run", "small.toml", "-n", "1", "--remote", url, "*->plants")
        run = subprocess.Popen(words, cwd=one.root, env=one.env, stdout=subprocess.PIPE, text=True)
    _waits_for_the_upload(run)
    os.kill(run.pid, signal.SIGKILL)
    run.wait(timeout=20)
    if kind == "bucket":
        line.bytes_a_second = float("inf")
        time.sleep(0.5)  # What was on the line may still arrive.
    else:
        assert list((far / ".arriving").iterdir())
    # What is there by then is whole, and what is not is made.
    ended = other.run("--remote", url, "*->plants", **env)
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert all(damage is None for _, damage in check(Store(other.store)))
    again = one.run("--remote", url, "*->plants", **env)
    assert one.last()["made"] == 0, again.stdout
    assert scores(one) == scores(other)


def test_a_run_that_was_interrupted_waits_for_no_upload(lab: Lab, s3: S3, line: Line) -> None:
    one = lab("one")
    line.bytes_a_second = 3000
    run = begun(
        one, "--remote", s3.url, "*->plants", STAND_IN_TROUBLE="plants:hangs", STAND_IN_TIMES="1",
        STAND_IN_COUNT=str(one.root / "hung"), **environment(line.endpoint),
    )  # fmt: skip
    while not (one.root / "hung").exists():
        assert run.poll() is None
        time.sleep(0.05)
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=60)
    assert time.monotonic() - began < 15
    assert run.returncode == ExitCode.INTERRUPTED
    assert "Go on with:" in error
    assert f"xharness run small.toml -n 1 --remote {s3.url}" in error
