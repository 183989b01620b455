"""What a run's folder says of its suite: all that the board and a later reader need, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from xharness.adapter import load_adapter, options_of
from xharness.collect.cells import Cell
from xharness.metrics import metric
from xharness.plan.plan import Plan
from xharness.plan.sweeping import training_of
from xharness.spec.load import NONE, Loaded
from xharness.spec.rows import rows_of, size_text
from xharness.spec.stage import ENGLISH
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Task
from xharness.store.steps import Store


def described(loaded: Loaded, cells: Sequence[Cell], extra: Sequence[Checkpoint]) -> dict[str, Any]:
    """The suite as it was run."""
    checkpoints = {c.name: c for c in (*loaded.suite.checkpoint, *extra)}
    shown = dict.fromkeys(c.checkpoint for c in cells)
    rows, targets = ({getattr(cell, side) for cell in cells} for side in ("intermediate", "target"))
    here = loaded.path.resolve().parent
    return {
        "suite": str(loaded.path.resolve()),
        "title": loaded.suite.title,
        "profile": loaded.profile_name,
        "note": loaded.profile.note,
        "comparable": loaded.profile.comparable,
        "scheme": loaded.suite.scheme,
        "baselines": list(loaded.suite.baselines),
        "plugins": [str((here / given).resolve()) for given in loaded.suite.plugins],
        "intermediates": [i for i in loaded.intermediates if i in rows],
        "targets": [t for t in loaded.targets if t in targets],
        "seeds": sorted({c.seed for c in cells}),
        "checkpoints": {n: checkpoints[n].model_dump(mode="json") for n in shown},
        "tasks": {name: _task_facts(task, loaded.tasks) for name, task in loaded.tasks.items()},
        "titles": {row: title for row in loaded.intermediates if (title := _title(row, loaded))},
        "rows": {row: _row_facts(row, loaded) for row in loaded.intermediates if row != NONE},
        "trained_in": {t: list(said.languages) for t, said in loaded.suite.target.items() if said.languages},
        "resolved": loaded.suite.model_dump(mode="json", exclude_defaults=True),
        "languages_selected": {c.name: list(c.languages) for c in cells if c.languages},
    }


def _title(row: str, loaded: Loaded) -> str:
    """What the board calls a row that is more than a task; empty for a task."""
    (found,) = rows_of(row, loaded.said)
    if found.intermediate not in loaded.said:
        return ""
    title = loaded.said[found.intermediate].title or found.intermediate
    if found.size is None:
        return title
    return f"{title}, {size_text(found.size)} examples"


def _row_facts(row: str, loaded: Loaded) -> dict[str, Any]:
    """What a row is: its intermediate, its size, what its stages train in which languages."""
    (found,) = rows_of(row, loaded.said)
    stages = [
        {"tasks": list(s.tasks), "languages": list(s.languages) or [ENGLISH], "size": next(iter(s.size), None)}
        for s in loaded.stages(row)
    ]
    title = loaded.said[found.intermediate].title if found.intermediate in loaded.said else ""
    return {"intermediate": found.intermediate, "title": title, "size": found.size, "stages": stages}


def _task_facts(task: Task, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """What the board says of a task. The adapter's options include their defaults, which a reader must see."""
    shown = {"title", "counts_as", "group", "metric", "also", "languages", "adapter", "note", "choose_by"}
    options = options_of(task).model_dump(mode="json")
    # The dev set is that of the task it is tuned on, with that task's metric.
    tuned_on = tasks.get(task.tune_on or "", task)
    direction = {
        "higher_is_better": metric(task.metric).higher_is_better,
        "higher_dev_is_better": metric(tuned_on.metric).higher_is_better or not load_adapter(task.adapter).trains,
    }
    tuning = {"tuned_on": task.tune_on or task.name, "tune_first": list(task.tune_first)}
    return {**task.model_dump(mode="json", include=shown), "options": options, **tuning, **direction}


def failed_stages(plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """The intermediate trainings whose dev score is no better than the most frequent class.

    Mosbach et al. 2021, arXiv 2006.04884, §3 call a fine-tuning failed by this rule.
    """
    for step in plan.steps.values():
        if step.role != "intermediate":
            continue
        summary = (store.manifest(step.key) or {}).get("summary", {})
        work = training_of(plan, step.key)
        for trained in work.tasks if work is not None else ():
            name, rule = trained.task.name, metric(trained.task.metric)
            dev, majority = (summary.get(kind, {}).get(name) for kind in ("dev_tasks", "majority"))
            if dev is not None and majority is not None and not rule.better(dev, majority):
                yield {"label": step.work.label, "task": name, "dev": dev, "majority": majority}


def left_out(plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """The encodings that left out bad rows, and how many."""
    for step in plan.steps.values():
        if step.role != "encode":
            continue
        summary = (store.manifest(step.key) or {}).get("summary", {})
        if rows := summary.get("left_out"):
            yield {"label": step.work.label, "rows": rows, "such_as": summary.get("left_out_first", "")}


def embedded_texts(plan: Plan) -> Iterator[dict[str, Any]]:
    """The steps that have the embeddings which analyses ask for."""
    for (checkpoint, texts), key in plan.vectors.items():
        yield {"checkpoint": checkpoint, "texts": asdict(texts), "key": key}
