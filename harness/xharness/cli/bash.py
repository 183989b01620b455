"""Completion for bash beyond what typer does: ids have signs that bash would read, or split words at."""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from typing import Any

ASKED = "_XHARNESS_COMPLETE"
"""Variable that a shell sets when it asks for completions."""


def complete(program: Callable[..., Any]) -> None:
    """Print the completions of a command line, as bash can put them in it."""
    line, rejoined = _rejoin(os.environ.get("COMP_WORDS", ""), int(os.environ.get("COMP_CWORD", "0")))
    offered = io.StringIO()
    with redirect_stdout(offered), suppress(SystemExit):
        program(prog_name="xharness", standalone_mode=False)
    for name in offered.getvalue().splitlines():
        # Bash puts a completion in place of what follows the last colon.
        print(quoted(name.rpartition("::")[2] if rejoined else name, line))


def _rejoin(line: str, at: int) -> tuple[str, bool]:
    """(the words, whether the one under the cursor was among them) with `SUITE::ID` whole: bash splits it at `::`."""
    try:
        words = shlex.split(line, posix=False)
    except ValueError:  # In an open quotation nothing is split.
        return line, False
    whole: list[str] = []
    glued = rejoined = False
    place = at
    for number, word in enumerate(words):
        if whole and (glued or word == "::"):
            whole[-1] += word
            place -= number <= at
            rejoined |= number == at
        else:
            whole.append(word)
        glued = word == "::"
    os.environ |= {"COMP_WORDS": " ".join(whole), "COMP_CWORD": str(place)}
    return line, rejoined


def quoted(name: str, line: str) -> str:
    """A completion as it has to stand on the command line: as it is in an open quotation, else with backslashes."""
    try:
        shlex.split(line)
    except ValueError:
        return name
    return re.sub(r"[^\w@%+=:,./~^-]", r"\\\g<0>", name)
