"""The `xharness` program: its options and its commands."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import xharness
from xharness.cli.bash import ASKED, complete
from xharness.cli.commands import Commands
from xharness.cli.ending import ending
from xharness.cli.signals import deafen, heeding
from xharness.cli.streams import ready

app = typer.Typer(
    name="xharness",
    cls=Commands,
    help="Does English intermediate-task training improve zero-shot cross-lingual transfer? One TOML suite, one board.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"xharness {xharness.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    if debug:
        os.environ["XHARNESS_DEBUG"] = "1"


def main() -> None:
    """Run the program; exit codes are `ExitCode`."""
    ready()
    debug = "--debug" in sys.argv[1:]
    if debug:
        sys.argv.remove("--debug")
        os.environ["XHARNESS_DEBUG"] = "1"
    if os.environ.get(ASKED) == "complete_bash":
        complete(app)
        return
    with heeding():
        code = _called(debug)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or ending(error, debug)
    if code:
        sys.exit(code)


def _called(debug: bool) -> int:
    try:
        code = app(prog_name="xharness", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        deafen()
        return ending(error, debug)
    return code if isinstance(code, int) else 0  # `raise typer.Exit(code)` comes back as a value.
