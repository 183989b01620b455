"""Per-example outcomes of stored evaluations: what exports and comparisons read, no model needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xharness.errors import Problem, UsageError, listed, nearest
from xharness.record import Record
from xharness.store.steps import Store
from xharness.submission.scoring import Outcome, Outcomes

FILE = "outcomes.parquet"


@dataclass(frozen=True)
class RowChoice:
    """One row of a board under one seed."""

    checkpoint: str
    intermediate: str
    seed: int


def choose_row(
    run: Mapping[str, Any],
    records: Sequence[Record],
    checkpoint: str | None,
    intermediate: str | None,
    seed: int | None,
) -> RowChoice:
    """The row that the options name; UsageError where they leave several or none."""
    found = {RowChoice(r.checkpoint, r.intermediate, r.seed) for r in records}
    for name, wanted in (("checkpoint", checkpoint), ("intermediate", intermediate), ("seed", seed)):
        if wanted is None:
            continue
        known = {str(getattr(row, name)) for row in found}
        found = {row for row in found if getattr(row, name) == wanted}
        if not found:
            raise UsageError(f"--{name} {wanted}: the run has no such row. {nearest(str(wanted), known)}")
    for name in ("checkpoint", "intermediate", "seed"):
        values = sorted({str(getattr(row, name)) for row in found})
        if len(values) > 1:
            raise UsageError(f"the run has several rows; say which with --{name}: {listed(values)}.")
    if not found:
        raise UsageError(f"the run of '{run['title']}' has no scored cell.")
    return found.pop()


def read_outcomes(store: Store, key: str) -> list[dict[str, Any]]:
    """The rows of a step's outcomes, predictions and references as values."""
    from pyarrow import parquet

    path = store.path(key) / FILE
    if not path.is_file():
        raise UsageError(
            Problem(key, f"is not in the store {store.root} any more.", "Run the suite again: it will be made.")
        )
    rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    for row in rows:
        row["prediction"], row["reference"] = json.loads(row["prediction"]), json.loads(row["reference"])
    return rows


def submission_of(run: Mapping[str, Any], records: Sequence[Record], store: Store, choice: RowChoice) -> Outcomes:
    """The outcomes of one row, by the scheme's task names and by language."""
    out: dict[str, dict[str, list[Outcome]]] = {}
    keys = {
        r.target: r.key for r in records
        if (r.checkpoint, r.intermediate, r.seed) == (choice.checkpoint, choice.intermediate, choice.seed)
    }  # fmt: skip
    for target, key in keys.items():
        task = run["tasks"][target]
        languages = out.setdefault(task["counts_as"] or target, {})
        for row in read_outcomes(store, key):
            languages.setdefault(row["language"], []).append(Outcome(row["id"], row["prediction"], row["reference"]))
    return out
