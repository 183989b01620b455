"""What holds for every metric: perfection is 100, order does not matter, sums of parts are all that counts."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xharness.metrics import installed_metrics
from xharness.metrics import metric as by_name

LABELS = ("entailment", "neutral", "contradiction")
NAMES = [
    *(name for name in installed_metrics() if not name.endswith("_at_K") and by_name(name).by_example),
    "map_at_20",
    "recall_at_1",
    "recall_at_20",
    "mrr_at_20",
    "cross_map_at_20",
    "same_language_at_3",
]
CORRELATIONS = ("matthews", "pearson")
"""From -100 on, and 0 where one side never changes."""


def metric(name):
    """The metric as it scores a task with three labels."""
    return by_name(name).of(LABELS)


quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

label = st.sampled_from(LABELS)
word = st.sampled_from(["tower", "red house", "Katze", "北京", "भारत", "كتب"])
number = st.integers(0, 5)
upos = st.sampled_from(["NOUN", "VERB", "CCONJ", "SCONJ", "SYM", "X"])
# Entities a decoder can make: every I- follows its B-.
entity = st.sampled_from([["O"], ["B-PER"], ["B-PER", "I-PER"], ["B-LOC", "I-LOC", "O"]])
PERPLEXITY = "perplexity"
"""From 1 on, lower is better; a prediction holds what was predicted and what is right."""
FAMILY = {
    "f1_entity": st.lists(entity, min_size=1, max_size=4).map(lambda spans: [tag for span in spans for tag in span]),
    "f1_xtreme": st.lists(upos, min_size=1, max_size=8),
    "accuracy_token": st.lists(upos, min_size=1, max_size=8),
    "squad": word,
    "squad_v2": word,
    "mlqa": word,
    "f1_bucc": st.booleans(),
    "pearson": st.floats(-5, 5).map(lambda x: round(x, 2)),
    PERPLEXITY: st.tuples(st.floats(0, 50).map(lambda x: round(x, 2)), st.integers(1, 9)),
    "map_at_20": st.lists(number, min_size=1, max_size=6, unique=True),
    "recall_at_1": st.lists(number, min_size=1, max_size=6, unique=True),
    "recall_at_20": st.lists(number, min_size=1, max_size=6, unique=True),
    "mrr_at_20": st.lists(number, min_size=1, max_size=6, unique=True),
    "cross_map_at_20": st.lists(number, min_size=1, max_size=6, unique=True),
    "same_language_at_3": st.lists(st.sampled_from(["en:1", "en:2", "de:1", "zh:1"]), min_size=1, max_size=4),
}
TAGGING = ("f1_entity", "f1_xtreme", "accuracy_token")
ANSWERS = ("squad", "squad_v2", "mlqa")
HUBNESS = ("f1_tatoeba_mteb", "f1_bucc_mteb")
"""Their parts hold what the whole sample knows, so they do not add up over parts of it."""


def example(name):
    """(prediction, reference) of one example."""
    one = FAMILY.get(name, number if "tatoeba" in name or "bucc" in name else label)
    if name in ANSWERS:
        return st.tuples(one, st.lists(word, min_size=1, max_size=3))
    if name in TAGGING:
        return st.tuples(one, one).map(lambda pair: [side[: min(map(len, pair))] for side in pair]).map(tuple)
    return st.tuples(one, one)


def examples(name):
    return st.lists(example(name), min_size=1, max_size=12)


def perfect(name, reference):
    return reference[0] if name in ANSWERS else reference


def sums(name, pairs):
    return metric(name).outcomes([p for p, _ in pairs], [r for _, r in pairs], "en").sum(axis=0)


@pytest.mark.parametrize("name", NAMES)
def test_predictions_that_equal_the_references_score_100(name):
    @quick
    @given(examples(name))
    def check(pairs):
        right = [(perfect(name, reference), reference) for _, reference in pairs]
        if name == "f1_bucc" and not any(reference for _, reference in right):
            return
        if name == "f1_entity" and all(tag == "O" for _, tags in right for tag in tags):
            return
        if name in CORRELATIONS and len({reference for _, reference in right}) < 2:
            return
        if name == PERPLEXITY:
            assert float(metric(name).score(sums(name, [((0.0, n), None) for (_, n), _ in pairs]))) == 1
            return
        if name == "same_language_at_3":
            right = [([f"en:{n}" for n in range(len(prediction))], reference) for prediction, reference in pairs]
        if name == "recall_at_1":
            right = [(reference[:1], reference[:1]) for _, reference in right]
        assert float(metric(name).score(sums(name, right))) == pytest.approx(100)

    check()


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_examples_changes_nothing(name):
    @quick
    @given(examples(name), st.randoms(use_true_random=False))
    def check(pairs, generator):
        shuffled = generator.sample(pairs, len(pairs))
        assert sums(name, shuffled) == pytest.approx(sums(name, pairs), abs=1e-9)

    check()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HUBNESS])
def test_a_weighted_sum_of_rows_is_the_score_of_the_resample(name):
    @quick
    @given(st.lists(st.tuples(example(name), st.integers(0, 3)), min_size=1, max_size=8))
    def check(drawn):
        found = metric(name)
        repeated = [pair for pair, times in drawn for _ in range(times)]
        rows = found.outcomes([p for (p, _), _ in drawn], [r for (_, r), _ in drawn], "en")
        weights = np.array([times for _, times in drawn], dtype=float)
        if name == "pearson":  # Its parts are about the mean of the examples that are there.
            assert found.score(weights @ rows) == pytest.approx(float(found.score(sums(name, repeated))), abs=1e-6)
        else:
            assert weights @ rows == pytest.approx(sums(name, repeated), abs=1e-9)

    check()


@pytest.mark.parametrize("name", NAMES)
def test_values_of_many_resamples_at_once_are_those_of_each(name):
    @quick
    @given(examples(name), st.integers(0, 2**16))
    def check(pairs, seed):
        found = metric(name)
        rows = found.outcomes([p for p, _ in pairs], [r for _, r in pairs], "en")
        weights = np.random.default_rng(seed).integers(0, 3, size=(2, 5, len(rows))).astype(float)
        weights[0, 0] = 0
        many = weights @ rows
        together, scores = found.values(many), found.score(many)
        assert scores.shape == (2, 5)
        assert np.isfinite(scores).all()
        assert scores[0, 0] == 0
        for place in np.ndindex(2, 5):
            for value, array in found.values(many[place]).items():
                assert together[value][place] == pytest.approx(float(array), abs=1e-12)

    check()


@pytest.mark.parametrize("name", NAMES)
def test_every_value_lies_in_its_range(name):
    @quick
    @given(examples(name))
    def check(pairs):
        if name == PERPLEXITY:
            assert metric(name).score(sums(name, pairs)) >= 1
            return
        for value in metric(name).values(sums(name, pairs)).values():
            assert (-100 if name in CORRELATIONS else 0) - 1e-9 <= float(value) <= 100 + 1e-9

    check()
