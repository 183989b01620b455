"""`xharness plan`: the steps of a suite, what is shared, what is stored, what is left to do."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xharness.cli import options as o
from xharness.errors import ExitCode, counted

if TYPE_CHECKING:
    from rich.console import Console

    from xharness.plan.cost import Estimate
    from xharness.session.session import Prepared

SHOWN = 3
"""Cells of one reason that are named."""


@o.filtered
def plan(
    suite: o.SuiteArgument,
    ids: o.IdsArgument = None,
    profile: o.ProfileOption = None,
    checkpoint: o.CheckpointOption = None,
    store: o.StoreOption = o.DEFAULT_STORE,
    filters: o.Filters = o.NO_FILTERS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a step.")] = False,
    cost: Annotated[bool, typer.Option("--cost", help="The cost alone, as one JSON object, in seconds.")] = False,
    remote: o.RemoteOption = "",
) -> None:
    """Show the steps that a run would take: shared, stored, missing, and an estimate of the cost."""
    from xharness.cli.terminal import terminal
    from xharness.session.session import Request, prepare

    path, chosen = filters.of(suite, ids)
    prepared = prepare(
        Request(suite=path, selection=chosen, profile=profile, checkpoints=tuple(checkpoint or ()), store=store)
    )
    if as_json:
        for row in _rows(prepared):
            print(json.dumps(row, ensure_ascii=False))
        for line in _blocked(prepared):
            print(line, file=sys.stderr)
    elif cost:
        print(json.dumps(_cost(prepared, _elsewhere(prepared, remote)), ensure_ascii=False))
        for line in _blocked(prepared):
            print(line, file=sys.stderr)
    else:
        print_plan(prepared, terminal(), remote)
    raise typer.Exit(int(code_of(prepared)))


def code_of(prepared: Prepared) -> ExitCode:
    """How a run of this plan would end for the cells that cannot be planned: FAILED, unless failure is expected."""
    from xharness.collect.cells import expected_failure

    blocked = [c for c in prepared.cells if c.name in prepared.plan.blocked]
    unexpected = any(expected_failure(c, prepared.loaded) is None for c in blocked)
    return ExitCode.FAILED if unexpected else ExitCode.OK


def _blocked(prepared: Prepared) -> list[str]:
    """What cannot be planned: cells of one reason in one line."""
    return _by_reason("blocked", prepared.plan.blocked)


def _by_reason(word: str, whys: Mapping[str, str]) -> list[str]:
    cells: dict[str, list[str]] = {}
    for name, why in whys.items():
        cells.setdefault(why, []).append(name)
    return [f"{word}: {_some(names)}: {why}" for why, names in cells.items()]


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _elsewhere(prepared: Prepared, remote: str) -> frozenset[str]:
    """What a run would fetch from a remote store; a warning where that cannot be asked."""
    if not remote:
        return frozenset()
    from xharness.remote.line import Line
    from xharness.session.fetching import there

    line = Line(remote, read_only=True)
    found = there(line, prepared.plan, prepared.store)
    for said in line.warnings(over=True):
        print(f"warning: {said}", file=sys.stderr)
    return found


def _cost(prepared: Prepared, elsewhere: frozenset[str]) -> dict[str, Any]:
    """What is missing and what it takes."""
    from xharness.plan.workers import cost_of

    left, course = cost_of(prepared.plan, prepared.store, elsewhere)
    told = {"cells": len(prepared.plan.cells), "blocked": len(prepared.plan.blocked), "fetched": len(elsewhere)}
    return {**told, "steps": len(left.missing), "unknown": left.guessed, "made_on": left.made_on, **course.as_json()}


def _rows(prepared: Prepared) -> list[dict[str, Any]]:
    shared = prepared.plan.shared()
    known = set(prepared.store.keys())
    rows = []
    for key, step in prepared.plan.steps.items():
        rows.append(
            {
                "key": key,
                "kind": step.work.KIND,
                "label": step.work.label,
                "needs": list(step.needs),
                "cells": shared[key],
                "stored": key in known and prepared.store.has(key),
            }
        )
    return rows


def _print_steps(rows: Sequence[Mapping[str, Any]], left: Estimate, console: Console) -> None:
    """A line a step, in columns; a table of rich takes minutes over a hundred thousand of them."""
    from rich.cells import cell_len

    width = max([4, *(cell_len(row["label"]) for row in rows)])
    console.out(f"{'step':{width}}  cells  {'state':10}  key", style="bold", highlight=False)
    for stored, group in itertools.groupby(rows, key=lambda row: bool(row["stored"])):
        lines = [
            f"{row['label']}{' ' * (width - cell_len(row['label']))}  {row['cells']:5}  "
            f"{'stored' if stored else left.state(row['key']):10}  {row['key']}"
            for row in group
        ]
        console.out("\n".join(lines), style="dim" if stored else None, highlight=False)


def print_plan(prepared: Prepared, console: Console, remote: str = "") -> None:
    """The plan as a table, and its sums; what a remote store has need not be made."""
    from xharness.plan.sweeping import costs
    from xharness.plan.workers import cost_of

    rows = _rows(prepared)
    elsewhere = _elsewhere(prepared, remote)
    left, course = cost_of(prepared.plan, prepared.store, elsewhere)
    _print_steps(rows, left, console)
    alone = sum(row["cells"] for row in rows)
    shared = f"; without sharing {alone} ({alone / len(rows):.1f} times as many)" if rows else ""
    cells = f"{counted(len(prepared.plan.cells), 'cell')}, {counted(len(rows), 'step')}"
    console.print(f"{cells}{shared}", highlight=False)
    for cost in costs(prepared.plan):
        console.print(cost.sentence(), highlight=False, markup=False, soft_wrap=True)
    blocked, count = len(prepared.plan.blocked), len(prepared.plan.cells)
    if blocked:
        console.print(f"{blocked} of {count} cells cannot be planned", style="red", highlight=False)
    if blocked < count or not blocked:
        console.print(f"{'the others: ' if blocked else ''}{left.sentence()}", highlight=False, soft_wrap=True)
    for said in course.sentences():
        console.print(said, highlight=False, soft_wrap=True)
    for line in _blocked(prepared):
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
    for line in _by_reason("skipped", {cell.name: why for cell, why in prepared.skipped.items()}):
        console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)
