"""The `xharness` program: its commands, and how errors end."""

from __future__ import annotations

import os
import sys
import traceback
from functools import cache
from typing import Annotated, Any

import typer

import xharness
from xharness.cli.commands import Commands
from xharness.errors import ExitCode, HarnessError, UsageError

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


@cache
def tell(error: HarnessError) -> None:
    """An error as a paragraph on standard error."""
    from rich.console import Console

    console = Console(stderr=True)
    for problem in error.problems:
        console.print("[bold red]error:[/] ", end="")
        console.print(str(problem).removeprefix(": "), markup=False, highlight=False, soft_wrap=True)


def main() -> None:
    """Run the program; exit codes are `ExitCode`."""
    debug = "--debug" in sys.argv[1:]
    if debug:
        sys.argv.remove("--debug")
        os.environ["XHARNESS_DEBUG"] = "1"
    try:
        code = app(prog_name="xharness", standalone_mode=False)
        if isinstance(code, int) and code:  # `raise typer.Exit(code)` comes back as a value.
            sys.exit(code)
    except HarnessError as error:
        if debug:
            traceback.print_exc()
        tell(error)
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(int(ExitCode.INTERRUPTED))
    except Exception as error:
        sys.exit(_unforeseen(error, debug))


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


def _unforeseen(error: Exception, debug: bool) -> int:
    """Usage errors of the command line, a closed pipe, or a bug of ours."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        return int(ExitCode.INTERRUPTED)
    # Newer typers carry a click of their own, so its errors are known by what they can do.
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return _wrong_option(error)
    if isinstance(error, BrokenPipeError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return int(ExitCode.OK)
    if debug:
        traceback.print_exc()
    where = traceback.extract_tb(error.__traceback__)[-1]
    print(
        f"internal error: {type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno}). "
        "This is a bug of xharness; run again with --debug and report what it prints.",
        file=sys.stderr,
    )
    return int(ExitCode.INTERNAL)
