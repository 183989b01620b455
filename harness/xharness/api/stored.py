"""Stored runs as commands and Python users find them: the folder, the store, the board, the suite."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xharness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from xharness.board.board import Board
    from xharness.record import Record
    from xharness.spec.load import Loaded
    from xharness.store.several import Stores
    from xharness.store.steps import Store

DEFAULT = ".xharness"
"""What a store is called that was not named."""


def find_run(run: str | None, store: Path) -> Path:
    """The folder of a run; UsageError when there is none."""
    from xharness.store.runs import RECORDS, latest_run

    if run and os.path.isfile(os.path.join(run, RECORDS)):
        return Path(run).resolve()
    folder = latest_run(store, run)
    if folder is None:
        what = f"no finished run is called '{run}'" if run else "there is no finished run"
        raise UsageError(f"{what} in {store}. `xharness run SUITE` makes one; --store names another place.")
    return folder


def run_of(suite: str, profile: str, store: Path) -> Path:
    """The folder of a suite's newest finished run under a profile; UsageError when there is none."""
    from xharness.store.runs import finished_runs

    # Its name is the time, the suite, the profile and four letters; a suite's name may end in another's.
    wanted = f"{suite}-{profile or 'default'}"
    found = [folder for folder in finished_runs(store) if folder.name[16:].rpartition("-")[0] == wanted]
    if not found:
        what = f"no finished run of {suite} with the profile '{profile}' is in {store}."
        raise UsageError(f"{what} `xharness run SUITE` makes one; --store names another place.")
    return found[-1]


def store_of(run: Path) -> Store:
    """The store that a run's folder is in, which need not be the one of --store."""
    from xharness.store.steps import Store

    return Store(run.parent.parent)


@dataclass(frozen=True)
class Stored:
    """A stored run, or several of them as one, and where its steps lie."""

    run: dict[str, Any]
    records: list[Record]
    stores: Stores


def read_stored(folders: Sequence[Path]) -> Stored:
    """A run, or runs of several stores as one; UsageError where they cannot stand on one board."""
    from xharness.board.joined import Part, joined
    from xharness.plugins import load_plugins
    from xharness.store.runs import read_run
    from xharness.store.several import Stores

    parts, stores = [], [store_of(folder) for folder in folders]
    names = _names([store.root for store in stores])
    for folder, name, store in zip(folders, names, stores, strict=True):
        run, records = read_run(folder)
        load_plugins(run.get("plugins", ()))
        parts.append(Part(name, run, records, store.manifest))
    run, records = joined(parts) if len(parts) > 1 else (dict(parts[0].run), list(parts[0].records))
    return Stored(run, records, Stores(stores))


def find_runs(run: str | None, stores: Sequence[Path]) -> list[Path]:
    """The folder of a run in every store that has one of that name; UsageError where none has.

    Without a name the newest of each, and a store without any is an error, since it was named for its run.
    """
    if run is None or len(stores) == 1:
        return [find_run(run, store) for store in stores]
    found = []
    for store in stores:
        with suppress(UsageError):
            found.append(find_run(run, store))
    if not found:
        raise UsageError(f"no finished run is called '{run}' in {', '.join(map(str, stores))}.")
    return list(dict.fromkeys(found))


def _names(roots: Sequence[Path]) -> list[str]:
    """What stores are called: their folder's name, that of the folder around it where it is the usual one."""
    short = [root.parent.name if root.name == DEFAULT else root.name for root in roots]
    return [name if name and short.count(name) == 1 else str(root) for name, root in zip(short, roots, strict=True)]


def read_board(folder: Path | Sequence[Path], metric: str | None = None) -> tuple[dict[str, Any], list[Record], Board]:
    """A stored run, its records, and the board that they make, with the marks of significant gains.

    Under another metric than the targets' own if one is given; of several folders one board.
    """
    from xharness.board.board import make_board
    from xharness.board.metric_view import under
    from xharness.board.significance import significant_gains
    from xharness.metrics import metric as rule
    from xharness.score.scheme import scheme_of

    stored = read_stored([folder] if isinstance(folder, Path) else folder)
    run, records = stored.run, stored.records
    if metric is not None:
        run, records = under(metric, run, records, lambda name: rule(name).higher_is_better)
    return run, records, make_board(run, records, scheme_of(run), significant_gains(run, records, stored.stores))


def suite_of(facts: dict[str, Any]) -> Loaded | None:
    """The suite of a run as it is now; None where it cannot be read any more."""
    from xharness.spec.load import load_suite

    try:
        return load_suite(facts["suite"], facts["profile"])
    except HarnessError:
        return None
