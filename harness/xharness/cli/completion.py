"""Completion of what stands in a suite: suites, profiles, cell ids and their parts. Silent whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from xharness.spec.load import Loaded

MOST = 500
"""Ids offered at the most: a shell shows no more with any use."""


def suites(ctx: typer.Context, incomplete: str) -> list[str]:
    """Files that may be suites, the names of shipped ones, and after `::` the cells."""
    given, separator, part = incomplete.partition("::")
    if separator:
        return [f"{given}::{name}" for name in _ids(ctx, given, part)]
    return sorted({*_starting(_shipped(), incomplete), *_files(incomplete)})


def _shipped() -> Iterable[str]:
    from xharness.spec.shipped import shipped_names

    return shipped_names()


def _files(incomplete: str) -> list[str]:
    """TOML files and folders whose path begins so."""
    from glob import escape, glob

    found = glob(f"{escape(incomplete)}*/") + glob(f"{escape(incomplete)}*.toml")
    return [path for path in found if not path.startswith((".", "_"))]


def trackers(incomplete: str) -> list[str]:
    """Names of the trackers."""
    from xharness.tracking.names import TRACKERS

    return _starting(TRACKERS, incomplete)


def engines(incomplete: str) -> list[str]:
    """Names of the engines."""
    from xharness.engines.names import ENGINES

    return _starting(ENGINES, incomplete)


def cells(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the cells of the suite on the command line."""
    return _ids(ctx, "", incomplete)


def _ids(ctx: typer.Context, suite: str, part: str) -> list[str]:
    from xharness.collect.cells import collect

    loaded = _loaded(ctx, suite)
    if loaded is None:
        return []
    found: dict[str, None] = {}
    for cell in collect(loaded):
        short = f"{cell.intermediate}->{cell.target}"
        # The long id only once the short one is typed: seeds and checkpoints multiply.
        for name in (short, cell.name) if part.startswith(short) else (short,):
            if name.startswith(part):
                found[name] = None
        if len(found) >= MOST:
            break
    return list(found)


def stored_cells(ctx: typer.Context, incomplete: str) -> list[str]:
    """Cells of the newest run, or of the one that `--run` names, that passed."""
    from pathlib import Path

    from xharness.api.stored import DEFAULT
    from xharness.store.runs import latest_run, read_facts

    folder = latest_run(Path(ctx.params.get("store") or DEFAULT), ctx.params.get("run"))
    facts = read_facts(folder) if folder is not None else None
    return _starting((cell["name"] for cell in facts["cells"] if cell.get("key")), incomplete)[:MOST] if facts else []


def profiles(ctx: typer.Context, incomplete: str) -> list[str]:
    """Profiles of the suite on the command line."""
    return _of(lambda loaded: loaded.suite.profile)(ctx, incomplete)


def intermediates(ctx: typer.Context, incomplete: str) -> list[str]:
    """Intermediates of the suite."""
    return _of(lambda loaded: loaded.intermediates)(ctx, incomplete)


def targets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Targets of the suite."""
    return _of(lambda loaded: loaded.targets)(ctx, incomplete)


def checkpoints(ctx: typer.Context, incomplete: str) -> list[str]:
    """Checkpoints of the suite."""
    return _of(lambda loaded: [c.name for c in loaded.suite.checkpoint])(ctx, incomplete)


def languages(ctx: typer.Context, incomplete: str) -> list[str]:
    """Languages of the suite's targets."""
    return _of(lambda loaded: {code for name in loaded.targets for code in loaded.tasks[name].languages})(
        ctx, incomplete
    )


def _of(names: Callable[[Loaded], Iterable[str]]) -> Callable[[typer.Context, str], list[str]]:
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        loaded = _loaded(ctx)
        return _starting(sorted(names(loaded)), incomplete) if loaded is not None else []

    return complete


def _starting(names: Iterable[str], beginning: str) -> list[str]:
    return [name for name in names if name.startswith(beginning)]


def _loaded(ctx: typer.Context, suite: str = "") -> Loaded | None:
    """The suite that the command line names so far; None where there is none that loads."""
    from xharness.errors import HarnessError
    from xharness.spec.load import load_suite

    params: dict[str, Any] = ctx.params
    # While an option's value is typed, the arguments before it are not yet assigned.
    given = suite or params.get("suite") or next(iter(params.get("suites") or ctx.args), None)
    if not given:
        return None
    path = str(given).partition("::")[0]
    for profile in dict.fromkeys((params.get("profile"), None)):
        try:
            return load_suite(path, profile)
        except HarnessError:
            continue
    return None
