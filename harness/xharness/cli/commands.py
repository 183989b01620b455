"""The commands as data: each module is imported when its command is called, so that `--help` is instant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from xharness.cli.ending import Passed

COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("running", "run", "Run a suite: reuse what is stored, make what is missing, show the board."),
    "list": ("listing", "list_cells", "List the cells of suites with their ids."),
    "plan": ("planning", "plan", "Show the steps of a run, what is shared and stored, and what is left to do."),
    "status": ("status", "status", "Say what the runs under way are doing, from another shell."),
    "show": ("showing", "show", "Show the board of a stored run again."),
    "look": ("look", "look", "Look at the examples behind a score: input, gold, prediction, outcome."),
    "report": ("report", "report", "Write a stored run as one HTML page to send around."),
    "analyse": ("analyse", "analyse", "Answer a suite's questions from a stored run: tables, figures, sentences."),
    "why": ("why", "why", "Say what a cell is made of, and why it would run again."),
    "check": ("checking", "check", "Check all that can be known of a suite without training."),
    "store": ("store", "app", "Look after the store: ls, du, check, gc; hand runs on: export, import, push, pull."),
    "compare": ("compare", "compare", "Compare rows of runs or published ones, with intervals and corrected tests."),
    "export": ("exporting", "export", "Write a stored row in XTREME's submission layout, or for mteb."),
    "score": ("score", "score", "Score a folder in XTREME's submission layout."),
    "new": ("new", "app", "Write a commented suite or task to start from."),
    "schema": ("schema", "schema", "Print the JSON Schema of suites or tasks, for editors."),
}
"""Name -> module in this package, what in it is the command (a function or an app of several), line in the help."""


class Commands(TyperGroup):
    """A group that imports a command's module when the command is called, and not before."""

    names_only = False

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Typer suggests near misses from these keys.
        self.commands.update({name: _line(name) for name in COMMANDS})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself; only its name and line while help or completion list them all."""
        if cmd_name not in COMMANDS or self.names_only:
            return self.commands.get(cmd_name)
        return load(cmd_name)

    def make_context(self, *given: Any, **more: Any) -> Any:
        """Read the command line."""
        with _passed():
            return super().make_context(*given, **more)

    def invoke(self, ctx: Any) -> Any:
        """Call the command."""
        with _passed():
            return super().invoke(ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The help's list of commands."""
        with self._listing():
            super().format_commands(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Names of commands for the shell."""
        with self._listing():
            return list(super().shell_complete(ctx, incomplete))

    @contextmanager
    def _listing(self) -> Iterator[None]:
        self.names_only = True
        try:
            yield
        finally:
            self.names_only = False


@contextmanager
def _passed() -> Iterator[None]:
    """Let out as `Passed` what typer would end with exit codes of its own."""
    try:
        yield
    except (KeyboardInterrupt, OSError) as error:
        raise Passed(error) from error


def _line(name: str) -> TyperCommand:
    line = COMMANDS[name][2]
    return TyperCommand(name, help=line, short_help=line)


def load(name: str) -> Any:
    """Import a command's module and build the command."""
    module, attribute, _ = COMMANDS[name]
    found = getattr(import_module(f"xharness.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(found)
        found = single
    command = typer.main.get_command(found)
    command.name = name
    return command
