"""How runs that are under way stand, read from what they have written: for another shell to look at."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xharness.store.runs import EVENTS, FACTS, read_facts, runs_with, under_way


@dataclass(frozen=True)
class Running:
    """A step that a worker is at."""

    label: str
    worker: int
    seconds: float
    """Since it was begun."""


@dataclass(frozen=True)
class Progress:
    """How a run stands."""

    run: str
    title: str
    profile: str
    seconds: float
    """Since it was begun."""
    done: int
    """Steps that have ended, well or not, or cannot be run any more."""
    steps: int
    """Those that it set out to make."""
    reused: int
    running: tuple[Running, ...]
    failed: tuple[tuple[str, str], ...]
    """(step, why)."""
    left: float | None
    """Seconds that the rest may take, by the mean of the steps of this run; None until one is done."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def progress(store: Path) -> list[Progress]:
    """The runs of a store that a living process is at, the oldest first."""
    folders = [folder for folder in runs_with(store, FACTS) if under_way(folder)]
    return [found for folder in folders if (found := progress_of(folder, time.time())) is not None]


def progress_of(folder: Path, now: float) -> Progress | None:
    """How a run stood at a time, in seconds since the epoch; None before it has written anything."""
    facts = read_facts(folder)
    if facts is None:
        return None
    running: dict[str, tuple[str, int, float]] = {}
    failed: list[tuple[str, str]] = []
    pending, ended, reused, taken = set[str](), set[str](), 0, list[float]()
    for event in _events(folder / EVENTS):
        kind, key = event["event"], str(event.get("key", ""))
        if kind == "begin":
            pending, reused = set(event["pending"]), len(event["reused"])
        elif kind == "start":
            running[key] = (str(event["label"]), int(event["worker"]), float(event["time"]))
        elif kind in ("done", "failed", "not_run", "worker_lost", "remake"):
            label, _, begun = running.pop(key, (key, 0, float(event["time"])))
            if kind == "failed":
                failed.append((label, str(event.get("message", ""))))
            if kind == "done":
                taken.append(float(event["time"]) - begun)
            if kind in ("done", "failed", "not_run"):
                ended.add(key)
    rest = len(pending) - len(ended & pending)
    workers = max(1, int(facts.get("workers", 1)))
    return Progress(
        run=folder.name,
        title=str(facts["title"]),
        profile=str(facts.get("profile") or ""),
        seconds=now - float(facts["started"]),
        done=len(ended & pending),
        steps=len(pending),
        reused=reused,
        running=tuple(Running(label, worker, now - begun) for label, worker, begun in running.values()),
        failed=tuple(failed),
        left=sum(taken) / len(taken) * rest / workers if taken else None,
    )


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """What a run has told; a line that is still being written is left for the next look."""
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                if line.endswith("\n"):
                    yield json.loads(line)
    except FileNotFoundError:
        return
