"""Ctrl-C and the signals of schedulers and terminals: a run ends in order, and says how it goes on."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from typing import Any
from unittest import mock
from xml.etree import ElementTree as ET

import pytest

import xharness.__main__
import xharness.cli.showing
import xharness.session.session
from xharness.errors import ExitCode, HarnessError, StoreError

from .conftest import House, default_signals, statuses


def test_interrupting_stops_at_once_with_2_says_how_to_go_on_and_leaves_nothing_half(house: House) -> None:
    words = house.command("run", "small.toml", "-n", 2)
    run = subprocess.Popen(
        words, cwd=house.root, env={**house.env, "STAND_IN_SECONDS": "60"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=default_signals,  # noqa: PLW1509
    )  # fmt: skip
    assert run.stdout is not None
    run.stdout.readline()
    while not list((house.store / "tmp").glob("*")):
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=20)
    assert run.returncode == ExitCode.INTERRUPTED
    assert "xharness run small.toml -n 2" in error
    assert "Traceback" not in error
    assert not list((house.store / "steps").iterdir())
    assert not list((house.store / "tmp").iterdir())
    assert house.run("none->animals").returncode == 0


def test_a_stopped_run_says_what_goes_on_from_a_saved_state(house: House) -> None:
    run = subprocess.Popen(
        house.command("run", "small.toml", "-n", 1, "colours->plants"), cwd=house.root,
        env={**house.env, "STAND_IN_SECONDS": "20", "STAND_IN_STATES": "1"}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=default_signals,  # noqa: PLW1509
    )  # fmt: skip
    while not list((house.store / "scratch").glob("tune-*/state")):
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=20)
    assert run.returncode == ExitCode.INTERRUPTED
    assert "; 1 of them goes on from a saved state. Go on with" in " ".join(error.split())
    plan = house("plan", "small.toml", "colours->plants")
    assert "1 of them goes on from a saved state" in plan.stdout


def hanging(house: House, *words: object, fails: str = "", **streams: Any) -> subprocess.Popen[str]:
    """A run in the midst of a step that never ends."""
    hung = house.root / "hung"
    hung.unlink(missing_ok=True)
    trouble = {"STAND_IN_TROUBLE": "plants:hangs", "STAND_IN_TIMES": "1", "STAND_IN_COUNT": str(hung)}
    run = subprocess.Popen(
        house.command("run", "small.toml", "-n", 1, "none->plants", *words), cwd=house.root,
        env={**house.env, **trouble, "STAND_IN_FAILS": fails}, text=True, **{"preexec_fn": default_signals, **streams},
    )  # fmt: skip
    while not hung.exists():
        assert run.poll() is None
        time.sleep(0.01)
    return run


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_interrupting_twice_ends_as_interrupting_once(house: House, pause: float) -> None:
    run = hanging(house, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while run.poll() is None:
        run.send_signal(signal.SIGINT)
        time.sleep(pause)
    _, error = run.communicate(timeout=20)
    assert run.returncode == ExitCode.INTERRUPTED, error
    assert "interrupted: 1 not run in" in error
    assert "xharness run small.toml -n 1 'none->plants'" in error
    assert "Traceback" not in error
    assert house.last()["state"] == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_signals_of_schedulers_and_terminals_end_a_run_as_an_interrupt_does(house: House, number: int) -> None:
    run = hanging(house, "--junit-xml", "junit.xml", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    run.send_signal(number)
    _, error = run.communicate(timeout=20)
    assert run.returncode == ExitCode.INTERRUPTED, error
    assert f"interrupted by {signal.Signals(number).name}: 1 not run in" in error
    assert "xharness run small.toml -n 1 'none->plants'" in error
    assert house.last()["state"] == "interrupted"
    assert (house.root / "junit.xml").exists()
    assert not list((house.store / "tmp").iterdir())


def test_a_run_goes_on_without_a_terminal_where_it_was_told_to(house: House) -> None:
    def as_nohup() -> None:
        default_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    run = hanging(house, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=as_nohup)
    run.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert run.poll() is None
    run.send_signal(signal.SIGTERM)
    _, error = run.communicate(timeout=20)
    assert "interrupted by SIGTERM" in error


def test_a_closed_terminal_ends_a_run_in_order(house: House) -> None:
    ours, theirs = os.openpty()

    def at_the_terminal() -> None:
        default_signals()
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    run = hanging(house, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=at_the_terminal)
    os.close(theirs)
    os.close(ours)
    assert run.wait(timeout=20) == ExitCode.INTERRUPTED
    assert house.last()["state"] == "interrupted"


def test_an_interrupt_while_the_board_is_drawn_says_how_to_go_on_and_writes_the_report(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xharness.cli.showing, "show_run", mock.Mock(side_effect=KeyboardInterrupt))
    ended = house.run("none->animals", "--junit-xml", "junit.xml")
    assert ended.returncode == ExitCode.INTERRUPTED
    assert "interrupted: 1 passed in" in ended.stderr
    assert "xharness run small.toml -n 1 'none->animals'" in ended.stderr
    assert (house.root / "junit.xml").exists()
    assert house.last()["state"] == "finished"


def test_an_interrupt_that_a_library_makes_an_error_of_its_own_of_is_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def library(*_: Any) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as error:
            raise ValueError("cannot build") from error

    monkeypatch.setattr(xharness.session.session, "described", library)
    ended = house.run("none->animals")
    assert ended.returncode == ExitCode.INTERRUPTED
    assert "interrupted by SIGTERM; what was finished is stored" in ended.stderr
    assert "internal error" not in ended.stderr


@pytest.mark.parametrize("moment", ["described", "write_run", "Display", "_finish"])
def test_an_interrupt_at_any_moment_leaves_no_run_that_seems_to_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    house.run("none->animals", STAND_IN_FAILS="animals")
    before = len(list((house.store / "runs").iterdir()))
    with monkeypatch.context() as patched:
        patched.setattr(xharness.session.session, moment, mock.Mock(side_effect=KeyboardInterrupt))
        ended = house.run("none->plants")
    assert ended.returncode == ExitCode.INTERRUPTED
    assert "xharness run small.toml -n 1 'none->plants'" in ended.stderr
    found = [json.loads((f / "run.json").read_text())["state"] for f in sorted((house.store / "runs").iterdir())]
    assert found.count("interrupted") == len(found) - before == (0 if moment in ("described", "write_run") else 1)
    assert house("list", "small.toml", "--lf", "-q").stdout.split() == ["small.toml::none->animals[fake-0]"]


@pytest.mark.parametrize(
    ("moment", "error", "code"),
    [
        ("Display", BrokenPipeError(), ExitCode.INTERRUPTED),
        ("execute", StoreError("the disk is full."), ExitCode.FAILED),
        ("execute", OSError(28, "No space left on device", "a/b"), ExitCode.FAILED),
        ("_finish", HarnessError("the cluster is gone."), ExitCode.INTERNAL),
        ("_finish", ValueError("unforeseen"), ExitCode.INTERNAL),
    ],
)
def test_a_run_that_any_error_ends_does_not_seem_to_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch, moment: str, error: Exception, code: ExitCode
) -> None:
    house.run("none->animals", STAND_IN_FAILS="animals")
    with monkeypatch.context() as patched:
        patched.setattr(xharness.session.session, moment, mock.Mock(side_effect=error))
        assert house.run("none->plants").returncode == code
    assert (house.last()["state"], house.last()["exit"]) == ("interrupted", code)
    assert house("list", "small.toml", "--lf", "-q").stdout.split() == ["small.toml::none->animals[fake-0]"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("unforeseen")])
def test_a_run_whose_record_is_whole_stays_finished_whatever_comes_after(
    house: House, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(xharness.session.session, "tracked", mock.Mock(side_effect=error))
        assert house.run("none->plants").returncode != ExitCode.OK
    assert house.last()["state"] == "finished"
    assert house("show").returncode == ExitCode.OK


def test_an_interrupted_run_says_so_remembers_its_failures_and_writes_its_report(house: House) -> None:
    house.run("none->plants", STAND_IN_FAILS="plants")
    board = house("show").stdout
    run = hanging(
        house,
        "none->animals",
        "--junit-xml",
        "junit.xml",
        fails="animals",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=20)
    assert run.returncode == ExitCode.INTERRUPTED
    assert "interrupted: 1 failed, 1 not run in" in error
    assert house.last()["state"] == "interrupted"
    assert house.last()["exit"] == ExitCode.INTERRUPTED
    assert statuses(house) == {"none->animals": "failed", "none->plants": "not run"}
    cases = {
        c.attrib["name"]: [e.tag for e in c] for c in ET.parse(house.root / "junit.xml").getroot().iter("testcase")
    }
    assert cases["none->animals[fake-0]"][1:] == ["failure"]
    assert cases["none->plants[fake-0]"][1:] == ["error"]
    listed = house("list", "small.toml", "--lf", "-q").stdout.split()
    assert listed == ["small.toml::none->animals[fake-0]", "small.toml::none->plants[fake-0]"]
    assert house("show").stdout == board


def test_an_interrupt_while_the_program_is_imported_ends_it_as_a_later_one_would(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Pressed:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "xharness.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "xharness.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Pressed(), *sys.meta_path])
    with pytest.raises(SystemExit) as end:
        xharness.__main__.main()
    assert end.value.code == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"
