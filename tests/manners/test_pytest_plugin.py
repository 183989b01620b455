"""`pytest suites/xtreme.toml`: cells as items, their ends as outcomes, expectations as assertions."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from .conftest import House, default_signals

INSTALLED = [p.value for p in entry_points(group="pytest11", name="xharness")]
PLUGIN = [] if INSTALLED else ["-p", "xharness.pytest_plugin"]
"""An environment made before the entry point was written loads the plug-in by name."""


def pytest_in(house: House, *words: str, remembering: bool = False, **env: str) -> subprocess.CompletedProcess[str]:
    memory = () if remembering else ("-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *PLUGIN, *memory, *words]
    return subprocess.run(
        command, cwd=house.root, env={**house.env, **env}, capture_output=True, text=True, timeout=120, check=False
    )


def test_cells_are_collected_under_the_ids_that_list_shows(house: House) -> None:
    collected = pytest_in(house, "small.toml", "--collect-only", "-q")
    assert collected.stdout.split("\n\n")[0].splitlines() == house("list", "small.toml", "-q").stdout.splitlines()
    assert not house.store.exists()


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("small.toml::none->animals[fake-0]",), 1),
        (("small.toml", "-k", "zoo"), 2),
        (("small.toml", "-k", "fr and not colours"), 2),
        (("small.toml", "-m", "slow", "--strict-markers"), 1),
        (("small.toml", "--deselect", "small.toml::none->pairs[fake-0]"), 5),
    ],
)
def test_pytest_s_own_selection_works_on_ids_tags_languages_and_marks(
    house: House, words: tuple[str, ...], count: int
) -> None:
    collected = pytest_in(house, *words, "--collect-only", "-q")
    assert collected.returncode == 0, collected.stdout
    assert sum("::" in line for line in collected.stdout.splitlines()) == count


MARKED_XFAIL = """
[[mark]]
cells = "*->pairs*"
xfail = true
reason = "pairs are hard"
"""
MARKED = """
[[mark]]
cells = "none->plants*"
skip = true
reason = "asleep"
[[mark]]
cells = "none->pairs*"
xfail = true
reason = "pairs are hard"
[[expect]]
cells = "colours->animals*"
at_least = 101
reason = "nobody can"
"""


def test_items_end_as_their_cells_do_in_one_run_and_expectations_are_assertions(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + MARKED)
    ended = pytest_in(house, "small.toml", "-v", "-rA", STAND_IN_FAILS="pairs")
    assert ended.returncode == 1
    for line in (
        "small.toml::none->animals[fake-0] PASSED",
        "small.toml::none->plants[fake-0] SKIPPED",
        "small.toml::none->pairs[fake-0] XFAIL",
        "small.toml::colours->animals[fake-0] FAILED",
        "small.toml::colours->pairs[fake-0] FAILED",
        "expected score at least 101, found",
        "(nobody can)",
        "the stand-in was told to fail on pairs",
        "2 failed, 2 passed, 1 skipped, 1 xfailed",
    ):
        assert line in ended.stdout, ended.stdout
    assert "Traceback" not in ended.stdout
    assert len(list((house.store / "runs").iterdir())) == 1


def test_only_the_selected_cells_are_run_and_the_board_is_shown(house: House) -> None:
    ended = pytest_in(house, "small.toml", "-k", "none and animals")
    assert ended.returncode == 0, ended.stdout
    assert [c["name"] for c in house.last()["cells"]] == ["none->animals[fake-0]"]
    assert "a small house" in ended.stdout


@pytest.mark.parametrize(
    ("option", "items"),
    [("--lf", ["none->pairs"]), ("--ff", ["none->pairs", "none->animals", "none->plants"])],
)
def test_pytest_s_memory_of_what_failed_last_knows_cells(house: House, option: str, items: list[str]) -> None:
    words = ("small.toml", "-k", "none")
    assert pytest_in(house, *words, remembering=True, STAND_IN_FAILS="pairs").returncode == 1
    again = pytest_in(house, *words, option, "-v", remembering=True)
    assert again.returncode == 0, again.stdout
    assert "rerun previous 1 failure" in again.stdout
    ended = [line.split()[0] for line in again.stdout.splitlines() if " PASSED" in line]
    assert ended == [f"small.toml::{name}[fake-0]" for name in items]


def test_x_shows_the_cell_that_failed_and_not_those_stopped_before_their_turn(house: House) -> None:
    pytest_in(house, "small.toml", "-k", "pairs", remembering=True, STAND_IN_FAILS="pairs")
    ended = pytest_in(house, "small.toml", "-x", "-rA", remembering=True, STAND_IN_FAILS="animals,plants,pairs")
    assert ended.returncode == 1
    assert "the stand-in was told to fail on" in ended.stdout, ended.stdout
    assert "1 failed in" in ended.stdout
    assert "stopped before its turn" not in ended.stdout.partition("xharness: ")[0]
    assert sum("stopped before its turn" in c["reason"] for c in house.last()["cells"]) >= 4
    # What was stopped is remembered as it was, as by `xharness run`.
    again = pytest_in(house, "small.toml", "--lf", "--collect-only", "-q", remembering=True).stdout
    assert "none->pairs[fake-0]" in again
    assert "colours->pairs[fake-0]" in again


def test_a_cell_that_was_stopped_has_not_failed_as_expected(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + MARKED_XFAIL)
    ended = pytest_in(house, "small.toml", "-k", "pairs", "-x", "-rA", STAND_IN_FAILS="pairs")
    statuses = [c["status"] for c in house.last()["cells"]]
    assert f"{statuses.count('xfailed')} xfailed" in ended.stdout, ended.stdout
    assert ("1 skipped" in ended.stdout) == ("not run" in statuses), ended.stdout


@pytest.mark.parametrize(
    ("ids", "collected"),
    [
        (["none->animals[de]"], {"none->animals[fake-0][de]": ["de"]}),
        (["none->animals[fake-0][de]"], {"none->animals[fake-0][de]": ["de"]}),
        (["none->animals[de]", "none->animals[en]"], {"none->animals[fake-0]": ["de", "en"]}),
        (["none->animals[en,de]"], {"none->animals[fake-0]": ["de", "en"]}),
        (["*->plants[fr]"], {"none->plants[fake-0][fr]": ["fr"], "colours->plants[fake-0][fr]": ["fr"]}),
    ],
)
def test_ids_take_languages_and_patterns_as_in_run(
    house: House, ids: list[str], collected: dict[str, list[str]]
) -> None:
    ended = pytest_in(house, *(f"small.toml::{i}" for i in ids), "-v")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {line.split()[0] for line in ended.stdout.splitlines() if " PASSED" in line} == {
        f"small.toml::{name}" for name in collected
    }
    records = next((house.store / "runs").glob("*/records.jsonl")).read_text().splitlines()
    for name, languages in collected.items():
        whole = name.removesuffix("[de]").removesuffix("[fr]")
        of_it = [r for r in map(json.loads, records) if r["cell"] == whole]
        assert {r["language"] for r in of_it} == set(languages)


def test_a_part_of_a_cell_fails_passes_and_is_remembered_under_its_own_id(house: House) -> None:
    part = "small.toml::none->animals[de]"
    assert pytest_in(house, part, remembering=True, STAND_IN_FAILS="animals").returncode == 1
    assert "rerun previous 1 failure" in pytest_in(house, part, "--lf", remembering=True).stdout
    whole = pytest_in(house, "small.toml", part, "-k", "none and animals", "-v")
    assert "small.toml::none->animals[fake-0] PASSED" in whole.stdout, whole.stdout


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("none->anmals", "Did you mean 'none->animals"),
        ("none->anmals[fake-0]", "Did you mean 'none->animals[fake-0]'?"),
        ("none->animals[df]", "Languages there: de"),
    ],
)
def test_an_id_that_is_misspelt_names_the_nearest(house: House, given: str, told: str) -> None:
    ended = pytest_in(house, f"small.toml::{given}")
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert told in ended.stderr, ended.stderr
    assert not house.store.exists()


def test_profile_and_store_have_options(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + '\n[profile.one]\ntargets = ["plants"]\n[profile.two]\n')
    words = ("--xharness-profile", "one", "--xharness-store", "other")
    ended = pytest_in(house, "small.toml", "-v", *words, "-k", "none")
    assert "none->plants[fake-0] PASSED" in ended.stdout, ended.stdout
    assert (house.root / "other" / "steps").is_dir()
    assert not house.store.exists()


def test_interrupting_pytest_ends_it_as_it_ends_other_tests(house: House) -> None:
    hung = house.root / "hung"
    trouble = {"STAND_IN_TROUBLE": "plants:hangs", "STAND_IN_TIMES": "1", "STAND_IN_COUNT": str(hung)}
    command = [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "small.toml", "-k", "plants"]
    run = subprocess.Popen(
        command, cwd=house.root, env={**house.env, **trouble}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, preexec_fn=default_signals,  # noqa: PLW1509
    )  # fmt: skip
    while not hung.exists():
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    text, _ = run.communicate(timeout=20)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, text
    assert "KeyboardInterrupt" in text
    assert "INTERNALERROR" not in text
    assert house.last()["state"] == "interrupted"


def test_a_suite_with_an_error_is_one_error_with_its_line(house: House) -> None:
    house.suite.write_text(house.suite.read_text().replace('"plants"', '"plnats"'))
    ended = pytest_in(house, "small.toml")
    assert ended.returncode == 2
    assert "small.toml:10" in ended.stdout
    assert "Did you mean 'plants'?" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_a_folder_of_toml_files_and_those_that_are_no_suites_are_left_alone(house: House) -> None:
    assert "no tests ran" in pytest_in(house, ".").stdout
    assert "no tests ran" in pytest_in(house, "tasks/plants.toml").stdout


def test_starting_pytest_imports_nothing_of_ours_but_the_plug_in() -> None:
    code = "import sys, xharness.pytest_plugin; print(*(n for n in sys.modules if n.startswith('xharness')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert sorted(found) == ["xharness", "xharness.pytest_plugin"]
