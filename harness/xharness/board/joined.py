"""Runs of several stores as one: their rows stand on one board, and seeds of one experiment come together.

Two runs are the same experiment where whatever both have is made of the same data, recipes and models, seeds apart
(see `experiments`). Then a row of one is the row of the other, under more seeds or of more targets. Where anything
differs, a checkpoint of the later run is a checkpoint of its own, named after its store, with its own row `none`:
gains are never taken over the row of another experiment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xharness.board.experiments import Experiment, Manifest
from xharness.errors import Problem, UsageError
from xharness.record import Record

Facts = Mapping[str, Any]
LISTS = ("expectations", "failing", "failed_stages", "left_out", "baselines", "plugins", "vectors")
NAMED = ("tasks", "titles", "rows", "trained_in")


@dataclass(frozen=True)
class Part:
    """A run, and what its store is called."""

    name: str
    run: Facts
    records: Sequence[Record]
    manifest: Manifest = lambda key: None
    """Of the store's steps."""


def joined(parts: Sequence[Part]) -> tuple[dict[str, Any], list[Record]]:
    """One run's facts and records out of several; UsageError where they cannot stand on one board."""
    first = parts[0]
    whole, records = dict(first.run), list(first.records)
    taken = [Experiment(first.run, first.manifest)]
    for given in parts[1:]:
        _require_alike(first, whole, given)
        own = Experiment(given.run, given.manifest)
        apart = any(own.differs(one) for one in taken)
        part = _renamed(given, whole) if apart else given
        # Under other names it takes no part in what comes after it.
        taken += [] if apart else [own]
        passed = {cell["name"] for cell in whole["cells"] if cell["key"]}
        theirs = [cell for cell in part.run["cells"] if cell["name"] not in passed]
        # One that failed here and passed there has passed.
        names = {cell["name"] for cell in theirs if cell["key"]}
        held = {cell["name"] for cell in whole["cells"]}
        fresh = [cell for cell in theirs if cell["name"] in names or cell["name"] not in held]
        whole |= {
            "cells": [*(cell for cell in whole["cells"] if cell["name"] not in names), *fresh],
            "checkpoints": {**whole["checkpoints"], **part.run["checkpoints"], **whole["checkpoints"]},
            "languages_selected": {**part.run.get("languages_selected", {}), **whole.get("languages_selected", {})},
            "seeds": sorted({*whole["seeds"], *part.run["seeds"]}),
            "title": " · ".join(dict.fromkeys((*whole["title"].split(" · "), part.run["title"]))),
        }
        for name in ("intermediates", "targets"):
            whole[name] = list(dict.fromkeys((*whole[name], *part.run[name])))
        for name in NAMED:
            whole[name] = {**part.run.get(name, {}), **whole.get(name, {})}
        whole["expectations"] = [j for j in whole["expectations"] if not {j["cell"], *j.get("cells", ())} & names]
        for name in LISTS:
            whole[name] = _together(whole.get(name, ()), part.run.get(name, ()))
        records += [record for record in part.records if record.cell in names]
    return whole, records


def _together(ours: Sequence[Any], theirs: Sequence[Any]) -> list[Any]:
    return [*ours, *(one for one in theirs if one not in ours)]


def _require_alike(first: Part, whole: Facts, part: Part) -> None:
    """What one board has one of."""
    for name in ("profile", "scheme"):
        ours, theirs = str(whole[name]), str(part.run[name])
        if ours != theirs and not (name == "scheme" and ours.endswith(".toml") and theirs.endswith(".toml")):
            what = f"the run of {first.name} has the {name} '{ours}', that of {part.name} '{theirs}': no one board."
            raise UsageError(Problem("--store", what, "Show them one by one, or name runs of the same kind."))
    for name in whole["targets"]:
        theirs, ours = part.run["tasks"].get(name), whole["tasks"][name]
        spoken = [run.get("trained_in", {}).get(name) for run in (whole, part.run)]
        if name in part.run["targets"] and spoken[0] != spoken[1]:
            what = f"{first.name} and {part.name} train '{name}' in different languages."
            raise UsageError(Problem("--store", what, "Show them one by one."))
        if name in part.run["targets"] and theirs != ours:
            keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
            what = f"{first.name} and {part.name} mean different tasks by '{name}': they differ in {', '.join(keys)}."
            raise UsageError(Problem("--store", what, "Show them one by one."))


def _renamed(part: Part, whole: Facts) -> Part:
    """A run with its store's name behind those of checkpoints that are there, and of rows that mean something else."""
    run, said = part.run, whole.get("rows", {})
    checkpoints = {name: _apart(name, part) if name in whole["checkpoints"] else name for name in run["checkpoints"]}
    rows = {
        name: _apart(name, part) if name in said and said[name] != run.get("rows", {}).get(name) else name
        for name in run["intermediates"]
    }
    called = {cell["name"]: _cell_name(cell, checkpoints, rows) for cell in run["cells"]}
    cells = [
        {
            **cell,
            "name": called[cell["name"]],
            "checkpoint": checkpoints[cell["checkpoint"]],
            "intermediate": rows[cell["intermediate"]],
        }
        for cell in run["cells"]
    ]
    told = {
        name: [{**one, "label": _apart(one["label"], part)} for one in run.get(name, ())]
        for name in ("failed_stages", "left_out")
    }
    judged = [
        {**one, "cell": called.get(one["cell"], one["cell"]), "cells": [called.get(c, c) for c in one.get("cells", ())]}
        for one in run["expectations"]
    ]
    facts = {
        **run,
        **told,
        "cells": cells,
        "intermediates": [rows[name] for name in run["intermediates"]],
        "rows": {rows.get(name, name): value for name, value in run.get("rows", {}).items()},
        "titles": {rows.get(name, name): value for name, value in run.get("titles", {}).items()},
        "checkpoints": {
            checkpoints[name]: {**value, "name": checkpoints[name]} for name, value in run["checkpoints"].items()
        },
        "languages_selected": {called[n]: v for n, v in run.get("languages_selected", {}).items() if n in called},
        "expectations": judged,
        "failing": [called.get(name, name) for name in run.get("failing", ())],
    }
    records = [
        replace(
            r,
            checkpoint=checkpoints[r.checkpoint],
            intermediate=rows[r.intermediate],
            cell=called.get(r.cell, r.cell),
        )
        for r in part.records
    ]
    return replace(part, run=facts, records=records)


def _apart(name: str, part: Part) -> str:
    return f"{name} ({part.name})"


def _cell_name(cell: Mapping[str, Any], checkpoints: Mapping[str, str], rows: Mapping[str, str]) -> str:
    """A cell's name under other names of its checkpoint and intermediate."""
    rest = cell["name"].removeprefix(f"{cell['intermediate']}->")
    rest = rest.replace(f"[{cell['checkpoint']}-", f"[{checkpoints[cell['checkpoint']]}-", 1)
    return f"{rows[cell['intermediate']]}->{rest}"
