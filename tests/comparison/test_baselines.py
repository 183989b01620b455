"""Published rows: sourced, typed, and their averages recomputed."""

import pytest

from xharness.baselines.files import load_baselines, recompute, score, scores
from xharness.errors import UsageError
from xharness.score.scheme import load_scheme

DISAGREE = {
    ("xlmr-large", "structured prediction"),
    ("xlmr-large", "question answering"),
    ("filter", "average without retrieval"),
    ("filter", "mean of the three groups"),
    ("xlmr-large-phang", "average"),
}
"""Printed averages that do not follow from their row; shown so."""


def every_check():
    for file in ("xtreme", "xtreme-r"):
        found = load_baselines(file)
        scheme = load_scheme(found.scheme)
        for name, row in found.row.items():
            for check in recompute(row, scheme):
                yield pytest.param(name, check, id=f"{file}-{name}-{check.name}".replace(" ", "_"))


@pytest.mark.parametrize(("name", "check"), list(every_check()))
def test_a_printed_average_follows_from_its_row_or_is_shown_not_to(name, check):
    if (name, check.name) in DISAGREE:
        assert check.agrees is False
        assert "but the row gives" in check.text
    else:
        assert check.agrees is not False, check.text
    if check.computed is None:
        assert "cannot be recomputed" in check.text


def test_the_averages_of_the_four_baselines_can_be_recomputed():
    found, scheme = load_baselines("xtreme"), load_scheme("xtreme")
    computed = {
        name: next(c.computed for c in recompute(found.row[name], scheme) if c.name == "average")
        for name in ("mbert", "xlm", "mmte", "xlmr-large")
    }
    assert computed == pytest.approx({"mbert": 59.64, "xlm": 55.52, "mmte": 59.34, "xlmr-large": 68.25}, abs=0.01)


@pytest.mark.parametrize("file", ["xtreme", "xtreme-r"])
def test_every_figure_is_of_a_task_of_the_scheme_and_in_its_languages(file):
    found = load_baselines(file)
    scheme = load_scheme(found.scheme)
    for name, row in found.row.items():
        assert set(row.task) <= set(scheme.tasks), name
        for task, figure in row.task.items():
            for table in figure.language.values():
                assert set(table) == set(scheme.of(task).languages), (name, task)
            assert figure.verified or figure.source == "memory"
            assert not (figure.source == "memory" and figure.verified), (name, task)


def test_question_answering_without_exact_match_has_no_score():
    found, scheme = load_baselines("xtreme"), load_scheme("xtreme")
    assert score(found.row["mt5-xxl"].task["xquad"], "xquad", scheme) is None
    assert score(found.row["rembert"].task["xquad"], "xquad", scheme) == pytest.approx(71.8)
    assert scores(found.row["rembert"], scheme)["xnli"] == 80.8


def test_unverified_values_carry_a_question_mark():
    found = load_baselines("xtreme")
    assert str(found.row["mbert"].task["xquad"]) == "64.5/49.4?"
    assert str(found.row["mbert"].task["tatoeba"]) == "38.7?"
    assert str(found.row["rembert"].task["xquad"]) == "79.6/64.0"


def test_the_two_sources_of_x_stilts_are_both_there():
    rows = load_baselines("xtreme").row
    assert (rows["x-stilts"].task["xnli"].accuracy, rows["x-stilts-mt5"].task["xnli"].accuracy) == (80.0, 80.4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('xnli = { acuracy = 1.0, source = "a" }', "accuracy"),
        ('xnli = { accuracy = 1.0, source = "b" }', "there is no [source.b]"),
        ('xnli = { source = "a" }', "a figure needs one of"),
        ('xnli = { accuracy = 101.0, source = "a" }', "less than or equal to 100"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path, text, said):
    file = tmp_path / "own.toml"
    file.write_text(
        f'title = "x"\nscheme = "xtreme"\n[source.a]\ntitle = "A"\n[row.r]\ntitle = "R"\n[row.r.task]\n{text}\n'
    )
    with pytest.raises(UsageError) as caught:
        load_baselines(str(file))
    assert said in str(caught.value)
    assert "own.toml:8" in str(caught.value)


def test_an_unknown_file_names_the_nearest():
    with pytest.raises(UsageError, match="xtreme"):
        load_baselines("xtrem")
