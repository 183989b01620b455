"""Checkpoints that are stored steps: what was tuned in one run is where another begins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xharness.errors import UsageError, listed, nearest
from xharness.spec.load import NONE, Loaded
from xharness.spec.suite import Checkpoint
from xharness.store.runs import latest_run, read_run
from xharness.store.steps import Store

ENCODER = "encoder"
"""Folder of a tuned step that holds the encoder."""
TUNED = ("tune", "choose")
"""Kinds of step whose output is a tuned model; their keys begin so."""


def with_stored(loaded: Loaded, store: Store) -> Loaded:
    """The suite with the folders of its stored checkpoints; UsageError where one is not there."""
    found = stored(loaded.suite.checkpoint, store)
    return replace(loaded, suite=loaded.suite.model_copy(update={"checkpoint": found}))


def stored(checkpoints: Sequence[Checkpoint], store: Store) -> tuple[Checkpoint, ...]:
    """The checkpoints, each stored one with its folder."""
    placed = []
    for c in checkpoints:
        if c.step is None and c.run is None:
            placed.append(c)
        else:
            placed.append(c.model_copy(update={"path": str(_folder(c, store)), "step": None, "run": None}))
    return tuple(placed)


def _folder(checkpoint: Checkpoint, store: Store) -> Path:
    where = f"checkpoint {checkpoint.name}"
    key = checkpoint.step or _in_run(str(checkpoint.run), where, store)
    manifest = store.manifest(key)
    if manifest is None or manifest.get("kind") not in TUNED:
        tuned = [k for k in store.keys() if k.startswith(TUNED)]  # noqa: SIM118
        raise UsageError(f"{where}: the store {store.root} has no tuned model '{key}'. {nearest(key, tuned)}")
    if not store.has(key):
        again = "Run the suite that made it again with `--keep all`."
        raise UsageError(f"{where}: the model of {key} ({manifest.get('label')}) was dropped after use. {again}")
    return store.path(key).resolve() / ENCODER


def _in_run(given: str, where: str, store: Store) -> str:
    """The tuning that `RUN:ROW` or `RUN:CELL` means: a row's last intermediate stage, a cell's own model."""
    name, _, row = given.rpartition(":")
    folder = latest_run(store.root, None if name in ("", "latest") else name)
    if folder is None:
        raise UsageError(f"{where}: there is no finished run '{name or 'latest'}' in {store.root}.")
    facts, _ = read_run(folder)
    cells = [c for c in facts["cells"] if c["key"] and row in _names(c)]
    of_row = "->" not in row
    if not cells or row == NONE:
        names = sorted({c["intermediate"] for c in facts["cells"]} - {NONE})
        raise UsageError(
            f"{where}: {folder.name} has no row '{row}'. Its rows: {listed(names, near=row)}; or name a cell."
        )
    keys = {key for c in cells if (key := tuned_under(c["key"], store, _own(c, facts, store) if of_row else 0))}
    if len(keys) != 1:
        several = listed(c["name"] for c in cells)
        what = f"'{row}' has {len(keys)} models" if keys else f"nothing was tuned for '{row}'"
        raise UsageError(f"{where}: {what} in {folder.name}; name one cell of {several}.")
    return keys.pop()


def _names(cell: Mapping[str, Any]) -> tuple[str, ...]:
    inside = re.sub(r"^.*\[(.*)\]$", r"\1", cell["name"])
    return cell["intermediate"], f"{cell['intermediate']}[{inside}]", cell["name"], cell["name"].partition("[")[0]


def _own(cell: Mapping[str, Any], facts: Mapping[str, Any], store: Store) -> int:
    """How many trainings are the target's own: what comes before them is the row's."""
    task = facts["tasks"].get(cell["target"], {})
    tuned_on = task.get("tuned_on", cell["target"])
    kind = (store.manifest(cell["key"]) or {}).get("kind")
    # A retrieval target has none, unless it names a task that it is tuned on.
    return 1 + len(task.get("tune_first", ())) if kind == "evaluate" or tuned_on != cell["target"] else 0


def tuned_under(key: str, store: Store, passed: int = 0) -> str | None:
    """The tuning nearest below a step, or the one below so many others. None where there is none."""
    below: str | None = key
    while below is not None:
        manifest = store.manifest(below) or {}
        if manifest.get("kind") in TUNED:
            if not passed:
                return below
            passed -= 1
        if manifest.get("kind") == "choose" and manifest.get("needs"):
            # The candidates are trainings of the stage itself; what came before any of them came before it.
            manifest = next((m for need in manifest["needs"] if (m := store.manifest(need))), {})
        # The model that a step begins with stands before whatever that belongs on.
        below = next((need for need in manifest.get("needs", ()) if not need.startswith("encode")), None)
    return None
