"""Best per target, chosen on dev; cells that have learnt nothing."""

import numpy as np
import pytest
from stored import Stored, answers, task

from xharness.score.choice import best_per_target, chosen_side, collapsed_seeds, degenerate
from xharness.score.matching import sides_of

METRICS = {"a": "accuracy", "b": "accuracy"}


@pytest.fixture
def stored(tmp_path):
    return Stored(tmp_path, {name: task(name, ("de", "en"), metric="accuracy") for name in METRICS})


def add(stored, intermediate, target, dev, skill=0.5, seed=0, **more):
    rng = np.random.default_rng(0)
    stored.add(intermediate, target, {code: answers(rng, 100, skill) for code in ("de", "en")}, seed, dev, **more)


def test_the_intermediate_is_chosen_on_dev_and_reported_on_test(stored):
    # squad_v1 is better on test and worse on dev.
    for intermediate, dev, chance in (("none", 60.0, 0.5), ("mnli", 80.0, 0.6), ("squad_v1", 70.0, 0.9)):
        add(stored, intermediate, "a", dev, chance)
    add(stored, "none", "b", 90.0)
    choices = best_per_target(stored.run)
    assert [(c.target, c.intermediate, c.dev) for c in choices] == [("a", "mnli", 80.0), ("b", "none", 90.0)]
    rows = sides_of(stored.run, stored.records, stored.folder)
    best = chosen_side("tiny", choices, rows)
    assert best.targets["a"].mean("de") == rows["tiny", "mnli"].targets["a"].mean("de")
    assert {name: scored.origin for name, scored in best.targets.items()} == {"a": "mnli", "b": "none"}


def test_dev_is_the_mean_over_seeds_and_ties_go_by_the_grid(stored):
    for intermediate, devs in (("none", (50.0, 70.0)), ("mnli", (60.0, 60.0)), ("ccg", (90.0, 20.0))):
        for seed, dev in enumerate(devs):
            add(stored, intermediate, "a", dev, seed=seed)
    chosen = best_per_target(stored.run)[0]
    assert (chosen.intermediate, chosen.dev) == ("none", 60.0)


def test_a_target_without_a_dev_score_is_said_so_and_not_guessed(stored):
    add(stored, "none", "a", None)
    add(stored, "mnli", "a", 80.0)
    add(stored, "none", "b", None)
    first, second = best_per_target(stored.run)
    assert (first.intermediate, first.reason) == (None, "no score on English dev for none")
    assert (second.intermediate, second.reason) == (None, "no score on English dev")
    assert chosen_side("tiny", [first, second], sides_of(stored.run, stored.records, stored.folder)).targets == {}


def test_failed_cells_take_no_part_and_are_named(stored):
    for intermediate, dev in (("none", 60.0), ("mnli", 80.0)):
        add(stored, intermediate, "a", dev)
    stored.cells[-1] |= {"status": "failed", "dev": None}
    chosen = best_per_target(stored.run)[0]
    assert (chosen.intermediate, chosen.reason) == ("none", "not in the choice, failed or skipped: mnli")


def chosen_by_b(stored, *names):
    """`a` has no dev set; `b` has one."""
    stored.tasks["a"]["choose_by"] = list(names)
    for intermediate, dev in (("none", 60.0), ("mnli", 80.0), ("ccg", 70.0)):
        add(stored, intermediate, "a", None)
        add(stored, intermediate, "b", dev)
    return stored


def test_another_targets_dev_chooses_for_one_without_a_dev_set_and_is_named(stored):
    first, second = best_per_target(chosen_by_b(stored, "b").run)
    assert (first.target, first.intermediate, first.dev, first.chosen_by) == ("a", "mnli", 80.0, "b")
    assert (second.intermediate, second.chosen_by) == ("mnli", "")
    assert (first.words, second.words) == ("b's dev", "English dev")
    best = chosen_side("tiny", [first, second], sides_of(stored.run, stored.records, stored.folder))
    assert {name: scored.origin for name, scored in best.targets.items()} == {"a": "mnli", "b": "mnli"}


def test_the_first_that_is_a_target_with_dev_scores_chooses(stored):
    assert best_per_target(chosen_by_b(stored, "c", "b").run)[0].chosen_by == "b"


def test_where_nothing_can_choose_it_is_said_what_was_looked_for(stored):
    chosen_by_b(stored, "c", "b")
    stored.cells = [cell | {"dev": None} for cell in stored.cells]
    first, second = best_per_target(stored.run)
    assert (first.intermediate, first.chosen_by) == (None, "")
    assert first.reason == "to be chosen by the dev of c, no target of this run, or of b, which has no dev score"
    assert second.reason == "no score on English dev"


def test_an_intermediate_that_the_choosing_target_lacks_leaves_no_choice_and_one_that_failed_takes_no_part(stored):
    chosen_by_b(stored, "b")
    run = stored.run
    left = run | {"cells": [c for c in run["cells"] if c["name"] != "mnli->b[tiny-0]"]}
    first = best_per_target(left)[0]
    assert (first.intermediate, first.reason) == (None, "no score on b's dev for mnli")
    for name in ("mnli->b[tiny-0]", "mnli->a[tiny-0]"):
        cells = [c | ({"status": "failed"} if c["name"] == name else {}) for c in run["cells"]]
        first = best_per_target(run | {"cells": cells})[0]
        assert (first.intermediate, first.reason) == ("ccg", "not in the choice, failed or skipped: mnli")


def test_the_better_way_is_that_of_the_dev_that_chooses(stored):
    stored.tasks["b"]["higher_dev_is_better"] = False
    assert best_per_target(chosen_by_b(stored, "b").run)[0].intermediate == "none"


def test_constant_predictions_are_degenerate_only_in_every_language(stored):
    add(stored, "none", "a", None, degenerate=True)
    add(stored, "none", "b", None)
    stored.records = [
        type(r)(**{**r.as_json(), "degenerate": r.target == "a" or r.language == "de"}) for r in stored.records
    ]
    found = degenerate(stored.records, METRICS)
    assert [(d.target, d.reason) for d in found] == [("a", "the predictions are all the same")]


def test_a_collapsed_seed_is_found_beside_seeds_that_learnt(stored):
    for seed, skill in enumerate((0.9, 0.3, 0.85)):
        add(stored, "mnli", "a", None, skill, seed, chance=50.0)
    (found,) = degenerate(stored.records, METRICS)
    assert (found.intermediate, found.target, found.seed) == ("mnli", "a", 1)
    assert "majority baseline" in found.reason


@pytest.mark.parametrize(
    ("scores", "collapsed"),
    [
        ({0: 33.0, 1: 80.0, 2: 79.0}, (0,)),
        ({0: 33.0, 1: 33.5, 2: 79.0}, (0, 1)),
        ({0: 33.0, 1: 34.0}, ()),  # a hard task: no seed has learnt it
        ({0: 33.0, 1: 40.0}, ()),  # not far above
        ({0: 36.0, 1: 80.0}, ()),  # poor, and yet above the baseline
        ({0: 33.0}, ()),
    ],
)
def test_a_seed_collapsed_when_it_is_at_the_baseline_and_others_are_far_above(scores, collapsed):
    assert collapsed_seeds(scores, chance=33.3) == collapsed
