"""The process of one tracker: it is told by JSON lines what to track, one tracked run after the other.

    run -> tracker     {"do": "begin" | "log" | "end", …}     `described` makes them; end of file: end what is open
    tracker -> run     {"failed": "why"}                      then the process ends

Whatever a tracker prints goes to standard error, which is a file in the run's folder.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections import deque
from typing import Any

LAST_SECONDS = 60.0
"""When nothing more will come, what is not written after so long is given up."""


def main() -> None:
    """Serve orders from standard input."""
    tracker = sys.argv[1]
    told = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    orders: deque[dict[str, Any] | None] = deque()
    come = threading.Semaphore(0)

    def read() -> None:
        for line in sys.stdin:
            orders.append(json.loads(line))
            come.release()
        orders.append(None)
        come.release()
        # The run has ended or was killed, and nobody would end a tracker that hangs.
        time.sleep(LAST_SECONDS)
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    try:
        _serve(tracker, orders, come)
    except Exception as error:
        traceback.print_exc()
        told.write(json.dumps({"failed": _sentence(error)}) + "\n")
        told.flush()
        os._exit(1)  # No library's last words: what it could not write it would try again.


def _serve(tracker: str, orders: deque[dict[str, Any] | None], come: threading.Semaphore) -> None:
    from xharness.tracking.callbacks import Tracked

    tracked: Tracked | None = None
    while True:
        come.acquire()
        order = orders.popleft()
        if order is None:
            if tracked is not None:
                tracked.end("stopped")
            return
        match order["do"]:
            case "begin":
                tracked = Tracked(tracker, order)
            case "log" if tracked is not None:
                tracked.log(order["step"], order["values"])
            case "end" if tracked is not None:
                tracked.end(order["status"])
                tracked = None


def _sentence(error: Exception) -> str:
    """The first line of what a library says."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first[:300]}"


if __name__ == "__main__":
    main()
