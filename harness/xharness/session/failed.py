"""Which cells failed last, for `--lf` and `--ff`: kept in the newest run of the same suite and profile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from xharness.collect.cells import Cell
from xharness.errors import ExitCode, HarnessError
from xharness.spec.load import Loaded
from xharness.store.runs import FACTS, own_facts, read_facts, runs_with, write_run

Mode = Literal["only", "first"]
BAD = ("failed", "not run")
ENDED = ("finished", "interrupted")
"""States of a run whose failures are known."""


def still_failing(
    before: Iterable[str],
    cells: Sequence[Mapping[str, Any]],
    wrong: Collection[str] = (),
    stopped: Collection[str] = (),
    unsettled: Collection[str] = (),
) -> list[str]:
    """Names of the cells that fail now; those in `wrong` have a failed expectation.

    A cell that failed before counts until it passes as a whole. It has not if it was `stopped` before its turn, or is
    `unsettled`: only some of its languages were run, or an expectation could not be judged.
    """
    bad = {c["name"] for c in cells if c["name"] not in stopped and (c["status"] in BAD or c["name"] in wrong)}
    passed = {c["name"] for c in cells} - bad - {*stopped, *unsettled}
    return sorted({*before, *bad} - passed)


def last_failed(store: Path, loaded: Loaded) -> list[str] | None:
    """Names of the cells that failed last; None when the suite was never run in this profile."""
    suite = loaded.path.resolve()
    for folder in reversed(runs_with(store, FACTS)):
        run = read_facts(folder)
        if run is None or run.get("state") not in ENDED or run.get("profile") != loaded.profile_name:
            continue
        if Path(run.get("suite", "")).resolve() == suite:
            return [str(name) for name in run.get("failing", ())]
    return None


def by_last_failed(
    cells: Sequence[Cell], mode: Mode | None, store: Path, loaded: Loaded
) -> tuple[list[Cell], frozenset[str], str]:
    """(cells, names of those that failed last, what to tell the user): the failed ones alone, or before the others.

    As with pytest, all cells stay when none of them failed last.
    """
    if mode is None:
        return list(cells), frozenset(), ""
    names = last_failed(store, loaded)
    wanted = frozenset(names or ())
    failed = [c for c in cells if c.name in wanted]
    if not failed:
        if names is None:
            note = "this suite was never run in this profile and store"
        else:
            cells_are = "1 failed cell is" if len(names) == 1 else f"{len(names)} failed cells are"
            note = f"{cells_are} not among the selected ones" if names else "no cell failed last"
        return list(cells), frozenset(), f"{note}: all cells are taken"
    first = frozenset(c.name for c in failed)
    told = f"{len(failed)} cell{'s' if len(failed) > 1 else ''} that failed last"
    if mode == "only":
        return failed, first, f"only the {told}"
    return [*failed, *(c for c in cells if c.name not in first)], first, f"first the {told}"


def broken_off(folder: Path, head: Mapping[str, Any], error: BaseException, store: Path, loaded: Loaded) -> None:
    """Write that a run was ended by an error, unless its end stands there already; the same cells fail as before."""
    code = ExitCode.INTERNAL
    if isinstance(error, HarnessError):
        code = error.exit_code
    elif isinstance(error, (KeyboardInterrupt, BrokenPipeError)):
        code = ExitCode.INTERRUPTED
    elif isinstance(error, OSError):
        code = ExitCode.FAILED
    with suppress(HarnessError, OSError):  # That a disk is full as well hides no other error.
        if (own_facts(folder) or {}).get("state") == "running":
            failing = list(last_failed(store, loaded) or ())
            write_run(folder, {**head, "state": "interrupted", "exit": int(code), "failing": failing})
