"""What a tracker is told of a training and of a run: settings, lineage, scores. Plain JSON values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from xharness.plan.plan import Plan
from xharness.record import Record
from xharness.score.averages import average


def training(plan: Plan, key: str, begun: Mapping[str, Any], run: str, versions: Mapping[str, str]) -> dict[str, Any]:
    """The order that begins a tracked training; `begun` is what its worker said of it.

    The settings are the step's alone: one that a second run goes on with has the same, and MLflow takes no others.
    """
    step = plan.steps[key]
    made = step.ingredients
    tasks = [trained["task"]["name"] for trained in made["tasks"]]
    parents = [need for need in step.needs if need in plan.steps and plan.steps[need].work.KIND == step.work.KIND]
    settings = {
        "step": key,
        "label": step.work.label,
        "checkpoint": step.work.checkpoint.name,
        "role": step.role,
        "tasks": ", ".join(tasks),
        "parent": parents[0] if parents else "",
        "seed": made["seed"],
        "steps": begun["steps"],
        **{f"recipe.{name}": value for name, value in made["recipe"].items()},
    }
    cells = [name for name in plan.ends if key in {under.key for under in plan.under(name)}]
    lineage = {"needs": _needs(plan, key), "ingredients": made, "cells": cells}
    return {
        "do": "begin",
        "kind": "training",
        "id": f"{key}-{begun['training']}",
        "name": step.work.label,
        "group": run,
        "tags": {"xharness.run": run, "xharness.step": key, "xharness.kind": "training", **_told(versions)},
        "settings": settings,
        "lineage": lineage,
        "resumed_at": begun["resumed_at"],
    }


def whole(
    made: Mapping[str, Any], plan: Plan, ends: Mapping[str, str], run: str, scores: Mapping[str, float]
) -> list[dict[str, Any]]:
    """The orders that track a run that has ended: what it was, its scores, how it ended.

    `ends` says of every step how it ended: made, reused, failed, not run.
    """
    counts = {status: sum(cell["status"] == status for cell in made["cells"]) for status in ("passed", "failed")}
    settings = {
        "run": run,
        "suite": made["suite"],
        "title": made["title"],
        "profile": made["profile"] or "",
        "state": made["state"],
        "checkpoints": ", ".join(made["checkpoints"]),
        "intermediates": ", ".join(made["intermediates"]),
        "targets": ", ".join(made["targets"]),
        "seeds": ", ".join(map(str, made["seeds"])),
        "steps_made": made["made"],
        "steps_reused": made["reused"],
        **{f"cells_{status}": count for status, count in counts.items()},
    }
    lineage = {
        **{name: made[name] for name in ("rows", "checkpoints", "versions", "git", "hardware", "argv", "resolved")},
        "cells": {cell["name"]: {"status": cell["status"], "step": cell["key"]} for cell in made["cells"]},
        "steps": {key: {**_step(plan, key), "ended": ends.get(key, "")} for key in plan.steps},
    }
    begin = {
        "do": "begin",
        "kind": "run",
        "id": run,
        "name": run,
        "group": run,
        "tags": {"xharness.run": run, "xharness.kind": "run", **_told(made["versions"])},
        "settings": settings,
        "lineage": lineage,
        "resumed_at": 0,
    }
    status = "stopped" if made["state"] == "interrupted" else "finished"
    return [begin, {"do": "log", "step": 0, "values": dict(scores)}, {"do": "end", "status": status}]


def scores(made: Mapping[str, Any], records: Iterable[Record]) -> dict[str, float]:
    """`test_ROW/TARGET/CHECKPOINT-SEED/LANGUAGE` -> its own metric, 0 to 100; `…/mean` where all are there."""
    by_cell: dict[str, dict[str, float]] = {}
    places: dict[str, Record] = {}
    for record in records:
        if record.metric == made["tasks"][record.target]["metric"]:
            by_cell.setdefault(record.cell, {})[record.language] = record.value
            places[record.cell] = record
    found: dict[str, float] = {}
    for cell, values in by_cell.items():
        place = places[cell]
        name = f"test_{place.intermediate}/{place.target}/{place.checkpoint}-{place.seed}"
        name = re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)  # What MLflow takes as a name.
        found |= {f"{name}/{language}": value for language, value in values.items()}
        members = made["languages_selected"].get(cell) or made["tasks"][place.target]["languages"]
        mean = average(values, members).value
        if mean is not None:
            found[f"{name}/mean"] = mean
    return found


def ended(summary: Mapping[str, Any]) -> dict[str, float]:
    """What is logged of a training that is done: the scores of the state that is kept, and what it took."""
    found = {name: summary.get(name) for name in ("seconds", "tokens")}
    found["eval_kept"] = summary.get("dev")
    found |= {f"eval_kept_{task}": value for task, value in summary.get("dev_tasks", {}).items()}
    return {name: float(value) for name, value in found.items() if isinstance(value, (int, float))}


def _needs(plan: Plan, key: str) -> dict[str, Any]:
    """Key -> what it is, of all steps that one rests on."""
    return {under: _step(plan, under) for under in plan.closure([key]) if under != key}


def _step(plan: Plan, key: str) -> dict[str, Any]:
    step = plan.steps[key]
    recipe = {"recipe": step.ingredients["recipe"]} if "recipe" in step.ingredients else {}
    return {"label": step.work.label, "needs": list(step.needs), **recipe}


def _told(versions: Mapping[str, str]) -> dict[str, str]:
    return {f"version.{name}": version for name, version in versions.items()}
