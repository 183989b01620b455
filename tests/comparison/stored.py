"""Made-up stored runs: records, outcomes and run.json as an evaluation leaves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import parquet

from xharness.metrics import metric
from xharness.record import Record
from xharness.store.runs import write_run


def task(name: str, languages: tuple[str, ...], **changes: Any) -> dict[str, Any]:
    """What run.json says of a task."""
    return {
        "title": name, "counts_as": "", "group": "sentence pair", "metric": name, "also": [], "note": "", "options": {},
        "adapter": "classification", **changes, "languages": list(languages),
    }  # fmt: skip


class Stored:
    """A store with one run, filled cell by cell."""

    def __init__(self, root: Path, tasks: dict[str, dict[str, Any]], checkpoint: str = "tiny") -> None:
        self.root, self.tasks, self.checkpoint = root, tasks, checkpoint
        self.records: list[Record] = []
        self.cells: list[dict[str, Any]] = []
        self.comparable = True

    def add(
        self,
        intermediate: str,
        target: str,
        table: dict[str, Any],
        seed: int = 0,
        dev: float | None = None,
        ids: dict[str, list[str]] | None = None,
        references: dict[str, list[str]] | None = None,
        degenerate: bool = False,
        chance: float | None = None,
    ) -> Path:
        """Store one cell: language -> [examples, parts]."""
        rule = metric(self.tasks[target]["metric"])
        key = f"evaluate-{intermediate}-{target}-{seed}"
        folder = self.root / "steps" / key
        folder.mkdir(parents=True)
        columns: dict[str, list[Any]] = {"id": [], "language": [], "prediction": [], "reference": []}
        for language, parts in table.items():
            n = len(parts)
            names = (ids or {}).get(language) or [f"{language}-{i}" for i in range(n)]
            columns["id"] += names
            columns["language"] += [language] * n
            columns["prediction"] += ['"x"'] * n
            columns["reference"] += (references or {}).get(language) or [
                json.dumps(f"{language} {name.rpartition('-')[2]}") for name in names
            ]
            values = {rule.name: rule.score(parts.sum(axis=0)), **rule.values(parts.sum(axis=0))}
            if chance is not None:
                values["chance"] = chance
            cell = f"{intermediate}->{target}[{self.checkpoint}-{seed}]"
            place = (cell, self.checkpoint, intermediate, target, seed, language)
            self.records += [
                Record(*place, name, float(value), n, key, degenerate=degenerate) for name, value in values.items()
            ]
        every = np.concatenate(list(table.values()))
        parts_of = {f"{rule.name}/{part}": every[:, i] for i, part in enumerate(rule.parts)}
        parquet.write_table(pyarrow.table({**columns, **parts_of}), folder / "outcomes.parquet")
        self.cells.append(
            {"name": cell, "checkpoint": self.checkpoint, "intermediate": intermediate, "target": target, "seed": seed,
             "status": "passed", "reason": "", "dev": dev}
        )  # fmt: skip
        return folder / "outcomes.parquet"

    @property
    def run(self) -> dict[str, Any]:
        """run.json."""
        return {
            "suite": "suites/xtreme.toml", "title": "made up", "scheme": "xtreme", "comparable": self.comparable,
            "checkpoints": {self.checkpoint: {}}, "tasks": self.tasks, "cells": self.cells,
            "intermediates": list(dict.fromkeys(c["intermediate"] for c in self.cells)),
            "targets": list(self.tasks), "seeds": sorted({c["seed"] for c in self.cells}),
        }  # fmt: skip

    def folder(self, key: str) -> Path:
        """Where a step's output lies."""
        return self.root / "steps" / key

    def write(self, name: str = "run-1") -> Path:
        """The run's folder."""
        folder = self.root / "runs" / name
        folder.mkdir(parents=True)
        write_run(folder, self.run, self.records)
        return folder


def answers(rng: np.random.Generator, n: int, chance: float, hard: Any = None) -> Any:
    """[n, (correct, n)]; `hard` is what several systems share."""
    hard = rng.random(n) if hard is None else hard
    return np.column_stack([0.5 * hard + 0.5 * rng.random(n) < chance, np.ones(n)]).astype(float)
