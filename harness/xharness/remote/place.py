"""A place that keeps files by name: a bucket behind fsspec, or a folder of a disk that several machines share.

A file is there whole or not at all: a service of objects has them so, a folder gets them by renaming. Whatever goes
wrong is a RemoteError.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from xharness.errors import Problem, StoreError, UsageError
from xharness.remote.address import FILES, OBJECTS, parts, shown, tidy
from xharness.remote.trouble import CREDENTIALS, NotWhole, RemoteError, code_of, trouble_of
from xharness.remote.watch import watched
from xharness.store.files import sync, told
from xharness.store.steps import store_around

PIECE = 5 << 20
"""Bytes of a part of a large upload: the least that S3 takes."""
SLOWEST = 50 << 10
"""Bytes a second below which a line is taken for dead, since a part tells of itself only when it is there."""
ARRIVING = ".arriving"
"""Folder of what is on its way into a shared folder."""
ABANDONED = 86400.0
"""Seconds after which what lies there was left by a killed process."""
_CHUNK = 1 << 20
_RETRIES = 2
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_CANNOT = {"NotImplemented", "501"}

Moved = Callable[[], None]


@dataclass(frozen=True)
class Item:
    """A file in a place."""

    name: str
    size: int
    when: float
    """When it was put there, in seconds since the epoch."""


class Place(Protocol):
    """Where files are kept by name; `a/b/c` is a name."""

    url: str

    def read(self, name: str) -> bytes | None:
        """A small file; None where it is absent."""

    def fetch(self, name: str, target: Path, size: int) -> bool:
        """Copy a file of that size here; False where it is absent. StoreError where it is larger, or the disk full."""

    def put(self, name: str, content: Path | bytes, new: bool = False) -> bool:
        """Put a file there in place of what there is; with `new` only where there is none, else False."""

    def remove(self, name: str) -> None:
        """Take a file away, if it is there."""

    def items(self, under: str) -> list[Item]:
        """All files whose names begin with `under/`."""


def place_at(url: str) -> Place:
    """The place of a URL; nothing is asked of it yet. UsageError where it is none, RemoteError without its package."""
    from fsspec.core import get_filesystem_class

    scheme, found, rest = url.partition("://")
    if not found or not rest.strip("/"):
        hint = "Such as s3://bucket/prefix, or file:///shared/xharness."
        raise UsageError(Problem("--remote", f"'{shown(url)}' is not the URL of a store.", hint))
    if scheme in OBJECTS and parts(url)[1]:
        raise UsageError(Problem("--remote", "the URL carries a user or a key, which S3's do not.", CREDENTIALS))
    if scheme in FILES:
        return Folder(url)
    if "::" in scheme or "::" in parts(url)[2]:
        hint = "Give the one where the files lie: it is asked directly, and what comes is kept in the local store."
        raise UsageError(Problem("--remote", f"'{shown(url)}' is a chain of URLs.", hint))
    try:
        get_filesystem_class(scheme)
        return Bucket(tidy(url))
    except ValueError as error:
        hint = "Such as s3://bucket/prefix, or file:///shared/xharness."
        what = f"'{shown(url)}': fsspec knows no '{scheme}://'." if "not known" in str(error) else f"'{shown(url)}'"
        raise UsageError(Problem("--remote", what, hint)) from None
    except Exception as error:
        raise trouble_of(error, url) from error


class Bucket:
    """A place behind fsspec: S3 and its likes, or any other that it knows."""

    def __init__(self, url: str) -> None:
        import fsspec
        from fsspec.config import conf

        self.url = url
        self.objects = url.partition("://")[0] in OBJECTS
        more: dict[str, Any] = {}
        if self.objects:
            # A line that is dead must say so before we take it for dead, and be tried again only by us.
            given = conf.get("s3", {}).get("config_kwargs", {})
            limits = {"connect_timeout": 10, "read_timeout": 20, "retries": {"max_attempts": 1}}
            more = {"config_kwargs": {**limits, **given}}
        self.fs, self.root = fsspec.url_to_fs(url, skip_instance_cache=True, **more)
        if self.objects:
            # Files are fetched several at once; each in order, so that it tells how far it is.
            self.fs.retries, self.fs.max_concurrency = _RETRIES, 1

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"

    def _ask(self, work: Callable[[Moved], Any], flying: int = 0) -> Any:
        """What a call gives; None where what it asks for is absent."""
        try:
            return watched(work, flying / SLOWEST)
        except FileNotFoundError as error:
            if code_of(error) not in ("", "NoSuchKey", "404"):
                raise trouble_of(error, self.url) from error
            return None
        except StoreError:
            raise
        except Exception as error:
            raise trouble_of(error, self.url) from error

    def read(self, name: str) -> bytes | None:
        """See `Place`."""
        found: bytes | None = self._ask(lambda moved: self.fs.cat_file(self._path(name)))
        return found

    def fetch(self, name: str, target: Path, size: int) -> bool:
        """See `Place`."""

        def work(moved: Moved) -> bool:
            # Opened here: what the local disk says is not the remote's trouble.
            with told(target, "write"):
                target.open("xb").close()
            self.fs.get_file(self._path(name), str(target), callback=_counted(moved, target, size))
            return True

        try:
            return bool(self._ask(work))
        except RemoteError:
            with suppress(OSError):
                if shutil.disk_usage(target.parent).free < _CHUNK:
                    raise full(target) from None
            raise

    def put(self, name: str, content: Path | bytes, new: bool = False) -> bool:
        """See `Place`. Where the service cannot be told to write only what is new, it is looked for first."""
        path = self._path(name)

        def work(moved: Moved) -> bool:
            if isinstance(content, bytes):
                return self._pipe(path, content, new)
            options = {"chunksize": PIECE, "max_concurrency": 2} if self.objects else {}
            self.fs.put_file(str(content), path, callback=_counted(moved), **options)
            return True

        if isinstance(content, bytes):
            flying = len(content)
        else:
            with told(content, "read"):
                flying = min(content.stat().st_size, 2 * PIECE)
        if (done := self._ask(work, flying)) is None:
            raise RemoteError(Problem(shown(self.url), "takes no file of that name."))
        return bool(done)

    def _pipe(self, path: str, content: bytes, new: bool) -> bool:
        if not self.objects:
            self.fs.makedirs(self.fs._parent(path), exist_ok=True)
        if not new:
            self.fs.pipe_file(path, content)
            return True
        try:
            self.fs.pipe_file(path, content, mode="create")
        except FileExistsError:
            return False
        except (TypeError, NotImplementedError, OSError) as error:
            if code_of(error) in _TAKEN:
                return False
            if isinstance(error, OSError) and code_of(error) not in _CANNOT:
                raise
            self.fs.invalidate_cache()
            if self.fs.exists(path):
                return False
            self.fs.pipe_file(path, content)
        return True

    def remove(self, name: str) -> None:
        """See `Place`."""
        self._ask(lambda moved: self.fs.rm_file(self._path(name)))

    def items(self, under: str) -> list[Item]:
        """See `Place`."""

        def work(moved: Moved) -> dict[str, Any]:
            self.fs.invalidate_cache()
            found: dict[str, Any] = self.fs.find(self._path(under), detail=True)
            return found

        before = len(self._path(""))
        found = self._ask(work) or {}
        return [Item(path[before:], int(one.get("size") or 0), _when(one)) for path, one in found.items()]


def _when(found: dict[str, Any]) -> float:
    """When a file was written, in whatever field a service says it; now where it does not, so that it counts as new."""
    for name in ("LastModified", "last_modified", "mtime", "updated", "modified", "created"):
        value = found.get(name)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, str):
            with suppress(ValueError):
                return datetime.fromisoformat(value).timestamp()
    return time.time()


def full(target: Path) -> StoreError:
    """That the disk here has no room for what arrives."""
    return StoreError(Problem(str(target.parent), "cannot write: the disk is full.", "Free space, and ask again."))


def _counted(moved: Moved, target: Path | None = None, most: int | None = None) -> Any:
    """What fsspec tells how far it is; StoreError once a file turns out larger than announced."""
    from fsspec.callbacks import Callback

    class Counted(Callback):  # type: ignore[misc]
        def call(self, hook_name: str | None = None, **more: Any) -> None:
            moved()
            if most is not None and max(self.value, self.size or 0) > most:
                what = "did not arrive as it was stored: a file is larger than was announced."
                raise NotWhole(Problem(str(target), what, "Nothing of it was taken."))

    return Counted()


class Folder:
    """A place on a disk: written under another name and renamed, so that a killed writer leaves nothing half there."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.root = Path(url.partition("://")[2])
        if not self.root.is_absolute():
            raise UsageError(Problem("--remote", f"'{shown(url)}' needs a whole path: file:///shared/xharness."))
        with self._said():
            store = watched(lambda moved: store_around(self.root))
        if store is not None:
            what = f"{store} is the store of somebody's runs, with locks of its own, and no place to meet"
            what += "." if store == self.root.resolve() else f", nor is {self.root} in it."
            hint = "Give a folder of its own; `xharness store merge` takes the runs of such a store."
            raise UsageError(Problem("--remote", what, hint))

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not self.root.parent.is_dir():
                what = f"there is no folder {self.root.parent}."
                raise RemoteError(Problem(shown(self.url), what, "Is the disk mounted?"), lasting=True) from None
            raise trouble_of(error, self.url) from error

    def read(self, name: str) -> bytes | None:
        """See `Place`."""
        with self._said():
            try:
                return watched(lambda moved: (self.root / name).read_bytes())
            except (FileNotFoundError, NotADirectoryError):
                self._require_disk()
                return None
            except PermissionError:
                raise self._kept_from_us(name, os.R_OK) from None

    def _kept_from_us(self, name: str, asked: int) -> Exception:
        """The error of one file that somebody keeps to himself: no reason to give up the place, if that is open."""
        if not os.access(self.root, asked | os.X_OK):
            return PermissionError()
        what = "may not be read by you." if asked == os.R_OK else "may not be written by you."
        return NotWhole(Problem(f"{shown(self.url)}/{name}", what, "Have its owner let you."))

    def _require_disk(self) -> None:
        if not self.root.parent.is_dir():
            raise FileNotFoundError

    def fetch(self, name: str, target: Path, size: int) -> bool:
        """See `Place`."""

        def work(moved: Moved) -> bool:
            try:
                source = (self.root / name).open("rb")
            except (FileNotFoundError, NotADirectoryError):
                return False
            except PermissionError:
                raise self._kept_from_us(name, os.R_OK) from None
            with source:
                if os.fstat(source.fileno()).st_size > size:
                    what = "did not arrive as it was stored: a file is larger than was announced."
                    raise NotWhole(Problem(str(target), what, "Nothing of it was taken."))
                with told(target, "write"), target.open("xb") as stream:
                    _copy(source, stream, moved)
            return True

        with self._said():
            return watched(work)

    def put(self, name: str, content: Path | bytes, new: bool = False) -> bool:
        """See `Place`."""
        target = self.root / name
        with self._said():
            return watched(lambda moved: self._put(target, content, new, moved))

    def _put(self, target: Path, content: Path | bytes, new: bool, moved: Moved) -> bool:
        self._require_disk()
        (self.root / ARRIVING).mkdir(parents=True, exist_ok=True)
        fresh = self.root / ARRIVING / secrets.token_hex(8)
        try:
            with fresh.open("xb") as stream:
                if isinstance(content, bytes):
                    stream.write(content)
                else:
                    with told(content, "read"):
                        source = content.open("rb")
                    with source:
                        _copy(source, stream, moved)
            sync(fresh)
            try:
                return _named(fresh, target, new)
            except FileNotFoundError:  # Somebody has just removed the empty folder.
                return _named(fresh, target, new)
            except PermissionError:
                raise self._kept_from_us(target.relative_to(self.root).as_posix(), os.W_OK) from None
        finally:
            fresh.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """See `Place`."""
        path = self.root / name
        with self._said():
            path.unlink(missing_ok=True)
            for folder in path.relative_to(self.root).parents:
                with suppress(OSError):  # Not empty.
                    if folder not in (Path(), Path(ARRIVING)):
                        (self.root / folder).rmdir()

    def items(self, under: str) -> list[Item]:
        """See `Place`."""

        def work(moved: Moved) -> list[Item]:
            self._require_disk()
            found = []
            for path in sorted((self.root / under).rglob("*")):
                moved()
                with suppress(FileNotFoundError):
                    if path.is_file():
                        about = path.stat()
                        found.append(Item(path.relative_to(self.root).as_posix(), about.st_size, about.st_mtime))
            return found

        with self._said():
            return watched(work)


def _copy(source: IO[bytes], stream: IO[bytes], moved: Moved) -> None:
    while chunk := source.read(_CHUNK):
        stream.write(chunk)
        moved()


def _named(fresh: Path, target: Path, new: bool) -> bool:
    """Give a file its name, with `new` unless another has it; where the disk has no links, that is looked for first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not new:
        os.replace(fresh, target)
        return True
    try:
        os.link(fresh, target)
    except FileExistsError:
        return False
    except OSError:
        if target.exists():
            return False
        os.replace(fresh, target)
    return True
