"""What belongs to a run: its own files and the steps under its cells; and how a step that was made elsewhere arrives.

Exporting, importing, merging and fetching are the same three things: `parts_of` says which steps and which of their
files, `require_sound` whether what somebody says of a step may be believed, `take` puts a step into a store, whole and
with right checksums or not at all. Only where the bytes come from differs.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from xharness.errors import Problem, StoreError
from xharness.store.files import seal, told
from xharness.store.steps import MANIFEST, Store, content_key

MODELS, DATA = ("tune", "choose"), ("encode", "embed")
"""Kinds of step whose large files no board needs; their manifests say how the scores came about."""
KEPT = ("lineage.json", "summary.json")
"""What stays of them, as `Store.drop` has it."""
KEY = re.compile(r"[a-z]{1,20}-[0-9a-f]{20}")
SHA = re.compile(r"[0-9a-f]{64}")
LONGEST = 200
"""Bytes of a path in a step or a run."""


@dataclass(frozen=True)
class Part:
    """One step of a run, as it is handed on."""

    manifest: Mapping[str, Any]
    files: tuple[str, ...]
    """Of those that the manifest names; all of them, unless it says that it was dropped."""

    @property
    def key(self) -> str:
        """Of the step."""
        return str(self.manifest["key"])


def ends_of(facts: Mapping[str, Any]) -> list[str]:
    """Keys of the steps that hold a run's scores, and the embeddings that its analyses ask for."""
    passed = [c["key"] for c in facts.get("cells", ()) if c.get("key") and c.get("status") in ("passed", "xpassed")]
    keys = passed + [v["key"] for v in facts.get("vectors", ())]
    return list(dict.fromkeys(keys))


def parts_of(store: Store, facts: Mapping[str, Any], whole: Collection[str] = ()) -> list[Part]:
    """The steps of a run in the order of their keys: ends whole, those below as dropped ones.

    Kinds in `whole` come with their files where they are still there. StoreError where an end is not there or damaged.
    """
    ends, parts = set(ends_of(facts)), []
    # A cell that failed may have scores of some languages.
    others = {c["key"] for c in facts.get("cells", ()) if c.get("key")} - ends
    ends |= {key for key in others if store.has(key)}
    seen: set[str] = set()
    stack = list(ends)
    while stack:
        key = stack.pop()
        if key in seen:
            continue
        seen.add(key)
        manifest = store.manifest(key)
        if manifest is None or (key in ends and manifest.get("dropped")):
            if key in ends:
                hint = "Run the suite again: it is made anew."
                raise StoreError(Problem(key, f"the scores' step is not in {store.root} any more.", hint))
            continue  # Whoever collected the rubbish took it; nobody needs it.
        stack += manifest.get("needs", ())
        names = tuple(manifest.get("files", {}))
        if key not in ends and (manifest.get("dropped") or manifest.get("kind") not in whole):
            parts.append(memory_of(store, manifest))
        else:
            parts.append(Part(manifest, names))
    return sorted(parts, key=lambda part: part.key)


def memory_of(store: Store, manifest: Mapping[str, Any]) -> Part:
    """What is remembered of a stored step without its large files, as `Store.drop` leaves it."""
    folder = store.path(str(manifest["key"]))
    names = tuple(n for n in manifest.get("files", {}) if Path(n).name in KEPT and (folder / n).is_file())
    return Part(as_dropped(manifest), names)


def as_dropped(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a step that is handed on without its files.

    When it was dropped here is of no interest: the same run is the same bytes.
    """
    return {**manifest, "dropped": manifest.get("stored") or 1.0}


def safe_name(name: object) -> bool:
    """Whether a path of a file in a folder stays in it, on any system."""
    if not isinstance(name, str) or not name or len(name.encode(errors="replace")) > LONGEST:
        return False
    pieces = name.split("/")
    plain = not any(ord(c) < 32 or ord(c) == 127 or c in '\\:*?"<>|' for c in name)
    return plain and not any(piece in ("", ".", "..") or piece.startswith("~") for piece in pieces)


def require_sound(manifest: Mapping[str, Any] | None, where: str) -> Mapping[str, Any]:
    """A manifest from elsewhere whose key is that of its ingredients; StoreError where anything in it is wrong."""
    if manifest is None:
        raise _unsound(where, "is torn or was changed")
    key, files, needs = manifest.get("key"), manifest.get("files"), manifest.get("needs", [])
    kind, made_of = manifest.get("kind"), manifest.get("ingredients")
    if not (isinstance(key, str) and KEY.fullmatch(key) and isinstance(kind, str) and isinstance(made_of, dict)):
        raise _unsound(where, "does not say which step it is of")
    if content_key(kind, made_of) != key:
        raise _unsound(where, "has a key that is not that of its ingredients")
    if not isinstance(needs, list) or not all(isinstance(n, str) and KEY.fullmatch(n) for n in needs):
        raise _unsound(where, "needs what is no step")
    if not isinstance(files, dict) or not all(
        safe_name(n) and n != MANIFEST and sound_fact(f) for n, f in files.items()
    ):
        raise _unsound(where, "names files that a step cannot have")
    texts = all(isinstance(manifest.get(name, ""), str) for name in ("label", "run"))
    numbers = all(isinstance(manifest.get(name) or 0, int | float) for name in ("stored", "seconds", "dropped"))
    if not texts or not numbers or not isinstance(manifest.get("summary", {}), dict):
        raise _unsound(where, "has a value of the wrong type")
    return manifest


def sound_fact(fact: object) -> bool:
    """Whether what somebody says of a file is a size and a checksum."""
    if not isinstance(fact, dict):
        return False
    size, checksum = fact.get("size"), fact.get("sha256")
    right = isinstance(checksum, str) and SHA.fullmatch(checksum) is not None
    return type(size) is int and size >= 0 and right


def _unsound(where: str, what: str) -> StoreError:
    return StoreError(Problem(where, f"{what}; nothing of it was taken.", "Ask for it again."))


class Taken(Enum):
    """What became of a step that arrived."""

    NEW = "new"
    THERE = "there"
    """It was there already, the same."""
    OTHER = "other"
    """It was there with other content under the same key, and that was kept."""


def take(store: Store, part: Part, fill: Callable[[Path], None]) -> Taken:
    """Put a step into a store, unless it is there: `fill` writes its files into a folder, and their checksums decide.

    What is there is kept; where it was dropped or damaged and the files are the same, they come back. StoreError where
    a file that arrived is not as its manifest says, and nothing was taken then.
    """
    key, files = part.key, part.manifest["files"]
    with store.lock(key):
        mine = store.manifest(key)
        if mine is not None and mine.get("files") != files:
            return Taken.OTHER
        # Of one that arrives without its files even a dropped one here has as much.
        if mine is not None and (part.manifest.get("dropped") or store.has(key, small_only=False)):
            return Taken.THERE
        with store.temporary() as folder:
            with told(folder, "write"):
                fill(folder)
                arrived = seal(folder)
            wanted = {name: files[name] for name in part.files}
            if wrong := sorted(n for n in {*wanted, *arrived} if wanted.get(n) != arrived.get(n)):
                what = f"did not arrive as it was stored: {wrong[0]} is absent, or its size or checksum is another."
                raise StoreError(Problem(key, what, "Nothing of it was taken."))
            store.place(key, folder, part.manifest)
    return Taken.NEW


def copied_from(other: Store, part: Part) -> Callable[[Path], None]:
    """Fills a folder with a step's files out of another store."""

    def fill(folder: Path) -> None:
        for name in part.files:
            target = folder / PurePosixPath(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(other.path(part.key) / name, target)

    return fill
