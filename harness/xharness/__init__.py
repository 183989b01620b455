"""xharness: does English intermediate-task training improve zero-shot cross-lingual transfer?

    import xharness as xh
    run = xh.run("suites/xtreme.toml", profile="micro", select="squad_v1 or none")
    run.board()

`run` runs a suite, `open` and `runs` find earlier runs, `Suite` is a suite made in Python; all of them raise a
`HarnessError`, which is a sentence to a person. Importing this imports neither torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xharness.api.runs import Run, Stopped, run, runs
    from xharness.api.runs import open_run as open
    from xharness.api.suite import Suite
    from xharness.api.views import BoardView
    from xharness.errors import (
        CheckpointError,
        DataError,
        ExitCode,
        HarnessError,
        NothingSelected,
        StoreError,
        UsageError,
    )

__version__ = "0.1.0"

__all__ = [
    "BoardView",
    "CheckpointError",
    "DataError",
    "ExitCode",
    "HarnessError",
    "NothingSelected",
    "Run",
    "Stopped",
    "StoreError",
    "Suite",
    "UsageError",
    "__version__",
    "open",
    "run",
    "runs",
]

_WHERE = {
    "BoardView": "api.views",
    "Run": "api.runs",
    "Stopped": "api.runs",
    "Suite": "api.suite",
    "open": "api.runs",
    "run": "api.runs",
    "runs": "api.runs",
}
"""Name -> the module that has it; the others are in `errors`."""


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'xharness' has no attribute '{name}'")
    module = import_module(f"xharness.{_WHERE.get(name, 'errors')}")
    return getattr(module, "open_run" if name == "open" else name)


def __dir__() -> list[str]:
    """What there is, for completion."""
    return sorted(__all__)
