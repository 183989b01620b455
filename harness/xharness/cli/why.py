"""`xharness why`: the steps under a cell, what each is made of, and what changed where it would run again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xharness.cli import completion
from xharness.cli import options as o
from xharness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from xharness.plan.why import Explained

PLACES = {"absent": " (would lie there)", "dropped": " (how it was made, and its lineage)"}
SHOWN = 5
"""Cells explained at once at the most."""


def why(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE",
            help="A suite, `SUITE::ID`, or an ID alone: a cell of the newest run's suite.",
            autocompletion=completion.suites,
        ),
    ],
    ids: o.IdsArgument = None,
    profile: o.ProfileOption = None,
    checkpoint: o.CheckpointOption = None,
    store: o.StoreOption = o.DEFAULT_STORE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a step.")] = False,
) -> None:
    """Say what a cell is made of, and, where it would run again, what has changed since."""
    from xharness.plan.why import explain
    from xharness.session.session import Request, prepare

    path, chosen = o.NO_FILTERS.of(suite, ids)
    if _is_id(suite):
        facts = _newest(store, suite)
        path, chosen = o.NO_FILTERS.of(facts["suite"], [suite, *(ids or ())])
        profile, checkpoint = profile or facts["profile"], checkpoint or _added(facts)
        print(f"of the suite of the newest run: {path}, profile {profile or '-'}", file=sys.stderr)
    request = Request(suite=path, selection=chosen, profile=profile, checkpoints=tuple(checkpoint or ()), store=store)
    prepared = prepare(request)
    if len(prepared.cells) > SHOWN:
        many, example = len(prepared.cells), prepared.cells[0].id
        raise UsageError(f"why explains up to {SHOWN} cells, and this names {many}. Name one, such as '{example}'.")
    blocked = False
    for cell in prepared.cells:
        steps = explain(prepared.plan, prepared.store, cell.name)
        if as_json:
            for step in steps:
                print(json.dumps({"cell": cell.id, **step.as_json()}, ensure_ascii=False))
            continue
        print(cell.id)
        if cell in prepared.skipped:
            print(f"  is skipped: {prepared.skipped[cell]}")
        if cell.name in prepared.plan.blocked:
            blocked = True
            print(f"  cannot be planned: {prepared.plan.blocked[cell.name]}")
        for number, step in enumerate(steps, 1):
            print("\n".join(_lines(number, step)))
    if blocked:
        raise typer.Exit(int(ExitCode.FAILED))


def _is_id(given: str) -> bool:
    """Whether a cell stands where the suite should: no suite on disk has an arrow in its name."""
    return "->" in given.partition("::")[0] and not os.path.exists(given)


def _newest(store: Path, cell: str) -> dict[str, Any]:
    """What the newest finished run was of; UsageError where there is none."""
    from xharness.store.runs import latest_run, read_facts

    folder = latest_run(store)
    facts = read_facts(folder) if folder is not None else None
    if folder is None or facts is None:
        raise UsageError(f"'{cell}' is a cell; name its suite, SUITE::{cell}: there is no finished run in {store}.")
    return facts


def _added(facts: dict[str, Any]) -> list[str]:
    """The run's checkpoints that its suite does not have, as --checkpoint takes them."""
    own = {c["name"] for c in facts["resolved"].get("checkpoint", ())}
    added = [c for name, c in facts["checkpoints"].items() if name not in own]
    return [c["path"] or "@".join(filter(None, (c["hub"], c["revision"]))) for c in added]


def _lines(number: int, step: Explained) -> Iterator[str]:
    from xharness.plan.why import readable

    yield f"\n{number}. {step.label}"
    yield f"   key      {step.key}"
    yield f"   state    {_state(step)}"
    yield f"   output   {step.path}{PLACES.get(step.state, '')}"
    for fault in step.faults:
        yield f"   damaged  {fault}"
    for index, line in enumerate(readable(step.ingredients)):
        yield f"   {'made of' if index == 0 else '':8} {line}"
    if step.state == "absent":
        yield from _difference(step)


def _state(step: Explained) -> str:
    from xharness.cli.store import age
    from xharness.plan.cost import duration

    made = f"made {age(step.stored)} ago by {step.run or 'an unnamed run'} in {duration(step.seconds)}"
    return {
        "stored": f"stored, {made}",
        "dropped": f"its large files were dropped after use; {made}",
        "damaged": f"damaged; {made}",
        "absent": "not stored",
    }[step.state] + ("; would run now" if step.would_run else "" if step.state == "stored" else "; not needed now")


def _difference(step: Explained) -> Iterator[str]:
    near = step.nearest
    if near is None:
        yield f"   changed  nothing comes near: the store has no {step.kind} step of the same task"
        return
    yield f"   changed  since '{near.label}' ({near.key}, {near.run or 'unnamed run'}):"
    for change in near.changes:
        hint = ""
        if change.now in step.needs:
            hint = "  (a step above)"
        yield f"              {change}{hint}"
