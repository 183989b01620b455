"""`xharness list`: the cells of a suite, without importing torch."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Annotated

import typer

from xharness.cli import completion
from xharness.cli import options as o
from xharness.collect.cells import Cell, collect, skipper
from xharness.collect.checkpoints import given_checkpoints
from xharness.collect.patterns import check_patterns
from xharness.collect.selection import select, unmatched
from xharness.errors import NothingSelected
from xharness.spec.load import Loaded, load_suite


@o.filtered
def list_cells(
    suites: Annotated[
        list[str],
        typer.Argument(
            metavar="SUITE...",
            help="Suite files or names; `SUITE::ID` names cells.",
            autocompletion=completion.suites,
        ),
    ],
    profile: o.ProfileOption = None,
    checkpoint: o.CheckpointOption = None,
    filters: o.Filters = o.NO_FILTERS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a cell.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Ids only.")] = False,
    last_failed: o.LastFailedOption = False,
    failed_first: o.FailedFirstOption = False,
    store: o.StoreOption = o.DEFAULT_STORE,
) -> None:
    """List the cells of suites as a tree with ids; nothing is loaded or run."""
    mode = o.failed_mode(last_failed, failed_first)
    written: list[str] = []
    empty: list[NothingSelected] = []
    said: list[dict[str, str]] = []
    for given in dict.fromkeys(suites):
        path, chosen = filters.of(given)
        loaded = load_suite(path, profile)
        extra, kept = given_checkpoints(checkpoint or (), loaded)
        check_patterns(loaded, extra)
        every = collect(loaded, extra)
        said.append(unmatched(every, chosen, loaded))
        try:
            cells = select(every, replace(chosen, checkpoints=kept), loaded)
        except NothingSelected as error:
            if "::" in given:
                raise
            # As in pytest, what is asked of several suites need not be in each.
            empty.append(error)
            continue
        if mode is not None:
            from xharness.session.failed import by_last_failed

            cells, _, note = by_last_failed(cells, mode, store, loaded)
            print(note, file=sys.stderr)
        write = _json if as_json else _ids if quiet else _tree
        written.append(write(cells, loaded))
    if not written:
        raise empty[0]
    for given, what in said[0].items():
        if all(given in other for other in said):
            print(f"warning: {what}", file=sys.stderr)
    # Nothing is listed before all is known to be right.
    sys.stdout.writelines(written)


def _ids(cells: list[Cell], loaded: Loaded) -> str:
    return "".join(f"{c.id}\n" for c in cells)


def _json(cells: list[Cell], loaded: Loaded) -> str:
    lines = []
    skip = skipper(loaded)
    for c in cells:
        task = loaded.tasks[c.target]
        lines.append(
            json.dumps(
                {
                    "id": c.id,
                    "checkpoint": c.checkpoint,
                    "intermediate": c.intermediate,
                    "target": c.target,
                    "seed": c.seed,
                    "group": task.group,
                    "metric": task.metric,
                    "languages": list(c.languages or task.languages),
                    "skip": skip(c),
                }
            )
        )
    return "".join(f"{line}\n" for line in lines)


def _tree(cells: list[Cell], loaded: Loaded) -> str:
    lines = [f"{loaded.path.name}  profile {loaded.profile_name or '-'}: {loaded.suite.title}"]
    above: tuple[str, str] = ("", "")
    skip_reason = skipper(loaded)
    for c in cells:
        if c.checkpoint != above[0]:
            lines.append(f"  {c.checkpoint}")
        if (c.checkpoint, c.intermediate) != above:
            lines.append(f"    {c.intermediate}")
        above = (c.checkpoint, c.intermediate)
        languages = c.languages or loaded.tasks[c.target].languages
        skip = skip_reason(c)
        tail = f"  skip: {skip}" if skip else ""
        lines.append(f"      {c.name}  {len(languages)} language{'s' if len(languages) > 1 else ''}{tail}")
    lines.append(f"{len(cells)} cell{'s' if len(cells) != 1 else ''}")
    return "\n".join(lines) + "\n"
