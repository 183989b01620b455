"""Files that a user asks for: tried before the work without a trace, written whole, or told why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from xharness.cli.output import writable
from xharness.errors import ExitCode, UsageError

from .conftest import House

SHOWING = ("show", "--output"), ("show", "--format", "csv", "--output")
COMPARING = (("compare", "none", "colours", "--resamples", "100", "--json"),)


def entries(folder: Path) -> set[Path]:
    return {p for p in folder.rglob("*") if "store" not in p.parts}


@pytest.mark.parametrize("where", ["new.txt", "a/b/new.txt", "there.txt"])
def test_trying_a_file_leaves_no_trace(tmp_path: Path, where: str) -> None:
    (tmp_path / "there.txt").write_text("as it was")
    before = entries(tmp_path)
    assert writable("--output", tmp_path / where) == tmp_path / where
    assert entries(tmp_path) == before
    assert (tmp_path / "there.txt").read_text() == "as it was"


@pytest.mark.parametrize("where", ["folder", "file/below", "/proc/nobody/writes/here", "n" * 300])
def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--output '.*' cannot be written: "):
        writable("--output", tmp_path / where)


@pytest.mark.parametrize("option", ["--events", "--junit-xml"])
@pytest.mark.parametrize("broken", ["-r q", "--profile nope"])
def test_a_run_that_is_refused_leaves_no_empty_report(house: House, option: str, broken: str) -> None:
    before = entries(house.root)
    assert house.run(option, "reports/out", *broken.split()).returncode == ExitCode.USAGE
    assert entries(house.root) == before


@pytest.mark.parametrize("words", [*SHOWING, *COMPARING], ids=" ".join)
def test_a_board_or_comparison_goes_to_a_folder_that_is_not_there_yet(
    lived_in: House, tmp_path: Path, words: tuple[str, ...]
) -> None:
    ended = lived_in(*words, tmp_path / "a" / "b" / "out")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert (tmp_path / "a" / "b" / "out").read_text().endswith("\n")


@pytest.mark.parametrize("words", [*SHOWING, *COMPARING], ids=" ".join)
@pytest.mark.parametrize(("where", "code"), [("tasks", ExitCode.USAGE), ("/dev/full", ExitCode.FAILED)])
def test_a_place_where_no_file_can_be_is_told(
    lived_in: House, words: tuple[str, ...], where: str, code: ExitCode
) -> None:
    ended = lived_in(*words, where)
    assert ended.returncode == code
    assert where in ended.stderr
    assert "cannot be written: " in ended.stderr
    assert "internal error" not in ended.stderr


def test_events_for_which_there_is_no_room_end_the_run_with_a_sentence(house: House) -> None:
    ended = house.run("none->animals", "--events", "/dev/full")
    assert ended.returncode == ExitCode.FAILED
    assert ended.stderr.startswith("error: /dev/full: cannot write: the disk is full.")


@pytest.mark.parametrize("words", [("show", "."), ("show", "../{run}"), ("compare", "none", "colours")], ids=" ".join)
def test_a_run_may_be_named_by_a_relative_folder(
    lived_in: House, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    run = next((lived_in.store / "runs").iterdir())
    there = House(run, {**lived_in.env, "XHARNESS_STORE": "elsewhere"})
    if words[0] == "compare":
        there = House(run.parent, there.env)
        words = "compare", f"{run.name}::none", f"./{run.name}::colours", "--resamples", "100"
    ended = there(*(word.format(run=run.name) for word in words))
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "animals" in ended.stdout


def test_an_export_of_a_run_s_folder_takes_that_run_s_store(lived_in: House, tmp_path: Path) -> None:
    run = next((lived_in.store / "runs").iterdir())
    words = ("--run", run, "--intermediate", "none", "--store", tmp_path / "another")
    ended = lived_in("export", tmp_path / "out", *words)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert {p.name for p in (tmp_path / "out").rglob("*.tsv")} == {"test-en.tsv", "test-de.tsv"}


def test_an_export_of_a_run_without_a_score_says_so(house: House) -> None:
    house.run("none->animals", STAND_IN_FAILS="animals")
    for more in ((), ("--checkpoint", "fake")):
        ended = house("export", "out", *more)
        assert ended.returncode == ExitCode.USAGE
        assert "none of its cells is scored, so there is nothing to export" in ended.stderr
    assert not (house.root / "out").exists()
