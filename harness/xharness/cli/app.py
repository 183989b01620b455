"""The `xharness` program: its commands, and how errors end."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

import xharness
from xharness.errors import ExitCode, HarnessError

app = typer.Typer(
    name="xharness",
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


def _register() -> None:
    from xharness.cli import listing, planning, running, showing

    app.command("run")(running.run)
    app.command("list")(listing.list_cells)
    app.command("plan")(planning.plan)
    app.command("show")(showing.show)


def tell(error: HarnessError) -> None:
    """An error as a paragraph on standard error."""
    from rich.console import Console

    console = Console(stderr=True)
    for problem in error.problems:
        console.print("[bold red]error:[/] ", end="")
        console.print(str(problem).removeprefix(": "), markup=False, highlight=False, soft_wrap=True)


def main() -> None:
    """Run the program; exit codes are `ExitCode`."""
    _register()
    debug = "--debug" in sys.argv[1:]
    if debug:
        sys.argv.remove("--debug")
        os.environ["XHARNESS_DEBUG"] = "1"
    try:
        app(standalone_mode=False)
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


def _unforeseen(error: Exception, debug: bool) -> int:
    """Usage errors of the command line, a closed pipe, or a bug of ours."""
    import click

    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.exceptions.Abort):
        return int(ExitCode.INTERRUPTED)
    if isinstance(error, click.ClickException):
        error.show()
        return int(ExitCode.USAGE)
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
