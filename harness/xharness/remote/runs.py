"""Runs in a remote store: a run's own files, and which steps it rests on.

URL/runs/<run>/index.json        put last: its files with sizes and checksums, the keys of its steps, and the
                                 content of those that hold its scores; sealed
URL/runs/<run>/<content>/...     its files, in a folder called after their checksums
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xharness.errors import Problem, StoreError, UsageError, nearest
from xharness.remote.address import shown
from xharness.remote.place import Item, Place, full
from xharness.remote.steps import content_of
from xharness.remote.watch import each
from xharness.store.archive import Entry
from xharness.store.files import SEAL, broken, sealed_text, unsealed
from xharness.store.parts import KEY, safe_name, sound_fact

INDEX, FORMAT = "index.json", 1
RECORD = "run/run.json"
"""By which two runs of one name are told apart."""


@dataclass(frozen=True)
class There:
    """A run in a remote store."""

    run: str
    title: str
    profile: str
    steps: int
    """That it rests on."""
    when: float
    """When it was put there, in seconds since the epoch."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def put_run(
    place: Place,
    about: Mapping[str, Any],
    entries: Sequence[Entry],
    ends: Mapping[str, str],
    below: Sequence[str],
    mend: bool = False,
) -> bool:
    """Put a run there, whose steps are there; False where the very same is. StoreError for another of that name.

    `ends`: key -> content of the steps that its scores rest on. `mend`: put its files again though they are there.
    """
    name = about["run"]
    files = {e.name: e.fact for e in entries}
    index = {**about, "format": FORMAT, "files": files, "ends": list(ends), "contents": ends, "below": below}
    found = place.read(f"runs/{name}/{INDEX}")
    there = None if found is None else _believed(place, name, found)  # A torn one gives way.
    if there is not None:
        if there["files"].get(RECORD) != index["files"][RECORD]:
            where = f"{shown(place.url)}/runs/{name}"
            raise StoreError(Problem(where, "there is another run of that name; nothing was put there."))
        if not mend and {**there, "title": "", "profile": ""} == {**index, "title": "", "profile": ""}:
            return False
    for entry in entries:
        place.put(f"runs/{name}/{content_of(index)}/{entry.name}", entry.content)
    place.put(f"runs/{name}/{INDEX}", sealed_text(index).encode())
    return True


def index_of(place: Place, name: str) -> dict[str, Any] | None:
    """What a place says of a run, None where nothing; StoreError where that cannot be believed."""
    found = place.read(f"runs/{name}/{INDEX}")
    if found is None:
        return None
    index = _believed(place, name, found)
    if index is None:
        where = f"{shown(place.url)}/runs/{name}"
        raise StoreError(Problem(where, "is torn or was changed.", again(place, name)))
    return index


def again(place: Place, name: str) -> str:
    """What is to be done where something of a run is damaged or lost there."""
    command = f"`xharness store push {name} --remote {shown(place.url)} --mend`"
    return f"Have it put there again by whoever made it: {command}."


def _believed(place: Place, name: str, found: bytes) -> dict[str, Any] | None:
    """A run's index, None where it is torn; StoreError where a newer version wrote it."""
    index = unsealed(found)
    where = f"{shown(place.url)}/runs/{name}"
    written = index.get("format") if index else None
    if type(written) is int and written > FORMAT:
        hint = "Install a newer xharness: `pip install -U xharness-stilts`."
        raise StoreError(Problem(where, f"has format {written}, and this version reads {FORMAT}.", hint))
    if index is None or index.get("run") != name or not _sound(index):
        return None
    return {key: value for key, value in index.items() if key != SEAL}


def _sound(index: Mapping[str, Any]) -> bool:
    files, texts = index.get("files"), index.get("texts")
    keys = [index.get("ends"), index.get("below")]
    if not isinstance(files, dict) or RECORD not in files or not isinstance(texts, dict):
        return False
    if not all(
        isinstance(found, list) and all(isinstance(k, str) and KEY.fullmatch(k) for k in found) for found in keys
    ):
        return False
    contents = index.get("contents", {})  # Older versions wrote none.
    if not isinstance(contents, dict) or not all(isinstance(found, str) for found in contents.values()):
        return False
    words = [*texts.values(), index.get("title", ""), index.get("profile", "")]
    return all(isinstance(word, str) for word in words) and all(_fact(name, fact) for name, fact in files.items())


def _fact(name: str, fact: object) -> bool:
    return safe_name(name) and name.startswith("run/") and sound_fact(fact)


def fetch_files(place: Place, index: Mapping[str, Any], folder: Path) -> None:
    """Copy a run's own files into an empty folder; StoreError where they are not as they were put there."""
    files = index["files"]
    if sum(fact["size"] for fact in files.values()) > shutil.disk_usage(folder).free:
        raise full(folder / RECORD)
    where = f"{shown(place.url)}/runs/{index['run']}"
    for name, fact in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not place.fetch(f"runs/{index['run']}/{content_of(index)}/{name}", target, fact["size"]):
            raise StoreError(Problem(f"{where}: {name}", "is not there.", again(place, index["run"])))
    if faults := broken(folder, files):
        what = f"did not arrive as it was put there ({Path(faults[0].partition(': ')[0]).name})."
        raise StoreError(Problem(where, f"{what} Nothing of it was taken.", again(place, index["run"])))


def run_items(place: Place) -> dict[str, list[Item]]:
    """Name of a run -> its files."""
    found: dict[str, list[Item]] = {}
    for item in place.items("runs"):
        found.setdefault(item.name.split("/")[1], []).append(item)
    return found


def names_there(place: Place) -> list[str]:
    """Names of the runs that are there, the oldest first."""
    return sorted(run for run, items in run_items(place).items() if any(_is_index(item) for item in items))


def _is_index(item: Item) -> bool:
    return item.name.count("/") == 2 and item.name.endswith(f"/{INDEX}")


def named(place: Place, part: str) -> str:
    """The one run of that name, or the newest that has it in its name; UsageError where there is none."""
    names = names_there(place)
    found = [name for name in names if part in name]
    if not found:
        there = nearest(part, names) if names else "No run was pushed there."
        raise UsageError(f"{shown(place.url)} has no run '{part}'. {there}")
    return part if part in found else found[-1]


def runs_there(place: Place) -> list[There | StoreError]:
    """The runs that are there, the oldest first; of one that cannot be believed, why."""
    when = {run: max(i.when for i in items if _is_index(i)) for run, items in run_items(place).items()
            if any(map(_is_index, items))}  # fmt: skip

    def read(name: str) -> There | StoreError | None:
        try:
            index = index_of(place, name)
        except StoreError as error:
            return error
        if index is None:  # Somebody has just removed it.
            return None
        steps = len({*index["ends"], *index["below"]})
        return There(name, index.get("title", ""), index.get("profile", ""), steps, when.get(name, time.time()))

    found = dict(each(read, when))
    return [one for name in sorted(found) if (one := found[name]) is not None]
