"""Made-up studies: right and wrong answers language by language, with a known gain where a test wants one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow
from pyarrow import parquet

from xharness.record import Record
from xharness.study import Study

Right = Mapping[str, Any]
"""Language -> right or wrong, example by example."""
Cells = Mapping[tuple[str, str], Right | Sequence[Right]]
"""(intermediate, target) -> the outcomes of its seed, or of several."""
SEEN = {"several": ["ar", "de", "zh"]}


def study(
    folder: Path, cells: Cells, trained_in: Mapping[str, list[str]] | None = None, outcomes: bool = True
) -> Study:
    """A stored run of these cells; without `outcomes` its records alone."""
    records: list[Record] = []
    listed = []
    languages: dict[str, list[str]] = {}
    for (row, target), given in cells.items():
        for seed, right in enumerate([given] if isinstance(given, Mapping) else given):
            name, key = f"{row}->{target}[tiny-{seed}]", f"{row}-{target}-{seed}"
            listed.append(
                {"name": name, "checkpoint": "tiny", "intermediate": row, "target": target, "seed": seed,
                 "status": "passed"}
            )  # fmt: skip
            for code, held in right.items():
                languages.setdefault(target, [])
                languages[target] += [code] if code not in languages[target] else []
                value = 100 * float(np.mean(held))
                records.append(Record(name, "tiny", row, target, seed, code, "accuracy", value, len(held), key))
            if outcomes:
                write(folder / key, right)
    rows = list(dict.fromkeys(row for row, _ in cells))
    tasks = {
        t: {"title": t.upper(), "metric": "accuracy", "also": [], "languages": held} for t, held in languages.items()
    }
    run: dict[str, Any] = {
        "checkpoints": {"tiny": {}}, "intermediates": rows, "targets": list(languages), "tasks": tasks, "cells": listed,
        "rows": {row: {"stages": [{"tasks": ["t"], "languages": SEEN.get(row, ["en"])}]} for row in rows},
        "trained_in": dict(trained_in or {}),
    }  # fmt: skip
    return Study(cast(Any, None), run, records, lambda key: folder / key)


def write(folder: Path, right: Right) -> None:
    """A step's outcomes."""
    folder.mkdir(parents=True)
    columns: dict[str, list[Any]] = {
        "id": [],
        "language": [],
        "reference": [],
        "accuracy/correct": [],
        "accuracy/n": [],
    }
    for code, held in right.items():
        columns["id"] += [f"{code}-{i}" for i in range(len(held))]
        columns["language"] += [code] * len(held)
        columns["reference"] += [json.dumps(f"{code} {i}") for i in range(len(held))]
        columns["accuracy/correct"] += [float(one) for one in held]
        columns["accuracy/n"] += [1.0] * len(held)
    parquet.write_table(pyarrow.table(columns), folder / "outcomes.parquet")


def drawn(rng: np.random.Generator, chances: Mapping[str, float], n: int = 200) -> dict[str, Any]:
    """Right or wrong with a chance for each language."""
    return {code: rng.random(n) < chance for code, chance in chances.items()}


def exactly(chances: Mapping[str, float], n: int = 100) -> dict[str, Any]:
    """The first so many are right: scores without noise."""
    return {code: np.arange(n) < round(chance * n) for code, chance in chances.items()}


def raised(base: Mapping[str, float], by: float, where: Callable[[str], bool]) -> dict[str, float]:
    """Chances, some of them raised."""
    return {code: chance + by * where(code) for code, chance in base.items()}


def table(answer: Any, name: str) -> list[dict[str, Any]]:
    """A table's rows by column."""
    (found,) = (one for one in answer.tables if one.name == name)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]
