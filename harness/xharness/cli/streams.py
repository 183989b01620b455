"""Standard output and standard error: usable whatever the locale, quiet once the reader has gone."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def ready() -> None:
    """Streams that can be written to whatever the locale: a sign it lacks becomes a question mark."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # Closed by who started us.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif name == "stdout" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def hush() -> None:
    """Send what is left to be written nowhere, so that nothing is said of it when the program ends."""
    with suppress(OSError, ValueError):  # A stream without a file behind it.
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)
