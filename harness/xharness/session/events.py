"""Where the events of a run go: one line of JSON each, written to disk at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from xharness.store.files import told


@contextmanager
def event_log(*paths: Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Append every event it is called with to the files; StoreError where one cannot be opened or written."""
    streams: list[tuple[Path, TextIO]] = []

    def write(event: dict[str, Any]) -> None:
        line = json.dumps({"time": time.time(), **event}, ensure_ascii=False) + "\n"
        for path, stream in streams:
            with told(path, "write"):
                stream.write(line)
                stream.flush()

    try:
        for path in filter(None, paths):
            with told(path, "write"):
                path.parent.mkdir(parents=True, exist_ok=True)
                streams.append((path, path.open("a", encoding="utf-8")))
        yield write
    finally:
        for _, stream in streams:
            with suppress(OSError):  # The failed write is reported already; closing tries it once more.
                stream.close()
