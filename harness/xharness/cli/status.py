"""`xharness status`: what runs at a store are doing, from another shell."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xharness.cli import options as o


def status(
    store: o.StoreOption = o.DEFAULT_STORE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a run.")] = False,
) -> None:
    """Say of the runs under way what each worker is at, what has failed, and how long the rest may take."""
    from xharness.cli.terminal import terminal
    from xharness.plan.cost import duration
    from xharness.session.status import progress

    found = progress(store)
    if as_json:
        for one in found:
            print(json.dumps(one.as_json(), ensure_ascii=False))
        return
    console = terminal()
    if not found:
        console.print(f"no run is under way in {store}")
    for one in found:
        left = f", about {duration(one.left)} left by the mean of its steps" if one.left is not None else ""
        profile = f" · profile {one.profile}" if one.profile else ""
        console.print(f"{one.title}{profile} · {one.run}", style="bold", soft_wrap=True)
        told = f"{one.done} of {one.steps} steps, {one.reused} reused, for {duration(one.seconds)}{left}"
        console.print(f"  {told}", soft_wrap=True)
        for step in one.running:
            console.print(f"  worker {step.worker}: {step.label}, for {duration(step.seconds)}", soft_wrap=True)
        for label, why in one.failed:
            console.print(f"  failed: {label}: {why}", style="red", soft_wrap=True)
