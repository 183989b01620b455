"""Macro-F1, Matthews and Pearson beside scikit-learn's and scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import f1_score, matthews_corrcoef

from xharness.errors import DataError
from xharness.metrics import metric
from xharness.metrics.base import Metric
from xharness.spec.task import Task

LABELS = ("a", "b", "c", "d")
pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=60)


def score(rule: Metric, predictions: list, references: list) -> float:
    return float(rule.score(rule.outcomes(predictions, references, "en").sum(axis=0)))


@given(pairs)
def test_macro_f1_is_scikit_learns(given):
    predicted, gold = map(list, zip(*given, strict=True))
    expected = 100 * f1_score(gold, predicted, average="macro", zero_division=0)
    assert score(metric("f1_macro").of(LABELS), predicted, gold) == pytest.approx(expected)


@given(pairs)
def test_matthews_is_scikit_learns_for_any_number_of_labels(given):
    predicted, gold = map(list, zip(*given, strict=True))
    expected = 100 * matthews_corrcoef(gold, predicted)
    assert score(metric("matthews").of(LABELS), predicted, gold) == pytest.approx(expected, abs=1e-9)


@given(
    st.lists(st.tuples(st.integers(-500, 500), st.integers(-500, 500)), min_size=3, max_size=60),
    st.sampled_from([0, 10**7]),
)
def test_pearson_is_scipys_also_far_from_zero(given, middle):
    x, y = (np.array(side) / 100 + middle for side in zip(*given, strict=True))
    if len(set(x.tolist())) < 2 or len(set(y.tolist())) < 2:
        assert score(metric("pearson"), x.tolist(), y.tolist()) == 0
        return
    found = score(metric("pearson"), x.tolist(), y.tolist())
    assert found == pytest.approx(100 * pearsonr(x, y).statistic, abs=1e-3)


def test_published_figures_are_reproduced():
    # Of scikit-learn's user guide, 3.4.4.9 and 3.4.4.14 (1.5): y_true, y_pred.
    assert score(metric("matthews").of((1, -1)), [1, -1, 1, 1], [1, 1, 1, -1]) == pytest.approx(-33.3333, abs=1e-3)
    assert score(metric("f1_macro").of((0, 1, 2)), [0, 2, 1, 0, 0, 1], [0, 1, 2, 0, 1, 2]) == pytest.approx(
        26.6667, abs=1e-3
    )


def test_a_label_that_is_not_scored_is_an_error_and_no_score():
    with pytest.raises(DataError, match="the label 'e' is none of those that are scored: a, b, c, d"):
        score(metric("f1_macro").of(LABELS), ["a"], ["e"])


def task(adapter: str, labels: tuple[str, ...] = (), **options: object) -> Task:
    return Task(name="it", title="", adapter=adapter, metric="accuracy", labels=labels, options=options)


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("f1_entity", task("tagging", ("DET", "NOUN", "VERB")), "DET is none"),
        ("f1_entity", task("tagging", ("O", "B-PER", "I-PER")), None),
        ("f1_xtreme", task("tagging", ("DET", "NOUN")), None),
        ("pearson", task("classification", ("a", "b")), "it compares numbers"),
        ("pearson", task("classification", regression=True), None),
        ("accuracy", task("classification", regression=True), "it compares labels"),
        ("f1_macro", task("classification", regression=True), "it compares labels"),
        ("matthews", task("classification", ("a", "b")), None),
    ],
)
def test_a_metric_says_why_it_does_not_fit(name, given, why):
    found = metric(name).fits(given)
    assert found is None if why is None else why in found
