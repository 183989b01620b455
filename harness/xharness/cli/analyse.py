"""`xharness analyse`: the answers of a suite's analyses, from a stored run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xharness.cli import completion
from xharness.cli import options as o
from xharness.cli.output import writable
from xharness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from xharness.spec.load import Loaded

FOLDER = "analyses"
"""In a run's folder."""


def analyse(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="The suite whose run is asked.", autocompletion=completion.suites)
    ],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Analyses of the suite; all when absent.")
    ] = None,
    profile: o.ProfileOption = None,
    run: Annotated[
        str | None, typer.Option("--run", help="A run by (part of) its name; the suite's newest when absent.")
    ] = None,
    store: o.StoreOption = o.DEFAULT_STORE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for pages, tables and figures; the run's when absent.")
    ] = None,
) -> None:
    """Answer a suite's questions from a stored run; nothing is trained."""
    from xharness.api.stored import find_run, run_of
    from xharness.cli.terminal import terminal
    from xharness.collect.fit import check_known
    from xharness.spec.load import load_suite

    loaded = load_suite(suite, profile)
    check_known(loaded)
    if not loaded.suite.analysis:
        raise UsageError(f"{suite} has no [[analysis]].")
    if output is not None:
        if output.exists() and not output.is_dir():
            raise UsageError(f"--output '{output}' is a file; name a folder.")
        writable("--output", output / "page.md")
    folder = find_run(run, store) if run else run_of(loaded.path.stem, loaded.profile_name, store)
    if not show_answers(loaded, folder, terminal(), names or (), output):
        raise typer.Exit(int(ExitCode.FAILED))


def show_answers(
    loaded: Loaded, run: Path, console: Console, names: Sequence[str] = (), output: Path | None = None
) -> bool:
    """Write the answers of a run, and print their words; whether all could be given."""
    from xharness.api.stored import store_of
    from xharness.plugins import load_plugins
    from xharness.session.answers import answered, write_answer
    from xharness.store.runs import read_run
    from xharness.study import Study

    facts, records = read_run(run)
    load_plugins(facts.get("plugins", ()))
    study = Study(loaded, facts, records, store_of(run).path)
    whole = True
    for found in answered(study, names):
        page, *_ = write_answer(found, facts["title"], facts.get("note", ""), output or run / FOLDER)
        console.print(found.asked.title or found.asked.name, style="bold", highlight=False, markup=False)
        if found.answer is None:
            whole = False
            console.print(f"no answer: {found.reason}", style="red", highlight=False, markup=False, soft_wrap=True)
            continue
        for words in (" ".join(found.answer.sentences), *found.answer.notes):
            console.print(words, highlight=False, markup=False, soft_wrap=True)
        console.print(str(page), style="dim", highlight=False, markup=False, soft_wrap=True)
    return whole
