"""Files that must be whole or not there: checksums of a folder, writing to the disk, trouble as a sentence."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from xharness.errors import Problem, StoreError

WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EIO: "the disk cannot be read or written",
}
SEAL = "seal"
"""Key of the checksum in a JSON object that carries its own."""
SAFE = "What was finished is safe; free space or choose another --store, and run the same command again."

_UMASK = os.umask(0o022)
os.umask(_UMASK)


@contextmanager
def told(path: Path, doing: str) -> Iterator[None]:
    """Trouble of the file system as a sentence: StoreError instead of OSError."""
    try:
        yield
    except OSError as error:
        raise as_sentence(path, doing, error) from error


def as_sentence(path: Path, doing: str, error: OSError) -> StoreError:
    """What an OSError says to a person."""
    what = WORDS.get(error.errno or 0, error.strerror or str(error))
    return StoreError(Problem(str(path), f"cannot {doing}: {what}.", SAFE))


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces; the same value is always the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksums(files: Iterable[str]) -> dict[str, str]:
    """Name -> checksum of plug-ins' files; empty for one that cannot be read."""
    found = {}
    for file in files:
        try:
            found[Path(file).name] = sha256(Path(file))
        except OSError:
            found[Path(file).name] = ""
    return found


def seal(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and checksum of every file in a folder, by its path there; all of them are on the disk afterwards.

    Whoever may look into the folder may read them, however private the library that wrote them made them.
    """
    facts = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with suppress(OSError):  # Not every file system has modes.
            path.chmod(stat.S_IMODE(path.stat().st_mode) | (0o666 & ~_UMASK))
        sync(path)
        facts[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": sha256(path)}
    return facts


def broken(folder: Path, facts: Mapping[str, Mapping[str, Any]], by_size: int | None = None) -> list[str]:
    """What is wrong with the files of a sealed folder, one sentence each; above `by_size` bytes only by their size.

    A file that may not be read is not wrong: OSError.
    """
    found = []
    for name, fact in facts.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != fact["size"]:
                found.append(f"{path}: has {size} bytes, was stored with {fact['size']}")
            elif not (by_size is not None and size > by_size) and sha256(path) != fact["sha256"]:
                found.append(f"{path}: its checksum has changed since it was stored")
        except PermissionError:
            raise
        except OSError as error:
            found.append(f"{path}: {error.strerror}")
    return found


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with its own checksum in it, in one move; OSError when that is not possible."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.write_text(sealed_text(value), encoding="utf-8")
        sync(fresh)
        os.replace(fresh, path)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def sealed_text(value: Mapping[str, Any]) -> str:
    """A JSON object with its own checksum in it."""
    text = json.dumps({k: v for k, v in value.items() if k != SEAL}, indent=1, ensure_ascii=False)
    return text.removesuffix("\n}") + f',\n "{SEAL}": "{_seal_of(json.loads(text))}"\n}}'


def read_json(path: Path) -> dict[str, Any] | None:
    """What `write_json` wrote; None where it is absent, torn or changed since; OSError where it cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return read_sealed(found)


def unsealed(text: bytes) -> dict[str, Any] | None:
    """What `sealed_text` made a text of, whoever sent it; None where it was changed since, or is none."""
    try:
        return read_sealed(json.loads(text))
    except (ValueError, RecursionError):
        return None


def read_sealed(found: object) -> dict[str, Any] | None:
    """The object that a sealed text held; None where it was changed since, or is none."""
    if not isinstance(found, dict) or found.pop(SEAL, None) != _seal_of(found):
        return None
    return found


def _seal_of(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def held(path: Path) -> bool:
    """Whether a living process, on whatever machine, holds a lock on a file (`flock`)."""
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def rotate(log: Path, most: int) -> bool:
    """Move what a log holds to `NAME.1`, in place of what was there, once it has more than `most` bytes.

    Processes that append to it go on in the emptied file; what they say between the copy and the emptying is lost.
    """
    try:
        if log.stat().st_size <= most:
            return False
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)
    except OSError:  # A log is no reason to stop a run.
        return False
    return True


def sync(path: Path) -> None:
    """Ask the system to write a file or folder to the disk, so that a crash after a rename finds it whole."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
