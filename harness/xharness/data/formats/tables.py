"""Tables: separated values, with or without a line that names the columns, and parquet.

Columns are called as the header calls them, or by their number from 0, from the last with -1. There is no header where
all columns that are asked for are numbers, unless `header` says so.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence

from xharness.data.formats.advice import advice
from xharness.data.formats.objects import Located, Row
from xharness.data.formats.opened import LocalFile, ended_lines, lines
from xharness.errors import counted

BATCH = 1024
"""Rows of a parquet file that are held at once."""

_NUMBER = re.compile(r"-?[0-9]{1,6}")


def is_number(column: str) -> bool:
    """Whether a column is called by its number."""
    return _NUMBER.fullmatch(column) is not None


def read_csv(file: LocalFile) -> Iterator[Located]:
    """Values quoted as RFC 4180 says, separated by commas or by `delimiter`."""
    return _rows(file, _quoted(file))


def read_tsv(file: LocalFile) -> Iterator[Located]:
    """Values separated by tabs or by `delimiter`, without quoting: quotes are text, as in XTREME's files."""
    delimiter = file.source.delimiter or "\t"
    return _rows(file, ((number, line.split(delimiter)) for number, line in lines(file) if line))


def _rows(file: LocalFile, records: Iterable[tuple[int, list[str]]]) -> Iterator[Located]:
    header = file.source.header
    if header is None:
        header = not file.wanted or not all(map(is_number, file.wanted))
    names: list[str] | None = None
    width, first = 0, 0
    for number, fields in records:
        if not first:
            width, first = len(fields), number
            if header:
                names = _names(file, number, fields)
                continue
        if len(fields) != width:
            told = (
                f"the header has {width}: {', '.join(_short(n) for n in names)}"
                if names
                else f"line {first} has {width}"
            )
            raise file.fault(number, f"has {counted(len(fields), 'column')}, {told}.", advice(file))
        yield number, row_of(names, fields, file.wanted)


def row_of(names: Sequence[str] | None, fields: Sequence[str], wanted: Iterable[str]) -> Row:
    """A row by the names of its columns, or by their numbers; with those that are asked for by number."""
    row: Row = dict(zip(names, fields, strict=True)) if names else {str(i): value for i, value in enumerate(fields)}
    for column in wanted:
        if column not in row and is_number(column) and -len(fields) <= int(column) < len(fields):
            row[column] = fields[int(column)]
    return row


def _names(file: LocalFile, number: int, fields: list[str]) -> list[str]:
    if twice := next((name for name in fields if fields.count(name) > 1), None):
        raise file.fault(number, f"the header names the column '{_short(twice)}' twice.", advice(file))
    return fields


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"


def _quoted(file: LocalFile) -> Iterator[tuple[int, list[str]]]:
    delimiter = file.source.delimiter or ","
    reader = csv.reader(_without_sep(file, delimiter), delimiter=delimiter, strict=True)
    before = 0
    try:
        for fields in reader:
            if fields:
                yield before + 1, fields
            before = reader.line_num
    except csv.Error as error:
        never_closed = "unexpected end" in str(error) or "field limit" in str(error)
        hint = "A quote that opens there is never closed." if never_closed else ""
        raise file.fault(before + 1, f"is not valid CSV: {error}.", advice(file) or hint) from None


def _without_sep(file: LocalFile, delimiter: str) -> Iterator[str]:
    """The lines; one that names the delimiter, `sep=;` as Excel writes it at the top, is an empty one."""
    for number, line in ended_lines(file):
        said = line.rstrip("\r\n") if number == 1 else ""
        if said[:4].lower() != "sep=" or len(said) != 5:
            yield line
        elif said[4] == delimiter:
            yield "\n"
        else:
            raise file.fault(1, f"says that the delimiter is {said[4]!r}.", f"delimiter = {json.dumps(said[4])}.")


def read_parquet(file: LocalFile) -> Iterator[Located]:
    """A parquet file, a batch of rows at a time."""
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        # By the buffer, and none ahead: a column of a row group, which may be the whole file, is never read at once.
        with parquet.ParquetFile(file.path, buffer_size=1 << 16, pre_buffer=False) as opened:
            for batch in opened.iter_batches(batch_size=BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200].removesuffix(".")
        raise file.fault(None, f"cannot be read as parquet: {said}.") from None
