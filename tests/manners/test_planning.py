"""`xharness plan` and `run --dry-run` say what a run would do, and end as it would for what cannot be planned."""

from __future__ import annotations

import pytest

from xharness.errors import ExitCode

from .conftest import House

DRY = ("plan", "small.toml"), ("run", "small.toml", "--dry-run")


@pytest.fixture
def robbed(house: House) -> House:
    """A house where nothing of one target is left."""
    for file in (house.root / "rows").glob("animals.*"):
        file.unlink()
    return house


@pytest.mark.parametrize("words", DRY, ids=" ".join)
def test_cells_that_cannot_be_planned_are_counted_and_end_with_1(robbed: House, words: tuple[str, ...]) -> None:
    ended = robbed(*words, "none->*")
    assert ended.returncode == ExitCode.FAILED
    assert "1 of 3 cells cannot be planned" in ended.stdout
    assert "blocked: none->animals[fake-0]: " in ended.stdout
    assert "the others: 8 steps to do" in ended.stdout
    alone = robbed(*words, "none->animals")
    assert alone.returncode == ExitCode.FAILED == robbed.run("none->animals").returncode
    assert "nothing to do" not in alone.stdout
    assert robbed(*words, "none->plants").returncode == ExitCode.OK


def test_blocked_cells_of_a_plan_as_json_are_told_beside_it(robbed: House) -> None:
    ended = robbed("plan", "small.toml", "none->animals", "--json")
    assert (ended.returncode, ended.stdout) == (ExitCode.FAILED, "")
    assert "blocked: none->animals[fake-0]: " in ended.stderr


@pytest.mark.parametrize("words", DRY, ids=" ".join)
def test_a_cell_that_is_expected_to_fail_may_be_blocked(robbed: House, words: tuple[str, ...]) -> None:
    mark = '\n[[mark]]\ncells = "*->animals*"\nxfail = true\nreason = "stolen"\n'
    robbed.suite.write_text(robbed.suite.read_text() + mark)
    assert robbed(*words, "none->animals").returncode == ExitCode.OK == robbed.run("none->animals").returncode
