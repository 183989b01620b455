"""The metrics by name. Built-in ones and a user's are found alike.

A metric is an object of an entry point in the group `xharness.metrics`, or of a Python file that the suite names under
`plugins`. Its module is imported when it is first asked for. Names carry the convention. An entry `recall_at_K` is a
function that makes the metric for any K from 1.
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import Any

from xharness.errors import UsageError, nearest
from xharness.metrics.base import Metric

GROUP = "xharness.metrics"
_AT_K = re.compile(r"(\w+_at_)([1-9][0-9]*)")
_loaded: dict[str, Metric] = {}
_installed: dict[str, Any] = {}


def installed_metrics() -> dict[str, Any]:
    """Name -> entry point of every metric installed on this machine; nothing is imported."""
    if not _installed:
        _installed.update({point.name: point for point in entry_points(group=GROUP)})
    return _installed


def metric(name: str) -> Metric:
    """The metric called `name`; UsageError with the nearest names when there is none."""
    if name not in _loaded:
        points, at_k = installed_metrics(), _AT_K.fullmatch(name)
        if name in points and not name.endswith("_at_K"):
            _loaded[name] = points[name].load()
        elif at_k and f"{at_k[1]}K" in points:
            _loaded[name] = points[f"{at_k[1]}K"].load()(int(at_k[2]))
        else:
            way = "One of your own: `xharness new metric NAME`, and its file under the suite's `plugins`."
            raise UsageError(f"no metric is called '{name}'. {nearest(name, known_metrics())} {way}")
    return _loaded[name]


def known_metrics() -> tuple[str, ...]:
    """Names of the installed metrics and of those of plug-ins; `recall_at_K` stands for any K."""
    return tuple(dict.fromkeys((*installed_metrics(), *_loaded)))


def register_metric(made: Metric) -> None:
    """Make a metric known by its name, as a plug-in file of a suite does."""
    _loaded[made.name] = made


__all__ = ["Metric", "installed_metrics", "known_metrics", "metric", "register_metric"]
