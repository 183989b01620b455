"""On how many examples a row's intermediate was trained: what the store has of its stages."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xharness.study import Row, Study


def trained_examples(study: Study, row: Row) -> float | None:
    """Train examples of all stages of a row's intermediate, the mean over seeds; None where the store lacks them.

    After caps, sizes and limits on sub-words; an example that is seen in several epochs counts once.
    """
    stages = len(study.loaded.stages(row[1]))
    keys = {r.key: r.seed for r in study.records if (r.checkpoint, r.intermediate) == row}
    found: dict[int, int] = {}
    for key, seed in keys.items():
        chain = _tunings(key, study.folder)[:stages]
        if seed not in found and len(chain) == stages:
            found[seed] = sum(sum(made["summary"].get("examples", {}).values()) for made in chain)
    return statistics.fmean(found.values()) if found and all(found.values()) else None


def _tunings(key: str, folder: Callable[[str], Path]) -> list[dict[str, Any]]:
    """The manifests of the trainings that a stored step rests on, the first one first."""
    try:
        made = json.loads((folder(key) / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    above = [chain for need in made.get("needs", ()) if (chain := _tunings(need, folder))]
    longest = max(above, key=len, default=[])
    return [*longest, made] if made.get("kind") == "tune" else longest
