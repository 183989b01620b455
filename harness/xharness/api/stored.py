"""Stored runs as commands and Python users find them: the folder, the store, the board, the suite."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xharness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from xharness.board.board import Board
    from xharness.record import Record
    from xharness.spec.load import Loaded
    from xharness.store.steps import Store


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


def store_of(run: Path) -> Store:
    """The store that a run's folder is in, which need not be the one of --store."""
    from xharness.store.steps import Store

    return Store(run.parent.parent)


def read_board(folder: Path, metric: str | None = None) -> tuple[dict[str, Any], list[Record], Board]:
    """A stored run, its records, and the board that they make, with the marks of significant gains.

    Under another metric than the targets' own if one is given.
    """
    from xharness.board.board import make_board
    from xharness.board.metric_view import under
    from xharness.board.significance import significant_gains
    from xharness.metrics import metric as rule
    from xharness.plugins import load_plugins
    from xharness.score.scheme import scheme_of
    from xharness.store.runs import read_run

    run, records = read_run(folder)
    load_plugins(run.get("plugins", ()))
    if metric is not None:
        run, records = under(metric, run, records, lambda name: rule(name).higher_is_better)
    return run, records, make_board(run, records, scheme_of(run), significant_gains(run, records, store_of(folder)))


def suite_of(facts: dict[str, Any]) -> Loaded | None:
    """The suite of a run as it is now; None where it cannot be read any more."""
    from xharness.spec.load import load_suite

    try:
        return load_suite(facts["suite"], facts["profile"])
    except HarnessError:
        return None
