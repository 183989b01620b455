"""Where in a TOML file a key stands: `tomli` parses but keeps no lines, and errors must name them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress

import tomli

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')[ \t]*""")
_TEXT = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:""?(?!"))?' r"|'''.*?'''(?:''?(?!'))?" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'", re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]*")
DEEPEST = 100
"""Tables and lists inside each other whose keys are still told apart."""


class Positions:
    """Key path -> the lines it takes up, by one scan over a text that is known to be TOML, made when first asked."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._breaks = [m.start() for m in re.finditer("\n", text)]
        self._found: dict[Path, tuple[int, int]] | None = None
        self._counts: dict[Path, int] = {}

    @property
    def _at(self) -> dict[Path, tuple[int, int]]:
        """Path -> where its text begins and ends."""
        if self._found is None:
            self._found = {}
            with suppress(_Lost, RecursionError):  # What was found until then is still right.
                self._scan()
        return self._found

    @property
    def last(self) -> int:
        """Number of the file's last line."""
        return len(self._breaks) + (0 if self._text.endswith("\n") and self._breaks else 1)

    def depth(self, path: Sequence[str | int]) -> int:
        """How much of a path the file itself has: the number of leading parts that stand in it."""
        path = tuple(path)
        while path and path not in self._at:
            path = path[:-1]
        return len(path)

    def line(self, path: Sequence[str | int], value: object = None) -> int:
        """The line of a key, or of the nearest key above it; of `value` inside it where that can be found."""
        path = tuple(path)[: self.depth(path)]
        if not path:
            return 1
        start, end = self._at[path]
        if isinstance(value, str) and value:
            for quote in "\"'":
                at = self._text.find(f"{quote}{value}{quote}", start, end)
                if at >= 0:
                    return self._line(at)
        return self._line(start)

    def _line(self, at: int) -> int:
        return bisect_right(self._breaks, at - 1) + 1 if at else 1

    def _scan(self) -> None:
        prefix: Path = ()
        opened = 0
        at = self._blank(0)
        while at < len(self._text):
            if self._text[at] == "[":
                self._close(prefix, opened, at)
                opened = at
                double = self._text.startswith("[[", at)
                parts, at = self._key(at + (2 if double else 1))
                prefix = self._table(parts, double)
                at += 2 if double else 1
                self._note(prefix, opened, at)
            else:
                at = self._pair(prefix, at, 0)
            at = self._blank(at)
        self._close(prefix, opened, at)

    def _close(self, prefix: Path, opened: int, at: int) -> None:
        """A table ends where the next begins."""
        if prefix and self._at[prefix][0] == opened:
            self._at[prefix] = (opened, at)

    def _note(self, path: Path, start: int, end: int) -> list[Path]:
        """Keep the first place of a path, and of the tables that a dotted key makes on the way; what was new."""
        fresh = [path[:length] for length in range(1, len(path) + 1) if path[:length] not in self._at]
        self._at.update(dict.fromkeys(fresh, (start, end)))
        return fresh

    def _blank(self, at: int) -> int:
        found = _BLANK.match(self._text, at)
        return found.end() if found else at

    def _key(self, at: int) -> tuple[tuple[str, ...], int]:
        parts: list[str] = []
        while True:
            found = _KEY.match(self._text, at)
            if not found:
                raise _Lost
            parts.append(_name(found[1]))
            at = found.end()
            if not self._text.startswith(".", at):
                return tuple(parts), at
            at += 1

    def _table(self, parts: tuple[str, ...], is_array: bool) -> Path:
        """The path of a `[table]` or `[[array]]` header, with the index of every array element on the way."""
        path: Path = ()
        for i, part in enumerate(parts):
            path = (*path, part)
            if is_array and i == len(parts) - 1:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _pair(self, prefix: Path, start: int, depth: int) -> int:
        """`key = value`, and all keys inside the value."""
        parts, at = self._key(start)
        if not self._text.startswith("=", at):
            raise _Lost
        path = (*prefix, *parts)
        fresh = self._note(path, start, start)
        end = self._value(path, self._blank(at + 1), depth)
        self._at.update(dict.fromkeys(fresh, (start, end)))
        return end

    def _value(self, path: Path, at: int, depth: int) -> int:
        opening = self._text[at : at + 1]
        if opening in ("[", "{"):
            if depth >= DEEPEST:
                raise _Lost
            return self._inside(path, at, depth + 1)
        found = (_TEXT if opening in ('"', "'") else _SCALAR).match(self._text, at)
        if not found or found.end() == at:
            raise _Lost
        return found.end()

    def _inside(self, path: Path, start: int, depth: int) -> int:
        """The elements of a list or the pairs of an inline table."""
        closing = "]" if self._text[start] == "[" else "}"
        at, index = self._blank(start + 1), 0
        while not self._text.startswith(closing, at):
            if closing == "]":
                first = at
                at = self._value((*path, index), at, depth)
                self._at.setdefault((*path, index), (first, at))
                index += 1
            else:
                at = self._pair(path, at, depth)
            at = self._blank(at)
            if self._text.startswith(",", at):
                at = self._blank(at + 1)
            elif not self._text.startswith(closing, at):
                raise _Lost
        return at + 1


class _Lost(Exception):
    """The scan met what it does not know."""


def _name(token: str) -> str:
    """A key as the parser reads it."""
    if token[0] == "'":
        return token[1:-1]
    if token[0] == '"':
        return str(tomli.loads(f"key = {token}")["key"]) if "\\" in token else token[1:-1]
    return token
