"""A local file as bytes, text or lines: decompressed, decoded, every fault told with its line.

A byte-order mark is no part of the text, and that of UTF-16 says that the file is UTF-16. Lines end with a line feed,
with or without a carriage return; in a file that has carriage returns alone, with these.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from xharness.errors import DataError, Problem
from xharness.spec.task import Source

HEAD = 1 << 16
"""Bytes looked at to see how a file's lines end, and what a file that cannot be read seems to be."""
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_MAGIC = {
    b"\x1f\x8b": "It is compressed with gzip: let its name end in .gz.",
    b"BZh": "It is compressed with bzip2: let its name end in .bz2.",
    b"\xfd7zXZ": "It is compressed with xz: let its name end in .xz.",
    b"\x28\xb5\x2f\xfd": "It is compressed with zstd, which is not read: unpack it.",
    b"PK\x03\x04": "It is a zip archive or a spreadsheet: unpack it, or save the sheet as csv.",
    b"\xd0\xcf\x11\xe0": "It is a spreadsheet: save the sheet as csv.",
    b"PAR1": 'It is a parquet file: format = "parquet".',
    b"ARROW1": "It is an Arrow file, which is not read: write it as parquet.",
}


@dataclass(frozen=True)
class LocalFile:
    """A local file and what its source says of it."""

    path: Path
    source: Source
    wanted: tuple[str, ...] = ()
    """The columns that are asked for, as the data calls them."""

    def fault(self, line: int | None, what: str, hint: str = "") -> DataError:
        """The error about a line, or about the whole file."""
        return DataError(Problem(f"{self.path}:{line}" if line else str(self.path), what, hint))


@contextmanager
def opened(file: LocalFile) -> Iterator[IO[bytes]]:
    """The bytes of a file, decompressed as its suffix says; DataError where they are not so compressed."""
    opener = _OPENERS.get(file.path.suffix.lower())
    if opener is None:
        with file.path.open("rb") as stream:
            yield stream
        return
    try:
        with opener(file.path, "rb") as stream:
            yield stream
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        cut = isinstance(error, EOFError)
        what = (
            f"ends too early: the {file.path.suffix} file seems truncated."
            if cut
            else f"is no {file.path.suffix} file: {error}."
        )
        raise file.fault(None, what) from None


def head(file: LocalFile) -> bytes:
    """The first bytes."""
    with opened(file) as stream:
        return stream.read(HEAD)


def lines(file: LocalFile) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line, without its end."""
    for number, line in ended_lines(file):
        yield number, line.rstrip("\r\n")


def ended_lines(file: LocalFile) -> Iterator[tuple[int, str]]:
    """Number and text of each line, with its end."""
    first = head(file)
    codec = _codec(file, first)
    ending = "\r" if b"\r" in first and b"\n" not in first else "\n"
    with opened(file) as stream:
        if ending == "\r" or "\n".encode(codec) != b"\n":
            yield from _streamed(file, stream, codec, ending, first)
            return
        for number, raw in enumerate(stream, 1):
            try:
                line = raw.decode(codec)
            except UnicodeDecodeError as error:
                raise _undecoded(file, number, error, raw, first) from None
            yield number, line.removeprefix("\ufeff") if number == 1 else line


def _streamed(file: LocalFile, stream: IO[bytes], codec: str, ending: str, first: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a file whose bytes cannot be cut into lines before they are decoded."""
    try:
        for number, line in enumerate(io.TextIOWrapper(stream, encoding=codec, newline=ending), 1):
            yield number, line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError as error:
        # Decoded by the block, so the line is not known.
        raise _undecoded(file, None, error, error.object[error.start :], first) from None
    except UnicodeError as error:
        raise file.fault(None, f"is not {_called(file)} text ({error}).") from None


def whole_text(file: LocalFile) -> str:
    """All of a file at once, for formats that have no lines."""
    with opened(file) as stream:
        raw = stream.read()
    codec = _codec(file, raw[:2])
    try:
        return raw.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(codec, "ignore").count("\n") + 1
        raise _undecoded(file, line, error, raw[error.start :], raw[:HEAD]) from None
    except UnicodeError as error:
        raise file.fault(None, f"is not {_called(file)} text ({error}).") from None


def _codec(file: LocalFile, first: bytes) -> str:
    if file.source.encoding:
        return file.source.encoding
    return "utf-16" if first[:2] in UTF16_MARKS else "utf-8"


def _called(file: LocalFile) -> str:
    return file.source.encoding or "UTF-8"


def _undecoded(file: LocalFile, line: int | None, error: UnicodeDecodeError, rest: bytes, first: bytes) -> DataError:
    return file.fault(line, f"is not {_called(file)} text ({error.reason}).", _encoding_hint(file, rest[:HEAD], first))


def _encoding_hint(file: LocalFile, undecoded: bytes, first: bytes) -> str:
    """What the file may be instead, as the setting that would read it."""
    for magic, said in _MAGIC.items():
        if first.startswith(magic):
            return said
    if file.source.encoding:
        return ""
    if b"\0" in first:
        # Most letters have their zero in the byte that comes first in one order, and second in the other.
        order = "le" if first[1::2].count(0) > first[::2].count(0) else "be"
        return f'It seems to be UTF-16 without a byte-order mark: encoding = "utf-16-{order}".'
    # Latin-1 has control characters where Windows has quotes and dashes.
    likely = "cp1252" if any(0x80 <= byte < 0xA0 for byte in undecoded) else "latin-1"
    return f'Say what it is in, such as encoding = "{likely}".'
