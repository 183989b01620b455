"""The trackers there are, and whether they are installed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from xharness.errors import UsageError, nearest

TRACKERS = ("wandb", "mlflow", "tensorboard", "trackio")
"""Each is the name of its package, and of the extra that installs it."""


def required(names: Iterable[str]) -> tuple[str, ...]:
    """The trackers, each once; UsageError for one that is not known or not installed."""
    found = tuple(dict.fromkeys(names))
    for name in found:
        if name not in TRACKERS:
            raise UsageError(f"--track '{name}' is not known. {nearest(name, TRACKERS)}")
        spec = find_spec(name)
        # A folder of that name, such as the one wandb writes, is a package of nothing.
        if spec is None or spec.origin is None:
            raise UsageError(f"--track {name}: it is not installed. Install it: pip install 'xharness-stilts[{name}]'")
    return found
