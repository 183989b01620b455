"""Columns of numbers, lists and arrays in Arrow files that are memory-mapped: written in blocks, read without copies.

A column's kind is that of its first value: a whole number, a number, a text, or an array of numbers of one or two
dimensions. Arrays lie flat with the lengths of their rows, so that a block of ten thousand is one numpy view. A
column that has its first value only in a later block begins a further part of the file (`NAME.1.arrow`).
"""

from __future__ import annotations

import itertools
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.errors import HarnessError, Problem

BLOCK = 10_000
"""Rows of a block."""
TAIL = b"row_shapes"
"""Name, in a file's metadata, of the widths of two-dimensional arrays."""


@dataclass(frozen=True)
class Kind:
    """What the values of one column are."""

    type: str
    """Arrow's name of the type of a value, or of an array's entries."""
    array: bool = False
    width: int | None = None
    """Entries of a row of a two-dimensional array."""


def kind_of(value: Any) -> Kind:
    """The kind of a column that begins with `value`; TypeError for what no column holds."""
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        return Kind("int64")
    if isinstance(value, (float, np.floating)):
        return Kind("float64")
    if isinstance(value, str):
        return Kind("string")
    if isinstance(value, (list, tuple, np.ndarray)):
        try:
            found = np.asarray(value)
        except ValueError:  # Lists of unlike lengths.
            found = np.empty(0, dtype=object)
        if found.dtype.kind in "iufb" and found.ndim in (1, 2):
            given = isinstance(value, np.ndarray) and found.dtype.kind != "b"
            # An empty list says nothing of its entries; whole numbers are what features mostly have.
            name = found.dtype.name if given else "float64" if found.dtype.kind == "f" and found.size else "int64"
            return Kind(name, array=True, width=found.shape[1] if found.ndim == 2 else None)
    raise TypeError(f"{value!r} is neither a number, a text nor an array of numbers")


class ColumnWriter:
    """Writes rows, a mapping of column to value each, to one file."""

    def __init__(self, path: Path, whose: str) -> None:
        """`whose` names the maker of the rows in messages."""
        self.path, self.whose = path, whose
        self.rows = 0
        self._held: list[Mapping[str, Any]] = []
        self._kinds: dict[str, Kind] = {}
        self._file: Any = None
        self._parts = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Take one row; all rows have the same columns, None stands for no value."""
        self._held.append(row)
        self.rows += 1
        if len(self._held) >= BLOCK:
            self._flush()

    def close(self) -> None:
        """Write what is held; a file without rows has no columns."""
        if self._held or self._file is None:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        import pyarrow

        names = list(self._held[0]) if self._held else []
        for name in names:
            if name not in self._kinds:
                first = next((row[name] for row in self._held if row[name] is not None), None)
                if first is not None:
                    self._learn(name, first)
        written = [name for name in names if name in self._kinds]
        arrays = [_array([row[name] for row in self._held], self._kinds[name], self._problem(name)) for name in written]
        batch = pyarrow.RecordBatch.from_arrays(arrays, names=written)
        if self._file is None:
            path = self.path if not self._parts else self.path.with_suffix(f".{self._parts}{self.path.suffix}")
            self._parts += 1
            widths = {name: kind.width for name, kind in self._kinds.items() if kind.width is not None}
            schema = batch.schema.with_metadata({TAIL: json.dumps(widths)})
            self._file = pyarrow.ipc.new_file(str(path), schema)
        self._file.write_batch(batch)
        self._held = []

    def _learn(self, name: str, first: Any) -> None:
        try:
            self._kinds[name] = kind_of(first)
        except TypeError as error:
            raise self._problem(name)(str(error)) from None
        if self._file is not None:
            # A file's columns are fixed by its first block: what comes now begins the next part.
            self._file.close()
            self._file = None

    def _problem(self, name: str) -> Any:
        return lambda what: HarnessError(Problem(self.whose, f"`{name}`: {what}."))


def _array(values: Sequence[Any], kind: Kind, problem: Any) -> Any:
    """One column of a block as an Arrow array."""
    import pyarrow

    try:
        if not kind.array:
            return pyarrow.array(values, type=getattr(pyarrow, kind.type)())
        rows = [_flat(() if v is None else v, kind) for v in values]
        offsets = np.zeros(len(rows) + 1, dtype=np.int32)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        flat = np.concatenate(rows) if rows else np.empty(0, dtype=kind.type)
        absent = pyarrow.array([v is None for v in values])
        return pyarrow.ListArray.from_arrays(offsets, pyarrow.array(flat), mask=absent)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise problem(f"its values are not of one kind ({' '.join(str(error).split())[:200]})") from None


def _flat(value: Any, kind: Kind) -> NDArray[Any]:
    """An array's entries in a row; ValueError for one of another shape."""
    found = np.asarray(value, dtype=kind.type)
    if found.size and found.shape[1:] != (() if kind.width is None else (kind.width,)):
        raise ValueError(f"an array has the shape {found.shape}")
    if found.ndim == 0:
        raise ValueError(f"{value!r} is no array")
    return found.reshape(-1)


class Column:
    """One column of a file, read in place."""

    def __init__(self, blocks: Sequence[Any], sizes: Sequence[int], width: int | None) -> None:
        """`blocks` are Arrow arrays, or None where a whole block has no value; `sizes` are their rows."""
        self._sizes, self._width = sizes, width
        self._starts = [0, *np.cumsum(sizes).tolist()][:-1]
        self._blocks = [None if block is None else _views(block) for block in blocks]

    def __getitem__(self, row: int) -> Any:
        """The value of a row: a number, a text, a numpy view, or None."""
        number = bisect_right(self._starts, row) - 1
        block = self._blocks[number]
        place = row - self._starts[number]
        if block is None or (block.absent is not None and block.absent[place]):
            return None
        if block.offsets is None:
            return block.values[place].item() if isinstance(block.values, np.ndarray) else block.values[place].as_py()
        found = block.values[block.offsets[place] : block.offsets[place + 1]]
        return found.reshape(-1, self._width) if self._width is not None else found

    def lengths(self) -> NDArray[np.int32]:
        """Entries of every row's array; 0 without one."""
        found = [
            np.zeros(size, dtype=np.int32) if block is None or block.offsets is None else np.diff(block.offsets)
            for block, size in zip(self._blocks, self._sizes, strict=True)
        ]
        return np.concatenate(found).astype(np.int32) if found else np.empty(0, dtype=np.int32)

    def flat(self) -> Iterator[NDArray[Any]]:
        """The values of block after block: of arrays their entries, one after the other."""
        for block in self._blocks:
            if block is not None:
                yield block.values

    def texts(self, first: int, last: int) -> list[Any]:
        """The texts of a run of rows; None without one."""
        found: list[Any] = []
        for block, start, size in zip(self._blocks, self._starts, self._sizes, strict=True):
            begin, end = max(first, start) - start, min(last, start + size) - start
            if begin < end:
                found += [None] * (end - begin) if block is None else block.values.slice(begin, end - begin).to_pylist()
        return found


@dataclass(frozen=True)
class Views:
    """One block of a column, without copies."""

    values: Any
    """Of arrays all their entries; texts stay in Arrow."""
    offsets: NDArray[np.int32] | None = None
    """Where the array of each row begins in `values`, and where the last one ends."""
    absent: NDArray[np.bool_] | None = None
    """Which rows have no value; None where all have one."""


def _views(block: Any) -> Views:
    import pyarrow

    absent = block.is_null().to_numpy(zero_copy_only=False) if block.null_count else None
    if pyarrow.types.is_list(block.type):
        return Views(block.values.to_numpy(zero_copy_only=True), block.offsets.to_numpy(zero_copy_only=True), absent)
    if pyarrow.types.is_string(block.type):
        return Views(block, absent=absent)
    if absent is not None:
        return Views(block.fill_null(0).to_numpy(zero_copy_only=False), absent=absent)
    return Views(block.to_numpy(zero_copy_only=True))


class ColumnFile:
    """A file of columns with its further parts, memory-mapped."""

    def __init__(self, path: Path) -> None:
        import pyarrow

        batches: list[Any] = []
        widths: dict[str, int] = {}
        names: dict[str, None] = {}
        for part in _parts(path):
            reader = pyarrow.ipc.open_file(pyarrow.memory_map(str(part)))
            batches += [reader.get_batch(i) for i in range(reader.num_record_batches)]
            widths |= json.loads(reader.schema.metadata[TAIL])
            names |= dict.fromkeys(reader.schema.names)
        sizes = [batch.num_rows for batch in batches]
        self.rows: int = sum(sizes)
        self.columns = {
            name: Column([b.column(name) if name in b.schema.names else None for b in batches], sizes, widths.get(name))
            for name in names
        }


def _parts(path: Path) -> Iterator[Path]:
    yield path
    for number in itertools.count(1):
        part = path.with_suffix(f".{number}{path.suffix}")
        if not part.is_file():
            return
        yield part
