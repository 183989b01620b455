"""Claims and expectations on rows: verdicts at the borders, planted gains, what is said of wrong names."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from planted_languages import drawn
from planted_languages import study as planted

from xharness.analyses.claims import Claims, Options
from xharness.collect.fit import check_known
from xharness.errors import UsageError
from xharness.score.quantities import Quantity, together, verdict
from xharness.session.row_expectations import judge_rows
from xharness.spec.load import load_suite
from xharness.spec.suite import Expect
from xharness.study import Study

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("low", "high", "at_least", "at_most", "said"),
    [
        (0.0, 2.0, 0.0, None, "replicated"),
        (-0.1, 2.0, 0.0, None, "undecided"),
        (-2.0, 0.0, 0.0, None, "undecided"),
        (-2.0, -0.1, 0.0, None, "contradicted"),
        (-2.0, 0.0, None, 0.0, "replicated"),
        (0.1, 2.0, None, 0.0, "contradicted"),
        (1.0, 3.0, 1.0, 3.0, "replicated"),
        (0.0, 4.0, 1.0, 3.0, "undecided"),
        (3.1, 4.0, 1.0, 3.0, "contradicted"),
        (None, None, 0.0, None, "not judged"),
    ],
)
def test_an_interval_that_ends_at_a_bound_is_inside_it(low, high, at_least, at_most, said):
    assert verdict(low, high, at_least, at_most) == said


R, C, U, N = "replicated", "contradicted", "undecided", "not judged"


@pytest.mark.parametrize(
    ("verdicts", "need", "said"),
    [
        ((R, R), "all", R), ((R, C), "all", C), ((R, U), "all", U), ((R, N), "all", U), ((N, C), "all", C),
        ((C, C), "any", C), ((U, R), "any", R), ((C, U), "any", U), ((C, N), "any", U), ((N, N), "any", N),
        ((), "all", N),
    ],
)  # fmt: skip
def test_what_must_hold_of_all_falls_with_one_and_what_must_hold_of_any_stands_with_one(verdicts, need, said):
    assert together(verdicts, need) == said


@pytest.fixture
def study(stored_study):
    """`up` gains on xnli alone, `down` loses on both: 0.6 in place of 0.5 is 18 points (the sum of two dice)."""
    return stored_study({"none": (0.5, 0.5), "up": (0.6, 0.5), "down": (0.4, 0.4)})


def judged(study, **claim):
    options = Options(claim=({"name": "it", "words": "it is so", **claim},), resamples=500)
    answer = Claims().answer(study, options)
    return dict(zip(answer.tables[0].columns, answer.tables[0].rows[0], strict=True)), answer


def test_a_planted_gain_is_replicated_with_the_interval_that_decides(study):
    row, answer = judged(study, row="up", of="xnli", at_least=5, paper=18.0, source="a paper")
    assert row["verdict"] == "replicated"
    assert row["decided by"] == "up: xnli over none"
    assert 12 <= row["low"] < row["found"] < row["high"] < 25
    assert row["its size"] == "undecided"
    assert answer.sentences[0] == "Verdicts on 1 claim: 1 replicated."


def test_a_size_is_replicated_within_its_margin_contradicted_beyond_it_and_else_undecided(study):
    claim = {"row": "up", "of": "xnli", "at_least": 0}
    assert judged(study, **claim, paper=18.0, margin=8.0)[0]["its size"] == "replicated"
    assert judged(study, **claim, paper=40.0, margin=8.0)[0]["its size"] == "contradicted"
    row, answer = judged(study, **claim, paper=18.0, margin=0.0)
    assert row["its size"] == "undecided"
    assert "These are on the direction; on the sizes that the paper gives: 1 undecided." in answer.sentences
    assert judged(study, **claim)[0]["its size"] is None


def test_a_planted_loss_contradicts_a_gain_and_no_difference_leaves_it_undecided(study):
    assert judged(study, row="down", at_least=0)[0]["verdict"] == "contradicted"
    assert judged(study, row="up", of="pawsx", at_least=0)[0]["verdict"] == "undecided"


def test_one_row_above_another_and_one_target_above_another_are_claims(study):
    assert judged(study, row="up", over="down", at_least=0)[0]["verdict"] == "replicated"
    assert judged(study, row="up", of="xnli", than="pawsx", at_least=0)[0]["verdict"] == "replicated"
    assert judged(study, row=["up", "down"], over=["down", "up"], at_least=0)[0]["verdict"] == "contradicted"


def test_the_row_that_does_worst_decides_what_must_hold_of_all(study):
    row, answer = judged(study, row="*", at_least=0)
    assert (row["verdict"], row["decided by"]) == ("contradicted", "down: average over none")
    assert len(answer.tables[1].rows) == 2
    row, _ = judged(study, row="*", at_least=0, need="any")
    assert (row["verdict"], row["decided by"]) == ("replicated", "up: average over none")


def test_any_row_must_gain_more_than_on_each_of_several_targets(tmp_path):
    """One that gains more than on some of them is not the row that is looked for."""
    right = {"x": 0.6, "low": 0.5, "high": 0.8}
    cells = {("none", target): drawn(np.random.default_rng(0), {"en": 0.5, "de": 0.5}, 800) for target in right}
    for number, (target, chance) in enumerate(right.items()):
        cells["up", target] = drawn(np.random.default_rng(number + 1), {"en": chance, "de": chance}, 800)
    made = planted(tmp_path, cells)
    facts = {name: {**facts, "group": "g", "counts_as": ""} for name, facts in made.run["tasks"].items()}
    made = replace(made, run={**made.run, "scheme": "", "tasks": facts})
    claim = {"row": "up", "of": "x", "at_least": 0, "need": "any"}
    assert judged(made, **claim, than="low")[0]["verdict"] == "replicated"
    row, _ = judged(made, **claim, than=["low", "high"])
    assert (row["verdict"], row["decided by"]) == ("contradicted", "up: x over none less that on high")


def test_a_row_is_not_compared_with_itself(study):
    row, answer = judged(study, row="*", over="up", at_most=-1)
    assert (row["verdict"], row["decided by"]) == ("replicated", "down: average over up")
    assert len(answer.tables[1].rows) == 1


def test_a_row_that_was_not_run_is_not_judged_and_named(study):
    row, answer = judged(study, row="sideways", at_least=0)
    assert row["verdict"] == "not judged"
    assert "sideways has no score in this run" in row["decided by"]
    assert answer.figures == ()


def test_a_profile_that_is_not_comparable_is_said_not_to_bear_on_the_paper(study):
    said = " ".join(judged(study, row="up", at_least=0)[1].sentences)
    assert "None of this bears on the paper" not in said
    study.run["comparable"] = False
    assert "None of this bears on the paper" in judged(study, row="up", at_least=0)[1].sentences[-1]


def test_the_average_is_the_mean_over_targets_and_its_interval_that_of_the_mean(study):
    quantities = study.quantities("tiny", 500)
    one, two, both = (quantities.measure(Quantity("up", of, "none")) for of in (("xnli",), ("pawsx",), ("average",)))
    assert both.value == pytest.approx((one.value + two.value) / 2)
    widths = [found.high - found.low for found in (one, two, both)]
    assert widths[2] == pytest.approx(np.hypot(widths[0], widths[1]) / 2, rel=0.15)


def expect(study, **said):
    suite = SimpleNamespace(expect=(Expect(**said),))
    return judge_rows(Study(SimpleNamespace(suite=suite), study.run, study.records, study.folder))


def test_an_expectation_on_a_row_is_judged_by_its_value_and_shows_the_verdict_of_its_interval(study):
    (kept,) = expect(study, row="up", over="none", at_least=0)
    assert (kept.failed, kept.cell) == (False, "up[tiny]")
    (lost,) = expect(study, row="down", over="none", at_least=0, reason="so they say")
    assert lost.failed
    assert lost.verdict == "contradicted"
    assert lost.names == ("down->xnli[tiny-0]", "down->pawsx[tiny-0]")
    assert lost.sentence().startswith("expected average over none at least 0, found -")
    assert lost.sentence().endswith(": contradicted (so they say)")


def test_an_expectation_on_rows_may_be_an_order_and_leaves_out_the_row_it_compares_with(study):
    found = {j.cell: j.failed for j in expect(study, row="*", over="up", of="xnli", at_most=0)}
    assert found == {"down[tiny]": False}


def test_an_expectation_on_a_target_that_a_row_lacks_is_not_judged(study):
    (found,) = expect(study, row="up", of="tatoeba", at_least=0)
    assert found.found is None
    assert "no whole score of up on tatoeba" in found.sentence()


SUITE = """extends = "{suite}"
title = "small"
[grid]
intermediates = ["none", "mnli"]
targets = ["xnli"]
{rest}
"""
ANALYSIS = '[[analysis]]\nname = "claims"\nkind = "claims"\n[[analysis.options.claim]]\nname = "a"\nwords = "b"\n'


@pytest.mark.parametrize(
    ("rest", "line", "said"),
    [
        (ANALYSIS + 'row = "mnly"\nat_least = 0', 12, "no profile of the suite has 'mnly'. Did you mean 'mnli'?"),
        (ANALYSIS + 'row = "mnli"\nof = "xnly"\nat_least = 0', 13, "'xnly'"),
        (ANALYSIS + 'row = "mnli"\nneed = "some"\nat_least = 0', 13, "need"),
        (ANALYSIS + 'row = "mnli"', 9, "a claim needs at_least or at_most"),
        ('[[expect]]\nrow = "mnly"\nat_least = 0', 7, "no profile has 'mnly'"),
        ('[[expect]]\nrow = "mnli"\nof = "xnly"\nat_least = 0', 8, "'xnly' is no target of the suite"),
        ('[[expect]]\nrow = "mnli"\nover = "squod"\nat_least = 0', 8, "no profile has 'squod'"),
        ('[[expect]]\nrow = "mnli"\ncells = "*"\nat_least = 0', 6, "give one of the two, found both"),
        ('[[expect]]\ncells = "*"\nof = "xnli"\nat_least = 0', 6, "of is said of a row"),
        ('[[analysis]]\nname = "a"\nkind = "alignment"\noptions = { words = 3 }', 9, "words"),
        ('[[analysis]]\nname = "a"\nkind = "alignment"\noptions = { targets = ["xnly"] }', 9, "'xnly'"),
    ],
)
def test_a_wrong_name_is_told_at_its_line(tmp_path, rest, line, said):
    file = tmp_path / "small.toml"
    file.write_text(SUITE.format(suite=ROOT / "suites" / "xtreme.toml", rest=rest))
    with pytest.raises(UsageError) as caught:
        check_known(load_suite(str(file)))
    assert f"small.toml:{line}:" in str(caught.value)
    assert said in str(caught.value)


def test_inherited_claims_may_name_rows_that_a_smaller_grid_lacks(tmp_path):
    file = tmp_path / "small.toml"
    file.write_text(SUITE.format(suite=ROOT / "suites" / "studies" / "claims.toml", rest=""))
    loaded = load_suite(str(file), "micro")
    check_known(loaded)
    assert [asked.kind for asked in loaded.suite.analysis] == ["claims"]
