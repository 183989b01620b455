"""`xharness export model CELL DIR`: a tuned model as plain transformers loads it, with a card that says its lineage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xharness.errors import UsageError
from xharness.record import Record
from xharness.score.rounding import rounded
from xharness.session.stored_checkpoints import tuned_under
from xharness.store.runs import cell_named, read_run
from xharness.store.steps import Store


@dataclass(frozen=True)
class Exported:
    """A model that was written."""

    cell: str
    folder: Path
    kind: str
    """The class of transformers that loads it."""

    def __str__(self) -> str:
        return f'{self.cell} is in {self.folder}: transformers.{self.kind}.from_pretrained("{self.folder}")'


def export_cell(cell: str, folder: Path, run: Path, store: Store) -> Exported:
    """Write the model behind a cell of a run. UsageError without a model."""
    from xharness.training.export import export_model
    from xharness.training.network import read_lineage

    facts, records = read_run(run)
    found = cell_named(cell, facts["cells"])
    key = tuned_under(found["key"], store)
    if key is None:
        raise UsageError(f"{found['name']}: nothing was tuned for it, so there is no model of its own to export.")
    if not store.has(key):
        again = f"xharness run {facts['suite']} -p {facts['profile']} '{found['name']}' --keep all"
        raise UsageError(f"{found['name']}: its model was dropped once it was evaluated. Make it again: `{again}`.")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is there already and not empty; name another folder.")
    tuned = store.path(key)
    lineage = read_lineage(tuned)
    target = str(facts["tasks"].get(found["target"], {}).get("tuned_on") or found["target"])
    task = target if target in lineage["heads"] else next(iter(lineage["heads"]))
    aside = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        kind = export_model(tuned, task, aside)
        (aside / "README.md").write_text(card(found, lineage, records, kind, facts), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Exported(str(found["name"]), folder, kind)


def chain(lineage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The trainings that a model has gone through, the first one first."""
    if lineage.get("parent_lineage"):
        yield from chain(lineage["parent_lineage"])
    yield lineage


def card(
    cell: Mapping[str, Any], lineage: Mapping[str, Any], records: Sequence[Record], kind: str, run: Mapping[str, Any]
) -> str:
    """The model card."""
    checkpoint = lineage["checkpoint"]
    base = checkpoint.get("hub") or checkpoint.get("path") or checkpoint.get("builtin")
    head = {"library_name": "transformers", "tags": ["xharness", *lineage["tasks"]]}
    if checkpoint.get("hub"):
        head["base_model"] = base
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in head.items()), "---", "", f"# {cell['name']}", ""]
    lines += [f"Load it with `{kind}`. Trained by xharness {lineage['xharness']}.", "", "## Lineage", ""]
    lines += [f"1. {base} ({lineage['identity']})"]
    for number, stage in enumerate(chain(lineage), 2):
        recipe = {k: v for k, v in stage["recipe"].items() if v is not None}
        told = ", ".join(f"{k} {v}" for k, v in recipe.items())
        on = ", ".join(stage["tasks"])
        lines.append(f"{number}. tuned on {on}, {stage['steps']} steps, seed {stage['seed']}: {told}")
    scores = [r for r in records if r.cell == cell["name"] and r.metric == run["tasks"][cell["target"]]["metric"]]
    if scores:
        lines += ["", f"## Scores ({scores[0].metric}, {cell['target']}, profile {run['profile']})", ""]
        lines += ["| language | score | examples |", "|---|---:|---:|"]
        lines += [f"| {r.language} | {rounded(r.value)} | {r.n} |" for r in scores]
    if run.get("note"):
        lines += ["", run["note"]]
    return "\n".join([*lines, ""])
