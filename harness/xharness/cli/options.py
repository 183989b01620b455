"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xharness.cli import completion
from xharness.errors import UsageError

if TYPE_CHECKING:
    from xharness.collect import Selection
    from xharness.failed import Mode

SuiteArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUITE",
        help="A suite file, or the name of a shipped one (xtreme); `SUITE::ID` names cells.",
        autocompletion=completion.suites,
    ),
]
IdsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...",
        help="Cells, such as 'squad_v1->xquad' or 'none->xnli[tiny-0][de]'.",
        autocompletion=completion.cells,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        help="Size of the suite: micro, sample, paper, or the suite's own.",
        autocompletion=completion.profiles,
    ),
]
StoreOption = Annotated[
    Path, typer.Option("--store", envvar="XHARNESS_STORE", help="Folder that keeps what steps made.")
]
CheckpointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--checkpoint",
        "-c",
        help="Only the suite's checkpoint of this name; a hub id[@revision] or folder adds rows.",
        autocompletion=completion.checkpoints,
    ),
]
KeywordOption = Annotated[
    str | None,
    typer.Option("-k", metavar="EXPR", help="Cells whose id, languages or tags match, e.g. 'squad and not mlqa'."),
]
MarkOption = Annotated[str | None, typer.Option("-m", metavar="EXPR", help="Cells whose marks match.")]
IntermediateOption = Annotated[
    list[str] | None,
    typer.Option("--intermediate", help="Only this intermediate.", autocompletion=completion.intermediates),
]
TargetOption = Annotated[
    list[str] | None, typer.Option("--target", help="Only this target.", autocompletion=completion.targets)
]
LanguageOption = Annotated[
    list[str] | None,
    typer.Option("--language", "-l", help="Only this evaluation language.", autocompletion=completion.languages),
]
SeedOption = Annotated[list[int] | None, typer.Option("--seed", help="Only this seed.")]
DeselectOption = Annotated[
    list[str] | None, typer.Option("--deselect", metavar="ID", help="Leave out a cell or pattern.")
]
LastFailedOption = Annotated[
    bool, typer.Option("--lf", "--last-failed", help="Only the cells that failed last; all when none did.")
]
FailedFirstOption = Annotated[
    bool, typer.Option("--ff", "--failed-first", help="The cells that failed last before the others.")
]
ReasonsOption = Annotated[
    str,
    typer.Option(
        "-r", metavar="CHARS", help="Reasons shown: (f)ailed, (s)kipped, (x)failed, (X)passed, (a)ll, (N)one."
    ),
]
DEFAULT_REASONS = "fs"
DEFAULT_STORE = Path(".xharness")


def failed_mode(last_failed: bool, failed_first: bool) -> Mode | None:
    """What --lf and --ff ask for; UsageError for both."""
    if last_failed and failed_first:
        raise UsageError("--lf and --ff exclude each other: the failed cells alone, or first.")
    return "only" if last_failed else "first" if failed_first else None


def reasons(given: str) -> str:
    """The letters of -r; UsageError for one that says nothing."""
    for letter in given:
        if letter not in "fsxXaN":
            raise UsageError(f"-r '{given}': '{letter}' is not known. Allowed: f, s, x, X, a for all, N for none.")
    return "fsxX" if "a" in given else "" if "N" in given else given


def writable(option: str, path: Path | None) -> Path | None:
    """The path, known to be writable before hours are spent; its folder is made where it is missing."""
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8"):
            return path
    except OSError as error:
        raise UsageError(f"{option} '{path}' cannot be written: {error.strerror}.") from None


def selection(
    suite: str,
    ids: list[str] | None = None,
    keyword: str | None = None,
    marks: str | None = None,
    intermediates: list[str] | None = None,
    targets: list[str] | None = None,
    languages: list[str] | None = None,
    seeds: list[int] | None = None,
    deselect: list[str] | None = None,
) -> tuple[str, Selection]:
    """The suite's path and the selection that the command line describes."""
    from xharness.collect import Selection

    path, _, first = suite.partition("::")
    chosen = [*([first] if first else []), *(i.split("::", 1)[-1] for i in ids or ())]
    return path, Selection(
        tuple(chosen),
        keyword,
        marks,
        tuple(intermediates or ()),
        tuple(targets or ()),
        tuple(languages or ()),
        seeds=tuple(seeds or ()),
        deselect=tuple(d.split("::", 1)[-1] for d in deselect or ()),
    )
