"""What sweeps chose, under the board and by `--by sweep`."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from xharness.board.sweeps import show_sweeps, sweep_notes
from xharness.errors import UsageError

DEV = {1e-5: 60.0, 2e-5: 70.0, 5e-5: 65.0}


def choice(chosen: float, dev: dict[float, float | None], role: str = "target") -> dict[str, Any]:
    tried = [{"values": {"learning_rate": rate}, "dev": score, "key": f"tune-{rate}"} for rate, score in dev.items()]
    return {"role": role, "on": ["mnli"], "chosen": {"learning_rate": chosen}, "tried": tried}


def run_of(*cells: tuple[str, int, list[dict[str, Any]]]) -> dict[str, Any]:
    """A run of one target; of each cell the row, the seed and the choices."""
    rows = list(dict.fromkeys(row for row, _, _ in cells))
    return {
        "checkpoints": {"c": {}}, "targets": ["xnli"], "intermediates": rows,
        "cells": [
            {"name": f"{row}->xnli[c-{seed}]", "checkpoint": "c", "intermediate": row, "target": "xnli", "seed": seed,
             "sweep": found}
            for row, seed, found in cells
        ],
    }  # fmt: skip


def shown(run: dict[str, Any]) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    show_sweeps(run, console)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_the_choice_that_most_runs_share_is_counted_and_the_others_are_named() -> None:
    run = run_of(
        ("none", 0, [choice(2e-5, DEV)]), ("none", 1, [choice(2e-5, DEV)]), ("mnli", 0, [choice(1e-5, DEV)])
    )  # fmt: skip
    chosen, edge = sweep_notes(run)
    assert chosen == "learning_rate, chosen on English dev: xnli: 2e-05 (2 of 3 runs), 1e-05 (mnli seed 0)"
    assert edge == "learning_rate, chosen at the edge of what was tried: xnli 1e-05 (lowest, 1 of 3 runs)"


def test_a_choice_inside_the_list_has_no_warning_and_of_two_values_none_is_inside() -> None:
    assert len(sweep_notes(run_of(("none", 0, [choice(2e-5, DEV)])))) == 1
    assert len(sweep_notes(run_of(("none", 0, [choice(2e-5, {1e-5: 1.0, 2e-5: 2.0})])))) == 1


def test_an_edge_is_the_lowest_or_highest_value_wherever_it_stands_in_the_list() -> None:
    turned = {2e-5: 60.0, 5e-5: 70.0, 1e-5: 65.0}
    assert any("xnli 5e-05 (highest)" in note for note in sweep_notes(run_of(("none", 0, [choice(5e-5, turned)]))))
    assert len(sweep_notes(run_of(("none", 0, [choice(2e-5, turned)])))) == 1


def test_the_dev_scores_of_all_values_stand_by_row_with_the_seeds_that_chose_each() -> None:
    other: dict[float, float | None] = {1e-5: 62.0, 2e-5: 68.0, 5e-5: None}
    before = choice(1e-5, DEV, role="intermediate")
    lines = shown(
        run_of(
            ("none", 0, [choice(2e-5, DEV)]),
            ("none", 1, [choice(1e-5, other)]),
            ("own", 0, [before, choice(2e-5, {**DEV, 5e-5: None})]),
        )
    )
    assert lines[:4] == [
        "xnli: dev by learning_rate",
        "1e-05 2e-05 5e-05",
        "none 61.0 (1) 69.0 (1) 65.0",
        "own 60.0 70.0 (1) diverged",
    ]
    assert lines[4:7] == ["own (mnli): dev by learning_rate", "1e-05 2e-05 5e-05", "own 60.0 (1) 70.0 65.0"]


def test_a_run_without_a_sweep_has_no_note_and_says_how_to_have_one() -> None:
    run = run_of(("none", 0, []))
    del run["cells"][0]["sweep"]
    assert sweep_notes(run) == []
    with pytest.raises(UsageError, match="nothing was swept"):
        shown(run)
