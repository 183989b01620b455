"""`xharness schema`: the JSON Schema of suites or tasks."""

from __future__ import annotations

from typing import Annotated

import typer

from xharness.errors import UsageError, nearest


def schema(kind: Annotated[str, typer.Argument(metavar="[suite|task]", help="Which files.")] = "suite") -> None:
    """Print the JSON Schema of suites or tasks, as `suites/schemas/` has it for editors."""
    from xharness.spec.schema import KINDS, text

    for known in KINDS:
        if kind == known:
            print(text(known), end="")
            return
    raise UsageError(f"there is no schema of '{kind}'. {nearest(kind, KINDS)}")
