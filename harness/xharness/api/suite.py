"""A suite made in Python: the keys of a suite's file as arguments, checked as the file is."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xharness.errors import HarnessError, Problem, UsageError

LINE = re.compile(r":(\d+)$")


class Suite:
    """A suite; every argument is a key of a suite's file, tables are dictionaries, several tables a list of them.

    Paths in `extends`, `plugins` and `checkpoint` are relative to the current folder. UsageError that names the
    argument where the file's error would name the line.
    """

    def __init__(self, title: str, grid: Mapping[str, Any] | None = None, **keys: Any) -> None:
        self.title = title
        given = {"title": title, **keys, **({} if grid is None else {"grid": grid})}
        # What has no table of its own comes first in TOML.
        self._keys: dict[str, Any] = {name: _plain(value) for name, value in given.items() if value is not None}
        self._check()

    def __repr__(self) -> str:
        """As it was made."""
        return f"Suite({', '.join(f'{name}={value!r}' for name, value in self._keys.items())})"

    def to_toml(self) -> str:
        """The suite's file; UsageError for a value that TOML does not have."""
        import tomli_w

        try:
            return tomli_w.dumps(self._keys)
        except TypeError as error:
            raise UsageError(Problem("Suite", f"{error}.", "A suite holds texts, numbers, lists and tables.")) from None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file; what is relative in it is then relative to the file's folder."""
        Path(path).write_text(self.to_toml(), encoding="utf-8")
        return Path(path)

    def written(self, store: Path) -> Path:
        """The suite as a file in a store, so that its runs can be read again; the same suite is the same file."""
        text = self._absolute()
        slug = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")[:40] or "suite"
        path = store / "suites" / f"{slug}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.toml"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(f".{os.getpid()}")
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        return path

    def _absolute(self) -> str:
        """The file with paths that hold wherever it lies."""
        import tomli_w

        held = dict(self._keys)
        if str(held.get("extends", "")).endswith(".toml"):
            held["extends"] = str(Path(held["extends"]).resolve())
        if "plugins" in held:
            held["plugins"] = [str(Path(given).resolve()) for given in held["plugins"]]
        if "checkpoint" in held:
            held["checkpoint"] = [
                {**one, "path": str(Path(one["path"]).resolve())} if "path" in one else one
                for one in held["checkpoint"]
            ]
        return tomli_w.dumps(held)

    def _check(self) -> None:
        from xharness.spec.load import load_suite

        self.to_toml()
        with tempfile.TemporaryDirectory() as folder:
            path = self.written(Path(folder))
            text = path.read_text(encoding="utf-8")
            try:
                load_suite(str(path))
            except HarnessError as error:
                raise UsageError(*(_told(problem, path, text) for problem in error.problems)) from None


def _told(problem: Problem, path: Path, text: str) -> Problem:
    """A problem of the file as one of the argument that the line came from."""
    if path.name not in problem.where:
        return problem
    line = LINE.search(problem.where)
    number = int(line[1]) if line else 1
    argument = "title"
    for one in text.splitlines()[:number]:
        if found := re.match(r"\[+\s*\"?([A-Za-z0-9_-]+)|([A-Za-z0-9_-]+)\s*=(?!=)", one):
            inside = found[1] is None and argument.endswith("]")
            argument = f"{found[1]}[]" if found[1] else argument if inside else str(found[2])
    return Problem(f"Suite({argument.removesuffix('[]')}=…)", problem.what, problem.hint, problem.key)


def _plain(value: Any) -> Any:
    """Tuples as lists, paths as texts, mappings as tables; None is left out."""
    if isinstance(value, Mapping):
        return {str(name): _plain(held) for name, held in value.items() if held is not None}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(held) for held in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
