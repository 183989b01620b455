"""A stored run under another metric than its targets' own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xharness.errors import UsageError, nearest
from xharness.record import Record


def under(
    metric: str, run: Mapping[str, Any], records: Sequence[Record], rises: Callable[[str], bool]
) -> tuple[dict[str, Any], list[Record]]:
    """The targets that have a metric, with it as theirs; UsageError where none has it.

    The scheme's averages are of other metrics, so that the mean is then the one over these targets. `rises` says of a
    metric whether higher is better.
    """
    having = {target: [task["metric"], *task["also"]] for target, task in run["tasks"].items()}
    targets = [target for target in run["targets"] if metric in having[target]]
    if not targets:
        known = dict.fromkeys(name for target in run["targets"] for name in having[target])
        raise UsageError(f"no target of this run has the metric '{metric}'. {nearest(metric, known)}")
    told = {"metric": metric, "also": [], "higher_is_better": rises(metric)}
    tasks = {name: {**task, **told} if name in targets else task for name, task in run["tasks"].items()}
    cells = [cell for cell in run["cells"] if cell["target"] in targets]
    # What a guess scores is known of a target's own metric alone.
    kept = [r for r in records if r.target in targets and r.metric != "chance"]
    return {**run, "targets": targets, "tasks": tasks, "cells": cells, "scheme": ""}, kept
