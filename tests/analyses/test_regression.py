"""Regressions of gains: planted effects are found, shuffled ones no more often than by chance, the rest is said."""

from dataclasses import replace

import numpy as np
import pytest

from xharness.analyses.alignment import SIZE, Cell, regressions
from xharness.analyses.distances import DISTANCES
from xharness.analyses.regression import Predictor, fit, numbered

DISTANCE = DISTANCES[0]
TARGETS = ("tydiqa", "xcopa")


def grid(rng, by_distance=0.0, by_size=0.0, noise=0.5, intermediates=8, sizes=(100, 1000, 10000)):
    """Cells whose gain depends on distance and log size, and the distances."""
    far = {(f"i{i}", t): {DISTANCE: float(rng.random())} for i in range(intermediates) for t in TARGETS}
    cells = []
    for (name, target), held in far.items():
        for size in sizes:
            gain = by_distance * held[DISTANCE] + by_size * np.log10(size) + noise * rng.standard_normal()
            gain += 5.0 * (target == "xcopa")
            cells.append(Cell("tiny", f"{name}@{size}", name, target, float(size), gain, gain - 1, gain + 1))
    return cells, far


def by_name(cells, far, resamples=500):
    return {line.name: line for line in regressions(cells, far, resamples)}


def test_a_gain_that_falls_with_distance_is_found_and_size_is_not():
    lines = by_name(*grid(np.random.default_rng(1), by_distance=-6.0))
    found, size = lines[DISTANCE].tested, lines[SIZE].tested
    assert found.high < 0
    assert found.p < 0.01
    assert size.low < 0 < size.high
    assert size.p > 0.05
    assert lines[DISTANCE].alone > 0.7 > 0.1 > lines[DISTANCE].size_alone


def test_a_gain_that_grows_with_size_is_found_and_distance_is_not():
    lines = by_name(*grid(np.random.default_rng(2), by_size=2.0))
    assert lines[SIZE].tested.low > 0
    assert lines[SIZE].tested.p < 0.01
    assert lines[DISTANCE].tested.p > 0.05
    assert lines[DISTANCE].beside.low > 0
    assert lines[DISTANCE].size_alone > 0.7


def test_the_slope_is_that_of_least_squares_within_targets():
    rng = np.random.default_rng(3)
    cells, far = grid(rng, by_distance=-4.0, by_size=1.0)
    y = np.array([c.gain for c in cells])
    x = np.array([[far[c.intermediate, c.target][DISTANCE], np.log10(c.size)] for c in cells])
    dummies = np.array([[c.target == t for t in TARGETS] for c in cells], dtype=float)
    theirs = np.linalg.lstsq(np.column_stack([x, dummies]), y, rcond=None)[0][:2]
    within = x - np.array([x[dummies[:, int(d[1])] > 0].mean(axis=0) for d in dummies])
    line = by_name(cells, far)[DISTANCE]
    assert [line.tested.value, line.beside.value] == pytest.approx(list(theirs * within.std(axis=0)))


def test_shuffled_gains_are_taken_for_an_effect_at_about_the_nominal_rate():
    rng = np.random.default_rng(4)
    hits = {DISTANCE: 0, SIZE: 0}
    for _ in range(1000):
        cells, far = grid(rng, by_distance=-6.0, by_size=2.0, intermediates=6, sizes=(100, 1000))
        gains = {t: [c.gain for c in cells if c.target == t] for t in TARGETS}
        order = rng.permutation(len(gains[TARGETS[0]]))
        place = dict.fromkeys(TARGETS, 0)
        shuffled = []
        for cell in cells:
            gain = gains[cell.target][order[place[cell.target]]]
            place[cell.target] += 1
            shuffled.append(replace(cell, gain=gain))
        lines = by_name(shuffled, far, 199)
        for name in hits:
            hits[name] += lines[name].tested.p <= 0.05
    # 1000 times 0.05 is 50, with a standard deviation of 7.
    assert all(22 <= count <= 78 for count in hits.values()), hits


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"intermediates": 3, "sizes": (100,)}, "of only 3 intermediates or sizes; 4 are needed"),
        ({"sizes": (100,), "by_size": 1.0}, "the log size is the same for all"),
    ],
)
def test_too_few_points_and_constant_inputs_are_said_and_have_no_number(change, why):
    lines = by_name(*grid(np.random.default_rng(5), **change))
    assert why in lines[SIZE].fit.why
    assert lines[SIZE].tested is None


def test_a_size_that_is_constant_leaves_the_distance_its_regression():
    lines = by_name(*grid(np.random.default_rng(6), by_distance=-6.0, sizes=(100,)))
    assert lines[DISTANCE].tested.p < 0.05
    assert lines[DISTANCE].beside is None


def test_gains_that_are_all_the_same_have_no_regression():
    cells, far = grid(np.random.default_rng(7), noise=0.0)
    assert by_name(cells, far)[DISTANCE].fit.why == "the gains are all the same"


def test_predictors_that_go_together_exactly_are_not_told_apart():
    unit = numbered(list("abcdef"))
    table = np.arange(6.0)[:, None]
    where = np.zeros(6, dtype=np.int64)
    both = {"one": Predictor(table, unit, where), "two": Predictor(2 * table, unit, where)}
    assert "go together exactly" in fit(np.random.default_rng(8).random(6), where, unit, both).why


def test_all_orders_of_four_units_are_tried():
    unit, where = numbered(list("abcd")), np.zeros(4, dtype=np.int64)
    found = fit(np.array([0.0, 1.0, 2.0, 3.1]), where, unit, {"x": Predictor(np.arange(4.0)[:, None], unit, where)})
    assert found.slopes["x"].p == pytest.approx(2 / 24)
