"""Adapters, metrics and analyses of a user's own: Python files that a suite names under `plugins`."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from xharness.adapter import RetrievalAdapter, TunableAdapter, installed_adapters, register_adapter
from xharness.analysis import Analysis, installed_analyses, register_analysis
from xharness.errors import Problem, UsageError
from xharness.metrics import Metric, installed_metrics, metric, register_metric

_done: dict[str, tuple[str, ...]] = {}
"""File -> what it defines: `adapter NAME`, `metric NAME`, `analysis NAME`."""


def load_plugins(files: Sequence[str]) -> None:
    """Import each file once and register what it defines; UsageError when there is none or a name is taken."""
    for file in files:
        if file not in _done:
            module = _imported(file)
            adapters, metrics, analyses = _adapters(module, file), _metrics(module), _analyses(module, file)
            if not adapters and not metrics and not analyses:
                what = "defines no adapter, no metric and no analysis."
                hint = "An adapter is a class with name, columns, metrics, check, encode; a metric is a `Metric(…)`; "
                hint += "an analysis is a class with name, options, answer."
                raise UsageError(Problem(file, what, hint))
            named = (*(f"adapter {a.name}" for a in adapters), *(f"metric {m.name}" for m in metrics),
                     *(f"analysis {a.name}" for a in analyses))  # fmt: skip
            _require_free(named, file)
            for adapter in adapters:
                register_adapter(adapter)
            for made in metrics:
                register_metric(made)
            for analysis in analyses:
                register_analysis(analysis)
            _done[file] = named


def _imported(file: str) -> ModuleType:
    path = Path(file)
    spec = importlib.util.spec_from_file_location(f"xharness_plugin_{path.stem}", path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise UsageError(
            Problem(file, "the plug-in does not exist.", "plugins are Python files, relative to the suite.")
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(Problem(file, f"the plug-in cannot be imported: {type(error).__name__}: {error}.")) from error
    return module


def _adapters(module: ModuleType, file: str) -> list[Any]:
    """Those that the file defines; one that it imports is not its own."""
    found: list[Any] = []
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if kind.__module__ != module.__name__ or not (hasattr(kind, "encode") or hasattr(kind, "retrieve")):
            continue
        adapter: Any = kind()
        asked: Any = TunableAdapter if hasattr(kind, "encode") else RetrievalAdapter
        missing = sorted(n for n in _members(asked) if not hasattr(adapter, n))
        if missing:
            raise UsageError(Problem(file, f"the adapter {kind.__name__} lacks {', '.join(missing)}."))
        found.append(adapter)
    return found


def _analyses(module: ModuleType, file: str) -> list[Any]:
    """Those that the file defines."""
    found: list[Any] = []
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if kind.__module__ == module.__name__ and hasattr(kind, "answer"):
            if missing := sorted(n for n in _members(Analysis) if not hasattr(kind, n)):
                raise UsageError(Problem(file, f"the analysis {kind.__name__} lacks {', '.join(missing)}."))
            found.append(kind())
    return found


def _metrics(module: ModuleType) -> list[Metric]:
    """Those that the file defines; a built-in one that it imports to build on is not its own."""
    held = {id(value): value for value in vars(module).values() if isinstance(value, Metric)}
    return [made for made in held.values() if made.name not in installed_metrics() or metric(made.name) is not made]


def _require_free(named: Sequence[str], file: str) -> None:
    """UsageError where another file, or the installation, has something of that name: which one would be meant?"""
    holders = {f"adapter {name}": "is installed" for name in installed_adapters()}
    holders |= {f"metric {name}": "is installed" for name in installed_metrics()}
    holders |= {f"analysis {name}": "is installed" for name in installed_analyses()}
    holders |= {name: f"is defined in {other}" for other, names in _done.items() for name in names}
    for name in named:
        if name in holders:
            what = f"defines the {name}, but one of that name {holders[name]}."
            raise UsageError(Problem(file, what, "Give it another name."))


def _members(protocol: type) -> set[str]:
    """What a protocol asks for, its parents' included."""
    asked: set[str] = set()
    for parent in protocol.__mro__:
        if getattr(parent, "_is_protocol", False):
            asked |= {*vars(parent), *vars(parent).get("__annotations__", {})}
    return {name for name in asked if not name.startswith("_")}
