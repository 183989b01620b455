"""The targets of a board broken down: by language, family, script, size of Wikipedia, or what was transferred."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from xharness.board.grid import languages_of, scores_of, seeds_of
from xharness.record import Record
from xharness.score.averages import Average, by_family, by_script, by_transfer, by_wikipedia


def breakdown(
    run: Mapping[str, Any], records: Sequence[Record], by: str
) -> dict[str, dict[tuple[str, str], dict[str, Average]]]:
    """target -> (checkpoint, intermediate) -> part -> mean over seeds; a part is a language, family, …

    Rows without a cell of a target are left out of its table.
    """
    scores, own, cells = scores_of(run, records), languages_of(run), seeds_of(run)
    split = {"family": by_family, "script": by_script, "wikipedia": by_wikipedia, "transfer": by_transfer}.get(by)
    out: dict[str, dict[tuple[str, str], dict[str, Average]]] = {}
    for target in run["targets"]:
        for label, by_seed in scores.items():
            tables = []
            for seed in cells[label].get(target, ()):
                found = by_seed.get(seed, {}).get(target, {})
                if split is None:
                    tables.append({k: Average(found.get(k), int(k in found), 1) for k in own[target]})
                else:
                    tables.append(split(found, own[target]))
            if tables:
                out.setdefault(target, {})[label] = {part: _over_seeds([t[part] for t in tables]) for part in tables[0]}
    return out


def _over_seeds(found: Sequence[Average]) -> Average:
    values = [a.value for a in found if a.value is not None]
    if len(values) < len(found):
        return min(found, key=lambda a: a.have)
    return Average(statistics.fmean(values), found[0].have, found[0].want)
