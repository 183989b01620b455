"""The worker: a process that performs one step after another and tells its parent by JSON lines.

    parent -> worker   {"key", "work", "needs", "about", "measure"}   one line a step; end of file: stop
    worker -> parent   {"event": "ready" | "alive" | "waiting" | "progress" | "done" | "failed", "key", …}
                       {"event": "training" | "measured", "key", …}   of a training, where `measure` asks for it

It commits what it made itself, under the step's lock, so that a killed parent loses nothing that was finished and
two runs on one store never do a step twice. When the parent dies, the pipe closes and the worker ends.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import queue
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

ALIVE_SECONDS = 5.0
FULL = 1 << 20
"""A disk with less free space, in bytes, is full."""
_PR_SET_PDEATHSIG = 1


class _Line:
    """The line to the parent; several threads write to it."""

    def __init__(self, descriptor: int) -> None:
        self._stream = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def send(self, **event: Any) -> None:
        text = json.dumps(event, ensure_ascii=False)
        with self._lock:
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (BrokenPipeError, ValueError):
                os._exit(1)


def _orders(orders: queue.Queue[dict[str, Any] | None]) -> None:
    """Read orders until the parent closes the pipe or dies; then end this process, whatever it is doing."""
    for line in sys.stdin:
        orders.put(json.loads(line))
    orders.put(None)
    os._exit(0)


def _pulse(line: _Line) -> None:
    while True:
        time.sleep(ALIVE_SECONDS)
        line.send(event="alive", memory=_peak_memory())


def _peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _die_with_parent() -> None:
    """Have the system kill this process when its parent is gone, even where it hangs and cannot read its line."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Serve orders from standard input; whatever a library prints goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    line = _Line(os.dup(1))
    os.dup2(2, 1)
    orders: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_orders, args=(orders,), daemon=True).start()
    threading.Thread(target=_pulse, args=(line,), daemon=True).start()
    from xharness.store.steps import Store

    store = Store(Path(sys.argv[1]))
    line.send(event="ready")
    while (order := orders.get()) is not None:
        _serve(order, store, line)


def _serve(order: dict[str, Any], store: Any, line: _Line) -> None:
    """Perform one step and say how it ended; nothing escapes."""
    from xharness.errors import Diverged, HarnessError, StoreError

    key = order["key"]
    try:
        line.send(event="done", key=key, **_perform(order, store, line))
    except StoreError as error:
        lost = [p.where for p in error.problems if p.where in order["needs"]]
        line.send(event="failed", key=key, message=str(error), traceback="", lost=lost, store=not lost)
    except HarnessError as error:
        told = {"message": str(error), "traceback": traceback.format_exc(), "lost": []}
        line.send(event="failed", key=key, **told, diverged=isinstance(error, Diverged))
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        line.send(event="failed", key=key, message=message, traceback=traceback.format_exc(), lost=[], unexpected=True)


def _lost(error: Exception, needs: list[str], store: Any) -> Exception | None:
    """That an output a step needs has gone or changed under its hands, if so."""
    from xharness.errors import Problem, StoreError

    gone = [key for key in needs if not store.has(key)]
    what = f"was lost while it was read: {error}"
    return StoreError(*(Problem(key, what, "It will be made again.") for key in gone)) if gone else None


def _of_the_disk(error: Exception, root: Path) -> Exception | None:
    """The error as a sentence where the disk is to blame, in whatever words a library tells it; None elsewhere."""
    from xharness.errors import HarnessError
    from xharness.store.files import as_sentence

    if isinstance(error, HarnessError):
        return None
    named = getattr(error, "filename", None)
    if isinstance(error, OSError) and named and Path(str(named)).is_relative_to(root):
        return as_sentence(Path(str(named)), "write or read", error)
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    with suppress(OSError):
        # Some libraries tell it in words of their own, some only that a write has failed.
        if full or "No space left" in str(error) or shutil.disk_usage(root).free < FULL:
            return as_sentence(root, "write", OSError(errno.ENOSPC, ""))
    return None


def _perform(order: dict[str, Any], store: Any, line: _Line) -> dict[str, Any]:
    from pydantic import TypeAdapter

    from xharness.plugins import load_plugins
    from xharness.steps import AnyWork, StepContext, perform

    key = order["key"]
    work = TypeAdapter(AnyWork).validate_python(order["work"])
    load_plugins(work.plugins)
    with store.lock(key, waiting=lambda: line.send(event="waiting", key=key)), store.reading(order["needs"]):
        if store.has(key):
            return {"found": True, "seconds": 0.0, "memory": 0, "summary": {}}
        began = time.perf_counter()
        with store.temporary() as out:
            try:
                context = StepContext(
                    folder=store.open,
                    out=out,
                    scratch=store.scratch(key),
                    report=lambda progress: line.send(event="progress", key=key, **progress),
                    measure=(lambda event: line.send(key=key, **event)) if order["measure"] else None,
                    diverged=frozenset(order["diverged"]),
                )
                summary = perform(work, context)
            except Exception as error:
                trouble = _lost(error, order["needs"], store) or _of_the_disk(error, store.root)
                if trouble is not None:
                    raise trouble from error
                raise
            seconds, memory = time.perf_counter() - began, _peak_memory()
            about = {**order["about"], "summary": summary, "seconds": seconds, "memory": memory}
            store.commit(key, out, about)
    return {"found": False, "seconds": seconds, "memory": memory, "summary": summary}


if __name__ == "__main__":
    main()
