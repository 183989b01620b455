"""The metrics by name; a metric's module is imported when it is first asked for.

Names carry the convention. `recall_at_K` and `map_at_K` exist for every K from 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from xharness.errors import UsageError, nearest
from xharness.metrics.base import Metric

METRICS: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "classification",
        "f1_entity": "tagging",
        "f1_xtreme": "tagging",
        "accuracy_token": "tagging",
        "squad": "question_answering",
        "squad_v2": "question_answering",
        "mlqa": "question_answering",
        "accuracy_tatoeba": "retrieval",
        "accuracy_tatoeba_reverse": "retrieval",
        "f1_tatoeba_mteb": "retrieval",
        "f1_bucc": "retrieval",
        "f1_bucc_mteb": "retrieval",
        "map_at_20": "ranking",
        "recall_at_1": "ranking",
        "recall_at_20": "ranking",
    }
)
"""Name -> the module of this package that defines it."""

_AT_K = re.compile(r"(map|recall)_at_([1-9][0-9]*)")


@cache
def metric(name: str) -> Metric:
    """The metric called `name`; UsageError with the nearest name when there is none."""
    at_k = _AT_K.fullmatch(name)
    if at_k:
        from xharness.metrics import ranking

        make = {"map": ranking.map_at, "recall": ranking.recall_at}[at_k[1]]
        return make(int(at_k[2]))
    if name not in METRICS:
        raise UsageError(f"no metric is called '{name}'. {nearest(name, METRICS)}")
    found: Metric = getattr(import_module(f"xharness.metrics.{METRICS[name]}"), name.upper())
    return found


__all__ = ["METRICS", "Metric", "metric"]
