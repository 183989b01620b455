"""A sweep run: the good value is chosen, as if it alone had been tried, killed or not; what diverges is not chosen."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from test_kills import Runs
from test_micro_run import records, xharness

SUITE = """
title = "sweep"
extends = "xtreme"
scheme = ""
[grid]
intermediates = ["none", "own"]
targets = ["xnli"]
seeds = [0]
[profile.micro.limit]
train = 160
[profile.micro.recipe]
epochs = 1
[intermediate.own]
tasks = ["mnli"]
"""
GOOD = "[intermediate.own.recipe]\nlearning_rate = 7e-4\n[target.xnli.recipe]\nlearning_rate = 1e-3\n"
SWEPT = "sweep = { learning_rate = [1e-9, 7e-4] }\n[sweep]\nlearning_rate = [1e-9, 1e-3, 1e30]\n"


def scores(store: Path) -> list[dict[str, Any]]:
    """The records without what tells where they come from."""
    return [{k: v for k, v in record.items() if k not in ("key", "swept")} for record in records(store)]


def cells(store: Path) -> list[dict[str, Any]]:
    """The cells of the newest run."""
    newest = max((store / "runs").glob("*/run.json"), key=lambda p: p.stat().st_mtime_ns)
    found: list[dict[str, Any]] = json.loads(newest.read_text())["cells"]
    return found


def test_a_useless_value_loses_and_the_good_one_scores_as_if_it_were_alone(tmp_path: Path) -> None:
    alone, swept = tmp_path / "alone.toml", tmp_path / "swept.toml"
    alone.write_text(SUITE + GOOD)
    swept.write_text(SUITE + SWEPT)
    plan = xharness("plan", swept, "--store", tmp_path / "swept").stdout
    assert "on mnli (targets), 3 values: 3.0 times the trainings (6 in place of 2)" in plan
    assert "on mnli (intermediates), 2 values: 2.0 times the trainings (2 in place of 1)" in plan
    assert "2 passed" in xharness("run", alone, "--store", tmp_path / "alone", "-n", 2).stdout
    killed = Runs(swept, tmp_path / "swept", 2)
    assert killed.go(0.3, of_training=True) is None
    said = killed.go()
    assert said is not None
    assert "2 passed" in said
    assert max(killed.made().values()) == 1
    assert scores(tmp_path / "swept") == scores(tmp_path / "alone")

    for cell in cells(tmp_path / "swept"):
        of_row = [c for c in cell["sweep"] if c["role"] == "intermediate"]
        (own,) = (c for c in cell["sweep"] if c["role"] == "target")
        assert [c["chosen"] for c in of_row] == [{"learning_rate": 7e-4}] * (cell["intermediate"] == "own")
        assert own["chosen"] == {"learning_rate": 1e-3}
        useless, good, wild = (t["dev"] for t in own["tried"])
        assert useless < good == cell["dev"]
        assert wild is None
    assert "learning_rate, chosen on English dev: xnli: 0.001 (2 of 2 runs); own (mnli): 0.0007" in said

    again = xharness("run", swept, "--store", tmp_path / "swept", "-n", 1).stdout
    assert "0 steps made" in again
    shown = xharness("show", "--store", tmp_path / "swept", "--by", "sweep").stdout
    assert "diverged" in shown
    table = xharness("show", "--store", tmp_path / "swept", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    assert {(r["intermediate"], r["learning_rate"], r["mnli.learning_rate"]) for r in rows} == {
        ("none", "0.001", ""), ("own", "0.001", "0.0007")
    }  # fmt: skip
    # Of all that was trained the chosen intermediate alone stays; the test is read for what was chosen alone.
    kept = list((tmp_path / "swept" / "steps").glob("*/heads.safetensors"))
    assert [p.parent.name.partition("-")[0] for p in kept] == ["choose"]
    evaluated = list((tmp_path / "swept" / "steps").glob("evaluate-*"))
    assert len(evaluated) == 2
