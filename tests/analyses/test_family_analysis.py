"""The analysis by language family: planted gains are found, shuffled ones are not, and what is missing is said."""

import numpy as np
import pytest
from planted_languages import drawn, exactly, raised, study, table

from xharness.analyses.families import Families, Options
from xharness.errors import DataError
from xharness.languages import languages

CODES = ("en", "es", "fr", "it", "pt", "de", "nl", "fi", "et", "hu", "tr", "kk", "ja", "zh")
BASE = dict.fromkeys(CODES, 0.5)
QUICK = Options(target="x", resamples=300)


def answered(folder, gain, base=BASE, options=QUICK, draw=exactly, **changes):
    """Of a row `a` with chances `gain` on the target x, beside y that gains nothing."""
    cells = {
        ("none", "x"): draw(base), ("a", "x"): draw(gain), ("none", "y"): draw(base), ("a", "y"): draw(base),
    }  # fmt: skip
    return Families().answer(study(folder, cells, **changes), options)


def found(answer, name, **wanted):
    (row,) = (r for r in table(answer, name) if all(r[key] == value for key, value in wanted.items()))
    return row


def test_a_gain_in_one_family_is_found(tmp_path):
    rng = np.random.default_rng(0)
    gain = raised(BASE, 0.3, lambda code: code != "en" and languages()[code].top_family == "Indo-European")
    answer = answered(tmp_path, gain, draw=lambda chances: drawn(rng, chances))
    group = found(answer, "groups", by="family", group="Indo-European")
    assert group["low"] < 30 < group["high"]
    assert group["low of it"] > 15  # The other target gains nothing there.
    assert abs(found(answer, "groups", by="family", group="Uralic")["gain"]) < 10
    assert found(answer, "tests", of="gain on X", by="family")["p Holm"] < 0.05
    assert found(answer, "tests", of="difference of gains", by="family")["p Holm"] < 0.05
    assert found(answer, "tests", of="gain on the others", by="family")["p"] > 0.05
    assert "the gain on X of a by family" in " ".join(answer.sentences)
    assert "The change of X differs from that of the other targets by more than chance: by +" in answer.sentences[0]


def test_a_gain_that_grows_with_pretraining_size_is_found(tmp_path):
    size = {code: np.log(languages()[code].cc100_gib) for code in CODES}
    answer = answered(tmp_path, {code: 0.5 + 0.05 * size[code] for code in CODES})
    row = found(answer, "ranks", of="gain on X", **{"with": "log of pretraining size"})
    assert row["rho"] > 0.95
    assert row["p Holm"] < 0.05
    assert "the gain on X of a by log of pretraining size" in " ".join(answer.sentences)


def test_constant_gains_are_said_in_words_and_have_no_number(tmp_path):
    answer = answered(tmp_path, raised(BASE, 0.1, lambda code: True))
    assert all(row["rho"] is None for row in table(answer, "ranks"))
    assert {row["remark"] for row in table(answer, "ranks")} == {"the value is the same in every language"}
    assert "could not be made: the value is the same in every language" in " ".join(answer.sentences)


def test_shuffled_gains_are_found_no_more_often_than_chance(tmp_path):
    rng = np.random.default_rng(1)
    families, sizes, differences = [], [], []
    few = ("en", "es", "fr", "de", "nl", "fi", "et", "tr")
    for number in range(1000):
        base = dict.fromkeys(few, 0.5)
        answer = answered(
            tmp_path / str(number), base, base, Options(target="x", resamples=100),
            draw=lambda chances: drawn(rng, chances, 60),
        )  # fmt: skip
        families.append(found(answer, "tests", of="gain on X", by="family")["p"] <= 0.05)
        sizes.append(found(answer, "ranks", of="gain on X", **{"with": "log of pretraining size"})["p"] <= 0.05)
        differences.append("differs from that of the other targets" in answer.sentences[0])
    for rate in (families, sizes, differences):
        assert np.mean(rate) < 0.078  # 0.05 and four standard errors.


def test_english_is_in_no_group(tmp_path):
    answer = answered(tmp_path, BASE)
    assert found(answer, "groups", by="all")["languages"] == len(CODES) - 1
    assert sum(row["languages"] for row in table(answer, "groups") if row["by"] == "family") == len(CODES) - 1
    assert table(answer, "languages")[0]["language"] == "en"


def test_languages_that_a_row_lacks_are_left_out_and_named(tmp_path):
    gain = {code: chance for code, chance in BASE.items() if code != "zh"}
    answer = answered(tmp_path, gain)
    assert "zh" not in {row["language"] for row in table(answer, "languages")}
    assert any("left out: zh" in note for note in answer.notes)


def test_languages_that_nobody_else_has_stand_without_a_mean_of_others(tmp_path):
    few = {"en": 0.5, "de": 0.5}
    cells = {
        ("none", "x"): exactly(BASE), ("a", "x"): exactly(BASE), ("none", "y"): exactly(few), ("a", "y"): exactly(few),
    }  # fmt: skip
    answer = Families().answer(study(tmp_path, cells), QUICK)
    by_code = {row["language"]: row for row in table(answer, "languages")}
    assert (by_code["de"]["others"], by_code["tr"]["others"]) == (1, 0)
    assert by_code["tr"]["others' gain"] is None


def test_unknown_languages_are_in_no_test(tmp_path):
    base = {**BASE, "xx": 0.5}
    answer = answered(tmp_path, {**base, "xx": 0.9}, base)
    assert found(answer, "groups", by="family", group="unknown")["gain"] == pytest.approx(40)
    assert found(answer, "tests", of="gain on X", by="family")["languages"] == len(CODES) - 1
    assert any("nothing is known of xx" in note for note in answer.notes)


def test_one_seed_is_said_and_several_are_averaged(tmp_path):
    assert any("one seed" in note for note in answered(tmp_path / "one", BASE).notes)
    two = [exactly(BASE), exactly(raised(BASE, 0.2, lambda code: True))]
    cells = {("none", "x"): [exactly(BASE)] * 2, ("a", "x"): two}
    answer = Families().answer(study(tmp_path / "two", cells), QUICK)
    assert not any("one seed" in note for note in answer.notes)
    assert found(answer, "groups", by="all")["gain"] == pytest.approx(10)
    assert "no other target has these languages" in answer.sentences[0]


def test_without_outcomes_there_are_numbers_and_no_intervals(tmp_path):
    answer = answered(tmp_path, raised(BASE, 0.3, lambda code: code == "de"), outcomes=False)
    row = found(answer, "languages", language="de")
    assert (row["gain"], row["low"]) == (pytest.approx(30), None)
    assert found(answer, "ranks", of="gain on X", **{"with": "distance from English"})["low"] is not None
    assert any("for want of outcomes" in note for note in answer.notes)


def test_a_target_that_the_run_lacks_and_a_run_of_none_alone_are_errors(tmp_path):
    with pytest.raises(DataError, match="no target 'xquod'"):
        answered(tmp_path / "one", BASE, options=Options(target="xquod"))
    with pytest.raises(DataError, match="no row has a score beside `none`"):
        Families().answer(study(tmp_path / "two", {("none", "x"): exactly(BASE)}), QUICK)


def test_the_figure_is_drawn(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    answer = answered(tmp_path, raised(BASE, 0.3, lambda code: code == "de"))
    drawing, axes = pyplot.subplots()
    answer.figures[0].draw(axes)
    assert axes.get_xticklabels()[0].get_text() == "en"
    assert "Uralic" in {text.get_text() for text in axes.texts}
    pyplot.close(drawing)
