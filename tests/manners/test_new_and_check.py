"""`xharness new` writes what loads; `xharness check` tells everything at once, with the line of the TOML."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tiny
from xharness.errors import ExitCode

from .conftest import House


def test_a_new_suite_loads_as_it_is_and_is_never_overwritten(house: House) -> None:
    assert house("new", "suite", "mine").returncode == 0
    assert "4 cells" in house("list", "mine.toml").stdout
    written = (house.root / "mine.toml").read_text()
    assert written.startswith("#:schema ")
    again = house("new", "suite", "mine.toml")
    assert again.returncode == ExitCode.USAGE
    assert "exists already" in again.stderr
    assert (house.root / "mine.toml").read_text() == written


@pytest.mark.parametrize("adapter", ["classification", "tagging", "question_answering", "multiple_choice", "retrieval"])
def test_a_new_task_of_every_adapter_loads_as_a_target(house: House, adapter: str) -> None:
    assert house("new", "task", "fresh", "--adapter", adapter).returncode == 0
    house("new", "suite", "mine")
    suite = house.root / "mine.toml"
    suite.write_text(suite.read_text().replace('["xnli", "tatoeba"]', '["fresh"]'))
    ended = house("check", "mine.toml", "--files-only")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "words", [("task", "Grün"), ("task", "a/b"), ("suite", "../x y"), ("task", "x", "--adapter", "y")]
)
def test_names_and_adapters_that_cannot_be_are_refused(house: House, words: tuple[str, ...]) -> None:
    before = sorted(p for p in house.root.rglob("*"))
    assert house("new", *words).returncode == ExitCode.USAGE
    assert sorted(p for p in house.root.rglob("*")) == before


@pytest.fixture
def real(house: House) -> House:
    """The house with an encoder that transformers can load, and without the stand-ins."""
    tiny.make_encoder(house.root / "encoder")
    house.env["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    return house


def test_a_sound_suite_is_said_to_be_with_rows_and_lengths(real: House) -> None:
    real.rows("plants.fr.jsonl", [{"text": "a dog sings " * n, "label": "no"} for n in (1, 60)])
    ended = real("check", "small.toml", "-v")
    assert ended.returncode == 0, ended.stderr
    assert "are sound" in ended.stdout
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("plants test")]
    assert "8 rows" in line
    assert "50.0% longer in fr" in line
    assert not real.store.exists()


def test_every_problem_is_told_at_once_with_the_line_of_the_toml(real: House) -> None:
    (real.root / "rows" / "animals.de.jsonl").unlink()
    real.rows("plants.train.jsonl", [{"text": "a", "label": "yes"}, {"text": "b", "label": "nein"}])
    real.rows("pairs.fr.jsonl", [{"source": "a"}])
    (real.root / "encoder" / "config.json").write_text("{")
    ended = real("check", "small.toml")
    assert ended.returncode == ExitCode.FAILED
    for said in (
        "small.toml:4: checkpoint.0: ",
        "tasks/animals.toml:12: data.test: [de] ",
        "tasks/plants.toml:10: data.train: [en] ",
        "plants.train.jsonl:2: ",
        "tasks/pairs.toml:8: data.test: [fr] ",
        "4 problems in small.toml",
    ):
        assert said in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr


def test_problems_of_the_files_end_with_4_and_do_not_hide_those_of_the_data(real: House) -> None:
    task = real.root / "tasks" / "animals.toml"
    task.write_text(task.read_text().replace('"accuracy"', '"acuracy"'))
    (real.root / "rows" / "plants.fr.jsonl").unlink()
    ended = real("check", "small.toml")
    assert ended.returncode == ExitCode.USAGE
    assert "tasks/animals.toml:5: metric: there is no metric called 'acuracy'." in ended.stderr
    assert "plants.fr.jsonl" in ended.stderr
    only = real("check", "small.toml", "--files-only")
    assert only.returncode == ExitCode.USAGE
    assert "plants.fr.jsonl" not in only.stderr


def test_a_checkpoint_of_the_command_line_is_enough_for_a_suite_that_names_none(real: House) -> None:
    whole = real.suite.read_text()
    real.suite.write_text(whole.replace(whole[whole.index("[[checkpoint]]") : whole.index("[grid]")], ""))
    assert real("check", "small.toml", "--checkpoint", "./encoder").returncode == 0
    for touch in ((), ("--files-only",)):
        lone = real("check", "small.toml", *touch)
        assert lone.returncode == ExitCode.USAGE
        assert lone.stderr.count("the suite names no checkpoint; add one with --checkpoint.") == 1


def test_labels_that_no_train_row_has_are_noted(real: House) -> None:
    real.rows("plants.train.jsonl", [{"text": "a", "label": "yes"}])
    ended = real("check", "small.toml")
    assert ended.returncode == 0
    assert "note: task plants: no train row has the label no" in ended.stdout


def test_what_is_skipped_is_not_looked_at(real: House, tmp_path: Path) -> None:
    (real.root / "rows" / "pairs.fr.jsonl").unlink()
    real.suite.write_text(real.suite.read_text() + '\n[[mark]]\ncells = "*->pairs*"\nskip = true\nreason = "later"\n')
    assert real("check", "small.toml").returncode == 0
