"""The analysis of transfer loss: planted changes are found, shuffled ones are not, and what is missing is said."""

import numpy as np
import pytest
from planted_languages import drawn, exactly, raised, study, table

from xharness.analyses.transfer_loss import Options, TransferLoss
from xharness.errors import DataError

CODES = ("en", "ar", "de", "zh", "ru", "es", "tr", "hi")
BASE = {code: 0.8 if code == "en" else 0.5 for code in CODES}
SEEN = ("ar", "de", "zh")
QUICK = Options(english="english", resamples=300)


def answered(folder, several, english=BASE, options=QUICK, draw=exactly, targets=("x",), **changes):
    """Rows `none`, `english` and `several`, whose data are in Arabic, German and Chinese."""
    rows = {"none": BASE, "english": english, "several": several}
    cells = {(row, target): draw(chances) for row, chances in rows.items() for target in targets}
    return TransferLoss().answer(study(folder, cells, **changes), options)


def found(answer, name, **wanted):
    (row,) = (r for r in table(answer, name) if all(r[key] == value for key, value in wanted.items()))
    return row


def foreign(code):
    return code != "en"


def test_losses_and_their_changes_by_hand(tmp_path):
    answer = answered(tmp_path, raised(BASE, 0.1, foreign), raised(BASE, 0.1, lambda code: True))
    assert found(answer, "loss", intermediate="none")["loss"] == pytest.approx(30)
    row = found(answer, "loss", intermediate="several", against="none")
    assert (row["loss"], row["English by"], row["others by"], row["loss by"]) == pytest.approx((20, 0, 10, -10))
    row = found(answer, "loss", intermediate="several", against="english")
    assert (row["English by"], row["others by"], row["loss by"]) == pytest.approx((-10, 0, -10))
    assert found(answer, "loss", intermediate="english", against="none")["loss by"] == pytest.approx(0)
    assert "English falls, and the others do not gain" in " ".join(answer.sentences)


def test_a_smaller_loss_is_found_and_said(tmp_path):
    rng = np.random.default_rng(0)
    answer = answered(tmp_path, raised(BASE, 0.2, foreign), draw=lambda chances: drawn(rng, chances, 1000))
    for against in ("none", "english"):
        row = found(answer, "loss", intermediate="several", against=against)
        assert row["low"] < -20 < row["high"]
        assert row["high"] < -10
        assert row["p Holm"] < 0.05
    assert found(answer, "loss", intermediate="english", against="none")["p Holm"] > 0.05
    words = " ".join(answer.sentences)
    assert "Against no intermediate the loss is lessened by several on X" in words
    assert "Against the intermediate in English (english) the loss is lessened by several on X" in words


def test_a_gain_in_the_languages_seen_is_found_apart(tmp_path):
    rng = np.random.default_rng(1)
    answer = answered(
        tmp_path, raised(BASE, 0.3, lambda code: code in SEEN), draw=lambda chances: drawn(rng, chances, 300)
    )
    row = found(answer, "seen", intermediate="several", against="english")
    assert (row["seen"], row["unseen"]) == (3, 4)
    assert row["low"] < 30 < row["high"]
    assert row["low of it"] < 0 < row["high of it"]
    assert row["p Holm"] < 0.05
    assert {r["intermediate"] for r in table(answer, "seen")} == {"several"}  # English is never a language seen.
    assert "seen in the intermediate and unseen ones gain differently with several on X" in " ".join(answer.sentences)


def test_a_change_in_one_family_is_found(tmp_path):
    answer = answered(tmp_path, raised(BASE, 0.3, lambda code: code == "tr"))
    assert found(answer, "groups", intermediate="several", group="Turkic")["loss by"] == pytest.approx(-30)
    assert found(answer, "groups", intermediate="several", group="Indo-European")["loss by"] == pytest.approx(0)
    assert found(answer, "groups", intermediate="several", group="Turkic")["against"] == "english"


def test_several_targets_have_a_mean_of_their_own(tmp_path):
    answer = answered(tmp_path, raised(BASE, 0.1, foreign), targets=("x", "y"))
    row = found(answer, "loss", intermediate="several", target="all targets", against="none")
    assert row["loss by"] == pytest.approx(-10)


def test_equal_rows_are_found_different_no_more_often_than_chance(tmp_path):
    rng = np.random.default_rng(2)
    losses, seen = [], []
    for number in range(1000):
        rows = {(row, "x"): drawn(rng, BASE, 60) for row in ("none", "several")}
        answer = TransferLoss().answer(study(tmp_path / str(number), rows), Options(resamples=200))
        losses.append(found(answer, "loss", intermediate="several")["p Holm"] <= 0.05)
        seen.append(found(answer, "seen", intermediate="several")["p Holm"] <= 0.05)
    for rate in (losses, seen):
        assert np.mean(rate) < 0.078  # 0.05 and four standard errors.


def test_a_change_that_is_the_same_everywhere_is_correlated_with_nothing(tmp_path):
    answer = answered(tmp_path, raised(BASE, 0.1, foreign))
    assert {row["rho"] for row in table(answer, "ranks")} == {None}
    assert {row["remark"] for row in table(answer, "ranks")} == {"the value is the same in every language"}


def test_targets_without_english_have_no_loss_and_are_named(tmp_path):
    others = {code: 0.5 for code in CODES if code != "en"}
    cells = {(row, "x"): exactly(BASE) for row in ("none", "several")}
    cells |= {(row, "tatoeba"): exactly(others) for row in ("none", "several")}
    answer = TransferLoss().answer(study(tmp_path, cells), QUICK)
    assert {row["target"] for row in table(answer, "loss")} == {"X"}
    assert any(note.startswith("TATOEBA has no loss") for note in answer.notes)
    assert any("no row english to compare with" in note for note in answer.notes)
    assert "No row can be compared with one in English." in answer.sentences


def test_a_row_without_one_target_is_compared_on_the_others(tmp_path):
    cells = {(row, target): exactly(BASE) for row in ("none", "english", "several") for target in ("x", "y")}
    del cells["several", "y"]
    answer = TransferLoss().answer(study(tmp_path, cells), QUICK)
    lines = [(r["intermediate"], r["target"]) for r in table(answer, "loss") if r["against"] == "none"]
    assert lines == [("english", "X"), ("english", "Y"), ("english", "all targets"), ("several", "X")]


def test_one_seed_is_said_and_outcomes_that_are_gone_too(tmp_path):
    assert any("one seed" in note for note in answered(tmp_path / "one", BASE).notes)
    answer = answered(tmp_path / "two", raised(BASE, 0.1, foreign), outcomes=False)
    row = found(answer, "loss", intermediate="several", against="none")
    assert (row["loss by"], row["low"], row["p Holm"]) == (pytest.approx(-10), None, None)
    assert "no outcomes" in " ".join(answer.sentences)
    assert any("for want of outcomes" in note for note in answer.notes)


def test_what_target_training_in_the_languages_would_give(tmp_path):
    cells = {(row, "x"): exactly(BASE) for row in ("none", "several")}
    cells["none", "x_in"] = exactly(raised(BASE, 0.3, lambda code: code in ("ru", "tr")))
    asked = Options(in_language={"x": "x_in"}, resamples=300)
    answer = TransferLoss().answer(study(tmp_path / "one", cells, {"x_in": ["en", "ru", "tr"]}), asked)
    row = found(answer, "in-language", intermediate="several")
    assert (row["languages"], row["missing"]) == (2, pytest.approx(30))
    assert row["p Holm"] < 0.05
    assert {r["target"] for r in table(answer, "loss")} == {"X"}  # What is tuned in the languages has no loss here.
    assert "To target training in the languages X still lacks" in " ".join(answer.sentences)
    answer = TransferLoss().answer(study(tmp_path / "two", cells), asked)
    assert any("tuned in English alone" in note for note in answer.notes)


def test_a_run_of_none_alone_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no row has a score beside `none`"):
        TransferLoss().answer(study(tmp_path, {("none", "x"): exactly(BASE)}), QUICK)


def test_the_figure_is_drawn(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    answer = answered(tmp_path, raised(BASE, 0.1, foreign))
    drawing, axes = pyplot.subplots()
    answer.figures[0].draw(axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["english, X", "several, X"]
    pyplot.close(drawing)


def test_a_mean_over_some_of_the_targets_is_not_called_one_over_all(tmp_path):
    up = raised(BASE, 0.1, foreign)
    cells = {("none", target): exactly(BASE) for target in "xyz"} | {("whole", target): exactly(up) for target in "xyz"}
    cells |= {("part", target): exactly(up) for target in "xy"}
    rows = table(TransferLoss().answer(study(tmp_path, cells), Options(resamples=300)), "loss")
    named = {row["intermediate"]: row["target"] for row in rows if "targets" in row["target"]}
    assert named == {"none": "all targets", "whole": "all targets", "part": "2 of 3 targets"}


def test_a_row_with_one_seed_beside_others_with_several_is_told(tmp_path):
    cells = {("none", "x"): [exactly(BASE), exactly(BASE)], ("one", "x"): exactly(raised(BASE, 0.1, foreign))}
    answer = TransferLoss().answer(study(tmp_path, cells), Options(resamples=300))
    assert "one seed alone, of which the intervals hold no variance: one[tiny] on X" in answer.notes
