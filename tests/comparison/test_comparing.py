"""Two rows of a stored run compared: matching, averages, seeds, correction, words."""

import json

import numpy as np
import pytest
from stored import Stored, answers, task

from xharness.errors import DataError, UsageError
from xharness.metrics import metric
from xharness.score.compare import Settings, compare, corrected_together, significant_against_none
from xharness.score.matching import matched, sides_of
from xharness.score.scheme import Scheme, SchemeGroup
from xharness.score.statistics import holm

SETTINGS = Settings(resamples=1000)
CODES = ("de", "en", "fr")


def scheme(*tasks, overall="tasks"):
    members = {"one": tasks[:2], "two": tasks[2:]}
    groups = {name: SchemeGroup(title=name, tasks=some) for name, some in members.items() if some}
    return Scheme(title="S", overall=overall, group=groups)


@pytest.fixture
def stored(tmp_path):
    return Stored(tmp_path, {name: task(name, CODES, metric="accuracy") for name in ("a", "b", "c")})


def fill(stored, gains, seeds=(0,), targets=("a", "b", "c"), n=200):
    rng = np.random.default_rng(0)
    for target in targets:
        hard = {code: rng.random(n) for code in CODES}
        for intermediate, gain in gains.items():
            for seed in seeds:
                table = {code: answers(rng, n, 0.5 + gain, hard[code]) for code in CODES}
                stored.add(intermediate, target, table, seed)


def rows(stored):
    return sides_of(stored.run, stored.records, stored.folder)


def pair(stored, left="none", right="squad"):
    found = rows(stored)
    return found["tiny", left], found["tiny", right]


def test_points_are_those_of_the_board_and_averages_the_schemes(stored):
    fill(stored, {"none": 0.0, "squad": 0.1})
    found = compare(*pair(stored), scheme("a", "b", "c"), SETTINGS)
    score = {(r.intermediate, r.target, r.language): r.value for r in stored.records if r.metric == "accuracy"}
    for target in "abc":
        for side, name in (("left", "none"), ("right", "squad")):
            mean = np.mean([score[name, target, code] for code in CODES])
            assert getattr(found.of(target), side) == pytest.approx(mean)
        line = found.of(target, "de")
        assert line.difference == pytest.approx(score["squad", target, "de"] - score["none", target, "de"])
        assert line.low < line.difference < line.high
    whole = found.of("average")
    assert whole.difference == pytest.approx(np.mean([found.of(t).difference for t in "abc"]))
    assert whole.high - whole.low < found.of("a").high - found.of("a").low
    assert found.of("group:one").difference == pytest.approx((found.of("a").difference + found.of("b").difference) / 2)
    assert whole.n == 3 * 3 * 200


def test_an_average_over_groups_weighs_groups_alike(stored):
    fill(stored, {"none": 0.0, "squad": 0.1})
    found = compare(*pair(stored), scheme("a", "b", "c", overall="groups"), SETTINGS)
    expected = (found.of("group:one").difference + found.of("c").difference) / 2
    assert found.of("average").difference == pytest.approx(expected)


def test_swapping_the_rows_turns_the_sign(stored):
    fill(stored, {"none": 0.0, "squad": 0.1})
    left, right = pair(stored)
    ahead = compare(left, right, scheme("a", "b", "c"), SETTINGS).of("average")
    back = compare(right, left, scheme("a", "b", "c"), SETTINGS).of("average")
    assert ahead.difference == pytest.approx(-back.difference)
    assert ahead.low == pytest.approx(-back.high, abs=0.3)


def test_a_row_against_itself_differs_by_nothing(stored):
    fill(stored, {"none": 0.0})
    left, _ = pair(stored, "none", "none")
    line = compare(left, left, scheme("a", "b", "c"), SETTINGS).of("average")
    assert (line.difference, line.low, line.high, line.p) == (0, 0, 0, 1)


def test_p_values_are_corrected_over_targets_and_over_languages(stored):
    fill(stored, {"none": 0.0, "squad": 0.2})
    found = compare(*pair(stored), scheme("a", "b", "c"), SETTINGS)
    smallest = 2 / 1001
    assert found.of("a").p == pytest.approx(smallest)
    assert found.of("a").adjusted == pytest.approx(3 * smallest)
    assert found.of("a", "de").adjusted == pytest.approx(9 * smallest)
    assert found.of("average").adjusted is None
    twice = corrected_together([found, found])
    assert twice[1].of("a").adjusted == pytest.approx(6 * smallest)
    assert "over all 2 comparisons" in twice[1].words[-1]


def test_the_words_name_what_a_reader_must_know(stored):
    fill(stored, {"none": 0.0, "squad": 0.1}, seeds=(0, 1, 2))
    words = " ".join(compare(*pair(stored), scheme("a", "b", "c"), SETTINGS).words)
    for said in ("squad[tiny] minus none[tiny]", "1,000 resamples", "seed 0", "95%", "Holm", "1,800", "Seeds (3)"):
        assert said in words
    fewer = compare(*pair(stored), scheme("a", "b", "c"), Settings(resamples=100))
    assert any("none of 9 languages can be significant" in line for line in fewer.words)


def test_one_seed_is_said_not_to_cover_other_runs(stored):
    fill(stored, {"none": 0.0, "squad": 0.1})
    assert any("one seed" in line for line in compare(*pair(stored), scheme("a", "b", "c"), SETTINGS).words)


def test_a_target_with_a_missing_language_is_absent_and_so_are_its_averages(stored):
    fill(stored, {"none": 0.0, "squad": 0.1}, targets=("a", "c"))
    rng = np.random.default_rng(1)
    stored.add("none", "b", {code: answers(rng, 50, 0.5) for code in CODES})
    stored.add("squad", "b", {code: answers(rng, 50, 0.5) for code in CODES[:2]})
    found = compare(*pair(stored), scheme("a", "b", "c"), SETTINGS)
    line = found.of("b")
    assert (line.difference, line.have, line.want) == (None, 2, 3)
    assert found.of("b", "de").difference is not None
    assert (found.of("average").difference, found.of("average").have) == (None, 2)
    assert found.of("group:one").difference is None


def test_a_target_of_one_side_only_is_named(stored):
    fill(stored, {"none": 0.0, "squad": 0.1}, targets=("a", "b"))
    stored.add("none", "c", {"de": answers(np.random.default_rng(0), 50, 0.5)})
    found = compare(*pair(stored), scheme("a", "b", "c"), SETTINGS)
    assert "not compared: c." in found.words[-1]
    assert found.of("average").difference is None


def test_examples_that_do_not_match_are_an_error_with_counts(stored):
    rng = np.random.default_rng(0)
    stored.add("none", "a", {"de": answers(rng, 50, 0.5)})
    stored.add("squad", "a", {"de": answers(rng, 47, 0.5)})
    with pytest.raises(DataError, match=r"a, de: .*3 of 50 examples are not in squad"):
        compare(*pair(stored), scheme("a"), SETTINGS)


def test_examples_are_matched_by_id_whatever_their_order(stored):
    rng = np.random.default_rng(0)
    table = answers(rng, 60, 0.5)
    order = rng.permutation(60)
    stored.add("none", "a", dict.fromkeys(CODES, table))
    ids = {code: [f"{code}-{i}" for i in order] for code in CODES}
    stored.add("squad", "a", dict.fromkeys(CODES, table[order]), ids=ids)
    line = compare(*pair(stored), scheme("a"), SETTINGS).of("a")
    assert (line.difference, line.low, line.high) == (0, 0, 0)


def test_another_gold_answer_of_the_same_example_is_an_error(stored):
    rng = np.random.default_rng(0)
    table = dict.fromkeys(CODES, answers(rng, 60, 0.5))
    stored.add("none", "a", table)
    stored.add("squad", "a", table, references={"de": [json.dumps(f"de {59 - i}") for i in range(60)]})
    with pytest.raises(DataError, match="a, de: 60 examples have another gold answer in squad"):
        compare(*pair(stored), scheme("a"), SETTINGS)


def test_metrics_with_parts_of_each_label_have_intervals(stored):
    assert metric("f1_macro").by_example
    assert metric("matthews").by_example
    assert not metric("mteb_f1").by_example


def test_ids_named_twice_are_an_error(stored):
    rng = np.random.default_rng(0)
    stored.add("none", "a", {"de": answers(rng, 3, 0.5)}, ids={"de": ["x", "y", "x"]})
    with pytest.raises(DataError, match="names 1 ids more than once in de, such as 'x'"):
        matched("a", [("none", rows(stored)["tiny", "none"].targets["a"])])


def test_outcomes_that_are_gone_are_told(stored):
    fill(stored, {"none": 0.0, "squad": 0.1}, targets=("a",))
    stored.folder("evaluate-none-a-0").joinpath("outcomes.parquet").unlink()
    with pytest.raises(UsageError, match="is not there any more"):
        compare(*pair(stored), scheme("a"), SETTINGS)


def test_a_pair_mined_by_one_model_only_is_a_wrong_pair_of_that_model(tmp_path):
    stored = Stored(tmp_path, {"bucc": task("bucc", ("de",), metric="f1_bucc")})
    gold = ["g1", "g2", "g3", "g4"]
    ours = np.array([[1, 1, 1], [1, 1, 1], [0, 0, 1], [0, 0, 1], [0, 1, 0]], float)
    theirs = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 1], [0, 1, 0], [0, 1, 0]], float)
    stored.add("none", "bucc", {"de": ours}, ids={"de": [*gold, "w1"]}, references={"de": ["true"] * 4 + ["false"]})
    stored.add(
        "squad",
        "bucc",
        {"de": theirs},
        ids={"de": [*gold, "w2", "w3"]},
        references={"de": ["true"] * 4 + ["false"] * 2},
    )
    found = compare(*pair(stored), scheme("bucc"), SETTINGS).of("bucc")
    assert found.left == pytest.approx(100 * 2 * 2 / (3 + 4))
    assert found.right == pytest.approx(100 * 2 * 3 / (5 + 4))
    assert found.n == 7


def labels(rng, n):
    return [f'"{label}"' for label in rng.integers(0, 3, n)]


@pytest.mark.parametrize(
    ("ids", "references", "together"),
    [
        ("shared", "own", True),  # translations with ids: XQuAD, MLQA
        ("rows", "own", False),  # row numbers of unrelated files: PAN-X, UDPOS
        ("rows", "shared", True),  # row numbers, and the same labels in the same order: PAWS-X
        ("distinct", "shared", True),  # rows of one long file: XNLI
        ("distinct", "own", False),
        ("rows", "ids", False),  # retrieval, where the reference is the id: Tatoeba
    ],
)
def test_languages_are_drawn_together_where_their_examples_are_parallel(stored, ids, references, together):
    rng = np.random.default_rng(0)
    names = {
        "shared": {code: [f"q{i}" for i in range(60)] for code in CODES},
        "rows": {code: [str(i) for i in range(60)] for code in CODES},
        "distinct": {code: [str(1000 * k + i) for i in range(60)] for k, code in enumerate(CODES)},
    }[ids]
    same = labels(rng, 60)
    refs = {
        "shared": dict.fromkeys(CODES, same),
        "own": {code: labels(rng, 60) for code in CODES},
        "ids": {code: [f'"{i}"' for i in names[code]] for code in CODES},
    }[references]
    stored.add("none", "a", {code: answers(rng, 60, 0.5) for code in CODES}, ids=names, references=refs)
    scored = rows(stored)["tiny", "none"].targets["a"]
    found = matched("a", [("none", scored)])
    assert found.together == ((CODES,) if together else tuple((code,) for code in CODES))
    if together:
        assert len({tuple(found.keys[code]) for code in CODES}) == 1
    assert matched("a", [("none", scored)], parallel=False).together == tuple((code,) for code in CODES)
    assert matched("a", [("none", scored)], parallel=True).together == (CODES,)


def test_only_real_gains_over_none_are_significant(stored):
    fill(stored, {"none": 0.0, "squad": 0.15, "ccg": 0.0}, seeds=(0, 1), n=300)
    found = significant_against_none(rows(stored), SETTINGS)
    assert found == {("tiny", "squad", target) for target in "abc"}


def test_the_board_marks_what_a_comparison_of_two_rows_finds(stored):
    gains = {"none": 0.0, **{name: 0.012 * i for i, name in enumerate(("squad", "ccg", "mnli", "qqp", "all"), 1)}}
    fill(stored, gains, seeds=(0, 1))
    found, whole = rows(stored), scheme("a", "b", "c")
    lines = {
        ("tiny", name, target): compare(found["tiny", "none"], found["tiny", name], whole, SETTINGS).of(target).p
        for name in gains
        if name != "none"
        for target in "abc"
    }
    p = dict(zip(lines, holm(list(lines.values())), strict=True))
    for level in (0.2, 0.5, 0.9, 0.95):
        marked = significant_against_none(found, Settings(resamples=1000, level=level))
        assert marked == {place for place, value in p.items() if value < 1 - level}


def test_a_gain_in_one_seed_of_two_is_not_significant(stored):
    rng = np.random.default_rng(0)
    for target in ("a", "b", "c"):
        for seed, gain in ((0, 0.2), (1, -0.1)):
            for intermediate in ("none", "squad"):
                chance = 0.5 + (gain if intermediate == "squad" else 0)
                stored.add(intermediate, target, {code: answers(rng, 300, chance) for code in CODES}, seed)
    assert significant_against_none(rows(stored), SETTINGS) == frozenset()


def test_rows_scored_by_other_metrics_are_not_compared(tmp_path):
    rng = np.random.default_rng(0)
    sides = []
    for name in ("accuracy", "accuracy_tatoeba"):
        stored = Stored(tmp_path / name, {"a": task("a", ("de",), metric=name)})
        stored.add("none", "a", {"de": answers(rng, 30, 0.5)})
        sides.append(rows(stored)["tiny", "none"])
    with pytest.raises(UsageError, match="scored by accuracy and by accuracy_tatoeba"):
        compare(*sides, scheme("a"), SETTINGS)
