"""The board is a pure function of records: absent members, seeds, gains, targets of one's own."""

from __future__ import annotations

from typing import Any

import pytest

from xharness.board.board import Board, make_board
from xharness.record import Record
from xharness.score.scheme import load_scheme


def run_of(
    targets: dict[str, list[str]], intermediates: tuple[str, ...], seeds: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    """The facts of a run, as run.json has them; every cell passed, dev scores as in the first record."""
    return {
        "title": "test", "note": "", "comparable": True,
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
    assert not any("only" in note for note in board.footnotes)


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
