"""The phases: what each kind of step does with a model. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xharness.plan.work import AnyWork, Embed, Evaluate, Mine, Tune

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Place:
    """Where a step reads and writes."""

    folder: Callable[[str], Path]
    """The stored output of a parent step, by its key."""
    out: Path
    """An empty folder to fill."""
    scratch: Path
    """A folder that survives a killed process."""
    report: Report
    """Takes `done`, `total`, `unit`, and sometimes `tokens_per_second` and `note`."""


def perform(work: AnyWork, folder: Callable[[str], Path], out: Path, scratch: Path, report: Report) -> dict[str, Any]:
    """Do one step: fill `out` and return a summary (JSON values). Raises HarnessError with a sentence to a person."""
    place = Place(folder, out, scratch, report)
    match work:
        case Tune():
            from xharness.phases.tune import tune

            return tune(work, place)
        case Evaluate():
            from xharness.phases.evaluate import evaluate

            return evaluate(work, place)
        case Embed():
            from xharness.phases.embed import embed

            return embed(work, place)
        case Mine():
            from xharness.phases.mine import mine

            return mine(work, place)
