"""Gains by slice: a planted effect is found, chance is not, and what cannot be sliced is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import LANGUAGES, example, study_of

from xharness.analyses.slices import Options, Slices
from xharness.analyses.slicing.cases import Cases, cases_of, interaction
from xharness.analyses.slicing.labels import labels_of
from xharness.analysis import Answer
from xharness.errors import DataError

KINDS = ("when", "who", "where")
FAST = {"resamples": 400, "rounds": 400}


def parallel(n: int, **more: Any) -> dict[str, list[dict[str, Any]]]:
    """n questions of three kinds in three languages, with the same ids."""
    return {
        language: [example(f"q{i}", language, kind=KINDS[i % 3], number=i, **more) for i in range(n)]
        for language in LANGUAGES
    }


def answer(study: Any, **options: Any) -> Answer:
    return Slices().answer(study, Options(**{**FAST, "by": ("kind",), **options}))


def lines(found: Answer, table: str) -> list[dict[str, Any]]:
    (held,) = [t for t in found.tables if t.name == table]
    return [dict(zip(held.columns, row, strict=True)) for row in held.rows]


def planted(n: int, points: float) -> dict[str, Any]:
    """Points on every third example, the ones of the kind `when`."""
    return dict.fromkeys(LANGUAGES, np.where(np.arange(n) % 3 == 0, points, 0.0))


def test_a_gain_planted_in_one_slice_is_found_there_and_said(tmp_path: Path) -> None:
    study = study_of(tmp_path, parallel(90), {"squad_v1": planted(90, 12.0)})
    found = answer(study)
    (test,) = lines(found, "tests")
    assert test["best"] == "when"
    assert test["p Holm"] < 0.01
    slices = {line["slice"]: line for line in lines(found, "by-kind")}
    assert slices["when"]["low"] < 12 < slices["when"]["high"]
    assert slices["when"]["p Holm"] < 0.05
    assert all(slices[kind]["low"] < 0 < slices[kind]["high"] for kind in ("who", "where"))
    assert (slices["when"]["n"], slices["when"]["questions"]) == (90, 30)
    words = " ".join(found.sentences)
    assert "depends on the slice in 1 of 1 comparisons: that of squad_v1[tiny] on MLQA by kind" in words
    assert "'when' (+1" in words


def test_a_gain_that_is_the_same_everywhere_depends_on_no_slice(tmp_path: Path) -> None:
    study = study_of(tmp_path, parallel(90), {"squad_v1": dict.fromkeys(LANGUAGES, np.full(90, 8.0))})
    found = answer(study)
    assert lines(found, "tests")[0]["p"] > 0.05
    assert "is not shown in any of 1 comparisons" in found.sentences[0]
    assert "Of 3 slices, 3 gain more than chance explains" in found.sentences[-1]


def made_cases(tmp_path: Path, rng: np.random.Generator) -> tuple[Cases, np.ndarray[Any, Any]]:
    """Gains that correlate over parallel languages; Chinese gains more; half of the questions lack it."""
    held = parallel(60)
    held["zh"] = held["zh"][:30]
    study = study_of(tmp_path, held, {"squad_v1": {c: np.zeros(len(held[c])) for c in held}}, rng=rng)
    return cases_of(study, "mlqa", "tiny", "squad_v1"), np.ones(150, dtype=bool)


def test_shuffled_outcomes_are_significant_at_the_nominal_rate(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    cases, kept = made_cases(tmp_path, rng)
    clusters, chinese = cases.clusters, np.array([language == "zh" for language, _ in cases.places])
    hits = 0
    for _ in range(1000):
        shared = rng.normal(0, 10, clusters.max() + 1)[clusters]
        gains = shared + rng.normal(0, 5, len(clusters)) + 15 * chinese
        own = rng.integers(0, 3, clusters.max() + 1)[clusters]
        # A slice of its own for every Chinese example of the first kind: slice and language are confounded.
        labels = np.where(chinese & (own == 0), 3, own).astype(str).tolist()
        hits += interaction(replace(cases, gains=gains), labels, kept, 99) <= 0.05
    # 50 of 1,000 are expected; fewer than 30 or more than 72 have less than one chance in 500.
    assert 30 <= hits <= 72


def test_parallel_examples_are_one_cluster_in_interval_and_count(tmp_path: Path) -> None:
    alone = parallel(60)
    apart = {c: [{**e, "id": f"{c}{e['id']}"} for e in rows] for c, rows in alone.items()}
    together = study_of(tmp_path / "a", alone, {"squad_v1": planted(60, 5.0)})
    single = study_of(tmp_path / "b", apart, {"squad_v1": planted(60, 5.0)})
    assert {line["questions"] for line in lines(answer(together), "by-kind")} == {20}
    assert {line["questions"] for line in lines(answer(single), "by-kind")} == {60}


def test_row_numbers_in_place_of_ids_give_no_language_the_slices_of_english(tmp_path: Path) -> None:
    english = [example(str(i), "en", kind=KINDS[i % 3]) for i in range(60)]
    german = [example(str(i), "de", kind="why") for i in reversed(range(60))]
    study = study_of(tmp_path, {"en": english, "de": german}, {"squad_v1": {"en": np.zeros(60), "de": np.zeros(60)}})
    found = answer(study)
    assert {line["slice"]: line["n"] for line in lines(found, "by-kind")} == {**dict.fromkeys(KINDS, 20), "why": 60}


def test_a_slice_of_three_questions_is_shown_and_never_ranked(tmp_path: Path) -> None:
    held = parallel(93)
    for rows in held.values():
        for row in rows[-3:]:
            row["kind"] = "why"
    gains = {c: np.where(np.arange(93) >= 90, 40.0, 0.0) for c in LANGUAGES}
    found = answer(study_of(tmp_path, held, {"squad_v1": gains}))
    small = next(line for line in lines(found, "by-kind") if line["slice"] == "why")
    assert small["questions"] == 3
    assert (small["p"], small["p Holm"], small[""]) == (None, None, "not ranked")
    assert "why" not in (lines(found, "tests")[0]["best"], lines(found, "tests")[0]["worst"])
    assert "why" not in " ".join(found.sentences)
    assert any("1 slices have fewer than 20 questions, no value" in note for note in found.notes)


def test_a_column_that_is_not_there_is_said_and_the_rest_is_given(tmp_path: Path) -> None:
    study = study_of(tmp_path, parallel(60), {"squad_v1": planted(60, 5.0)})
    found = answer(study, by=("article", "kind"))
    assert {t.name for t in found.tables} == {"tests", "by-kind"}
    assert "not sliced by article: MLQA, has no column 'title'; found: context" in found.notes


def test_a_slice_that_holds_everything_is_nothing_to_compare(tmp_path: Path) -> None:
    held = {c: [{**e, "kind": "who"} for e in rows] for c, rows in parallel(60).items()}
    found = answer(study_of(tmp_path, held, {"squad_v1": planted(60, 5.0)}))
    assert lines(found, "tests")[0]["p"] is None
    assert "No two slices are large enough to be compared." in found.sentences
    assert any("nothing to compare" in note and "MLQA by kind" in note for note in found.notes)


def test_one_seed_is_said_and_two_are_drawn(tmp_path: Path) -> None:
    one = answer(study_of(tmp_path / "one", parallel(60), {"squad_v1": planted(60, 5.0)}))
    two = answer(study_of(tmp_path / "two", parallel(60), {"squad_v1": planted(60, 5.0)}, seeds=(0, 1)))
    assert any(note.startswith("one seed") for note in one.notes)
    assert not any(note.startswith("one seed") for note in two.notes)


def test_without_a_row_beside_none_there_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row has outcomes beside those of `none`"):
        answer(study_of(tmp_path, parallel(30), {}))


def test_cells_that_failed_are_named_and_the_rest_is_given(tmp_path: Path) -> None:
    study = study_of(tmp_path, parallel(60), {"squad_v1": planted(60, 5.0)})
    study.run["cells"].append({"name": "mnli->mlqa[tiny-0]", "target": "mlqa", "status": "failed"})
    assert "1 cells failed, and left out: mnli->mlqa[tiny-0]" in answer(study).notes


def test_numbers_are_binned_in_each_language_by_itself() -> None:
    found = labels_of({"en": {"a": 1, "b": 2, "c": 3}, "zh": {"a": 10, "b": 20, "c": None}}, 2, 9)
    assert [found.of["en", name] for name in "abc"] == ["1 of 2 (lowest)", "1 of 2 (lowest)", "2 of 2 (highest)"]
    assert [found.of["zh", name] for name in "abc"] == ["1 of 2 (lowest)", "2 of 2 (highest)", "no value"]
    assert found.slices == ("1 of 2 (lowest)", "2 of 2 (highest)", "no value")


def test_rare_values_are_put_together() -> None:
    values = {"en": {str(i): name for i, name in enumerate("aaaabbbccd")}}
    found = labels_of(values, 3, 2)
    assert found.slices == ("a", "b", "the other 2")


def test_figures_are_drawn_from_the_tables(tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = answer(study_of(tmp_path, parallel(60), {"squad_v1": planted(60, 5.0), "mnli": planted(60, 0.0)}))
    for figure in found.figures:
        assert figure.table in {t.name for t in found.tables}
        drawing, axes = pyplot.subplots()
        figure.draw(axes)
        assert [label.get_text() for label in axes.get_yticklabels()] == ["who", "when", "where"]
        pyplot.close(drawing)


def test_rare_values_together_are_shown_and_not_ranked(tmp_path: Path) -> None:
    found = answer(study_of(tmp_path, parallel(90), {"squad_v1": planted(90, 5.0)}), most=2)
    rest = next(line for line in lines(found, "by-kind") if line["slice"] == "the other 1")
    assert (rest["questions"], rest["p"], rest[""]) == (30, None, "not ranked")
    assert lines(found, "tests")[0]["slices"] == 2


def test_a_column_without_any_value_is_said(tmp_path: Path) -> None:
    study = study_of(tmp_path, parallel(60, title=""), {"squad_v1": planted(60, 5.0)})
    assert "not sliced by article: MLQA, no example has a value" in answer(study, by=("article", "kind")).notes
