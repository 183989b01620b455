"""The notes under a board on retrieval: where embeddings come from, how they are searched, what the ranking prefers."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from xharness.record import Record
from xharness.score.rounding import rounded

ADAPTERS = ("retrieval", "ranking")


def embedding_notes(run: Mapping[str, Any]) -> list[str]:
    """What embeds the sentences of the retrieval targets."""
    notes = []
    retrieval = [t for t in run["targets"] if run["tasks"][t]["adapter"] in ADAPTERS]
    trained = {t: run["tasks"][t].get("tuned_on", t) for t in retrieval}
    if any(head == target for target, head in trained.items()):
        for name, checkpoint in run["checkpoints"].items():
            how = checkpoint["retrieval"]
            layer = "two thirds of the depth" if how["layer"] is None else f"hidden_states[{how['layer']}]"
            notes.append(f"retrieval with {name}: {how['pooling']} pooling of {layer}")
    for target, head in trained.items():
        if head != target:
            notes.append(f"{run['tasks'][target]['title']}: embedded by the head trained on {head}")
    return notes


def search_notes(run: Mapping[str, Any]) -> list[str]:
    """How they are searched."""
    notes = []
    for target in run["targets"]:
        task = run["tasks"][target]
        options = ", ".join(f"{k} = {v}" for k, v in task["options"].items())
        if task["adapter"] in ADAPTERS and options:
            notes.append(f"{task['title']}: {options}")
    return notes


def ranking_notes(run: Mapping[str, Any], records: Sequence[Record]) -> list[str]:
    """How far a ranking prefers the query's own language, and what an index that misses some costs."""
    means: dict[tuple[str, str], list[float]] = {}
    for r in records:
        if r.target in run["targets"]:
            means.setdefault((r.target, r.metric), []).append(r.value)
    notes = []
    for (target, metric), values in means.items():
        title, mean = run["tasks"][target]["title"], rounded(statistics.fmean(values))
        k = re.fullmatch(r"same_language_at_(\d+)", metric)
        if k and (target, "pool_share") in means:
            share = rounded(statistics.fmean(means[target, "pool_share"]))
            notes.append(f"{title}: of the first {k[1]}, {mean} % are in the query's language; of the pool {share} %")
        if metric == "index_recall":
            notes.append(f"{title}: the index finds {mean} % of what exact search finds")
    return notes
