"""The bootstrap, its p-values and corrections, against naive resampling, scipy and hand-made tables."""

import numpy as np
import pytest
from scipy import stats

from xharness.metrics import metric
from xharness.score.statistics import (
    Sample,
    _generator,
    bootstrap,
    counted,
    gains_over_first,
    holm,
    interval,
    observed,
    out_of_reach,
    p_value,
    resampled_sums,
    seed_weights,
    sign_flip,
)


def sample(parts, name="accuracy", together=None, runs=((0, 0), (1, 0)), keys=None, target="t"):
    keys = keys or {language: [f"{i:04}" for i in range(len(rows))] for language, rows in parts.items()}
    return Sample(target, metric(name), parts, keys, together or tuple((language,) for language in parts), runs)


def right_or_wrong(rng, n, chances):
    """[n, runs, (correct, n)] of runs that share the difficulty of their examples."""
    hard = rng.normal(size=n)
    correct = [hard + rng.normal(size=n) < stats.norm.ppf(chance) * np.sqrt(2) for chance in chances]
    return np.stack([np.column_stack([c, np.ones(n)]) for c in correct], axis=1).astype(float)


def test_a_matrix_product_of_counts_is_naive_resampling():
    rng = np.random.default_rng(0)
    matrix = rng.random((50, 4))  # every row distinct: the examples are drawn one by one
    sums = np.concatenate(list(resampled_sums(matrix, 30, np.random.default_rng(7))))
    indices = np.random.default_rng(7).integers(0, 50, (30, 50))
    naive = [sum(matrix[i] for i in drawn) for drawn in indices]
    np.testing.assert_allclose(sums, naive, rtol=1e-12)
    np.testing.assert_array_equal(counted(indices, 50), [np.bincount(drawn, minlength=50) for drawn in indices])


@pytest.mark.parametrize("name", ["f1_xtreme", "squad"])
def test_scores_of_resamples_are_the_metric_of_the_drawn_examples(name):
    rng = np.random.default_rng(1)
    given = sample({"en": rng.random((40, 2, 3)) + np.array([0, 0, 1.0])}, name)
    scores = bootstrap(given, 20, seed=3)
    drawn = iter(resampled_sums(given.parts["en"].reshape(40, -1), 20, _generator(3, "t", "en")))
    sums = np.concatenate(list(drawn)).reshape(20, 2, 3)
    for found, expected in zip(scores[:, 0], sums, strict=True):
        np.testing.assert_allclose(found, [float(given.metric.score(s)) for s in expected])


def test_drawing_distinct_rows_has_the_distribution_of_drawing_examples():
    rng = np.random.default_rng(2)
    few = (rng.random((400, 2)) < [0.7, 0.6]).astype(float)  # four distinct rows: drawn as counts
    fast = np.concatenate(list(resampled_sums(few, 20_000, np.random.default_rng(0))))
    indices = np.random.default_rng(1).integers(0, 400, (20_000, 400))
    slow = counted(indices, 400) @ few
    for sums in (fast, slow):  # of a multinomial: n times the mean and the covariance of the rows
        np.testing.assert_allclose(sums.mean(axis=0), few.sum(axis=0), atol=0.3)
        np.testing.assert_allclose(np.cov(sums.T), 400 * np.cov(few.T, bias=True), atol=3)
    assert stats.ks_2samp(fast[:, 0] - fast[:, 1], slow[:, 0] - slow[:, 1]).pvalue > 0.01


@pytest.mark.parametrize("distinct", [True, False])
def test_results_do_not_depend_on_blocks_threads_or_the_order_of_the_file(distinct):
    rng = np.random.default_rng(3)
    parts = {code: right_or_wrong(rng, 120, (0.6, 0.7)) for code in ("de", "en")}
    if not distinct:
        parts = {code: table + rng.random((120, 1, 1)) * [1, 0] for code, table in parts.items()}
    given = sample(parts)
    whole = bootstrap(given, 500, seed=5)
    for options in ({"block": 1}, {"block": 1000}, {"threads": 1}, {"threads": 4}):
        # To the last bit but for the order in which a matrix product adds.
        np.testing.assert_allclose(bootstrap(given, 500, seed=5, **options), whole, rtol=1e-12)
    order = rng.permutation(120)
    keys = {code: [f"{i:04}" for i in order] for code in parts}
    shuffled = sample({code: table[order] for code, table in parts.items()}, keys=keys)
    np.testing.assert_allclose(bootstrap(shuffled, 500, seed=5), whole, rtol=1e-12)
    assert not np.array_equal(bootstrap(given, 500, seed=6), whole)


def test_a_target_is_drawn_alike_whatever_is_compared_beside_it_and_systems_may_swap():
    rng = np.random.default_rng(4)
    table = right_or_wrong(rng, 200, (0.5, 0.6))
    ahead, back = bootstrap(sample({"en": table}), 300), bootstrap(sample({"en": table[:, ::-1]}), 300)
    np.testing.assert_allclose(ahead[..., 0] - ahead[..., 1], back[..., 1] - back[..., 0], atol=8)
    alone = bootstrap(sample({"en": table, "de": table}), 300)[:, 0]
    np.testing.assert_array_equal(alone, ahead[:, 0])


@pytest.mark.parametrize("kind", ["few patterns", "many patterns", "some of both", "rows that one pair lacks"])
def test_each_row_of_a_table_gains_over_the_first_what_it_gains_in_a_comparison_of_the_two(kind):
    rng = np.random.default_rng(4)
    runs = tuple((system, seed) for system in range(4) for seed in range(2))
    parts = {code: right_or_wrong(rng, 300, np.linspace(0.5, 0.7, len(runs))) for code in ("de", "en", "fr")}
    if kind == "many patterns":
        parts = {code: table + rng.random((300, len(runs), 1)) * [1, 0] for code, table in parts.items()}
    if kind == "some of both":
        parts = {code: table + (rng.random((300, len(runs), 1)) * [1, 0]) * (np.array(runs)[:, :1] == 3)
                 for code, table in parts.items()}  # fmt: skip
    if kind == "rows that one pair lacks":
        extra = np.zeros((40, len(runs), 2))
        extra[:, 4:6, 1] = 1
        parts = {code: np.concatenate([table, extra]) for code, table in parts.items()}
    whole = sample(parts, together=(("de", "en"), ("fr",)), runs=runs)
    found = gains_over_first(whole, 200, seed=5)
    for other in range(1, 4):
        kept = [i for i, (system, _) in enumerate(runs) if system in (0, other)]
        there = {code: table[:, kept].any(axis=(1, 2)) for code, table in parts.items()}
        two = sample(
            {code: table[there[code]][:, kept] for code, table in parts.items()},
            together=whole.together,
            runs=tuple((int(system > 0), seed) for system, seed in runs if system in (0, other)),
            keys={
                code: [key for key, held in zip(whole.keys[code], there[code], strict=True) if held] for code in parts
            },
        )
        alone = bootstrap(two, 200, seed=5)
        np.testing.assert_allclose(found[..., other - 1], alone[..., 1] - alone[..., 0], atol=1e-9)


def test_systems_that_answer_alike_differ_by_nothing():
    table = right_or_wrong(np.random.default_rng(5), 100, (0.6,))
    scores = bootstrap(sample({"en": np.concatenate([table, table], axis=1)}), 200)
    gap = scores[:, 0, 1] - scores[:, 0, 0]
    assert interval(gap) == (0, 0)
    assert p_value(gap) == 1


def test_the_interval_is_that_of_scipy():
    rng = np.random.default_rng(6)
    table = right_or_wrong(rng, 500, (0.6, 0.65))
    scores = bootstrap(sample({"en": table}), 20_000)
    gap = 100 * (table[:, 1, 0] - table[:, 0, 0])
    found = stats.bootstrap((gap,), np.mean, n_resamples=20_000, method="percentile", rng=rng).confidence_interval
    assert interval(scores[:, 0, 1] - scores[:, 0, 0]) == pytest.approx((found.low, found.high), abs=0.25)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(7)
    truth, hits, trials = 10.0, 0, 400
    for trial in range(trials):
        table = right_or_wrong(rng, 250, (0.6, 0.7))
        scores = bootstrap(sample({"en": table}), 500, seed=trial, threads=1)
        low, high = interval(scores[:, 0, 1] - scores[:, 0, 0])
        hits += low <= truth <= high
    assert 0.92 <= hits / trials <= 0.98


def test_intervals_of_parallel_languages_cover_only_when_drawn_together():
    rng = np.random.default_rng(8)
    covered = {True: 0, False: 0}
    trials, codes = 120, tuple("abcdef")
    for trial in range(trials):
        shared = right_or_wrong(rng, 150, (0.6, 0.7))
        parts = {}
        for code in codes:  # nine in ten examples go alike in all languages
            own = right_or_wrong(rng, 150, (0.6, 0.7))
            parts[code] = np.where(rng.random((150, 1, 1)) < 0.9, shared, own)
        for joint in covered:
            given = sample(parts, together=(codes,) if joint else None)
            means = bootstrap(given, 300, seed=trial, threads=1).mean(axis=1)
            low, high = interval(means[:, 1] - means[:, 0])
            covered[joint] += low <= 10 <= high
    assert covered[True] / trials >= 0.9
    assert covered[False] / trials < 0.75


def test_p_values_are_uniform_without_a_difference():
    rng = np.random.default_rng(9)
    found = []
    for trial in range(400):
        hard, ones = rng.random((200, 1, 1)), np.ones((200, 2, 1))
        f1 = np.clip(hard + 0.3 * rng.normal(size=(200, 2, 1)), 0, 1)
        table = np.concatenate([f1, f1**2, ones], axis=2)
        scores = bootstrap(sample({"en": table}, "squad"), 400, seed=trial, threads=1)
        found.append(p_value(scores[:, 0, 1] - scores[:, 0, 0]))
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_of_accuracies_without_a_difference_one_in_twenty_is_significant():
    rng = np.random.default_rng(10)
    found = []
    for trial in range(400):
        scores = bootstrap(sample({"en": right_or_wrong(rng, 200, (0.6, 0.6))}), 400, seed=trial, threads=1)
        found.append(p_value(scores[:, 0, 1] - scores[:, 0, 0]))
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.085


def test_a_p_value_is_never_zero_and_crosses_where_the_interval_does():
    assert p_value(np.full(999, 3.0)) == pytest.approx(2 / 1000)
    draws = np.linspace(-1, 40, 10_001)
    low, _ = interval(draws)
    assert (p_value(draws) < 0.05) == (low > 0)
    draws = np.linspace(-0.9, 40, 10_001)
    low, _ = interval(draws)
    assert (p_value(draws) < 0.05) == (low > 0)


def test_seeds_are_drawn_one_fewer_than_there_are_and_alike_for_both_systems():
    runs = [(0, 1), (0, 2), (0, 3), (1, 3), (1, 1), (1, 2)]
    weights = seed_weights(runs, 4000, seed=0)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert set(np.unique(weights)) == {0, 0.5, 1}
    np.testing.assert_array_equal(weights[:, 0, 0], weights[:, 4, 1])  # seed 1 of either system
    np.testing.assert_array_equal(weights[:, 2, 0], weights[:, 3, 1])
    assert not weights[:, :3, 1].any()
    # Between seeds, the variance of the mean comes out as the unbiased estimate s²/k.
    scores = np.array([1.0, 4.0, 10.0])
    assert (weights[:, :3, 0] @ scores).var() == pytest.approx(scores.var(ddof=1) / 3, rel=0.06)


def test_other_seeds_are_drawn_by_each_system_for_itself_and_one_seed_not_at_all():
    weights = seed_weights([(0, 0), (1, 0), (1, 1), (2, 5), (2, 6)], 100, seed=0)
    assert (weights[:, 0, 0] == 1).all()
    assert not np.array_equal(weights[:, 1, 1], weights[:, 3, 2])


def test_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(10)
    tables = [right_or_wrong(rng, 400, (chance,)) for chance in (0.6, 0.6, 0.6, 0.5, 0.65, 0.8)]
    parts = {"en": np.concatenate(tables, axis=1)}
    runs = tuple((system, seed) for system in (0, 1) for seed in range(3))
    several = bootstrap(sample(parts, runs=runs), 2000)
    low, high = interval(several[:, 0, 1] - several[:, 0, 0])
    alone = bootstrap(sample({"en": parts["en"][:, [0, 4]]}), 2000)
    least, most = interval(alone[:, 0, 1] - alone[:, 0, 0])
    assert high - low > 1.5 * (most - least)
    means = observed(sample(parts, runs=runs))[0]
    assert means[1] == pytest.approx(100 * parts["en"][:, 3:, 0].mean())


def test_holm_by_hand():
    # Holm 1979: sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, and never below the one before.
    assert holm([0.04, 0.01, None, 0.03, 0.02]) == pytest.approx([0.06, 0.04, None, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_too_few_resamples_for_a_table_are_noticed():
    assert out_of_reach(tests=300, resamples=10_000)
    assert not out_of_reach(tests=200, resamples=10_000)


def test_the_exact_sign_flip_test_is_that_of_scipy():
    rng = np.random.default_rng(11)
    table = right_or_wrong(rng, 12, (0.3, 0.8))
    gap = table[:, 1, 0] - table[:, 0, 0]
    found = stats.permutation_test((gap,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip(table[:, 0], table[:, 1], metric("accuracy")) == pytest.approx(found)


def test_the_sampled_sign_flip_test_agrees_with_scipy_and_with_the_bootstrap():
    rng = np.random.default_rng(12)
    table = right_or_wrong(rng, 300, (0.6, 0.66))
    gap = table[:, 1, 0] - table[:, 0, 0]
    theirs = stats.permutation_test((gap,), np.mean, permutation_type="samples", n_resamples=9999, rng=rng).pvalue
    ours = sign_flip(table[:, 0], table[:, 1], metric("accuracy"))
    scores = bootstrap(sample({"en": table}))
    assert ours == pytest.approx(theirs, abs=0.02)
    assert p_value(scores[:, 0, 1] - scores[:, 0, 0]) == pytest.approx(ours, abs=0.03)
