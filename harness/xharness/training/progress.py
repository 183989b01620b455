"""Progress: how much is done and how fast, a few times a second at the most."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

INTERVAL = 0.25
"""Seconds between two reports."""
WINDOW = 10.0
"""Seconds that the shown speed looks back."""


class Progress:
    """Counts work done and tokens, and reports them."""

    def __init__(self, report: Callable[[dict[str, Any]], None], total: int | None, unit: str, note: str = "") -> None:
        """`total` is None where nobody knows how much there is."""
        self._report = report
        self._last = 0.0
        self.total, self.unit, self.note = total, unit, note
        self.done = 0
        self.tokens = 0
        self._marks = [(time.monotonic(), 0)]

    def add(self, done: int, tokens: int = 0) -> None:
        """Count, and report when the last report is old enough or everything is done."""
        self.done += done
        self.tokens += tokens
        now = time.monotonic()
        if now - self._last >= INTERVAL or self.done == self.total:
            self.show(now)

    def show(self, now: float | None = None) -> None:
        """Report at once."""
        now = time.monotonic() if now is None else now
        self._last = now
        self._marks = [m for m in self._marks if now - m[0] <= WINDOW] or self._marks[-1:]
        (since, before), message = self._marks[0], {"done": self.done, "total": self.total, "unit": self.unit}
        self._marks.append((now, self.tokens))
        speed = (self.tokens - before) / (now - since) if now > since else 0.0
        extra = {"tokens_per_second": round(speed)} if self.tokens else {}
        self._report({**message, **extra, "note": self.note})
