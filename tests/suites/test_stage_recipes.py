"""Recipes that are put together: what is said later counts, and a stage of several tasks has what it needs."""

from __future__ import annotations

from pathlib import Path

from xharness.spec.load import Loaded, load_suite

SUITE = """
title = "recipes"
extends = "xtreme"
scheme = ""
{more}
[grid]
intermediates = ["mnli", "one", "two"]
targets = ["xnli"]
[intermediate.one]
tasks = ["mnli"]
recipe = {{ {said} }}
[intermediate.two]
tasks = ["mnli", "qqp"]
"""


def loaded(folder: Path, said: str, more: str) -> Loaded:
    (folder / "suite.toml").write_text(SUITE.format(said=said, more=more))
    return load_suite(str(folder / "suite.toml"), "micro")


def test_epochs_that_are_said_after_steps_count(tmp_path: Path) -> None:
    suite = loaded(tmp_path, "epochs = 1", "[recipe.mnli]\nsteps = 7\n[target.xnli]\nrecipe = { epochs = 5 }\n")
    assert suite.stage_recipe("mnli", 0).steps == 7
    assert (suite.stage_recipe("one", 0).epochs, suite.stage_recipe("one", 0).steps) == (1, None)
    both = loaded(tmp_path, "epochs = 1, steps = 3", "[recipe.mnli]\nsteps = 7\n")
    assert both.stage_recipe("one", 0).steps == 3
    later = loaded(tmp_path, "steps = 3", "[recipe.one]\nepochs = 2\n")
    assert (later.stage_recipe("one", 0).epochs, later.stage_recipe("one", 0).steps) == (2, None)


def test_several_tasks_do_not_have_the_patience_of_their_first(tmp_path: Path) -> None:
    suite = loaded(tmp_path, "epochs = 1", '[recipe.mnli]\npatience = 2\nevaluations = 5\nselect = "best"\n')
    assert suite.stage_recipe("one", 0).patience == 2
    together = suite.stage_recipe("two", 0)
    assert (together.patience, together.evaluations, together.select) == (None, 0, "last")
