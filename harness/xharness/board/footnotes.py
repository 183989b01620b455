"""The notes under a board: languages left out, metrics, retrieval settings, what was chosen on dev."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xharness.board.grid import languages_of
from xharness.errors import listed
from xharness.score.choice import BEST, Choice


def footnotes(run: Mapping[str, Any]) -> list[str]:
    """What a reader must know to compare scores: languages left out, metrics, retrieval settings."""
    notes = []
    metrics: dict[str, list[str]] = {}
    for target in run["targets"]:
        task = run["tasks"][target]
        low = "" if task.get("higher_is_better", True) else " (lower is better)"
        metrics.setdefault(f"{task['metric']}{low}", []).append(task["title"])
    for target, kept in languages_of(run).items():
        if len(kept) < (want := len(run["tasks"][target]["languages"])):
            notes.append(f"{run['tasks'][target]['title']}: only {listed(kept)}, {len(kept)} of {want} languages")
    notes.append("metrics: " + "; ".join(f"{m}: {', '.join(names)}" for m, names in metrics.items()))
    retrieval = [t for t in run["targets"] if run["tasks"][t]["adapter"] == "retrieval"]
    for name, checkpoint in run["checkpoints"].items():
        if checkpoint.get("remote_code"):
            notes.append(f"{name} ran Python code that came with the checkpoint")
        for theirs, said in (checkpoint.get("languages") or {}).items():
            notes.append(f"{name} is told '{said}' for texts in '{theirs}'")
        if retrieval:
            how = checkpoint["retrieval"]
            layer = "two thirds of the depth" if how["layer"] is None else f"hidden_states[{how['layer']}]"
            notes.append(f"retrieval with {name}: {how['pooling']} pooling of {layer}")
    for target in retrieval:
        options = ", ".join(f"{k} = {v}" for k, v in run["tasks"][target]["options"].items())
        if options:
            notes.append(f"{run['tasks'][target]['title']}: {options}")
    return notes


def choice_notes(run: Mapping[str, Any], chosen: Sequence[Choice]) -> list[str]:
    """Which intermediate was chosen for each target, and why none was."""
    notes = []
    for checkpoint in run["checkpoints"]:
        mine = [c for c in chosen if c.checkpoint == checkpoint]
        if len(run["intermediates"]) < 2 or not any(c.intermediate for c in mine):
            continue
        picks = ", ".join(f"{c.target}: {c.intermediate}" for c in mine if c.intermediate)
        left = ", ".join(f"{c.target} ({c.reason})" for c in mine if not c.intermediate)
        more = f"; without a choice: {left}" if left else ""
        notes.append(f"{BEST} with {checkpoint}, chosen on English dev: {picks}{more}")
    return notes
