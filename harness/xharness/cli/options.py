"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xharness.collect import Selection

SuiteArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUITE", help="A suite file, or the name of a shipped one (xtreme); `SUITE::ID` names cells."
    ),
]
IdsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Cells, such as 'squad_v1->xquad' or 'none->xnli[tiny-0][de]'."),
]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", "-p", help="Size of the suite: micro, sample, paper, or the suite's own.")
]
StoreOption = Annotated[
    Path, typer.Option("--store", envvar="XHARNESS_STORE", help="Folder that keeps what steps made.")
]
CheckpointOption = Annotated[
    list[str] | None,
    typer.Option("--checkpoint", "-c", help="A further checkpoint: hub id[@revision] or folder; adds rows."),
]
KeywordOption = Annotated[
    str | None,
    typer.Option("-k", metavar="EXPR", help="Cells whose id, languages or tags match, e.g. 'squad and not mlqa'."),
]
MarkOption = Annotated[str | None, typer.Option("-m", metavar="EXPR", help="Cells whose marks match.")]
IntermediateOption = Annotated[list[str] | None, typer.Option("--intermediate", help="Only this intermediate.")]
TargetOption = Annotated[list[str] | None, typer.Option("--target", help="Only this target.")]
LanguageOption = Annotated[list[str] | None, typer.Option("--language", "-l", help="Only this evaluation language.")]
SeedOption = Annotated[list[int] | None, typer.Option("--seed", help="Only this seed.")]
OnlyCheckpointOption = Annotated[
    list[str] | None, typer.Option("--only-checkpoint", help="Only the checkpoint of this name.")
]
DeselectOption = Annotated[
    list[str] | None, typer.Option("--deselect", metavar="ID", help="Leave out a cell or pattern.")
]
DEFAULT_STORE = Path(".xharness")


def selection(
    suite: str,
    ids: list[str] | None,
    keyword: str | None,
    marks: str | None,
    intermediates: list[str] | None,
    targets: list[str] | None,
    languages: list[str] | None,
    checkpoints: list[str] | None,
    seeds: list[int] | None,
    deselect: list[str] | None,
) -> tuple[str, Selection]:
    """The suite's path and the selection that the command line describes."""
    path, _, first = suite.partition("::")
    chosen = [*([first] if first else []), *(i.split("::", 1)[-1] for i in ids or ())]
    return path, Selection(
        tuple(chosen),
        keyword,
        marks,
        tuple(intermediates or ()),
        tuple(targets or ()),
        tuple(languages or ()),
        tuple(checkpoints or ()),
        tuple(seeds or ()),
        tuple(d.split("::", 1)[-1] for d in deselect or ()),
    )
