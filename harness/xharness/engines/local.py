"""The engine of one machine: worker processes, each with its own devices, that stay for the next step."""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from xharness.engines.engine import Event, Order
from xharness.engines.machine import Share
from xharness.engines.worker_process import Worker
from xharness.store.runs import LOG


class LocalEngine:
    """One worker process a seat, started when it has its first step."""

    place = ""

    def __init__(self, store: Path, seats: Sequence[Share], threads: int) -> None:
        self.seats, self.threads = tuple(seats), threads
        self._store = store
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, Worker] = {}
        self._told: list[Event] = []
        self._log: IO[bytes] | None = None

    def open(self, folder: Path) -> None:
        """What the workers say beside their events goes to the run's log."""
        self._log = (folder / LOG).open("ab")

    def submit(self, order: Order) -> None:
        """Hand it to the seat's worker, a new one where it has none."""
        worker = self._workers.get(order.seat) or self._hire(order.seat)
        try:
            worker.order(order.key, order.message)
        except OSError:
            self._dismiss(worker)
            self._told.append({"event": "lost", "key": order.key, "message": "could not be reached"})

    def events(self, timeout: float) -> list[Event]:
        """What the workers tell; a worker that is gone takes its step along."""
        told, self._told = self._told, []
        for selected, _ in self._selector.select(0 if told else timeout):
            worker: Worker = selected.data
            heard = worker.read()
            if heard is None:
                told.append({"event": "lost", "key": worker.step, "seat": worker.number, "message": worker.death()})
                self._dismiss(worker)
                continue
            for event in heard:
                if event["event"] == "alive":
                    worker.memory = event["memory"]
                event.setdefault("key", worker.step)
                if event["event"] in ("done", "failed"):
                    worker.step = None
                if event["key"] is not None:
                    told.append(event)
        return told

    def stop(self, key: str) -> None:
        """Kill the worker that has the step."""
        for worker in [w for w in self._workers.values() if w.step == key]:
            self._dismiss(worker)

    def close(self) -> None:
        """Kill all workers."""
        for worker in list(self._workers.values()):
            self._dismiss(worker)
        self._selector.close()
        if self._log:
            self._log.close()

    def _hire(self, seat: int) -> Worker:
        worker = Worker(seat, self._store, self.threads, self._log, self.seats[seat])
        self._workers[seat] = worker
        self._selector.register(worker.process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
        return worker

    def _dismiss(self, worker: Worker) -> None:
        self._selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        worker.stop()
        del self._workers[worker.number]
