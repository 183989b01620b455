"""How runs that are under way stand, read from what they have written: for another shell to look at."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xharness.engines.engine import event_in
from xharness.plan.cost import duration
from xharness.store.runs import EVENTS, FACTS, read_facts, runs_with, under_way

NOW = "now.json"
"""In a run's folder while it is under way: how far its steps are."""
NOTED_SECONDS = 5.0
"""Between two notes of that."""


class Notes:
    """Hears a run's events, and notes how far each step is where another shell can read it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NOW
        self._held: dict[str, dict[str, Any]] = {}
        self._noted = 0.0

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *raised: object) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take one event. That a note cannot be written is no reason to end a run."""
        if event["event"] in ("start", "queued", "done", "failed", "worker_lost", "remake"):
            self._held.pop(event["key"], None)  # It begins anew, or is at its end: what is told of it is over.
        if event["event"] != "progress":
            return
        self._held[event["key"]] = {
            name: event[name] for name in ("done", "total", "unit", "tokens_per_second") if event.get(name) is not None
        }
        if time.monotonic() - self._noted >= NOTED_SECONDS:
            self._noted = time.monotonic()
            fresh = self._path.with_suffix(".new")
            with suppress(OSError):
                fresh.write_text(json.dumps(self._held), encoding="utf-8")
                os.replace(fresh, self._path)


@dataclass(frozen=True)
class Running:
    """A step that a worker is at."""

    label: str
    worker: int
    seconds: float
    """Since it was begun."""
    where: str
    """The machine, as the engine names it; empty on this one."""
    waiting: bool
    """Whether it waits for a machine."""
    done: int | None
    """Of `total`, in `unit`, a few seconds ago; None before it has told anything."""
    total: int | None
    unit: str
    tokens_per_second: float | None

    def words(self) -> str:
        """How far it is."""
        if self.waiting:
            return "waits for a place"
        much = "" if self.done is None else f"{self.done:,}"
        much += f" of {self.total:,}" if self.done is not None and self.total is not None else ""
        speed = "" if self.tokens_per_second is None else f"{self.tokens_per_second:,.0f} tokens/s"
        return ", ".join(filter(None, (f"{much} {self.unit}".strip(), speed)))


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
    failed: tuple[tuple[str, str, float], ...]
    """(step, why, seconds since)."""
    fetched: int
    """Of the reused ones, those that came from a remote store."""
    left: float | None
    """Seconds that the rest may take, by the mean of this run's steps of its kind; None until a step is done."""

    def words(self) -> str:
        """How far it is, in one line."""
        fetched = f", {self.fetched} of them fetched" if self.fetched else ""
        left = f", about {duration(self.left)} left by the mean of its steps" if self.left is not None else ""
        took = duration(self.seconds)
        return f"{self.done} of {self.steps} steps, {self.reused} reused{fetched}, for {took}{left}"

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
    told = _Told.of(_events(folder / EVENTS))
    workers = max(1, int(facts.get("workers", 1)))
    left = told.left(now)
    noted = _noted(folder / NOW)
    return Progress(
        run=folder.name,
        title=str(facts["title"]),
        profile=str(facts.get("profile") or ""),
        seconds=now - float(facts["started"]),
        done=len(told.ended & told.pending),
        steps=len(told.pending),
        reused=told.reused,
        fetched=told.fetched,
        running=tuple(_running(begun, noted.get(key, {}), now) for key, begun in told.running.items()),
        failed=tuple((label, why, now - when) for label, why, when in told.failed),
        left=None if left is None else left / workers,
    )


@dataclass
class _Begun:
    label: str
    worker: int
    time: float
    where: str = ""
    waiting: bool = False


def _running(begun: _Begun, far: Mapping[str, Any], now: float) -> Running:
    return Running(
        label=begun.label,
        worker=begun.worker,
        seconds=now - begun.time,
        where=begun.where,
        waiting=begun.waiting,
        done=far.get("done"),
        total=far.get("total"),
        unit=str(far.get("unit", "")),
        tokens_per_second=far.get("tokens_per_second"),
    )


class _Told:
    """What a run's events come to."""

    def __init__(self) -> None:
        self.running: dict[str, _Begun] = {}
        self.failed: list[tuple[str, str, float]] = []
        self.pending, self.ended = set[str](), set[str]()
        self.reused = self.fetched = 0
        self._taken: dict[str, list[float]] = defaultdict(list)
        """Kind of step -> seconds of each that was made."""

    @classmethod
    def of(cls, events: Iterator[dict[str, Any]]) -> _Told:
        """Of all events so far."""
        made = cls()
        for event in events:
            with suppress(KeyError, TypeError, ValueError):  # Not as a run writes it: looking on must not end by that.
                made._hear(event)
        return made

    def _hear(self, event: Mapping[str, Any]) -> None:
        kind, key, when = event["event"], str(event.get("key", "")), float(event["time"])
        if kind == "begin":
            self.pending, self.reused = set(event["pending"]), len(event["reused"])
        elif kind == "fetched":
            self.fetched = len(event["keys"])
        elif kind == "start":
            self.running[key] = _Begun(str(event["label"]), int(event["worker"]), when)
        elif kind in ("began", "queued") and key in self.running:
            begun = self.running[key]
            begun.where, begun.waiting, begun.time = str(event.get("where", "")), kind == "queued", when
        elif kind in ("done", "failed", "not_run", "worker_lost", "remake"):
            begun = self.running.pop(key, _Begun(key, 0, when))
            if kind == "failed":
                self.failed.append((begun.label, str(event.get("message", "")), when))
            if kind == "done":
                self._taken[_kind(key)].append(when - begun.time)
            if kind in ("done", "failed", "not_run"):
                self.ended.add(key)

    def left(self, now: float) -> float | None:
        """Seconds of work that are left, by the mean of this run's steps of a kind, or of all; None until one ended."""
        every = [seconds for taken in self._taken.values() for seconds in taken]
        if not every:
            return None
        total = 0.0
        for key in self.pending - self.ended:
            taken = self._taken.get(_kind(key)) or every
            mean = sum(taken) / len(taken)
            begun = self.running.get(key)
            # What takes longer than the others may take as long again.
            spent = 0.0 if begun is None else now - begun.time
            total += mean - spent if spent < mean / 2 else mean / 2
        return total


def _kind(key: str) -> str:
    return key.partition("-")[0]


def _noted(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """What a run has told. A line that is still being written is left for the next look, one that is none for good."""
    try:
        with path.open("rb") as stream:
            for line in stream:
                if line.endswith(b"\n") and (event := event_in(line, "time")) is not None:
                    yield event
    except FileNotFoundError:
        return
