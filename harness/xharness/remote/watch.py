"""Calls over a line that may be dead: given up once nothing has moved for too long, however long all of it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from xharness.remote.trouble import Silent

PATIENCE = 60.0
"""Seconds in which something must move."""
TOGETHER = 8
"""Calls at once: most of their time is the way there and back."""

Given = TypeVar("Given")
Got = TypeVar("Got")


class _Call(Generic[Got]):
    def __init__(self, work: Callable[[Callable[[], None]], Got]) -> None:
        self.work, self.last, self.over = work, time.monotonic(), threading.Event()
        self.result: Got
        self.error: BaseException | None = None

    def moved(self) -> None:
        self.last = time.monotonic()

    def run(self) -> None:
        try:
            self.result = self.work(self.moved)
        except BaseException as error:
            self.error = error
        self.over.set()


def watched(work: Callable[[Callable[[], None]], Got], more: float = 0.0) -> Got:
    """What a call gives, which is handed a function to say that something moves; Silent where nothing has for so long.

    `more`: seconds beyond `PATIENCE`. The call runs in a thread that no exit waits for, so that a signal ends the wait
    and a dead line no process.
    """
    allowed = PATIENCE + more
    call = _Call(work)
    threading.Thread(target=call.run, daemon=True, name="remote").start()
    while not call.over.wait(max(0.01, min(1.0, call.last + allowed - time.monotonic()))):
        if time.monotonic() - call.last > allowed:
            raise Silent
    if call.error is not None:
        raise call.error
    return call.result


def each(work: Callable[[Given], Got], given: Iterable[Given]) -> Iterator[tuple[Given, Got]]:
    """(what was given, what the call gives) as they end, several at once; the first error ends it."""
    waiting, ended = SimpleQueue[Given](), SimpleQueue[tuple[Given, Any, BaseException | None]]()
    count = 0
    for one in given:
        waiting.put(one)
        count += 1
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                one = waiting.get_nowait()
            except Empty:
                return
            try:
                ended.put((one, work(one), None))
            except BaseException as error:
                ended.put((one, None, error))

    for _ in range(min(TOGETHER, count)):
        threading.Thread(target=serve, daemon=True, name="remote").start()
    try:
        for _ in range(count):
            one, got, error = ended.get()
            if error is not None:
                raise error
            yield one, got
    finally:
        over.set()
