"""The line to a remote store during a run: what goes wrong on it is said once, and ends no run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from xharness.errors import HarnessError, StoreError
from xharness.remote.address import shown
from xharness.remote.place import Place, place_at
from xharness.remote.steps import Mend
from xharness.remote.trouble import NotOurs, RemoteError

MOST = 3
"""Failures one after the other before a line is given up for this run."""
SAID = 3
"""Steps that did not arrive whole which are told one by one."""
PAUSE = 1.0
"""Seconds before what could not be read is asked for again: most troubles of a line are over by then."""

Got = TypeVar("Got")


class Line:
    """A remote store as one run asks it; several threads may."""

    def __init__(self, url: str, read_only: bool = False) -> None:
        self.url, self.read_only = url, read_only
        self.shown = shown(url)
        self.closed = False
        """Given up for this run."""
        self.unsound: dict[str, Mend] = {}
        """Steps that did not arrive as they were stored, by key: how whoever makes them is to mend them."""
        self._lacking: set[str] = set()
        """Keys of steps that were asked for in vain, for whatever reason."""
        self._unanswered: list[tuple[str, HarnessError]] = []
        """What could not be read: told once another call gives something; where none does, the line's end says it."""
        self._lock, self._failures, self._said = threading.Lock(), 0, list[str]()
        self._place: Place | None = None
        try:
            self._place = place_at(url)
        except RemoteError as error:
            self._give_up(error)

    def ask(self, work: Callable[[Place], Got]) -> Got | None:
        """What a call gives; None where it fails, for which `warnings` has the reason once the line is given up."""
        try:
            return self._asked(work)
        except (RemoteError, StoreError):
            return None

    def read(self, work: Callable[[Place], Got], key: str) -> Got | None:
        """What a call gives of a step; None where it cannot be had, for which `warnings` then has the reason.

        A failure that may be over in a moment is tried once more, since what does not come is made again.
        """
        try:
            return self._asked(work, again=True)
        except RemoteError as error:
            with self._lock:
                if not self.closed:
                    self._unanswered.append((key, error))
        except StoreError as error:
            with self._lock:
                self.unsound[key] = Mend.OWN if isinstance(error, NotOurs) else Mend.DAMAGED
                self._not_taken(key, error)
        return None

    def _asked(self, work: Callable[[Place], Got], again: bool = False) -> Got | None:
        if self.closed or self._place is None:
            return None
        try:
            got = work(self._place)
        except RemoteError as error:
            if again and not error.lasting:
                time.sleep(PAUSE)
                return self._asked(work)
            with self._lock:
                self._failures += 1
                if (error.lasting or self._failures >= MOST) and not self.closed:
                    self._give_up(error)
            raise
        with self._lock:
            self._failures = 0
            self._tell_unanswered()
        return got

    def _give_up(self, error: HarnessError) -> None:
        self.closed = True
        self._unanswered = []
        self._said.append(f"{error} The run goes on with the local store alone.")

    def _tell_unanswered(self) -> None:
        for key, error in self._unanswered:
            self._not_taken(key, error)
        self._unanswered = []

    def _not_taken(self, key: str, error: HarnessError) -> None:
        if key in self._lacking:
            return
        self._lacking.add(key)
        if len(self._lacking) <= SAID:
            name = "" if key in str(error) else f"{key}: "
            self._said.append(f"not taken from {self.shown}: {name}{error} The step is made here.")
        elif len(self._lacking) == SAID + 1:
            self._said.append(f"not taken from {self.shown}: more steps, which are made here.")

    def warnings(self, over: bool = False) -> list[str]:
        """What is to be said since it was asked last; `over`: nothing more is asked of the line."""
        with self._lock:
            if over:
                self._tell_unanswered()
            said, self._said = self._said, []
        return said
