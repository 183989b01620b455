"""The context of a step: where it reads and writes, and whom it tells of its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class StepContext:
    """Where a step reads and writes."""

    folder: Callable[[str], Path]
    """The stored output of a parent step, by its key."""
    out: Path
    """An empty folder to fill."""
    scratch: Path
    """A folder that survives a killed process."""
    report: Report
    """Takes `done`, `total`, `unit`, and sometimes `tokens_per_second` and `note`."""
    measure: Report | None = None
    """Takes what a tracker is told of a training, as events; None where nobody tracks."""
    diverged: frozenset[str] = frozenset()
    """Keys of parents that diverged and have no output, for a kind of step that spares those."""
