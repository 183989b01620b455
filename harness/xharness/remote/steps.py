"""Steps in a remote store: each whole and right, or not there. No locks: the key is the content.

    URL/steps/<key>/manifest.json            put last, and never over another: with it the step is there
    URL/steps/<key>/dropped.json             what is remembered of a step whose files were not handed on
    URL/steps/<key>/<content>/...            its files, in a folder called after their checksums

Two that make a step at once put the same files in the same place. Where theirs differ, since machines round
differently, each has a folder of its own, and the manifest of whoever was first says which is the step's.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from xharness.errors import Problem, StoreError, listed
from xharness.remote.address import shown
from xharness.remote.place import Place, full
from xharness.remote.trouble import NotOurs, NotWhole
from xharness.store.files import broken, canonical, sealed_text, unsealed
from xharness.store.parts import KEPT, Part, Taken, memory_of, require_sound, take
from xharness.store.steps import MANIFEST, Store

DROPPED = "dropped.json"


class Put(Enum):
    """What became of a step that was to be handed on."""

    NEW = "new"
    THERE = "there"
    """It was there already, the same."""
    OTHER = "other"
    """It was there with other content under the same key, and that was kept."""
    ABSENT = "absent"
    """The local store has it no more, or not as it was stored."""


@dataclass(frozen=True)
class Wanted:
    """What a plan knows of a step beside its key."""

    needs: frozenset[str]
    plugins: Mapping[str, str]
    """Name of a plug-in's file -> its checksum. The key has only their versions, which people forget to raise."""


class Mend(Enum):
    """What of a step that is there is put anew."""

    OWN = "own"
    """The same content, whatever became of its files; what another made stays."""
    DAMAGED = "damaged"
    """That, and what another made where it is found damaged: of use to nobody as it is."""


def content_of(manifest: Mapping[str, Any]) -> str:
    """Name of the folder that the files of a manifest are in."""
    return hashlib.sha256(canonical(manifest["files"]).encode()).hexdigest()[:16]


def manifest_there(place: Place, key: str, name: str = MANIFEST) -> Mapping[str, Any] | None:
    """What a place says of a step, None where nothing; StoreError where that cannot be believed."""
    found = place.read(f"steps/{key}/{name}")
    if found is None:
        return None
    where = f"{shown(place.url)}/steps/{key}/{name}"
    manifest = require_sound(unsealed(found), where)
    if manifest["key"] != key or bool(manifest.get("dropped")) != (name == DROPPED):
        raise StoreError(Problem(where, "is the manifest of another step.", "Nothing of it was taken."))
    return manifest


def step_there(place: Place, key: str, wanted: Wanted | None = None, name: str = MANIFEST) -> Mapping[str, Any] | None:
    """`manifest_there` of a step that a plan wants; StoreError where it is another than the plan's."""
    manifest = manifest_there(place, key, name)
    if manifest is None or wanted is None:
        return manifest
    where = f"{shown(place.url)}/steps/{key}"
    if set(manifest.get("needs", ())) != wanted.needs:
        what = "does not rest on the steps that it rests on here."
        raise NotOurs(Problem(where, what, "Nothing of it was taken."))
    if wanted.plugins and (theirs := manifest.get("plugins")) != wanted.plugins:
        others = theirs if isinstance(theirs, dict) else {}
        names = listed(name for name, found in wanted.plugins.items() if others.get(name) != found) or "more of them"
        hint = "Raise `version` in it where a change counts, or use the same file everywhere."
        raise NotOurs(Problem(where, f"was made with another file of the plug-ins than is here: {names}.", hint))
    return manifest


def fetch(place: Place, store: Store, key: str, wanted: Wanted | None = None) -> Taken | None:
    """Take a whole step, None where it is not there; StoreError where it is not as it was stored, or the disk full."""
    manifest = step_there(place, key, wanted)
    return None if manifest is None else take(store, Part(manifest, tuple(manifest["files"])), filled(place, manifest))


def remembered(place: Place, key: str, wanted: Wanted | None = None) -> Part | None:
    """What a place remembers of a step, without its large files; None where nothing."""
    # It is a memory only: where it is torn, nothing is lost that anybody needs.
    manifest = _believed(place, key, DROPPED, wanted) or _believed(place, key, wanted=wanted)
    if manifest is None:
        return None
    names = tuple(n for n in manifest["files"] if Path(n).name in KEPT)
    return Part({**manifest, "dropped": manifest.get("dropped") or manifest.get("stored") or 1.0}, names)


def fetch_memory(place: Place, store: Store, key: str, wanted: Wanted | None = None) -> Taken | None:
    """Take what is remembered of a step, None where nothing is."""
    part = remembered(place, key, wanted)
    if part is None:
        return None
    try:
        return take(store, part, filled(place, part.manifest, part.files))
    except StoreError:
        # Its manifest is what counts: dev scores, choices, what it was made of.
        return take(store, Part(part.manifest, ()), lambda folder: None)


def filled(place: Place, manifest: Mapping[str, Any], names: Sequence[str] | None = None) -> Callable[[Path], None]:
    """Fills a folder with a step's files, all or these; StoreError where one is not there or there is no room."""
    key, facts = manifest["key"], manifest["files"]
    wanted = tuple(facts) if names is None else names

    def fill(folder: Path) -> None:
        if sum(facts[name]["size"] for name in wanted) > shutil.disk_usage(folder).free:
            raise full(folder / MANIFEST)
        for name in wanted:
            target = folder / PurePosixPath(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            source = f"steps/{key}/{content_of(manifest)}/{name}"
            if not place.fetch(source, target, facts[name]["size"]):
                where = f"{shown(place.url)}/{source}"
                raise NotWhole(Problem(where, "is not there, though its step is.", "Nothing of it was taken."))

    return fill


def put(place: Place, store: Store, key: str, whole: bool = True, mend: Mend | None = None) -> Put:
    """Hand on a stored step, or only what is remembered of it; what is there stays, unless it is to be mended.

    StoreError where the local store cannot be read.
    """
    with store.reading([key]):
        manifest = store.manifest(key)
        if manifest is None:
            return Put.ABSENT
        there = _believed(place, key)
        gone = bool(manifest.get("dropped"))
        if there is not None and (gone or not _gives_way(place, store, manifest, there, mend)):
            return _compared(there, manifest)
        try:
            if not whole or gone:
                return _put_memory(place, store, manifest, mend)
            return _put_whole(place, store, manifest, there, mend)
        except StoreError:
            if gone or store.has(key, small_only=False):
                raise
            return Put.ABSENT  # It vanished meanwhile.


def _compared(there: Mapping[str, Any], manifest: Mapping[str, Any]) -> Put:
    return Put.THERE if there["files"] == manifest["files"] else Put.OTHER


def _gives_way(
    place: Place, store: Store, manifest: Mapping[str, Any], there: Mapping[str, Any], mend: Mend | None
) -> bool:
    """Whether a step that is there is to be put anew."""
    if mend is None or there["files"] == manifest["files"]:
        return mend is not None
    if mend is Mend.OWN:
        return False
    # What was damaged when it was asked for may have been mended meanwhile, by whoever else made it.
    with store.temporary() as folder:
        try:
            filled(place, there)(folder)
        except StoreError:
            return True
        return bool(broken(folder, there["files"]))


def _put_whole(
    place: Place, store: Store, manifest: Mapping[str, Any], found: Mapping[str, Any] | None, mend: Mend | None
) -> Put:
    """Put all of a step; `found` is the manifest that gives way."""
    key = manifest["key"]
    if not store.has(key, small_only=False):
        return Put.ABSENT
    _put_files(place, store, manifest, tuple(manifest["files"]))
    text = sealed_text(manifest).encode()
    if found is not None and mend is not None:
        now = _believed(place, key)
        if now is not None and now["files"] != found["files"]:  # Another has mended it in these seconds.
            return _compared(now, manifest)
        place.put(f"steps/{key}/{MANIFEST}", text)
        return Put.NEW
    if place.put(f"steps/{key}/{MANIFEST}", text, new=True):
        return Put.NEW
    there = _believed(place, key)
    if there is None:  # Torn, by a writer whose place cannot rename.
        place.put(f"steps/{key}/{MANIFEST}", text)
        return Put.NEW
    return _compared(there, manifest)


def _put_memory(place: Place, store: Store, manifest: Mapping[str, Any], mend: Mend | None) -> Put:
    part = memory_of(store, manifest)
    there = _believed(place, part.key, DROPPED)
    if there is not None and (mend is None or there["files"] != manifest["files"]):
        return _compared(there, manifest)
    _put_files(place, store, manifest, part.files)
    name, text = f"steps/{part.key}/{DROPPED}", sealed_text(part.manifest).encode()
    if place.put(name, text, new=there is None):
        return Put.NEW
    now = _believed(place, part.key, DROPPED)
    if now is None:
        place.put(name, text)
        return Put.NEW
    return _compared(now, manifest)


def _put_files(place: Place, store: Store, manifest: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        place.put(f"steps/{manifest['key']}/{content_of(manifest)}/{name}", store.path(manifest["key"]) / name)


def _believed(place: Place, key: str, name: str = MANIFEST, wanted: Wanted | None = None) -> Mapping[str, Any] | None:
    """The manifest that is there, where it can be believed."""
    try:
        return step_there(place, key, wanted, name)
    except StoreError:
        return None
