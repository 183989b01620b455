"""Where in a TOML file a key stands: `tomli` parses but keeps no lines, and errors must name them."""

from __future__ import annotations

import re
from collections.abc import Sequence

Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*(\]\]?)\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_TOKEN = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*|[\[\]{}]')


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


class Positions:
    """Key path -> line, by one scan over the file's lines."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self._at: dict[Path, int] = {}
        self._scan()

    def _scan(self) -> None:
        prefix: Path = ()
        counts: dict[Path, int] = {}
        depth, fence = 0, ""
        for number, line in enumerate(self.lines, 1):
            if not fence and depth == 0:
                if header := _HEADER.match(line):
                    prefix = self._table(_parts(header[2]), header[1] == "[[", counts)
                    self._at.setdefault(prefix, number)
                    continue
                if key := _KEY.match(line):
                    self._at.setdefault(prefix + _parts(key[1]), number)
            depth, fence = _balance(line, depth, fence)

    @staticmethod
    def _table(parts: tuple[str, ...], is_array: bool, counts: dict[Path, int]) -> Path:
        """The path of a `[table]` or `[[array]]` header, with the index of every array element on the way."""
        path: Path = ()
        for i, part in enumerate(parts):
            path = (*path, part)
            if is_array and i == len(parts) - 1:
                counts[path] = counts.get(path, -1) + 1
            if path in counts:
                path = (*path, counts[path])
        return path

    def line(self, path: Sequence[str | int], value: object = None) -> int:
        """The line of a key, or of the nearest key above it; of `value` inside it where that can be found."""
        path = tuple(path)
        while path and path not in self._at:
            path = path[:-1]
        start = self._at.get(path, 1)
        if isinstance(value, str) and value:
            for number in range(start, min(start + 60, len(self.lines)) + 1):
                if f'"{value}"' in self.lines[number - 1] or f"'{value}'" in self.lines[number - 1]:
                    return number
        return start


def _balance(line: str, depth: int, fence: str) -> tuple[int, str]:
    """Bracket depth and open multi-line string after a line."""
    at = 0
    while at < len(line):
        if fence:
            end = line.find(fence, at)
            if end < 0:
                return depth, fence
            at, fence = end + 3, ""
            continue
        token = _TOKEN.search(line, at)
        if not token:
            break
        at = token.end()
        text = token[0]
        if text in ('"""', "'''"):
            fence = text
        elif text in "[{":
            depth += 1
        elif text in "]}":
            depth = max(0, depth - 1)
        elif text.startswith("#"):
            break
    return depth, fence
