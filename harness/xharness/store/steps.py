"""The store: what steps made, by content key. A step's output is there whole, checksummed, or not at all.

    STORE/steps/<key>/manifest.json     what the files are, what the key is made of, when and by which run
    STORE/steps/<key>/...               the output itself
    STORE/scratch/<key>/                training states of steps under way; survives a kill
    STORE/locks/<key>.lock              held while a step is worked on; the system frees it when its holder dies
    STORE/locks/<key>.read              shared by those who read a step's output: until they are done it stays
    STORE/runs/<run>/                   one folder a run
    STORE/tmp/                          outputs not yet committed

An output is written under `tmp`, its manifest last, and renamed into place in one move.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from xharness.errors import Problem, StoreError, UsageError
from xharness.store.files import broken, canonical, held, read_json, seal, sync, told, write_json

if TYPE_CHECKING:
    from filelock import FileLock

MANIFEST = "manifest.json"
LOCK = "lock"
"""In a folder under `tmp`, held by the process that writes there."""
SMALL = 4 << 20
"""Files up to this size are checksummed whenever a step is looked up; larger ones when they are opened for use."""

_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder holds what xharness can make again. https://bford.info/cachedir/\n"


def content_key(kind: str, ingredients: Mapping[str, Any]) -> str:
    """The content key of a step: its kind and a hash of all that can change its output."""
    return f"{kind}-{hashlib.sha256(canonical(ingredients).encode()).hexdigest()[:20]}"


def store_around(folder: Path) -> Path | None:
    """The local store that a folder is or lies in; None where there is none."""
    own = ("steps", "locks", "tmp")
    for place in (folder.resolve(), *folder.resolve().parents):
        with suppress(OSError):  # What we may not look into is not ours.
            if all((place / name).is_dir() for name in own):
                return place
    return None


class Store:
    """A folder of step outputs by content key."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()

    def prepare(self) -> Store:
        """Make the folders; StoreError when that is not possible, UsageError where other things lie."""
        with told(self.root, "make the store"):
            others = self.root.is_dir() and any(self.root.iterdir())
            # Asked last: another run may be making the store at this moment.
            if others and not (self.root / "steps").is_dir():
                what = "is no store and has other files in it; a store needs a folder of its own."
                raise UsageError(Problem(str(self.root), what, "Give --store a new or an empty folder."))
            for name in ("steps", "scratch", "locks", "runs", "tmp"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            tag = self.root / "CACHEDIR.TAG"
            if not tag.exists():
                tag.write_text(_TAG)
                (self.root / ".gitignore").write_text("*\n")
        return self

    def path(self, key: str) -> Path:
        """Where a step's output lies or would lie."""
        return self.root / "steps" / key

    def scratch(self, key: str) -> Path:
        """A folder of a step under way that survives a kill."""
        path = self.root / "scratch" / key
        with told(path, "make a folder"):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def begun(self, key: str) -> bool:
        """Whether a step that was stopped left a state to go on from."""
        path = self.root / "scratch" / key
        return path.is_dir() and any(path.iterdir())

    def manifest(self, key: str) -> dict[str, Any] | None:
        """The manifest of a stored step, or None when it is absent or not as it was written."""
        with told(self.path(key) / MANIFEST, "read"):
            found = read_json(self.path(key) / MANIFEST)
        return found if found is not None and found.get("key") == key else None

    def has(self, key: str, small_only: bool = True) -> bool:
        """Whether the whole output is there and right; large files by size only unless `small_only` is False."""
        manifest = self.manifest(key)
        return manifest is not None and not manifest.get("dropped") and not self.faults(key, manifest, small_only)

    def faults(self, key: str, manifest: Mapping[str, Any], small_only: bool = False) -> list[str]:
        """What is wrong with the files of a stored step, one sentence each."""
        if manifest.get("dropped"):
            return []
        with told(self.path(key), "read"):
            return broken(self.path(key), manifest.get("files", {}), SMALL if small_only else None)

    def open(self, key: str) -> Path:
        """The folder of a stored step, checksums verified; StoreError, and the step discarded, where one is wrong."""
        manifest = self.manifest(key)
        faults = ["it is not in the store"] if manifest is None else self.faults(key, manifest)
        if manifest is not None and manifest.get("dropped"):
            faults = ["its files were dropped after use"]
        if faults:
            self.discard(key)
            raise StoreError(Problem(key, f"cannot be used: {faults[0]}.", "It will be made again."))
        return self.path(key)

    def read_json(self, key: str, name: str) -> Any:
        """A JSON file of a stored step."""
        with told(self.path(key) / name, "read"):
            return json.loads((self.path(key) / name).read_text(encoding="utf-8"))

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """An empty folder for an output under way; gone afterwards unless committed."""
        with told(self.root / "tmp", "make a folder"):
            home, lock = self._home()
            # Not the folder that mkdtemp made, which nobody else may look into.
            (home / "out").mkdir()
        try:
            yield home / "out"
        finally:
            shutil.rmtree(home, ignore_errors=True)
            lock.close()

    def _home(self) -> tuple[Path, IO[bytes]]:
        """A new folder under `tmp` and the lock that says it is somebody's; the system frees it when we die."""
        while True:
            home = Path(tempfile.mkdtemp(dir=self.root / "tmp"))
            with suppress(FileNotFoundError):  # Swept before it had its lock.
                lock = (home / LOCK).open("ab")
                fcntl.flock(lock, fcntl.LOCK_EX)
                if (home / LOCK).exists():
                    return home, lock
                lock.close()

    def commit(self, key: str, folder: Path, about: Mapping[str, Any]) -> dict[str, Any]:
        """Move a finished output into place, at once or not at all; `about` goes into its manifest."""
        with told(self.path(key), "store the output"):
            manifest = {"key": key, **about, "files": seal(folder), "stored": time.time()}
        self.place(key, folder, manifest)
        self.forget_scratch(key)
        return manifest

    def place(self, key: str, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Move a sealed folder with its manifest into place, at once or not at all; what was there goes."""
        target = self.path(key)
        with told(target, "store the output"):
            write_json(folder / MANIFEST, manifest)
            if target.exists():
                self.discard(key)
            os.replace(folder, target)
            sync(target.parent)

    def forget_scratch(self, key: str) -> None:
        """Remove the training states of a step."""
        shutil.rmtree(self.root / "scratch" / key, ignore_errors=True)

    def discard(self, key: str) -> None:
        """Take a step's output away: renamed first, so that no half of it is ever seen."""
        source = self.path(key)
        if not source.exists():
            return
        with told(source, "remove"), self.temporary() as grave, suppress(FileNotFoundError):
            os.replace(source, grave / key)

    def drop(self, key: str, keep: tuple[str, ...] = ("lineage.json", "summary.json")) -> int:
        """Let go of a step's large files but remember that and how it was made; returns the bytes freed.

        Called where it is `unread`.
        """
        manifest = self.manifest(key)
        if manifest is None or manifest.get("dropped"):
            return 0
        freed = 0
        with told(self.path(key), "free"):
            manifest["dropped"] = time.time()
            write_json(self.path(key) / MANIFEST, manifest)
            for name, fact in manifest.get("files", {}).items():
                if Path(name).name not in keep:
                    (self.path(key) / name).unlink(missing_ok=True)
                    freed += int(fact["size"])
        return freed

    @contextmanager
    def lock(self, key: str, waiting: Any = None) -> Iterator[None]:
        """Hold a step while it is worked on; `waiting()` is called once when another holds it."""
        from filelock import Timeout

        with told(self.root / "locks" / key, "lock"):
            lock = self.step_lock(key)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if waiting is not None:
                    waiting()
                lock.acquire(poll_interval=0.2)
        try:
            yield
        finally:
            lock.release()

    def step_lock(self, key: str) -> FileLock:
        """The lock of who works on a step, not yet held."""
        from filelock import FileLock

        return FileLock(self.root / "locks" / f"{key}.lock")

    @contextmanager
    def reading(self, keys: Iterable[str]) -> Iterator[None]:
        """Read the outputs of these steps: until it is done, nobody frees them."""
        with ExitStack() as locks:
            for key in keys:
                lock = locks.enter_context(self._read_lock(key))
                with told(Path(lock.name), "lock"):
                    fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    @contextmanager
    def unread(self, key: str) -> Iterator[bool]:
        """Whether nobody reads the output of this step; until it is done, nobody begins to."""
        with self._read_lock(key) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _read_lock(self, key: str) -> IO[bytes]:
        path = self.root / "locks" / f"{key}.read"
        with told(path, "lock"):
            return path.open("ab")

    def keys(self) -> list[str]:
        """Keys of all stored steps."""
        folder = self.root / "steps"
        return sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []

    def leftovers(self) -> list[Path]:
        """Outputs that a killed process left uncommitted; those of living processes are not among them."""
        return [p for p in (self.root / "tmp").glob("*") if not held(p / LOCK)]

    def sweep(self) -> None:
        """Clear the leftovers."""
        for path in self.leftovers():
            shutil.rmtree(path, ignore_errors=True)
