"""A file that carries a run: a gzipped tar whose first member says which others there are, with sizes and checksums.

    xharness-run.json           format, run, texts, files: path -> {size, sha256}; sealed
    run/run.json, …             the run's folder
    steps/<key>/…               its steps

Written with fixed times and in the order of the names: the same content is the same bytes. Read by its headers one
after another, since whoever made the file may wish us ill: a member that was not announced, is no plain file, or leads
out of the folder ends it, and no more is written than was announced and there is room for.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from xharness.errors import Problem, StoreError, UsageError
from xharness.store.files import SEAL, read_sealed, sealed_text, told
from xharness.store.parts import safe_name, sound_fact

INDEX = "xharness-run.json"
FORMAT = 1
"""Raise it when older versions could not read what is written now."""
BLOCK = tarfile.BLOCKSIZE
MOST_INDEX = 64 << 20
"""Bytes of the largest index that is read."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One file of an archive."""

    name: str
    content: Path | bytes
    size: int
    sha256: str

    @classmethod
    def of(cls, name: str, content: Path | bytes) -> Entry:
        """With its size and checksum as they are now."""
        if isinstance(content, bytes):
            return cls(name, content, len(content), hashlib.sha256(content).hexdigest())
        with content.open("rb") as stream:
            return cls(name, content, content.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest())

    @property
    def fact(self) -> dict[str, Any]:
        """What the index says of it."""
        return {"size": self.size, "sha256": self.sha256}


def write_archive(path: Path, about: Mapping[str, Any], entries: Sequence[Entry]) -> None:
    """Write an archive in one move; StoreError where a file is not as its entry says, or there is no room."""
    for entry in entries:
        if not safe_name(entry.name):
            what = "is a name that is refused when it is read: letters of a path that any system takes, please."
            raise StoreError(Problem(entry.name, what, "Give the file another name."))
    entries = sorted(entries, key=lambda entry: entry.name)
    index = sealed_text({"format": FORMAT, **about, "files": {e.name: e.fact for e in entries}}).encode()
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with told(path, "write the archive"):
        try:
            # A temporary name in the header would make other bytes of it.
            with fresh.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                for entry in (Entry.of(INDEX, index), *entries):
                    _add(packed, entry)
                packed.write(b"\0" * 2 * BLOCK)
            os.replace(fresh, path)
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)


def _add(packed: gzip.GzipFile, entry: Entry) -> None:
    header = tarfile.TarInfo(entry.name)
    header.size, header.mode = entry.size, 0o644
    try:
        packed.write(header.tobuf(tarfile.USTAR_FORMAT))
    except ValueError:
        raise StoreError(
            Problem(entry.name, "has too long a name for an archive.", "Give the file a shorter one.")
        ) from None
    summed, size = hashlib.sha256(), 0
    with BytesIO(entry.content) if isinstance(entry.content, bytes) else entry.content.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            summed.update(chunk)
            size += len(chunk)
            packed.write(chunk)
    if size != entry.size or summed.hexdigest() != entry.sha256:
        hint = "`xharness store check --repair`, then run the suite again."
        raise StoreError(Problem(str(entry.content), "has changed since it was stored; nothing was written.", hint))
    packed.write(b"\0" * (-size % BLOCK))


def unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Unpack a whole archive into an empty folder and return its index; StoreError, for whatever is wrong with it."""
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw, mode="rb") as packed:
            return _unpacked(packed, path, folder)
    except (gzip.BadGzipFile, zlib.error):
        raise refused(path, "is damaged, or no archive that `xharness store export` made") from None
    except EOFError:
        raise refused(path, "is cut short") from None
    except FileNotFoundError as error:
        if error.filename != str(path):
            raise
        raise UsageError(f"there is no file {path}.") from None


def refused(path: Path, what: str) -> StoreError:
    """An archive that is not taken, and why."""
    return StoreError(Problem(str(path), f"{what}; nothing of it was imported.", "Have it exported and sent again."))


def _unpacked(packed: gzip.GzipFile, path: Path, folder: Path) -> dict[str, Any]:
    index = _index(packed, path)
    awaited = dict(index["files"])
    if sum(fact["size"] for fact in awaited.values()) > shutil.disk_usage(folder).free:
        raise refused(path, "says that it holds more than there is room for on the disk")
    while (header := _header(packed, path)) is not None:
        fact = awaited.pop(header.name, None)
        if fact is None:
            raise refused(path, f"has a member that it does not announce, or twice: {header.name!r}")
        if header.size != fact["size"]:
            raise refused(path, f"announces another size of {header.name}")
        target = folder / header.name
        with told(target, "write"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as stream:
                summed = _copy(packed, stream, header.size)
        if summed != fact["sha256"]:
            raise refused(path, f"was changed: the checksum of {header.name} is another")
    if awaited:
        raise refused(path, f"lacks {min(awaited)}")
    rest = packed.read(tarfile.RECORDSIZE + 1)  # To the end, where gzip's own checksum stands.
    if len(rest) > tarfile.RECORDSIZE or rest.strip(b"\0"):
        raise refused(path, "goes on behind its end")
    return index


def _header(packed: gzip.GzipFile, path: Path) -> tarfile.TarInfo | None:
    """The next member, a plain file; None at the end."""
    block = _exactly(packed, BLOCK)
    if not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.TarError, UnicodeError):
        raise refused(path, "is damaged, or no archive that `xharness store export` made") from None
    if header.type != tarfile.REGTYPE:
        raise refused(path, f"has a member that is no plain file: {header.name!r}")
    return header


def _index(packed: gzip.GzipFile, path: Path) -> dict[str, Any]:
    """The first member, believed only where all in it is of the right kind."""
    header = _header(packed, path)
    if header is None or header.name != INDEX or not 0 < header.size <= MOST_INDEX:
        raise refused(path, "is no archive that `xharness store export` made")
    held = BytesIO()
    _copy(packed, held, header.size)
    try:
        said = json.loads(held.getvalue())
    except (ValueError, RecursionError):
        said = None
    written = said.get("format") if isinstance(said, dict) else None
    if type(written) is int and written > FORMAT:
        what = f"has format {written}, and this version of xharness reads {FORMAT}; nothing of it was imported."
        raise StoreError(Problem(str(path), what, "Install a newer xharness: `pip install -U xharness-stilts`."))
    index = read_sealed(said)
    files = index.get("files") if index else None
    if index is None or written != FORMAT or not isinstance(files, dict) or not all(map(_sound, files.items())):
        raise refused(path, "has an index that was changed, or names files that it cannot have")
    return {name: value for name, value in index.items() if name != SEAL}


def _sound(item: tuple[str, Any]) -> bool:
    name, fact = item
    return safe_name(name) and sound_fact(fact)


def _copy(packed: gzip.GzipFile, stream: IO[bytes], size: int) -> str:
    """Copy so many bytes and skip the filling behind them; their checksum."""
    summed, left = hashlib.sha256(), size
    while left:
        chunk = _exactly(packed, min(left, _CHUNK))
        summed.update(chunk)
        stream.write(chunk)
        left -= len(chunk)
    _exactly(packed, -size % BLOCK)
    return summed.hexdigest()


def _exactly(packed: gzip.GzipFile, size: int) -> bytes:
    """So many bytes; EOFError where there are fewer."""
    got = packed.read(size) if size else b""
    if len(got) < size:
        raise EOFError
    return got
