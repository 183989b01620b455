"""What sweeps chose for a cell: read from the manifests of the steps that chose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xharness.plan.plan import Plan
from xharness.store.steps import Store


def choices_of(plan: Plan, store: Store, cell: str) -> tuple[dict[str, Any], ...]:
    """One entry a swept stage under a cell: `role`, `on`, `chosen`, `tried` (values, dev score, key), in their order.

    `role` is `target` for the target's own tuning, else `intermediate`. Without those that are not made.
    """
    found = []
    for step in plan.under(cell):
        summary = (store.manifest(step.key) or {}).get("summary", {}) if step.work.KIND == "choose" else {}
        if "chosen" in summary:
            kept = {key: summary[key] for key in ("on", "chosen", "tried", "higher_is_better")}
            found.append({"role": step.role, **kept, "key": step.key})
    return tuple(found)


def chosen_text(sweep: Iterable[Mapping[str, Any]]) -> str:
    """The chosen values as `Record.swept` has them."""
    parts = []
    for one in sweep:
        before = "" if one["role"] == "target" else f"{'+'.join(one['on'])}."
        parts += [f"{before}{key}={value}" for key, value in one["chosen"].items()]
    return " ".join(parts)
