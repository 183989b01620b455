"""What can go wrong, said to a person, and the exit code each kind of trouble ends with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; the numbers are pytest's."""

    OK = 0
    FAILED = 1
    INTERRUPTED = 2
    INTERNAL = 3
    USAGE = 4
    NOTHING = 5


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what was found, what is allowed, what to do."""

    where: str
    what: str
    hint: str = ""
    key: tuple[str | int, ...] = field(default=(), compare=False)
    """File and path of the faulty key, so that problems that merely follow from it are not reported."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" {self.hint}" if self.hint else "")


class HarnessError(Exception):
    """A problem that a person can fix; shown as a paragraph, never as a traceback."""

    exit_code = ExitCode.INTERNAL

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(p if isinstance(p, Problem) else Problem("", p) for p in problems)
        super().__init__("\n".join(str(p).removeprefix(": ") for p in self.problems))

    def __reduce__(self) -> tuple[type[HarnessError], tuple[Problem, ...]]:
        return type(self), self.problems


class UsageError(HarnessError):
    """A command line, suite or task file that cannot be used."""

    exit_code = ExitCode.USAGE


class NothingSelected(HarnessError):
    """The selection left no cell."""

    exit_code = ExitCode.NOTHING


class DataError(HarnessError):
    """A data set that is missing, malformed, or not what its task says; fails the cells that need it."""

    exit_code = ExitCode.FAILED


class Unreachable(DataError):
    """Data that cannot be read now: a file that is gone, a Hub that cannot be reached."""


class Unforeseen(HarnessError):
    """Data that have changed since the run was planned; a step that reads them stores nothing."""

    exit_code = ExitCode.FAILED


class Diverged(HarnessError):
    """A training whose loss is no number any more; it would be so again."""

    exit_code = ExitCode.FAILED


class CheckpointError(HarnessError):
    """A checkpoint that is missing or is not an encoder; fails the cells that need it."""

    exit_code = ExitCode.FAILED


class StoreError(HarnessError):
    """The store cannot be read or written: disk full, read-only, a file gone."""

    exit_code = ExitCode.FAILED


class ClusterError(HarnessError):
    """A cluster that was joined and can be used no longer; what was finished is stored."""

    exit_code = ExitCode.FAILED


SHOWN = 12
"""The most names that a message lists."""
SHOWN_CHARACTERS = 240
"""The most characters that they take, unless it is one name."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """The sentence that names the valid name closest to `name`, or lists the valid names."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Allowed: {listed(names, name)}." if names else ""


def counted(number: int, what: str) -> str:
    """So many of it, in words: `1 step`, `3 steps`."""
    return f"{number} {what}{'s' * (number != 1)}"


def listed(names: Iterable[str], near: str = "", most: int = SHOWN) -> str:
    """Names for a message: all if they are few, else some (closest to `near` first) and the number of the rest."""
    every = list(dict.fromkeys(names))
    if len(every) <= most and len(", ".join(every)) <= SHOWN_CHARACTERS:
        return ", ".join(every)
    if near:
        every = closest(near, every)
    while len(every[:most]) > 1 and len(", ".join(every[:most])) > SHOWN_CHARACTERS:
        most = min(most, len(every)) - 1
    return f"{', '.join(every[:most])} and {len(every) - most} more"


def closest(name: str, names: Iterable[str]) -> list[str]:
    """The names, most similar to `name` first; equally similar ones keep their order."""
    # The matcher indexes its second sequence once, for all comparisons.
    matcher = difflib.SequenceMatcher(None, "", name[:200])

    def likeness(other: str) -> float:
        matcher.set_seq1(other)
        return matcher.ratio()

    return sorted(names, key=likeness, reverse=True)
