"""Rows that were run in a part of the languages: no mean over other languages than the others', and never silently."""

from dataclasses import replace

import pytest
from planted_languages import exactly, study, table

from xharness.analyses import alignment
from xharness.analyses.families import Families
from xharness.analyses.families import Options as FamilyOptions
from xharness.analyses.gains import Gains, Options
from xharness.analyses.slicing.cases import cases_of
from xharness.errors import DataError

CHANCES = {"en": 0.8, "de": 0.6, "sw": 0.3}
HIGHER = {code: chance + 0.01 for code, chance in CHANCES.items()}


def planted(tmp_path, part):
    """A row in all languages, and `part` in one."""
    cells = {("none", "x"): exactly(CHANCES), ("whole", "x"): exactly(HIGHER), ("part", "x"): exactly(part)}
    made = study(tmp_path, cells)
    facts = {row: {**held, "intermediate": row} for row, held in made.run["rows"].items()}
    return replace(made, run={**made.run, "rows": facts})


def test_a_gain_in_one_language_does_not_stand_beside_means_over_all(tmp_path):
    answer = Gains().answer(planted(tmp_path, {"sw": 0.5}), Options(resamples=200))
    assert [row["intermediate"] for row in table(answer, "gains")] == ["whole"]
    assert "X: part[tiny] against none is left out, for a mean lacks en, de" in answer.notes


def test_one_row_in_one_language_leaves_the_points_of_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(alignment, "trained_examples", lambda study, row: 100.0)
    cells, left_out = alignment._cells(planted(tmp_path, {"sw": 0.5}), ["x"], 200)
    assert [(cell.row, cell.gain) for cell in cells] == [("whole", pytest.approx(1))]
    assert left_out == ["X: left out, without a score in every language: part[tiny]"]


def test_what_a_file_has_beyond_the_languages_of_the_run_is_in_no_mean(tmp_path):
    """A part that was asked for is cut from a whole step: its records are of that part, its outcomes of all."""
    made = planted(tmp_path, HIGHER)
    run = {**made.run, "languages_selected": {cell["name"]: ["sw"] for cell in made.run["cells"]}}
    cut = replace(made, run=run, records=[record for record in made.records if record.language == "sw"])
    rows = table(Gains().answer(cut, Options(resamples=200)), "gains")
    assert [(row["none"], row["score"]) for row in rows] == [pytest.approx((30, 31))] * 2
    assert {code for code, _ in cases_of(cut, "x", "tiny", "whole").places} == {"sw"}


def test_rows_without_a_common_language_are_told(tmp_path):
    made = planted(tmp_path, {"sw": 0.5})
    records = [r for r in made.records if r.intermediate != "none" or r.language == "en"]
    apart = replace(made, records=records)
    with pytest.raises(DataError, match="no language in common"):
        cases_of(apart, "x", "tiny", "part")


@pytest.mark.parametrize("kept", ["en", "nothing in common"])
def test_families_of_english_alone_have_no_answer(tmp_path, kept):
    made = planted(tmp_path, HIGHER)
    records = [r for r in made.records if r.language == ("en" if kept == "en" or r.intermediate == "none" else "de")]
    with pytest.raises(DataError, match="in a language but English"):
        Families().answer(replace(made, records=records), FamilyOptions(target="x", resamples=200))


def test_languages_that_no_other_target_has_are_told(tmp_path):
    cells = {(row, "x"): exactly(chances) for row, chances in (("none", CHANCES), ("up", HIGHER))}
    cells |= {(row, "y"): exactly({"en": 0.5, "de": 0.5}) for row in ("none", "up")}
    answer = Families().answer(study(tmp_path, cells), FamilyOptions(target="x", resamples=200))
    assert "no other target has Swahili: in no mean of the others, and in no difference from them" in answer.notes
