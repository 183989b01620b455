"""How a command ends: each error as sentences on standard error, and its exit code."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from contextlib import suppress
from typing import Any

import typer

from xharness.cli.signals import heard
from xharness.cli.streams import hush
from xharness.errors import ExitCode, HarnessError, Problem, UsageError
from xharness.remote.address import without_secrets


class Passed(Exception):
    """Brings an error past typer, which would end the program in a way of its own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


def tell(error: HarnessError) -> None:
    """An error as a paragraph on standard error."""
    from rich.console import Console

    console = Console(stderr=True)
    for problem in error.problems:
        console.print("[bold red]error:[/] ", end="")
        words = str(problem).removeprefix(": ")
        console.print(words, markup=False, emoji=False, highlight=False, soft_wrap=True)


def ending(error: BaseException, debug: bool = False) -> int:
    """Tell what went wrong; the exit code."""
    if isinstance(error, Passed):
        error = error.error
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    # What a signal raises, a library may make an error of its own of.
    if heard() or isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return interrupted()
    if isinstance(error, BrokenPipeError):  # The reader has seen enough.
        hush()
        return int(ExitCode.OK)
    # Newer typers carry a click of their own, so its errors are known by what they can do.
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return _wrong_option(error)
    if debug:
        traceback.print_exception(error)
    if isinstance(error, HarnessError):
        tell(error)
        return int(error.exit_code)
    if isinstance(error, OSError) and (trouble := _trouble(error)) is not None:
        tell(trouble)
        return int(ExitCode.USAGE if isinstance(trouble, UsageError) else ExitCode.FAILED)
    where = traceback.extract_tb(error.__traceback__)[-1]
    print(
        f"internal error: {type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno}). "
        "This is a bug of xharness; run again with --debug and report what it prints.",
        file=sys.stderr,
    )
    return int(ExitCode.INTERNAL)


def interrupted(so_far: str = "", left: str = "") -> int:
    """Say that a signal has ended the program, and how a run goes on, with what is left; the exit code."""
    by = f" by {name}" if (name := heard()) not in (None, "SIGINT") else ""
    said = f"interrupted{by}{so_far and ': '}{so_far}"
    if sys.argv[1:2] == ["run"]:
        command = shlex.join(["xharness", *without_secrets(sys.argv[1:])])
        said = f"\n{said}; what was finished is stored{left and ', '}{left}. Go on with:\n  {command}"
    # CPython takes an interrupt that passed through source in evaluation, as dataclasses are made from, for one that
    # nobody has handled, and would end by SIGINT in spite of our exit code. Evaluating anew makes it forget.
    eval("0")
    with suppress(OSError):  # Who was to read it may have gone.
        print(said, file=sys.stderr, flush=True)
    return int(ExitCode.INTERRUPTED)


def _wrong_option(error: Any) -> int:
    """An option or argument that the command line cannot be read with."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "xharness"
    said = error.format_message().strip()
    if type(error).__name__ == "NoArgsIsHelpError":
        print(said)
        return int(ExitCode.USAGE)
    said = " ".join(f"{said}.".replace("?.", "?").replace("..", ".").split())
    tell(UsageError(f"{said} `{command} --help` lists what there is."))
    return int(ExitCode.USAGE)


def _trouble(error: OSError) -> HarnessError | None:
    """Which file cannot be used and why; None where the system has not said which."""
    from xharness.store.files import WORDS

    what = WORDS.get(error.errno or 0, error.strerror or str(error))
    if error.filename is not None:
        return HarnessError(Problem(os.fsdecode(error.filename), f"cannot be used: {what}."))
    try:
        os.getcwd()
    except FileNotFoundError:
        return UsageError("the current folder has been removed. Change to one that is there, and try again.")
    if error.errno in WORDS:
        hush()
        return HarnessError(f"standard output or a file cannot be used: {what}.")
    return None
