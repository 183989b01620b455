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


BROKEN = """
titel = "x"
title = "a house full of mistakes"
plugins = ["gone.py"]

[[checkpoint]]
name = "fake"
path = "encoder"

[[checkpoint]]
name = "both"
path = "encoder"
hub = "some/one"

[grid]
intermediates = ["none", "colours", "three"]
targets = ["animals", "plants", "pairs", "plans"]
checkpoints = ["fake", "both", "fak"]
seeds = [0, -3]

[mixture.three]
tasks = ["colours", "animls"]
recipe = { epoch = 3 }

[[mark]]
cells = "*->pairs"
skip = true

[[mark]]
cells = "none->animls"
name = "mine"

[[mark]]
cells = "colours->animals"
skipif = "no_gpus"

[[mark]]
cells = 3
xfail = true

[[expect]]
cells = "*->plants"
at_least = 90
at_most = 80

[[expect]]
cells = "*->plents"

[[expect]]
cells = "*->plants"
at_least = "high"

[recipe.animals]
batch_size = 0
"""
MISTAKES = (
    "small.toml:2: titel: is not a known key.",
    "small.toml:4: plugins: 'gone.py'",
    "small.toml:10: checkpoint.1: give exactly one of hub, path, builtin, step, run; found hub, path.",
    "small.toml:17: grid.targets: there is no task called 'plans'.",
    "small.toml:18: grid.checkpoints: there is no [[checkpoint]] called 'fak'.",
    "small.toml:19: grid.seeds: a seed must lie between 0 and 2**32 - 1, found -3.",
    "small.toml:22: mixture.three.tasks: there is no task called 'animls'.",
    "small.toml:23: mixture.three.recipe.epoch: is not a known key.",
    "small.toml:25: mark.0: a mark that skips or expects failure needs a reason.",
    "small.toml:30: mark.1.cells: the pattern 'none->animls' matches no cell.",
    "small.toml:35: mark.2.skipif: 'no_gpus' is not a condition.",
    "small.toml:38: mark.3.cells: must be a string, found 3.",
    "small.toml:43: expect.0.at_least: must not be above at_most",
    "small.toml:46: expect.1: an expectation needs at_least or at_most.",
    "small.toml:47: expect.1.cells: the pattern '*->plents' matches no cell.",
    "small.toml:51: expect.2.at_least: must be a number, found 'high'.",
    "small.toml:54: recipe.animals.batch_size: must be greater than 0, found 0.",
    "tasks/animals.toml:4: adapter: there is no adapter called 'clasification'.",
    "tasks/animals.toml:5: metric: there is no metric called 'acuracy'.",
    "tasks/animals.toml:10: data.train: [en] rows/animals.train.jsonl:1: ",
    "tasks/animals.toml:12: data.test: [de] rows/animals.de.jsonl: does not exist.",
    "tasks/plants.toml:12: data.test: [fr] rows/plants.fr.jsonl:2: ",
    "tasks/colours.toml:14: limit.trian: is not a known key.",
)


def test_mistakes_of_every_kind_are_told_in_one_go_each_once_and_nothing_that_only_follows(real: House) -> None:
    real.suite.write_text(BROKEN)
    tasks = real.root / "tasks"
    text = (tasks / "animals.toml").read_text()
    (tasks / "animals.toml").write_text(text.replace("classif", "clasif").replace("accuracy", "acuracy"))
    text = (tasks / "colours.toml").read_text()
    (tasks / "colours.toml").write_text(text + "[limit]\ntrian = 3\n")
    real.rows("animals.train.jsonl", [{"text": "a", "label": "nein"}])
    (real.root / "rows" / "animals.de.jsonl").unlink()
    real.rows("plants.fr.jsonl", [{"text": "a", "label": "yes"}, {"text": "a", "label": "oui"}])
    ended = real("check", "small.toml")
    assert ended.returncode == ExitCode.USAGE
    told = [line.removeprefix("error: ") for line in ended.stderr.splitlines() if line.startswith("error: ")]
    told = [line.replace(f"{real.root}/tasks/../", "") for line in told]
    for mistake in MISTAKES:
        assert sum(line.startswith(mistake) for line in told) == 1, (mistake, told)
    assert len(told) == len(MISTAKES), told


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('targets = ["animals"', 'targets = ["anmals"', "there is no task called 'anmals'"),
        ('targets = ["animals", "plants", "pairs"]', 'targets = "animals"', "grid.targets: must be a list"),
        ('intermediates = ["none", "colours"]', 'intermediates = ["none", "colour"]', "called 'colour'"),
        ('name = "fake"', 'name = "fa ke"', "checkpoint.0.name: must match"),
        ("[grid]", '[grid]\ninclude = ["none->anmals"]', "the pattern 'none->anmals' matches no cell"),
        ("[grid]", "[grid]\nseeds = [1.5]", "grid.seeds.0: must be a whole number"),
        ('title = "a small house"', "", "title: is missing"),
        ("[grid]", "[gird]", "gird: is not a known key"),
    ],
)
def test_what_only_follows_from_a_mistake_is_not_told(real: House, before: str, after: str, said: str) -> None:
    marks = "".join(
        f'[[mark]]\ncells = "{cells}"\nname = "mine"\n'
        for cells in ("none->animals", "colours->animals[fake-0]", "colours->pl*")
    )
    text = real.suite.read_text()
    assert before in text
    real.suite.write_text(text.replace(before, after) + marks)
    ended = real("check", "small.toml")
    assert ended.returncode == ExitCode.USAGE
    told = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert said in ended.stderr
    assert len(told) == (2 if after == "[gird]" else 1), told


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("labels = ", "labells = "),
        ('labels = ["yes", "no"]', 'labels = ["yes", 3]'),
        ("[data]", '[columns]\ntxt = "text"\n[data]'),
        ("test = { file", "test = { files"),
        ('languages = ["en", "de"]', 'languages = ["en", "German"]'),
        ("[data]", "[recipe]\nepochs = 0\n[data]"),
        ('name = "animals"', 'name = "Animals"'),
    ],
)
def test_what_only_follows_from_a_mistake_in_a_task_is_not_told(real: House, before: str, after: str) -> None:
    task = real.root / "tasks" / "animals.toml"
    assert before in task.read_text()
    task.write_text(task.read_text().replace(before, after))
    ended = real("check", "small.toml")
    assert ended.returncode == ExitCode.USAGE
    assert ended.stderr.count("error: ") == 1, ended.stderr
