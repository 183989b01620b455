"""`extends`: a suite that takes from another what it leaves out.

The other is a shipped suite by its name (`extends = "xtreme"`) or a TOML file by its path, relative to the file that
names it (`extends = "../mine.toml"`). A value that ends in `.toml` is a path and never a name; of any other, a shipped
suite's name comes first. Paths that the extended suite names stay relative to the extended suite.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xharness.errors import UsageError, nearest
from xharness.spec.parse import ADDED, NAMED, Document, read_document, shown
from xharness.spec.shipped import shipped_names

KEY = "extends"


def read_extended(path: Path, seen: tuple[Path, ...] = ()) -> Document:
    """The document with what it extends merged below it; UsageError where that is not there, or leads in a circle."""
    document = read_document(path)
    given = document.values.get(KEY)
    if given is None:
        return document
    if not isinstance(given, str):
        what = f"must be the name of a shipped suite or the path of a TOML file, found {given!r}."
        raise UsageError(document.problem((KEY,), what))
    seen = (*seen, path.resolve())
    parent = _parent(document, given)
    if parent.resolve() in seen:
        circle = [*seen[seen.index(parent.resolve()) :], parent.resolve()]
        names = " -> ".join(os.path.relpath(p, circle[0].parent) for p in circle)
        raise UsageError(document.problem((KEY,), f"the suites extend each other in a circle: {names}.", value=given))
    base = read_extended(parent, seen)
    own = {key: value for key, value in document.values.items() if key != KEY}
    below = base.values
    if parent.resolve().parent != path.resolve().parent:
        below = _anchored(below, parent.resolve().parent)
    return Document(path, merged(below, own), document.positions, base, document.values)


def chain(document: Document) -> list[Path]:
    """The folders of a suite and of those that it extends, nearest first."""
    folders = []
    current: Document | None = document
    while current is not None:
        folders.append(current.path.resolve().parent)
        current = current.base
    return list(dict.fromkeys(folders))


def _parent(document: Document, given: str) -> Path:
    """The file of the suite that is extended."""
    shipped = shipped_names()
    if given in shipped:
        return shipped[given]
    beside = document.path.parent / os.path.expanduser(given)
    if os.path.isfile(beside):
        return beside
    own = [p.name for p in sorted(document.path.parent.glob("*.toml")) if p.name != document.path.name]
    if given.endswith(".toml"):
        what = f"'{given}' does not exist beside {shown(document.path)}."
        name = os.path.basename(given).removesuffix(".toml")
        hint = f'The shipped suite is extended by its name: extends = "{name}".' if name in shipped else ""
    else:
        what = f"there is no shipped suite called '{given}', and no such file beside {shown(document.path)}."
        hint = ""
    raise UsageError(document.problem((KEY,), what, hint or nearest(given, [*shipped, *own]), given))


def _anchored(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A suite's values with the paths in them made absolute; names and what is no text stay."""
    out = dict(values)
    for key, by_name in (("tasks", False), ("plugins", False), ("baselines", True)):
        if isinstance(given := out.get(key), list):
            out[key] = [_placed(one, folder, by_name) for one in given]
    out |= {"scheme": _placed(out["scheme"], folder, True)} if "scheme" in out else {}
    if isinstance(entries := out.get(NAMED), list):
        out[NAMED] = [
            {**entry, "path": _placed(entry["path"], folder, False)} if isinstance(entry, dict) and "path" in entry
            else entry
            for entry in entries
        ]  # fmt: skip
    return out


def _placed(given: Any, folder: Path, by_name: bool) -> Any:
    """A path as seen from the folder; with `by_name` only that of a file that is there, for it may be a name."""
    if not isinstance(given, str) or "\0" in given:
        return given
    path = folder / os.path.expanduser(given)
    return given if by_name and not path.is_file() else str(path)


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge, `[[checkpoint]]` entries replace namesakes, marks and expectations add up, the rest replaces."""
    out = dict(base)
    for key, value in own.items():
        before = out.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            out[key] = merged(before, value)
        elif key == NAMED and isinstance(value, list) and isinstance(before, list):
            out[key] = _replaced(before, value)
        elif key in ADDED and isinstance(value, list) and isinstance(before, list):
            out[key] = [*before, *value]
        else:
            out[key] = value
    return out


def _replaced(before: list[Any], own: list[Any]) -> list[Any]:
    """Entries of the extended suite, each replaced by its namesake, then those that are new."""
    left = list(own)
    out = []
    for entry in before:
        name = entry.get("name") if isinstance(entry, dict) else None
        same = [e for e in left if isinstance(e, dict) and name is not None and e.get("name") == name][:1]
        out += same or [entry]
        left = [e for e in left if not any(e is s for s in same)]
    return out + left
