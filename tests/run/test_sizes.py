"""An intermediate at several sizes, run and shown: the curve, the column in exports, the failed one's footnote."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from test_micro_run import records, xharness

from xharness.collect.cells import collect
from xharness.plan.planner import Planner
from xharness.spec.load import load_suite
from xharness.steps.tune import Tune

SUITE = """
title = "sizes"
extends = "xtreme"
scheme = ""
[intermediate.sized]
title = "MNLI"
tasks = ["mnli"]
size = [16, 600]
recipe = { learning_rate = 7e-4 }
[intermediate.hot]
tasks = ["mnli"]
size = 200
recipe = { learning_rate = 0.1 }
[grid]
intermediates = ["none", "sized", "hot"]
targets = ["tatoeba"]
"""


def test_sizes_make_a_curve_a_column_and_a_note_where_nothing_was_learnt(tmp_path: Path) -> None:
    suite, store = tmp_path / "sizes.toml", tmp_path / "store"
    suite.write_text(SUITE)
    done = xharness("run", suite, "--store", store, "-n", 2)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    # At such a rate all predictions become the same.
    notes = [line for line in done.stdout.splitlines() if line.startswith("failed intermediate:")]
    assert notes, done.stdout
    assert "tune tiny on hot as intermediate, seed 0: dev of mnli" in notes[-1]
    assert not any("sized@600" in note for note in notes)
    shown = xharness("show", "--store", store, "--by", "size").stdout
    lines = [line.split() for line in shown.splitlines()]
    sizes = [line[0] for line in lines if line and line[0].replace(",", "").isdigit()]
    assert "MNLI by size" in shown
    assert sizes == ["0", "16", "600"]
    table = xharness("show", "--store", store, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    assert {(row["intermediate"], row["size"]) for row in rows} >= {
        ("none", ""), ("sized@16", "16"), ("sized@600", "600"), ("hot", "")
    }  # fmt: skip
    assert {(r["intermediate"], r["size"]) for r in records(store)} == {
        ("none", None), ("sized@16", 16), ("sized@600", 600), ("hot", None)
    }  # fmt: skip


def test_one_example_and_all_of_them_are_two_rows(tmp_path: Path) -> None:
    suite = tmp_path / "sizes.toml"
    suite.write_text(SUITE.replace("[16, 600]", "[1, 1.0]"))
    loaded = load_suite(str(suite), "micro")
    plan = Planner(loaded).plan(collect(loaded))
    rows = ("sized@1", "sized@1.0")
    works = [step.work for row in rows for step in plan.under(f"{row}->tatoeba[tiny-0]")]
    sizes = [repr(work.tasks[0].size) for work in works if isinstance(work, Tune)]
    assert sizes == ["1", "1.0"]
    assert len({plan.ends[f"{row}->tatoeba[tiny-0]"] for row in rows}) == 2
