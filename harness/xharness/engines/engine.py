"""Who runs a ready step: the few things that any engine can do, and what it is told and tells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from xharness.engines.machine import Share

Event = dict[str, Any]
"""What an engine tells, with an `event` and the `key` of the step that it is about:

    queued                      it is not begun, or no longer (its machine is lost) and the engine runs it again
    began                       a process has it; `where` names the machine
    alive                       the process lives; `memory` is its peak, in bytes
    waiting, progress, training, measured    as the worker tells them
    done, failed                how it ended; the seat is free again
    lost                        its process is gone, `message` says how; the seat is free again, the step is not done
"""


def event_in(line: bytes, *fields: str) -> Event | None:
    """The event of a line that was written for others to read; None where it is torn, or lacks one of the fields."""
    try:
        found = json.loads(line)
    except ValueError:  # Of letters cut in half, too.
        return None
    return found if isinstance(found, dict) and {"event", *fields} <= found.keys() else None


@dataclass(frozen=True)
class Order:
    """A step to be performed."""

    key: str
    label: str
    accelerated: bool
    """Whether it uses a GPU where there is one."""
    seat: int
    """Number of the seat that it is for."""
    message: dict[str, Any]
    """What the worker is told: JSON values."""


class Engine(Protocol):
    """Runs steps that are ready, each on a seat; it decides nothing, and never tells of a step that was stopped."""

    @property
    def seats(self) -> Sequence[Share]:
        """What each seat takes; a seat has one step at a time."""

    @property
    def threads(self) -> int:
        """Processor threads of a step."""

    @property
    def place(self) -> str:
        """Where that is, for a person: `Ray, 2 nodes`; empty for this machine."""

    def open(self, folder: Path) -> None:
        """Begin: a run's folder, which is for its log and whatever else the engine writes."""

    def submit(self, order: Order) -> None:
        """Have a step performed; returns at once."""

    def events(self, timeout: float) -> list[Event]:
        """What has happened since; waits so many seconds at the most for something to tell."""

    def stop(self, key: str) -> None:
        """Kill what performs a step; its seat is free."""

    def close(self) -> None:
        """Kill what is under way, and let go of everything; a second time it does nothing."""
