"""Adapters of a user's own: Python files that a suite names under `plugins`."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xharness.adapter import RetrievalAdapter, TunableAdapter, register_adapter
from xharness.errors import Problem, UsageError

_done: set[str] = set()


def load_plugins(files: Sequence[str]) -> None:
    """Import each file once and register the adapter classes it defines; UsageError when there is none."""
    for file in files:
        if file in _done:
            continue
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
            raise UsageError(
                Problem(file, f"the plug-in cannot be imported: {type(error).__name__}: {error}.")
            ) from error
        classes = [
            c
            for _, c in inspect.getmembers(module, inspect.isclass)
            if c.__module__ == spec.name and (hasattr(c, "encode") or hasattr(c, "retrieve"))
        ]
        if not classes:
            raise UsageError(
                Problem(
                    file, "defines no adapter.", "An adapter is a class with name, columns, metrics, check, encode."
                )
            )
        for cls in classes:
            adapter: Any = cls()
            kind: Any = TunableAdapter if hasattr(cls, "encode") else RetrievalAdapter
            missing = sorted(n for n in _members(kind) if not hasattr(adapter, n))
            if missing:
                raise UsageError(Problem(file, f"the adapter {cls.__name__} lacks {', '.join(missing)}."))
            register_adapter(adapter)
        _done.add(file)


def _members(protocol: type) -> set[str]:
    """What a protocol asks for, its parents' included."""
    asked: set[str] = set()
    for parent in protocol.__mro__:
        if getattr(parent, "_is_protocol", False):
            asked |= {*vars(parent), *vars(parent).get("__annotations__", {})}
    return {name for name in asked if not name.startswith("_")}
