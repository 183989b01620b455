"""Which gains of a run are significant: computed once from the stored outcomes, then remembered by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from xharness.errors import HarnessError
from xharness.record import Record
from xharness.store.files import canonical
from xharness.store.several import Stores

VERSION = 3
"""Raise it when the same outcomes give other marks."""


def significant_gains(
    run: Mapping[str, Any], records: Sequence[Record], store: Stores
) -> frozenset[tuple[str, str, str]]:
    """(checkpoint, intermediate, target) whose difference from `none` is significant; empty if outcomes are missing.

    The bootstrap takes seconds, so its answer is kept in the store.
    """
    ends = sorted({(r.checkpoint, r.intermediate, r.target, r.seed, r.key) for r in records})
    if len({i for _, i, *_ in ends}) < 2 or not all(store.has(key) for *_, key in ends):
        return frozenset()
    metrics = {target: run["tasks"][target]["metric"] for target in run["targets"]}
    name = hashlib.sha256(canonical([VERSION, ends, metrics, run.get("languages_selected", {})]).encode()).hexdigest()[
        :20
    ]
    file = store.root / "cache" / f"significance-{name}.json"
    try:
        return frozenset((c, i, t) for c, i, t in json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        pass
    try:
        found = _compute(run, records, store)
    except HarnessError:
        return frozenset()  # Outcomes are missing or do not match: a board without marks is better than none.
    try:
        file.parent.mkdir(exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(sorted(found)), encoding="utf-8")
        fresh.replace(file)
    except OSError:
        pass  # A store that cannot be written is no reason to withhold the board.
    return found


def _compute(run: Mapping[str, Any], records: Sequence[Record], store: Stores) -> frozenset[tuple[str, str, str]]:
    from xharness.board.grid import languages_of
    from xharness.score.compare import significant_against_none
    from xharness.score.matching import sides_of

    return significant_against_none(sides_of(run, records, store.path, languages_of(run)))
