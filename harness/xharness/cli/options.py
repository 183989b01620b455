"""Options that several commands share."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xharness.cli import completion
from xharness.errors import UsageError

if TYPE_CHECKING:
    from xharness.collect.selection import Selection
    from xharness.session.failed import Mode


def _named(given: list[str] | None) -> list[str] | None:
    """Names that are not empty: an empty one would be the current folder."""
    if given and not all(name.strip() for name in given):
        raise typer.BadParameter("the name is empty.")
    return given


def _separated(given: list[str] | None) -> list[str] | None:
    """Each value of an option, also where several are given at once."""
    return _named([part.strip() for one in given for part in one.split(",")]) if given else given


def seconds(given: float) -> float:
    """A number of seconds; what is no number passes every comparison."""
    if not math.isfinite(given):
        raise typer.BadParameter(f"{given} is not a number of seconds.")
    return given


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
StoresOption = Annotated[
    list[Path],
    typer.Option(
        "--store",
        envvar="XHARNESS_STORE",
        help="Folder that keeps what steps made; several, to have their runs side by side.",
    ),
]
CheckpointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--checkpoint",
        "-c",
        callback=_named,
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
    typer.Option(
        "--intermediate",
        callback=_separated,
        help="Only this intermediate; several as mnli,qqp.",
        autocompletion=completion.intermediates,
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        callback=_separated,
        help="Only this target; several as xnli,xquad.",
        autocompletion=completion.targets,
    ),
]
LanguageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--language",
        "-l",
        callback=_separated,
        help="Only this evaluation language; several as de,sw.",
        autocompletion=completion.languages,
    ),
]
SeedOption = Annotated[list[int] | None, typer.Option("--seed", help="Only this seed.")]
DeselectOption = Annotated[
    list[str] | None, typer.Option("--deselect", metavar="ID", help="Leave out a cell or pattern.")
]
LastFailedOption = Annotated[
    bool, typer.Option("--lf", "--last-failed", help="Only the cells that failed last; all when none did.")
]
TrackOption = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="TRACKER",
        help="Tell a tracker of it: wandb, mlflow, tensorboard, trackio; again for several.",
        autocompletion=completion.trackers,
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        envvar="XHARNESS_ENGINE",
        help="Who runs the steps: local, ray, slurm.",
        autocompletion=completion.engines,
    ),
]
RemoteOption = Annotated[
    str,
    typer.Option(
        "--remote",
        metavar="URL",
        envvar="XHARNESS_REMOTE",
        show_envvar=False,
        help="A store elsewhere, asked for what is absent and given what is made: s3://bucket/prefix, file:///shared."
        " [env: XHARNESS_REMOTE]",
    ),
]
ReadOnlyOption = Annotated[
    bool, typer.Option("--remote-read-only", envvar="XHARNESS_REMOTE_READ_ONLY", help="Give it nothing.")
]
TextsOption = Annotated[bool, typer.Option("--texts/--no-texts", help="With the examples that it was tested on.")]
TextsOfOption = Annotated[
    list[str] | None,
    typer.Option("--texts-of", metavar="TARGET", help="Also those of this target, whose licence forbids it."),
]
PluginsOption = Annotated[
    Path | None, typer.Option("--plugins", metavar="FOLDER", help="Where plug-ins lie that the run used.")
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
DEFAULT_STORES = [DEFAULT_STORE]


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


@dataclass(frozen=True)
class Filters:
    """The options that select cells, as they were given."""

    keyword: KeywordOption = None
    marks: MarkOption = None
    intermediate: IntermediateOption = None
    target: TargetOption = None
    language: LanguageOption = None
    seed: SeedOption = None
    deselect: DeselectOption = None

    def of(self, suite: str, ids: list[str] | None = None) -> tuple[str, Selection]:
        """The suite's path, and the selection from `SUITE::ID`, further ids and these options."""
        from xharness.collect.selection import Selection

        path, _, first = suite.partition("::")
        return path, Selection(
            (*([first] if first else []), *(ids or ())),
            self.keyword,
            self.marks,
            tuple(self.intermediate or ()),
            tuple(self.target or ()),
            tuple(self.language or ()),
            seeds=tuple(self.seed or ()),
            deselect=tuple(self.deselect or ()),
        )


NO_FILTERS = Filters()


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Filters` in place of its parameter `filters`."""
    own = inspect.signature(command, eval_str=True)
    options = inspect.signature(Filters, eval_str=True).parameters

    @functools.wraps(command)
    def called(**given: Any) -> None:
        command(filters=Filters(**{name: given.pop(name) for name in options}), **given)

    shown = [p for q in own.parameters.values() for p in (options.values() if q.name == "filters" else (q,))]
    called.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
    return called
