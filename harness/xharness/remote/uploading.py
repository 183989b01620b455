"""Steps go to a remote store while the run goes on: one after another, in a thread that no step waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Full, Queue
from typing import Any

from xharness.remote.line import Line
from xharness.remote.steps import Put, put
from xharness.store.steps import Store

MOST = 10_000
"""Steps that wait; what comes then is left to `xharness store push`."""


class Uploader:
    """Hands on what a run commits, with all that it rests on."""

    def __init__(
        self, line: Line, store: Store, under: Callable[[str], Iterable[str]], whole: Callable[[str], bool]
    ) -> None:
        """`under`: a step and all that it needs, in order; `whole`: whether its files go or only its manifest."""
        self.line, self.store, self.under, self.whole = line, store, under, whole
        self.count = 0
        """Steps that were put there."""
        self.other = 0
        """Steps that are there with other content under the same key."""
        self._ends: set[str] = set()
        """Keys of what the run made or reused; of what lies under them, some may be here no more."""
        self._seen: set[str] = set()
        self._waiting: Queue[str] = Queue(MOST)
        self._idle = threading.Condition()
        self._open = self._left = 0
        self._thread: threading.Thread | None = None
        self._over = False

    def known(self, keys: Iterable[str]) -> None:
        """These are there already."""
        self._seen.update(keys)

    def __call__(self, event: dict[str, Any]) -> None:
        """Hear an event of the run: what is made goes there, and of a run that makes anything what it reuses, too.

        One that only shows what is stored asks for nothing: `xharness store push` fills a place with that.
        """
        if self.line.read_only or self.line.closed:
            return
        ends = [event["key"]] if event["event"] == "done" else []
        if event["event"] == "begin" and event["pending"]:
            ends = event["reused"]
        self._ends.update(ends)
        for end in ends:
            for key in self.under(end):
                if key not in self._seen:
                    self._seen.add(key)
                    self._enqueue(key)

    def _enqueue(self, key: str) -> None:
        try:
            self._waiting.put_nowait(key)
        except Full:
            self._left += 1
            return
        with self._idle:
            self._open += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True, name="upload")
            self._thread.start()

    def _serve(self) -> None:
        while True:
            key = self._waiting.get()
            done = None
            # Whatever it was, the run must not wait for this thread; the step counts as left.
            with suppress(Exception):
                if not self._over:
                    done = self._hand_on(key)
            with self._idle:
                self.count += done is Put.NEW
                self.other += done is Put.OTHER
                self._left += done is None or (done is Put.ABSENT and key in self._ends)
                self._open -= 1
                self._idle.notify_all()

    def _hand_on(self, key: str) -> Put | None:
        whole, mend = self.whole(key), self.line.unsound.get(key)
        return self.line.ask(lambda place: put(place, self.store, key, whole, mend))

    @property
    def open(self) -> int:
        """Steps that are not there yet."""
        return self._open

    @property
    def left(self) -> int:
        """Steps that did not get there, whatever the reason, and will not."""
        return self._left + (self._open if self._over else 0)

    def finish(self, wait: bool = True) -> None:
        """Wait until all are there or the line is given up; KeyboardInterrupt ends the wait, and what waits is left."""
        try:
            with self._idle:
                while wait and self._open and not self.line.closed:
                    self._idle.wait(1.0)
        finally:
            self._over = True
