"""Files that a user asks for: known to be writable before hours are spent, written or told why not."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from xharness.errors import ExitCode, HarnessError, Problem, UsageError


class OutputError(HarnessError):
    """A file that the user asked for cannot be written."""

    exit_code = ExitCode.FAILED


def writable(option: str, path: Path | None) -> Path | None:
    """The path, when it can be written; nothing is left there. UsageError when it cannot."""
    if path is None:
        return None
    try:
        _try(path)
    except OSError as error:
        raise UsageError(f"{option} '{path}' cannot be written: {error.strerror}.") from None
    return path


def _try(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        # Its folder is made when it is written; until then the nearest one that is there must take a file.
        folder = next(p for p in path.absolute().parents if p.exists())
        with tempfile.TemporaryFile(dir=folder):
            return
    # Devices and pipes are not opened: closing one again would tell its reader that nothing more comes.
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


def write(path: Path, text: str) -> None:
    """Write a file, its folder made where it is missing; OutputError when that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(Problem(str(path), f"cannot be written: {error.strerror}.")) from None
