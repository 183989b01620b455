"""`xharness plan`: the steps of a suite, what is shared, what is stored, what is left to do."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xharness.cli import options as o
from xharness.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from xharness.plan.cost import Estimate
    from xharness.session.session import Prepared


@o.filtered
def plan(
    suite: o.SuiteArgument,
    ids: o.IdsArgument = None,
    profile: o.ProfileOption = None,
    checkpoint: o.CheckpointOption = None,
    store: o.StoreOption = o.DEFAULT_STORE,
    filters: o.Filters = o.NO_FILTERS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a step.")] = False,
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
    else:
        print_plan(prepared, terminal())
    raise typer.Exit(int(code_of(prepared)))


def code_of(prepared: Prepared) -> ExitCode:
    """How a run of this plan would end for the cells that cannot be planned: FAILED, unless failure is expected."""
    from xharness.collect.cells import expected_failure

    blocked = [c for c in prepared.cells if c.name in prepared.plan.blocked]
    unexpected = any(expected_failure(c, prepared.loaded) is None for c in blocked)
    return ExitCode.FAILED if unexpected else ExitCode.OK


def _blocked(prepared: Prepared) -> list[str]:
    return [f"blocked: {name}: {why}" for name, why in prepared.plan.blocked.items()]


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


def print_plan(prepared: Prepared, console: Console) -> None:
    """The plan as a table, and its sums."""
    from xharness.plan.cost import estimate
    from xharness.plan.sweeping import costs

    rows = _rows(prepared)
    left = estimate(prepared.plan, prepared.store)
    _print_steps(rows, left, console)
    alone = sum(row["cells"] for row in rows)
    console.print(
        f"{len(prepared.plan.cells)} cells, {len(rows)} steps; without sharing {alone} "
        f"({alone / max(1, len(rows)):.1f} times as many)",
        highlight=False,
    )
    for cost in costs(prepared.plan):
        console.print(cost.sentence(), highlight=False, markup=False, soft_wrap=True)
    blocked, cells = len(prepared.plan.blocked), len(prepared.plan.cells)
    if blocked:
        console.print(f"{blocked} of {cells} cells cannot be planned", style="red", highlight=False)
    if blocked < cells or not blocked:
        console.print(f"{'the others: ' if blocked else ''}{left.sentence()}", highlight=False)
    for line in _blocked(prepared):
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
    for cell, why in prepared.skipped.items():
        console.print(f"skipped: {cell.name}: {why}", style="yellow", highlight=False, markup=False, soft_wrap=True)
