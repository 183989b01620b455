"""A step on another machine: performed there by a worker process of its own, whose events are passed on.

The store is on a file system that all machines share, and all have the same code: both are asked before a step begins.
A machine that fails in either is refused, since what it made could not be trusted or found.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import xharness
from xharness.engines.engine import Event, Order
from xharness.engines.machine import Share
from xharness.engines.worker_process import Worker
from xharness.store.files import checksums
from xharness.store.runs import LOG

PACKAGES = ("xharness", "xharness_adapters")
SELDOM = {"progress": 1.0, "alive": 20.0}
"""Events that are told no more often than in so many seconds; between machines every word costs."""


@cache
def code() -> str:
    """A hash of the source that a step is made with; the files of a process's packages do not change under it."""
    found = hashlib.sha256()
    for name in PACKAGES:
        spec = find_spec(name)
        for folder in sorted(spec.submodule_search_locations or ()) if spec else ():
            for path in sorted(Path(folder).rglob("*.py")):
                found.update(f"{name}/{path.relative_to(folder).as_posix()}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def code_of(message: Mapping[str, Any]) -> str:
    """The same for one order: with the plug-ins that its work names, as their files are on this machine now."""
    files = message.get("work", {}).get("plugins", ())
    if not files:
        return code()
    found = hashlib.sha256(code().encode())
    for name in files:
        found.update(f"\n{name}\n{checksums([name])}".encode())
    return found.hexdigest()[:16]


def environment() -> dict[str, str]:
    """What of this process's environment a step must see wherever it is: of the Hub and of xharness, no secrets.

    A remote store is the run's own affair, and its URL may have a password.
    """
    kept = {k: v for k, v in os.environ.items() if k.startswith(("HF_", "XHARNESS_")) and "TOKEN" not in k}
    return {k: v for k, v in kept.items() if not k.startswith("XHARNESS_REMOTE")}


@dataclass(frozen=True)
class Errand:
    """All that another machine has to know to perform a step; it can be pickled."""

    message: dict[str, Any]
    store: str
    folder: str
    """The run's, which every machine must see."""
    threads: int
    accelerated: bool
    """Whether it is given a GPU; else it sees none."""
    attempt: int = 0
    """Counts the times that the step was submitted."""
    version: str = xharness.__version__
    code: str = field(default_factory=code)
    environment: dict[str, str] = field(default_factory=environment)
    working: str = field(default_factory=os.getcwd)
    """The folder that relative paths begin in, where it is there."""

    @property
    def key(self) -> str:
        """Of the step."""
        return str(self.message["key"])


def errand(order: Order, store: Path, folder: Path, threads: int, accelerated: bool, attempt: int) -> Errand:
    """An order as it travels."""
    about = (str(store), str(folder), threads, accelerated, attempt)
    return Errand(order.message, *about, code=code_of(order.message))


def refusal(given: Errand) -> str | None:
    """Why this machine cannot perform a step of that run, in one sentence."""
    here = socket.gethostname()
    if given.version != xharness.__version__:
        return (
            f"{here} has xharness {xharness.__version__} and the run was started with {given.version}: "
            "install the same on every machine."
        )
    if given.code != code_of(given.message):
        return (
            f"the code of xharness {xharness.__version__} on {here} is not the code that the run was started with: "
            "install the same on every machine."
        )
    if not Path(given.folder).is_dir():
        return (
            f"{here} does not see the store {given.store}: it must lie on a file system that every machine has "
            "under this name."
        )
    return None


_spare: dict[tuple[Any, ...], Worker] = {}
"""The worker that the last step of this process has left, by all that it was started with."""


def _worker(given: Errand) -> Worker:
    """The spare worker where it lives and was started for the like of this step, else a new one."""
    while _spare:
        like, worker = _spare.popitem()
        if like == _like(given) and worker.process.poll() is None:
            return worker
        worker.stop()
    share = Share(visible=None if given.accelerated else "")
    working = given.working if Path(given.working).is_dir() else None
    with (Path(given.folder) / LOG).open("ab") as log:
        return Worker(0, Path(given.store), given.threads, log, share, given.environment, working)


def _like(given: Errand) -> tuple[Any, ...]:
    same = (given.store, given.folder, given.threads, given.accelerated, given.working)
    return *same, tuple(sorted(given.environment.items()))


def perform_here(given: Errand, tell: Callable[[Event], None], spare: bool = False) -> Event:
    """Perform a step in a worker process on this machine; returns how it ended: `done`, `failed` or `lost`.

    With `spare` a worker without a GPU stays for the next step, its libraries and model loaded; it dies with this
    process. One that has a GPU would hold memory of it that others are promised.
    """
    key, here = given.key, socket.gethostname()
    why = refusal(given)
    if why is not None:
        return {"event": "failed", "key": key, "message": why, "traceback": "", "refused": True}
    tell({"event": "began", "key": key, "where": here})
    told_at = dict.fromkeys(SELDOM, float("-inf"))
    with ExitStack() as ending:
        worker = _worker(given)
        ending.callback(worker.stop)
        try:
            worker.order(key, given.message)
        except OSError:
            return {"event": "lost", "key": key, "message": f"on {here} could not be reached"}
        while True:
            events = worker.read()
            if events is None:
                return {"event": "lost", "key": key, "message": f"on {here} {worker.death()}"}
            for event in events:
                event.setdefault("key", key)
                if event["event"] in ("done", "failed"):
                    if spare and not given.accelerated:
                        ending.pop_all()
                        _spare[_like(given)] = worker
                    return event
                if event["event"] == "alive":
                    worker.memory = event["memory"]
                if (kind := event["event"]) in SELDOM:
                    if time.monotonic() - told_at[kind] < SELDOM[kind]:
                        continue
                    told_at[kind] = time.monotonic()
                if event["event"] != "ready":
                    tell(event)
