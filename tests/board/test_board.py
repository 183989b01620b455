"""The board is a pure function of records: absent members, seeds, gains, targets of one's own."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from typing import Any

import pytest

from xharness.board.board import Board, Value, make_board
from xharness.board.breakdown import breakdown
from xharness.board.export import as_html, as_json, as_latex
from xharness.board.show import value_text
from xharness.record import Record
from xharness.score.scheme import load_scheme


def run_of(
    targets: dict[str, list[str]], intermediates: tuple[str, ...], seeds: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    """The facts of a run, as run.json has them; every cell passed, dev scores as in the first record."""
    return {
        "title": "test", "note": "", "comparable": True, "suite": "suites/xtreme.toml", "scheme": "xtreme",
        "checkpoints": {"c": {"retrieval": {"pooling": "mean", "layer": None}}},
        "intermediates": list(intermediates), "targets": list(targets), "seeds": list(seeds), "languages_selected": {},
        "tasks": {
            t: {"title": t, "counts_as": "", "group": "other", "metric": "accuracy", "adapter": "classification",
                "languages": languages, "options": {}}
            for t, languages in targets.items()
        },
        "cells": [
            {"name": f"{i}->{t}[c-{s}]", "checkpoint": "c", "intermediate": i, "target": t, "seed": s,
             "status": "passed", "dev": 1.0, "reason": ""}
            for i in intermediates for t in targets for s in seeds
        ],
    }  # fmt: skip


def record(intermediate: str, target: str, language: str, value: float, seed: int = 0) -> Record:
    return Record(
        f"{intermediate}->{target}[c-{seed}]", "c", intermediate, target, seed, language, "accuracy", value, 10, "key"
    )


def drawn(run: dict[str, Any], records: list[Record]) -> Board:
    return make_board(run, records, load_scheme("xtreme"))


def test_a_task_is_the_mean_over_its_languages_and_a_gain_the_difference_from_none() -> None:
    run = run_of({"xnli": ["en", "de"]}, ("none", "mnli"))
    records = [
        record("none", "xnli", "en", 80), record("none", "xnli", "de", 60),
        record("mnli", "xnli", "en", 90), record("mnli", "xnli", "de", 62),
    ]  # fmt: skip
    rows = {r.intermediate: r.values["xnli"] for r in drawn(run, records).rows}
    assert (rows["none"].mean, rows["none"].gain) == (70, None)
    assert rows["mnli"].mean == 76
    assert rows["mnli"].gain == pytest.approx(6)
    assert rows["mnli"].best


def test_a_missing_language_makes_the_task_absent_and_with_it_every_average_above() -> None:
    run = run_of({"xnli": ["en", "de"], "pawsx": ["en"]}, ("none",))
    (row,) = drawn(run, [record("none", "xnli", "en", 80), record("none", "pawsx", "en", 50)]).rows
    assert row.values["xnli"].mean is None
    assert (row.values["xnli"].have, row.values["xnli"].want) == (1, 2)
    assert row.values["pawsx"].mean == 50
    assert row.values["group:classification"].mean is None
    assert (row.values["average"].have, row.values["average"].want) == (1, 9)


def test_a_part_of_the_languages_is_told_and_stands_in_no_line_with_the_whole() -> None:
    run = run_of({"xnli": ["en", "de", "sw"]}, ("none", "mnli"))
    run["languages_selected"] = {"none->xnli[c-0]": ["sw"], "mnli->xnli[c-0]": ["sw"]}
    records = [record("none", "xnli", "sw", 60), record("mnli", "xnli", "sw", 61)]
    board = drawn(run, records)
    assert [r.values["xnli"].mean for r in board.rows[:2]] == [60, 61]
    assert "xnli: only sw, 1 of 3 languages" in board.footnotes
    run["languages_selected"] = {"mnli->xnli[c-0]": ["sw"]}
    records += [record("none", "xnli", k, 80) for k in ("en", "de")]
    board = drawn(run, records)
    plain, mnli = (r.values["xnli"] for r in board.rows[:2])
    assert plain.mean == pytest.approx(220 / 3)
    assert (mnli.mean, mnli.gain, mnli.have, mnli.want) == (None, None, 1, 3)
    assert "xnli: only sw, 1 of 3 languages" not in board.footnotes
    assert "only in sw, so without an average: mnli->xnli[c-0]" in board.footnotes


def test_seeds_give_a_mean_and_a_standard_deviation_and_a_missing_seed_gives_neither() -> None:
    run = run_of({"xnli": ["en"]}, ("none",), seeds=(1, 2))
    (row,) = drawn(run, [record("none", "xnli", "en", 70, 1), record("none", "xnli", "en", 74, 2)]).rows
    assert row.values["xnli"].mean == 72
    assert row.values["xnli"].spread == pytest.approx(2.828, abs=1e-3)
    (row,) = drawn(run, [record("none", "xnli", "en", 70, 1)]).rows
    assert row.values["xnli"].mean is None


def test_targets_that_the_scheme_does_not_know_have_an_average_of_their_own() -> None:
    run = run_of({"topics": ["en"], "moods": ["en"]}, ("none",))
    (row,) = drawn(run, [record("none", "topics", "en", 70), record("none", "moods", "en", 50)]).rows
    assert row.values["average"].mean == 60


def test_best_per_target_is_chosen_on_dev_and_reported_on_test() -> None:
    run = run_of({"xnli": ["en"]}, ("none", "mnli", "a"))
    for cell in run["cells"]:
        cell["dev"] = {"none": 10.0, "mnli": 20.0, "a": 90.0}[cell["intermediate"]]
    records = [record("none", "xnli", "en", 60), record("mnli", "xnli", "en", 99), record("a", "xnli", "en", 50)]
    board = drawn(run, records)
    best = board.rows[-1]
    assert best.intermediate == "best per target"
    assert best.values["xnli"].mean == 50  # not 99: the test side chooses nothing
    assert any("xnli: a" in note for note in board.footnotes)


def test_a_choice_by_another_targets_dev_is_told_in_every_format_that_shows_choices() -> None:
    run = run_of({"bucc": ["de"], "tatoeba": ["de"]}, ("none", "mnli"))
    run["tasks"]["tatoeba"]["choose_by"] = ["bucc"]
    for cell in run["cells"]:
        cell["dev"] = None if cell["target"] == "tatoeba" else {"none": 10.0, "mnli": 20.0}[cell["intermediate"]]
    records = [record(i, t, "de", v) for i, v in (("none", 60), ("mnli", 50)) for t in ("bucc", "tatoeba")]
    board = drawn(run, records)
    assert board.rows[-1].values["tatoeba"].mean == 50
    said = "bucc: mnli, tatoeba: mnli (chosen by bucc's dev)"
    assert any(said in note for note in board.footnotes)
    assert said in as_latex(board, records)
    assert said in json.loads(as_json(board, records))["board"]["footnotes"][-1]
    assert said in html.unescape(as_html(board, records))
    old = run | {"tasks": {**run["tasks"], "tatoeba": {**run["tasks"]["tatoeba"]}}}
    del old["tasks"]["tatoeba"]["choose_by"]
    assert "tatoeba (no score on English dev)" in drawn(old, records).footnotes[-1]


def without(run: dict[str, Any], *names: str) -> dict[str, Any]:
    """The run of a grid that leaves out these cells (`INTERMEDIATE->TARGET`, or with checkpoint and seed)."""
    return run | {"cells": [c for c in run["cells"] if not {c["name"], c["name"].split("[")[0]} & {*names}]}


def test_a_cell_that_the_grid_leaves_out_is_empty_in_every_format_and_one_that_failed_is_not() -> None:
    run = without(run_of({"xnli": ["en", "de"], "pawsx": ["en"]}, ("none", "mnli")), "mnli->xnli")
    for cell in run["cells"]:
        if cell["name"] == "mnli->pawsx[c-0]":
            cell["status"] = "failed"
    records = [record("none", "xnli", "en", 80), record("none", "xnli", "de", 60), record("none", "pawsx", "en", 50)]
    board = drawn(run, records)
    rows = {r.intermediate: r.values for r in board.rows}
    assert rows["mnli"]["xnli"] == Value()
    assert rows["mnli"]["pawsx"].state == "failed"
    assert value_text(rows["mnli"]["xnli"]).plain == ""
    assert value_text(rows["mnli"]["pawsx"]).plain == "failed"
    latex = next(line for line in as_latex(board, records).splitlines() if line.startswith("mnli"))
    assert [cell.strip() for cell in latex.removesuffix(r"\\").split("&")] == ["mnli", "", "failed", "-- 0/2", "-- 0/9"]
    assert '<tr><td>mnli</td><td class=""></td><td class="">failed</td>' in as_html(board, records)


def test_an_average_needs_what_the_grid_leaves_out_and_without_any_member_is_empty_too() -> None:
    targets = {"xnli": ["en"], "pawsx": ["en"], "udpos": ["en"], "panx": ["en"]}
    run = without(run_of(targets, ("none", "ccg")), "ccg->xnli", "ccg->pawsx", "ccg->panx")
    records = [record("none", t, "en", 50) for t in targets] + [record("ccg", "udpos", "en", 60)]
    rows = {r.intermediate: r.values for r in drawn(run, records).rows}
    assert rows["none"]["group:tagging"].mean == 50
    assert rows["ccg"]["udpos"].mean == 60
    assert rows["ccg"]["udpos"].gain == pytest.approx(10)
    # Not the mean of one, which would stand in a line with the mean of two.
    assert (rows["ccg"]["group:tagging"].mean, rows["ccg"]["group:tagging"].have) == (None, 1)
    assert rows["ccg"]["group:classification"] == Value()
    assert (rows["ccg"]["average"].mean, rows["ccg"]["average"].have, rows["ccg"]["average"].want) == (None, 1, 9)


def test_a_seed_that_the_grid_leaves_out_is_no_missing_seed() -> None:
    run = without(run_of({"xnli": ["en"], "pawsx": ["en"]}, ("none", "mnli"), seeds=(1, 2)), "mnli->xnli[c-2]")
    records = [record(i, t, "en", 70, s) for i in ("none", "mnli") for t in ("xnli", "pawsx") for s in (1, 2)]
    records = [r for r in records if r.cell != "mnli->xnli[c-2]"]
    rows = {r.intermediate: r.values for r in drawn(run, records).rows}
    assert (rows["mnli"]["xnli"].mean, rows["mnli"]["xnli"].seeds, rows["mnli"]["xnli"].spread) == (70, 1, None)
    assert rows["mnli"]["xnli"].gain == pytest.approx(0)
    assert rows["mnli"]["group:classification"].mean is None  # Under seed 2 it has one member of two.
    assert rows["none"]["group:classification"].mean == 70


def test_the_best_row_is_empty_where_no_row_has_a_cell_and_tells_where_none_could_be_chosen() -> None:
    run = run_of({"xnli": ["en"], "pawsx": ["en"]}, ("none", "mnli"))
    run["checkpoints"]["d"] = run["checkpoints"]["c"]
    run["cells"] += [c | {"checkpoint": "d", "name": c["name"].replace("[c", "[d")} for c in run["cells"]]
    run = without(run, "none->pawsx[d-0]", "mnli->pawsx[d-0]")
    for cell in run["cells"]:
        cell["dev"] = None if (cell["checkpoint"], cell["target"]) == ("c", "pawsx") else 1.0
    records = [record(i, t, "en", 60) for i in ("none", "mnli") for t in ("xnli", "pawsx")]
    records += [replace(r, checkpoint="d") for r in records if r.target == "xnli"]
    best = {r.checkpoint: r.values for r in drawn(run, records).rows if r.intermediate == "best per target"}
    assert (best["c"]["pawsx"].mean, best["c"]["pawsx"].have, best["c"]["pawsx"].want) == (None, 0, 1)
    assert best["d"]["pawsx"] == Value()
    assert best["d"]["xnli"].mean == 60


def test_a_row_without_a_cell_of_a_target_is_not_in_its_breakdown() -> None:
    run = without(run_of({"xnli": ["en"], "pawsx": ["en"]}, ("none", "mnli")), "mnli->xnli")
    records = [record("none", "xnli", "en", 80), record("none", "pawsx", "en", 50), record("mnli", "pawsx", "en", 51)]
    found = breakdown(run, records, "language")
    assert [*found["xnli"]] == [("c", "none")]
    assert [*found["pawsx"]] == [("c", "none"), ("c", "mnli")]


@pytest.mark.parametrize(("rows", "told"), [(250, False), (251, True)])
def test_a_board_too_large_for_any_mark_says_so(rows: int, told: bool) -> None:
    names = ("none", *(f"row{i}" for i in range(rows)))
    board = drawn(run_of({"own": ["en"]}, names), [record(name, "own", "en", 80) for name in names])
    note = f"no difference is marked: {rows} at once are too many for 10,000 resamples; compare fewer rows"
    assert (note in board.footnotes) is told
