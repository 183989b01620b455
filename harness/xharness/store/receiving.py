"""A run that was made elsewhere arrives in a store: its steps first, then its folder in one move."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xharness.errors import Problem, StoreError
from xharness.store.files import seal, sync, told
from xharness.store.parts import Part, Taken, take
from xharness.store.runs import EVENTS, EXAMPLES, FACTS, IMPORTED, RECORDS, SUITE, going, own_facts, public, under_way
from xharness.store.steps import Store

ARRIVING = ".arriving-"
"""What folders of runs that arrive begin with, until they are there."""
SCORES = "scores.json"
"""What a step has that a board is made of."""
STALE = 3600
"""Seconds after which one that nobody works at is cleared away."""


@dataclass(frozen=True)
class Received:
    """What became of a run and its steps."""

    run: str
    there: bool
    """Whether the store had the run already."""
    taken: dict[Taken, list[str]] = field(default_factory=dict)
    """What happened -> keys of steps."""

    def count(self, what: Taken) -> int:
        """How many steps it happened to."""
        return len(self.taken.get(what, ()))


def receive(
    store: Store, name: str, folder: Path, parts: Sequence[Part], fill: Callable[[Part], Callable[[Path], None]]
) -> Received:
    """Take a run with its steps; `folder` has the run's own files, on the same disk, and goes.

    Killed in the middle, it leaves whole steps that no run names, and coming again completes it. StoreError where the
    store has another run of that name.
    """
    place = store.root / "runs" / name
    there = place.exists()
    if there and not _same_run(mine := own_facts(place), own_facts(folder)):
        what = "the store has another run of that name" if mine else "the store's own run of that name is damaged"
        raise StoreError(Problem(str(place), f"{what}; nothing was taken.", "Take it into another --store."))
    if others := [part.key for part in parts if SCORES in part.files and _differs(store, part)]:
        what = f"{len(others)} of its steps have other scores here under the same key, such as {others[0]}: another "
        what += "machine rounds differently. Board and comparisons would be of two runs; nothing was taken."
        raise StoreError(Problem(name, what, "Take it into a store of its own, and show both: --store A --store B."))
    taken: dict[Taken, list[str]] = {}
    with _announced(store, [part.key for part in parts]):
        for part in parts:
            taken.setdefault(take(store, part, fill(part)), []).append(part.key)
        with told(place, "store the run"):
            if not there:
                seal(folder)
                os.replace(folder, place)
            elif (place / IMPORTED).is_file():
                # It may have come without its texts before.
                for extra in (SUITE, EXAMPLES):
                    if (folder / extra).is_dir() and not (place / extra).exists():
                        os.replace(folder / extra, place / extra)
            sync(place.parent)
    return Received(name, there, taken)


def _same_run(mine: dict[str, Any] | None, theirs: dict[str, Any] | None) -> bool:
    """Whether both are one run, its maker's paths aside."""
    return mine is not None and theirs is not None and public(mine) == public(theirs)


def _differs(store: Store, part: Part) -> bool:
    """Whether the store has the step with other content."""
    mine = store.manifest(part.key)
    return mine is not None and mine.get("files") != part.manifest["files"]


@contextmanager
def _announced(store: Store, keys: Sequence[str]) -> Iterator[None]:
    """Have the steps be in use by a run under way, so that nobody collects them before their run is there."""
    runs = store.root / "runs"
    for old in runs.glob(f"{ARRIVING}*"):
        if time.time() - old.stat().st_mtime > STALE and not under_way(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = runs / f"{ARRIVING}{secrets.token_hex(4)}"
    with told(folder, "make a folder"):
        folder.mkdir()
    try:
        with going(folder):
            with told(folder, "write"):
                event = {"event": "begin", "pending": list(keys), "reused": []}
                (folder / EVENTS).write_text(json.dumps(event) + "\n", encoding="utf-8")
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_files(folder: Path) -> list[str]:
    """Paths of the files that make up a run, less the log of its workers and what analyses wrote."""
    inside = [p for name in (SUITE, EXAMPLES) for p in sorted((folder / name).rglob("*")) if p.is_file()]
    own = [folder / name for name in (FACTS, RECORDS, EVENTS) if (folder / name).is_file()]
    return [p.relative_to(folder).as_posix() for p in (*own, *inside)]
