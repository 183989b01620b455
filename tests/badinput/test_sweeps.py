"""Broken sweeps: each is one sentence with file, line and key, before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run, assert_nothing_stored, assert_well_said, marked
from .test_suites import suite

OWN = '[intermediate.own]\ntasks = ["mnli"]\n'
BOTH = 'targets = ["xnli"]\nintermediates = ["own"]'

# what is wrong -> (the suite, `#!` on the line to be named; what the message must say)
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a setting that is none": (
        suite(rest="[sweep]\nlearnin_rate = [1e-5, 2e-5] #!"),
        ("sweep.learnin_rate", "no setting that can be swept", "'learning_rate'"),
    ),
    "a setting that changes what is encoded": (
        suite(rest="[sweep]\nmax_length = [64, 128] #!"),
        ("sweep.max_length", "no setting that can be swept"),
    ),
    "one value in place of a list": (
        suite(rest="[sweep]\nlearning_rate = 1e-5 #!"),
        ("sweep.learning_rate", "must be a list of values to try, found 1e-05"),
    ),
    "no value": (suite(rest="[sweep]\nepochs = [] #!"), ("sweep.epochs", "is empty")),
    "a value twice": (suite(rest="[sweep]\nbatch_size = [16, 32, 16] #!"), ("sweep.batch_size", "names 16 2 times")),
    "a value out of range": (
        suite(rest="[sweep]\nlearning_rate = [1e-5, -1e-5] #!"),
        ("sweep.learning_rate", "must be greater than 0, found -1e-05"),
    ),
    "a value of another type": (
        suite(rest='[sweep]\nbatch_size = [16, "32"] #!'),
        ("sweep.batch_size", "must be a whole number, found '32'"),
    ),
    "epochs and steps": (
        suite(rest="[sweep]\nepochs = [1, 2] #!\nsteps = [10, 20]"),
        ("sweep.epochs", "steps are swept too"),
    ),
    "epochs of a recipe that has steps": (
        suite(rest="[recipe.xnli]\nsteps = 10\n[sweep]\nepochs = [1, 2] #!"),
        ("sweep.epochs", "steps = 10", "Sweep steps"),
    ),
    "a target that is no task": (
        suite(rest="[sweep.xnly] #!\nepochs = [1, 2]"),
        ("sweep.xnly", "no task called 'xnly'", "'xnli'"),
    ),
    "a task that is no target": (
        suite(rest="[sweep.qqp] #!\nepochs = [1, 2]"),
        ("sweep.qqp", "no target of this suite", "[intermediate.NAME]"),
    ),
    "a target that is tuned on nothing": (
        suite(grid='targets = ["xnli", "tatoeba"]', rest="[sweep.tatoeba] #!\nepochs = [1, 2]"),
        ("sweep.tatoeba", "tuned on nothing"),
    ),
    "said in two places": (
        suite(rest="[sweep.xnli] #!\nepochs = [1, 2]\n[target.xnli]\nsweep = { epochs = [1, 3] }"),
        ("sweep.xnli", "[target.xnli] has a sweep too"),
    ),
    "a setting of a stage that its recipe fixes": (
        suite(grid=BOTH, rest=f"{OWN}recipe = {{ epochs = 1 }}\nsweep = {{ epochs = [1, 2] }} #!"),
        ("intermediate.own.sweep.epochs", "stands in recipe too"),
    ),
    "a setting of a stage that is none": (
        suite(grid=BOTH, rest=f"{OWN}sweep = {{ epoch = [1, 2] }} #!"),
        ("intermediate.own.sweep.epoch", "'epochs'"),
    ),
    "a chain with a sweep of no stage": (
        suite(grid=BOTH, rest='[intermediate.own] #!\nstages = ["mnli"]\nsweep = { epochs = [1, 2] }'),
        ("sweep is said of a stage",),
    ),
    "a profile's sweep": (
        suite(rest="[profile.micro.sweep]\nwarmup = [-0.1, 0.1] #!"),
        ("profile.micro.sweep.warmup", "found -0.1"),
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_a_broken_sweep_is_refused_with_its_line_and_what_would_do(what: str, tmp_path: Path, xharness: Run) -> None:
    text, says = CASES[what]
    file = tmp_path / "s.toml"
    file.write_text(text)
    assert_well_said(xharness("run", file), 4, f"s.toml:{marked(text)}", says)
    assert_nothing_stored(tmp_path)


def test_a_target_without_dev_data_cannot_be_swept(tmp_path: Path, xharness: Run) -> None:
    (tmp_path / "tasks").mkdir()
    rows = '{ file = "rows.tsv" }'
    (tmp_path / "tasks" / "blind.toml").write_text(
        'name = "blind"\ntitle = "Blind"\nadapter = "classification"\nmetric = "accuracy"\nlanguages = ["en"]\n'
        f'labels = ["good", "bad"]\n[data]\ntrain = {rows}\ntest = {rows}\n'
    )
    text = suite(grid='targets = ["blind"]', rest="[sweep] #!\nepochs = [1, 2]")
    (tmp_path / "s.toml").write_text(text)
    said = ("sweep", "'blind' has no dev data", "the target 'blind'")
    assert_well_said(xharness("run", tmp_path / "s.toml"), 4, f"s.toml:{marked(text)}", said)
