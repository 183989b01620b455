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
