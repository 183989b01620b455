"""One source of a split in one language: how it is called, where it lies, which of its rows are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from xharness.data.hub import hub_length, hub_rows
from xharness.data.readers import Located, located, read, way_out
from xharness.errors import DataError, Problem, listed, nearest
from xharness.spec.task import ColumnPath, Format, Source, Split, Task

VALUES = 1000
"""Values of a column that are remembered, for the message that no row has the one wanted."""


@dataclass(frozen=True)
class Part:
    """One source of a split in one language. Its rows are read anew each time; how many there are is remembered."""

    task: Task
    source: Source
    language: str
    alone: bool = True
    """Whether the split has no other source."""
    values: dict[str, dict[str, None]] = field(default_factory=dict, compare=False)
    """Column -> the values it had when last read, of the columns that choose rows."""

    @cached_property
    def name(self) -> str:
        """How a message names it."""
        source = self.source
        if source.file:
            return str(path_of(source, self.code))
        if source.builtin:
            return f"built-in {source.builtin}"
        parts = [_fill(p, self.code) for p in (source.config, source.split) if p]
        return f"{source.hub} ({', '.join(parts)})" if parts else str(source.hub)

    @property
    def code(self) -> str:
        """What `{lang}` stands for."""
        return code_of(self.task, self.language)

    @cached_property
    def form(self) -> Format | None:
        """The format of a local file."""
        return self.source.file_format

    @cached_property
    def columns(self) -> dict[str, ColumnPath]:
        """The adapter's columns to the data's."""
        given = self.source.columns
        return dict(given if given is not None else ({} if self.source.builtin else self.task.columns))

    def where(self, number: int) -> str:
        """How a message names a row."""
        return located(self.name, self.form, number) if self.form else f"{self.name}, row {number}"

    def way_out(self, column: str) -> str:
        """What to do where a row lacks a column, as far as the file tells."""
        return way_out(path_of(self.source, self.code), self.source, column) if self.source.file else ""

    def id_of(self, number: int) -> str:
        """The id of a row that has none: no other row of the split has it."""
        return str(number) if self.alone else f"{self.name}:{number}"

    def rows(self) -> Iterator[Located]:
        """The rows that `where`, `drop` and `rows` leave, with their numbers."""
        if not self.source.rows:
            yield from self._kept()
            return
        first, last = (round(part * self.size) for part in self.source.rows)
        for index, row in enumerate(self._kept()):
            if index >= last:
                return
            if index >= first:
                yield row

    @cached_property
    def size(self) -> int:
        """How many rows `where` and `drop` leave; reads them all where that is not told without."""
        return sum(1 for _ in self._kept()) if self.known_size is None else self.known_size

    @cached_property
    def known_size(self) -> int | None:
        """`size` where it is known without reading the rows; None also where reading is going to fail."""
        if self.source.where or self.source.drop or self.source.builtin:
            return None
        try:
            if not self.source.file:
                return hub_length(*self._hub())
            if self.form == "parquet":
                return _parquet_rows(path_of(self.source, self.code))
        except DataError:
            pass
        return None

    @property
    def known_length(self) -> int | None:
        """How many examples there are, where that is known without reading the rows."""
        if self.source.skip_bad:
            return None
        if self.known_size is None or not self.source.rows:
            return self.known_size
        first, last = (round(part * self.known_size) for part in self.source.rows)
        return last - first

    def why_empty(self) -> str:
        """Which condition no row met, and what the data has instead; to ask after reading."""
        if not self.values:
            return f"{self.name} is empty"
        parts = []
        for column, wanted in self.source.where.items():
            value = _fill(wanted, self.code) if isinstance(wanted, str) else wanted
            found = self.values.get(column)
            if found is not None and not any(_matches(v, wanted, self.code) for v in found):
                others = ", ".join([*found][:12]) + (", …" if len(found) > 12 else "")
                parts.append(f"no row has {column} = {value!r}, there are: {others}")
        return f"{self.name}: {' and '.join(parts) or 'where, drop and rows leave none'}"

    def _kept(self) -> Iterator[Located]:
        where, code = self.source.where, self.code
        dropped = {c: v if isinstance(v, tuple) else (v,) for c, v in self.source.drop.items()}
        if not where and not dropped:
            yield from self._all()
            return
        for number, row in self._all():
            for column in (*where, *dropped):
                if column not in row:
                    hint = self.way_out(column) or nearest(column, row)
                    raise DataError(Problem(self.where(number), f"has no column '{column}'.", hint))
                values = self.values.setdefault(column, {})
                if len(values) < VALUES:
                    values[str(row[column])[:60]] = None
            if all(_matches(row[c], v, code) for c, v in where.items()) and not any(
                _matches(row[c], v, code) for c, values in dropped.items() for v in values
            ):
                yield number, row

    def _all(self) -> Iterable[Located]:
        if self.source.builtin:
            return _builtin_rows(self.source, self.language)
        if self.source.file:
            return read(path_of(self.source, self.code), self.source, self.columns.values())
        return enumerate(hub_rows(*self._hub()), 1)

    def _hub(self) -> tuple[str, str | None, str, str | None]:
        config = _fill(self.source.config, self.code) if self.source.config else None
        return str(self.source.hub), config, _fill(self.source.split or "train", self.code), self.source.revision


def parts_of(task: Task, split: Split, language: str) -> list[Part]:
    """The sources of a split in one language; DataError where the task has none."""
    sources: tuple[Source, ...] = getattr(task.data, split)
    if not sources:
        raise DataError(Problem(f"task {task.name}", f"has no {split} data in this profile."))
    return [Part(task, source, language, alone=len(sources) == 1) for source in sources]


def code_of(task: Task, language: str) -> str:
    """What `{lang}` becomes for a language in this task's data."""
    return task.codes.get(language, language)


def _fill(text: str, code: str) -> str:
    return text.replace("{lang}", code)


def path_of(source: Source, code: str) -> Path:
    """The local file of a source for one language code; an unset environment variable is an error."""
    assert source.file is not None
    path = os.path.expanduser(os.path.expandvars(_fill(source.file, code)))
    if unset := re.search(r"\$(\w+|\{[^}]*\})", path):
        name = unset[1].strip("{}")
        hint = f"Set {name} to the folder that has the data."
        raise DataError(Problem(source.file, f"the environment variable {name} is not set.", hint))
    if "\0" in path:
        raise DataError(Problem(repr(source.file), "is no path: it has a zero character."))
    return Path(path)


def _parquet_rows(path: Path) -> int | None:
    import pyarrow
    from pyarrow import parquet

    try:
        return int(parquet.read_metadata(path).num_rows)
    except (pyarrow.ArrowException, OSError, ValueError):
        return None  # Reading it tells what is wrong.


def _builtin_rows(source: Source, language: str) -> Iterable[Located]:
    from xharness import micro

    dataset = micro.DATASETS.get(str(source.builtin))
    if dataset is None:
        raise DataError(
            Problem(
                "built-in data", f"'{source.builtin}' does not exist.", nearest(str(source.builtin), micro.DATASETS)
            )
        )
    if language not in dataset.languages:
        known = listed(dataset.languages, near=language)
        raise DataError(Problem(f"built-in {source.builtin}", f"has no language '{language}'. It has: {known}."))
    if (source.split or "train") not in dataset.splits:
        known = ", ".join(dataset.splits)
        raise DataError(
            Problem(f"built-in {source.builtin}", f"has no split '{source.split or 'train'}'.", f"Allowed: {known}.")
        )
    return enumerate(micro.rows(str(source.builtin), source.split or "train", language, source.size, source.seed), 1)


def _matches(value: Any, wanted: str | int, code: str) -> bool:
    if isinstance(wanted, str):
        wanted = _fill(wanted, code)
        if "*" in wanted:
            return fnmatchcase(str(value), wanted)
    return bool(str(value) == str(wanted))
