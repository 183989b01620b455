"""`xharness check`: everything that is wrong with a suite, before hours are spent on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from xharness.cli import options as o

if TYPE_CHECKING:
    from xharness.session.soundness import Measured, Report


def check(
    suite: o.SuiteArgument,
    profile: o.ProfileOption = None,
    checkpoint: o.CheckpointOption = None,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Suite and tasks alone: touch neither data nor checkpoints.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", help="A line for every language.")] = False,
    store: o.StoreOption = o.DEFAULT_STORE,
) -> None:
    """Check data, columns, labels, languages, checkpoints and lengths; train nothing, tell every problem at once."""
    from xharness.cli.ending import tell
    from xharness.collect.checkpoints import given_checkpoints
    from xharness.errors import UsageError
    from xharness.session.soundness import check_suite
    from xharness.session.stored_checkpoints import stored, with_stored
    from xharness.spec.load import read_suite
    from xharness.store.steps import Store

    loaded = read_suite(suite.partition("::")[0], profile)
    extra, _ = given_checkpoints(checkpoint or (), loaded)
    if not files_only:
        loaded, extra = with_stored(loaded, Store(store)), stored(extra, Store(store))
    report = check_suite(loaded, extra, _progress, touch=not files_only)
    _progress("")
    for line in _lines(report, verbose):
        print(line)
    problems = (*report.usage, *report.data)
    if problems:
        tell(UsageError(*problems))
        print(f"{len(problems)} problem{'s' * (len(problems) > 1)} in {loaded.path}", file=sys.stderr)
        raise typer.Exit(int(report.exit_code))
    what = "suite and task files" if files_only else "data, checkpoints, suite and task files"
    print(f"{loaded.path}, profile {loaded.profile_name or '-'}: {what} are sound")


def _progress(what: str) -> None:
    """What is looked at just now, on one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what[:100]}", end="", file=sys.stderr, flush=True)


def _lines(report: Report, verbose: bool) -> list[str]:
    groups: dict[tuple[str, str, int], list[Measured]] = {}
    for found in report.measured:
        groups.setdefault((found.wanted.task, found.wanted.split, found.wanted.length), []).append(found)
    lines = []
    for (task, split, length), members in groups.items():
        lines.append(_line(f"{task} {split}", length, members))
        if verbose and len(members) > 1:
            lines += [_line(f"  [{m.wanted.language}]", length, [m]) for m in members]
    return lines + [f"note: {note}" for note in dict.fromkeys(report.notes)]


def _line(name: str, length: int, members: list[Measured]) -> str:
    languages = f"{len(members)} language{'s' * (len(members) > 1)}"
    text = f"{name:28} {languages:13} {sum(m.rows for m in members):8,} rows"
    if members[0].longest is None:
        return text
    worst = max(members, key=lambda m: m.beyond)
    text += f"  longest {max(m.longest or 0 for m in members):5} sub-words of {length}"
    if worst.beyond:
        where = f" in {worst.wanted.language}" if len(members) > 1 else ""
        text += f"; {100 * worst.beyond:.1f}% longer{where}"
    return text
