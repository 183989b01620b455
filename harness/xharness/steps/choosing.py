"""Choose: the model of the best training on dev, as a folder of its own."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

from xharness.errors import DataError, Problem
from xharness.steps.choose import Choose
from xharness.steps.context import StepContext

MANIFEST = "manifest.json"
"""Where the store says how a step went; no part of its output."""


def choose(work: Choose, context: StepContext) -> dict[str, Any]:
    """Link the files of the chosen model; DataError where none has a dev score. What diverged takes no part.

    No test set is read: a choice that could see it would not be zero-shot any more.
    """
    began = time.monotonic()
    made: list[dict[str, Any]] = []
    for one in work.candidates:
        if one.tuned in context.diverged:
            made.append({})
            continue
        told = json.loads((context.folder(one.tuned) / MANIFEST).read_text(encoding="utf-8"))
        made.append(told.get("summary", {}))
    tried: list[dict[str, Any]] = [
        {"values": one.values, "dev": _number(summary.get("dev")), "key": one.tuned}
        for one, summary in zip(work.candidates, made, strict=True)
    ]
    sign = 1 if work.higher_is_better else -1
    scored = [n for n, one in enumerate(tried) if one["dev"] is not None]
    if not scored:
        raise DataError(Problem(f"sweep of {', '.join(work.on)}", "no value has a dev score to choose by."))
    # max takes the first of equal ones.
    best = max(scored, key=lambda n: sign * tried[n]["dev"])
    _link(context.folder(work.candidates[best].tuned), context.out)
    passed_on = {key: made[best].get(key) for key in ("dev", "dev_tasks", "majority", "examples", "steps")}
    return {
        **passed_on,
        "on": list(work.on),
        "chosen": work.candidates[best].values,
        "tuned": work.candidates[best].tuned,
        "tried": tried,
        "higher_is_better": work.higher_is_better,
        "seconds": round(time.monotonic() - began, 3),
    }


def _number(dev: Any) -> float | None:
    """A dev score; None where there is none, or where it is not a number."""
    return float(dev) if dev is not None and math.isfinite(dev) else None


def _link(source: Path, out: Path) -> None:
    """The files of a step in another folder: the same ones where the disk can, so that they take no room twice."""
    for file in source.rglob("*"):
        place = out / file.relative_to(source)
        if file.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif place.name != MANIFEST or file.parent != source:
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, place)
            except OSError:
                shutil.copy2(file, place)
