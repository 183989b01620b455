"""Rank correlations and the test of groups, against scipy, by hand, and at their nominal rate."""

import itertools

import numpy as np
import pytest
from scipy import stats

from xharness.score.grouping import between_groups, rank_correlation, spearman


def test_spearman_by_hand():
    # Ranks 1 2 3 4 against 1 3 2 4: squared differences 0 1 1 0, so 1 - 6 * 2 / (4 * 15) = 0.8.
    found = rank_correlation(np.array([1.0, 10.0, 100.0, 1000.0]), np.array([0.1, 0.3, 0.2, 9.0]))
    assert found.value == pytest.approx(0.8)
    # Of the 24 orders those with |rho| >= 0.8: rho is 1 (1 order), 0.8 (3 orders), and their mirror images.
    assert (found.p, found.permutations, found.exact) == (pytest.approx(8 / 24), 24, True)


def test_spearman_with_ties_is_scipy_s():
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 4, (50, 9)).astype(float), rng.integers(0, 4, (50, 9)).astype(float)
    expected = [stats.spearmanr(one, two).statistic for one, two in zip(left, right, strict=True)]
    np.testing.assert_allclose(spearman(left, right), expected)


def test_the_p_value_of_many_languages_is_near_scipy_s():
    rng = np.random.default_rng(1)
    left = rng.normal(size=20)
    right = 0.5 * left + rng.normal(size=20)
    found = rank_correlation(left, right)
    assert not found.exact
    assert found.p == pytest.approx(stats.spearmanr(left, right).pvalue, abs=0.01)
    assert found.low < found.value < found.high


def test_draws_of_examples_widen_the_interval_of_a_correlation():
    rng = np.random.default_rng(2)
    left, right = np.arange(12.0), np.arange(12.0) + rng.normal(0, 0.1, 12)
    alone = rank_correlation(left, right)
    noisy = rank_correlation(left, right, right + rng.normal(0, 6, (2000, 12)))
    assert alone.value == noisy.value
    assert noisy.high - noisy.low > alone.high - alone.low


def test_groups_by_hand():
    # Two families of two, values 0 1 | 10 11: of the three ways to pair four languages only one has less within. Each
    # way counts twice, for the two families can change places: 2 of 6.
    found = between_groups(np.array([0.0, 1.0, 10.0, 11.0]), ["a", "a", "b", "b"])
    assert (found.p, found.permutations, found.exact) == (pytest.approx(2 / 6), 6, True)
    assert found.value == pytest.approx(100 / 101)  # mean 5.5; between 4 * 25, within 4 * 0.25


def test_groups_of_one_language_count_as_they_are():
    # One family of two among three alone: 10 pairs, and only 1 and 2 are as near to each other as they are.
    values, labels = np.array([1.0, 2.0, 5.0, 9.0, 20.0]), ["a", "a", "b", "c", "d"]
    found = between_groups(values, labels)
    assert (found.p, found.permutations) == (pytest.approx(1 / 10), 10)
    within = [((values[list(p)] - values[list(p)].mean()) ** 2).sum() for p in itertools.combinations(range(5), 2)]
    assert found.value == pytest.approx(1 - within[0] / ((values - values.mean()) ** 2).sum())


@pytest.mark.parametrize(
    ("values", "labels", "reason"),
    [
        ([1.0, 1.0, 1.0, 1.0], "aabb", "same in every language"),
        ([1.0, 2.0, 3.0, 4.0], "aaaa", "one group"),
        ([1.0, 2.0, 3.0, 4.0], "abcd", "no two languages"),
        ([1.0, 2.0], "ab", "too few"),
        ([], "", "too few"),
    ],
)
def test_what_cannot_be_tested_has_a_reason_and_no_number(values, labels, reason):
    found = between_groups(np.array(values), list(labels))
    assert (found.value, found.p) == (None, None)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("trait", "value", "reason"),
    [
        ([1, 1, 1, 1], [1, 2, 3, 4], "trait is the same"),
        ([1, 2, 3, 4], [0.1, 0.1, 0.1, 0.1 + 1e-12], "value is the same"),
        ([1, 2], [1, 2], "too few"),
    ],
)
def test_a_correlation_with_a_constant_has_a_reason_and_no_number(trait, value, reason):
    found = rank_correlation(np.array(trait, float), np.array(value, float))
    assert (found.value, found.p, found.low) == (None, None, None)
    assert reason in found.reason


def test_both_are_significant_by_chance_no_more_often_than_they_say():
    rng = np.random.default_rng(3)
    labels, trait = list("aaabbbccd"), np.arange(9.0)
    groups = [between_groups(rng.normal(size=9), labels, permutations=500).p <= 0.05 for _ in range(1000)]
    ranks = [rank_correlation(trait, rng.normal(size=9), resamples=10).p <= 0.05 for _ in range(200)]
    assert 0.03 < np.mean(groups) < 0.07
    assert np.mean(ranks) < 0.10
