"""`xharness compare`: rows of runs, published rows, what is shown and what is refused."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from stored import Stored, answers, task
from typer import Typer
from typer.testing import CliRunner

from xharness.api.comparison import Compared, compare_rows
from xharness.baselines.published import compare_published, published
from xharness.cli.compare import compare, show_comparisons
from xharness.errors import UsageError
from xharness.score.compare import Settings
from xharness.score.scheme import load_scheme

CODES = ("de", "en", "es", "fr", "ja", "ko", "zh")
SETTINGS = Settings(resamples=500)


@pytest.fixture
def stored(tmp_path):
    stored = Stored(
        tmp_path, {"pawsx": task("pawsx", CODES, metric="accuracy"), "xnli": task("xnli", ("en",), metric="accuracy")}
    )
    rng = np.random.default_rng(0)
    for intermediate, chance, dev in (("none", 0.5, 50.0), ("mnli", 0.7, 70.0)):
        for target in stored.tasks:
            table = {code: answers(rng, 100, chance) for code in stored.tasks[target]["languages"]}
            stored.add(intermediate, target, table, dev=dev if target == "pawsx" else None)
    stored.write()
    return stored


def shown(found: Compared, languages=False) -> str:
    out = io.StringIO()
    show_comparisons(found, Console(width=200, file=out), languages)
    return out.getvalue()


def test_two_rows_of_a_run_with_interval_and_words(stored):
    text = shown(compare_rows(["none", "mnli"], [stored.root], SETTINGS))
    line = next(line for line in text.splitlines() if line.startswith("pawsx"))
    assert "*" in line
    assert "[+" in line
    assert "average" in text
    assert "— 2/9" in text
    assert "mnli[tiny] minus none[tiny]. Paired bootstrap over examples (800)" in text
    assert "pawsx ko" not in text
    assert "pawsx ko" in shown(compare_rows(["none", "mnli"], [stored.root], SETTINGS), languages=True)


def test_rows_may_be_of_two_runs_and_named_with_their_checkpoint(stored):
    found = compare_rows(["run-1::none[tiny]", f"{stored.root}/runs/run-1::mnli"], [stored.root], SETTINGS)
    assert found.comparisons[0].of("pawsx").difference > 0


def test_a_choice_by_another_targets_dev_names_it(stored):
    stored.tasks["xnli"]["choose_by"] = ["pawsx"]
    stored.write("run-2")
    text = shown(compare_rows(["run-2::none", "run-2::best"], [stored.root], SETTINGS))
    assert "best per target, xnli: mnli (pawsx's dev 70.0)" in text


def test_best_per_target_shows_its_choice_and_what_was_not_chosen(stored):
    found = compare_rows(["none", "best"], [stored.root], SETTINGS)
    assert found.comparisons[0].of("pawsx").difference > 0
    text = shown(found)
    assert "best per target, pawsx: mnli (English dev 70.0)" in text
    assert "best per target, xnli: none chosen (no score on English dev)" in text


def test_a_published_row_gives_differences_without_interval(stored):
    found = compare_rows(["baseline:xlmr-large", "mnli"], [stored.root], SETTINGS).comparisons[0]
    line = found.of("pawsx")
    assert (line.left, line.low, line.p) == (86.4, None, None)
    assert line.difference == pytest.approx(line.right - 86.4)
    assert found.of("pawsx", "ko").left == 79.0
    assert found.of("xnli").difference is None  # one language against fifteen
    assert "no interval and no test" in found.words[0]
    assert any("ERNIE-M repository" in words for words in found.words)


def test_published_figures_by_language_are_averaged_over_the_languages_of_the_run(tmp_path):
    codes = ("en", "es", "de", "el", "ru", "tr", "ar", "vi", "th", "zh", "hi")
    stored = Stored(tmp_path, {"xquad_r": task("xquad_r", codes, metric="squad", counts_as="xquad")})
    rng = np.random.default_rng(0)
    table = {code: np.column_stack([rng.random(50), rng.random(50) < 0.5, np.ones(50)]) for code in codes}
    stored.add("none", "xquad_r", table)
    stored.write()
    line = compare_rows(["baseline:xlmr-large", "none"], [tmp_path], SETTINGS, "xtreme-r").comparisons[0].of("xquad_r")
    assert line.left == pytest.approx((76.6 + 60.8) / 2, abs=0.01)  # XTREME's eleven of XTREME-R's twelve
    assert line.difference == pytest.approx(line.right - line.left)


def test_a_run_that_does_not_compare_is_refused_beside_published_rows(stored):
    stored.comparable = False
    stored.write("run-2")
    with pytest.raises(UsageError, match="do not compare with published ones"):
        compare_rows(["baseline:xlmr-large", "run-2::mnli"], [stored.root], SETTINGS)


def test_two_published_rows_with_what_is_unverified_and_what_is_f1_only():
    found = compare_published(published("mbert"), published("xlmr-large"), load_scheme("xtreme"))
    assert found.of("xnli").difference == pytest.approx(79.2 - 65.4)
    assert "unverified" in found.of("bucc2018").note
    assert found.of("average").difference == pytest.approx(68.25 - 59.64, abs=0.01)
    assert found.of("average").note == "unverified"
    found = compare_published(published("mt5-large"), published("xlmr-large"), load_scheme("xtreme"))
    assert (found.of("xquad").difference, found.of("xquad").note) == (pytest.approx(76.6 - 77.8), "F1 only")
    assert found.of("group:qa").difference is None
    found = compare_published(published("xlmr-large"), published("filter"), load_scheme("xtreme"))
    assert any("does not follow the benchmark's protocol" in words for words in found.words)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["none", "squad"], "has no scored row 'squad'"),
        (["none", "mnli[large]"], "has no checkpoint 'large'"),
        (["none", "baseline:xlmr-larg"], "Did you mean 'xlmr-large'"),
        (["none", "mn[li"], "is no row"),
        (["none", "other::mnli"], "no finished run is called 'other'"),
    ],
)
def test_rows_that_are_not_there_are_told(stored, rows, said):
    with pytest.raises(UsageError, match=said.replace("[", r"\[")):
        compare_rows(rows, [stored.root], SETTINGS)


def test_the_command_writes_json(stored):
    app = Typer()
    app.command()(compare)
    given = ["none", "mnli", "best", "--store", str(stored.root), "--resamples", "200", "--json", "-"]
    result = CliRunner().invoke(app, given, catch_exceptions=False)
    found = json.loads(result.stdout)
    assert [comparison["right"] for comparison in found] == ["mnli[tiny]", "best per target[tiny]"]
    line = next(x for x in found[0]["lines"] if (x["name"], x["kind"]) == ("pawsx", "target"))
    assert line["low"] < line["difference"] < line["high"]
    assert line["adjusted"] >= line["p"] > 0
    assert found[0]["settings"]["resamples"] == 200


def test_a_target_that_another_evaluator_judged_has_a_difference_and_no_interval(tmp_path):
    stored = Stored(tmp_path, {"sts": task("sts", ("de", "en"), metric="accuracy")})
    rng = np.random.default_rng(0)
    for intermediate, skill in (("none", 0.5), ("mnli", 0.7)):
        stored.add(intermediate, "sts", {code: answers(rng, 50, skill) for code in ("de", "en")})
    stored.tasks["sts"] |= {"metric": "mteb_cosine_spearman", "adapter": "mteb"}
    stored.records = [replace(r, metric="mteb_cosine_spearman") for r in stored.records if r.metric == "accuracy"]
    stored.write()
    for file in stored.root.rglob("outcomes.parquet"):
        file.unlink()
    found = compare_rows(["none", "mnli"], [stored.root], SETTINGS).comparisons[0]
    means = [np.mean([r.value for r in stored.records if r.intermediate == name]) for name in ("none", "mnli")]
    line = found.of("sts")
    assert line.difference == pytest.approx(means[1] - means[0])
    assert (line.low, line.p, line.adjusted) == (None, None, None)
    assert "no interval" in line.note
    assert not line.significant()
    assert "judged by another evaluator" in shown(compare_rows(["none", "mnli"], [stored.root], SETTINGS))
