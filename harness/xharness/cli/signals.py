"""Ctrl-C and the signals of a scheduler, a container's end or a closed terminal: each ends the program, in order."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TERMINALS = (1, 2)
PATIENCE = 3.0
"""Seconds after a signal in which another is the same wish. Later ones count: Python may lose what a signal raises."""
_heard: list[tuple[signal.Signals, float]] = []


@contextmanager
def heeding() -> Iterator[None]:
    """Have a signal raise KeyboardInterrupt, and those that follow at once nothing: the ending must come to its end.

    A signal that was ignored from the start, as under nohup, stays so.
    """
    _heard.clear()
    shown_on = [d for d in _TERMINALS if os.isatty(d)]

    def stop(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if _heard and now - _heard[-1][1] < PATIENCE:
            return
        _heard.append((signal.Signals(number), now))
        _leave(shown_on)
        raise KeyboardInterrupt

    before = {s: signal.getsignal(s) for s in _HEEDED}
    with suppress(ValueError):  # Only the main thread may say what signals do.
        for number, handler in before.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, stop)
    try:
        yield
    finally:
        if not _heard:
            with suppress(ValueError):
                for number, handler in before.items():
                    signal.signal(number, handler)


def deafen() -> None:
    """Ignore all further signals that would end the program, to the very end of its process."""
    with suppress(ValueError):
        for number in _HEEDED:
            signal.signal(number, signal.SIG_IGN)


def heard() -> str | None:
    """The first signal that was heeded, by its name."""
    return _heard[0][0].name if _heard else None


def _leave(terminals: list[int]) -> None:
    """Let what is written to a terminal that was closed go nowhere: each line of the ending would be an error."""
    for descriptor in terminals:
        if not os.isatty(descriptor):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
