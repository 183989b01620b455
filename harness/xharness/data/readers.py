"""Reading local files row by row, so that every complaint can name its line. No file is held whole but json's."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from xharness.data.formats.advice import advice
from xharness.data.formats.objects import Located, Row, read_json, read_jsonl, read_squad
from xharness.data.formats.opened import LocalFile
from xharness.data.formats.sentences import read_columns, read_conllu, read_text
from xharness.data.formats.tables import read_csv, read_parquet, read_tsv
from xharness.errors import DataError, Problem, Unreachable
from xharness.spec.task import ColumnPath, Format, Source

__all__ = ["READERS", "VERSION", "Located", "Row", "located", "read", "way_out"]

VERSION = 2
"""Of the rules of reading; to be raised where the same bytes become other rows. It counts in content keys."""

READERS: dict[Format, Callable[[LocalFile], Iterator[Located]]] = {
    "json": read_json,
    "jsonl": read_jsonl,
    "csv": read_csv,
    "tsv": read_tsv,
    "conllu": read_conllu,
    "columns": read_columns,
    "parquet": read_parquet,
    "squad": read_squad,
    "text": read_text,
}

UNITS: dict[Format, str] = {"json": "row", "parquet": "row", "squad": "question"}
"""What is counted in files without lines to speak of."""


def located(path: str, form: Format | None, number: int) -> str:
    """How a message names a row: by line, or by its number in a file that is not read line by line."""
    return f"{path}, {UNITS[form]} {number}" if form in UNITS else f"{path}:{number}"


def read(path: Path, source: Source, columns: Iterable[ColumnPath] = ()) -> Iterator[Located]:
    """Every row of a local file with its line; DataError where the file cannot be read.

    `columns` are those that are asked for, as the data calls them: where all are numbers, a table has no header.
    """
    try:
        if os.path.isdir(path):
            raise DataError(Problem(str(path), "is a folder, not a file."))
        if not os.path.exists(path):
            raise Unreachable(Problem(_printable(path), "does not exist.", _beside(path)))
        form = source.file_format
        assert form is not None
        yield from READERS[form](LocalFile(path, source, _names(source, columns)))
    except OSError as error:
        raise Unreachable(Problem(str(path), f"cannot be read: {error.strerror or error}.")) from None


def way_out(path: Path, source: Source, missing: str) -> str:
    """What a file seems to be, where it lacks a column as it is read; empty where it seems to be just that."""
    return advice(LocalFile(path, source), missing)


def _names(source: Source, columns: Iterable[ColumnPath]) -> tuple[str, ...]:
    """The names of all columns that a source is asked for."""
    found: list[str] = [*source.where, *source.drop]
    for column in columns:
        found += [column] if isinstance(column, str) else column
    return tuple(dict.fromkeys(found))


def _printable(path: Path) -> str:
    return str(path) if str(path).isprintable() else repr(str(path))


def _beside(path: Path) -> str:
    """The nearest name in the folder, where there is one; before all others the file itself, but compressed."""
    try:
        held = os.listdir(path.parent)
        packed = [name for name in held if name in {f"{path.name}{end}" for end in (".gz", ".bz2", ".xz")}]
        close = packed or difflib.get_close_matches(path.name, held, n=1, cutoff=0.6)
    except (OSError, ValueError):
        folder = next((p for p in path.parents if os.path.isdir(p)), None)
        return f"Its folder does not exist either; {folder} does." if folder else ""
    return f"Did you mean '{close[0]}'?" if close else ""
