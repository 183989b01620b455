"""However a command ends, it says so in a sentence: closed pipes, full devices, poor locales, folders that are gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import xharness.api.stored
from xharness.errors import ExitCode

from .conftest import House


def process(house: House, *words: object, **how: object) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, with a real standard output."""
    given = {"cwd": house.root, "env": house.env, "stdout": subprocess.PIPE, **how}
    return subprocess.run(house.command(*words), stderr=subprocess.PIPE, text=True, check=False, **given)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("words", [("list", "small.toml"), ("show",), ("store", "ls"), ("--help",)])
def test_a_reader_that_goes_away_ends_a_command_quietly(lived_in: House, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = process(lived_in, *words, stdout=writer)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (ExitCode.OK, "")


def test_a_run_whose_reader_goes_away_did_not_end_well_and_says_how_to_go_on(house: House) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = process(house, "run", "small.toml", "none->animals", "-n", 1, stdout=writer)
    os.close(writer)
    assert ended.returncode == ExitCode.INTERRUPTED
    assert "xharness run small.toml 'none->animals'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("words", [("list", "small.toml"), ("show",)])
def test_a_standard_output_that_takes_no_more_is_told(lived_in: House, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = process(lived_in, *words, stdout=full)
    assert ended.returncode == ExitCode.FAILED
    assert ended.stderr == "error: standard output or a file cannot be used: the disk is full.\n"


@pytest.mark.parametrize("words", [("list", "odd.toml"), ("plan", "odd.toml"), ("show", "--baselines")])
def test_a_locale_without_a_sign_shows_a_question_mark_for_it(lived_in: House, words: tuple[str, ...]) -> None:
    (lived_in.root / "odd.toml").write_text(lived_in.suite.read_text().replace("a small house", "små \u2192 hus"))
    ended = process(lived_in, *words, env={**lived_in.env, "PYTHONIOENCODING": "ascii"})
    assert (ended.returncode, ended.stderr) == (ExitCode.OK, "")
    assert "list" not in words or "sm? ? hus" in ended.stdout


def test_a_standard_output_that_is_closed_from_the_start_is_no_trouble(lived_in: House) -> None:
    ended = process(lived_in, "list", "small.toml", preexec_fn=lambda: os.close(1))
    assert (ended.returncode, ended.stderr) == (ExitCode.OK, "")


def test_a_current_folder_that_is_gone_is_told(lived_in: House, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    ended = process(
        lived_in, "plan", lived_in.suite, "--store", "here", cwd=gone, preexec_fn=lambda: os.rmdir(gone)
    )  # fmt: skip
    assert ended.returncode == ExitCode.USAGE
    assert "the current folder has been removed" in ended.stderr


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PermissionError(13, "Permission denied", "a/b"), 1, "error: a/b: cannot be used: permission denied.\n"),
        (OSError(36, "File name too long", "aaa"), 1, "error: aaa: cannot be used: File name too long.\n"),
        (OSError("of no file"), 3, "internal error: OSError: of no file"),
        (ValueError("unforeseen"), 3, "internal error: ValueError: unforeseen"),
        (KeyboardInterrupt(), 2, "interrupted\n"),
    ],
)
def test_what_no_command_foresees_is_a_sentence_where_the_system_names_a_file_and_a_bug_elsewhere(
    lived_in: House, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(xharness.api.stored, "find_run", fails)
    ended = lived_in("show")
    assert ended.returncode == code
    assert ended.stderr.startswith(said)
    assert "Traceback" not in ended.stderr
    assert "Traceback" in lived_in("show", "--debug").stderr or code == ExitCode.INTERRUPTED
