"""Looking after a remote store: what is old goes, unless a run that stays or a younger step rests on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from xharness.errors import Problem, StoreError
from xharness.remote.place import ABANDONED, ARRIVING, Item, Place
from xharness.remote.runs import INDEX, index_of, run_items
from xharness.remote.steps import DROPPED, content_of, manifest_there
from xharness.remote.watch import each
from xharness.store.steps import MANIFEST

HEADS = (INDEX, MANIFEST, DROPPED)
"""Files by which a run or step is there: they go first, so that no half of it is ever seen."""


@dataclass
class Old:
    """What a collection removes."""

    before: float
    """It was put there before this time, in seconds since the epoch."""
    runs: dict[str, list[Item]] = field(default_factory=dict)
    steps: dict[str, list[Item]] = field(default_factory=dict)
    """Key -> its files."""
    strays: list[Item] = field(default_factory=list)
    """Files that no manifest names: of interrupted uploads, or of another content than the one that was first."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(item.size for items in (*self.runs.values(), *self.steps.values(), self.strays) for item in items)


def contents(place: Place) -> dict[str, list[Item]]:
    """Key -> files of all steps."""
    found: dict[str, list[Item]] = {}
    for item in place.items("steps"):
        found.setdefault(item.name.split("/")[1], []).append(item)
    return found


def old(place: Place, before: float) -> Old:
    """What was put there before a time, in seconds since the epoch; RemoteError where it cannot be read.

    A run goes with its last file's age. A step stays while a run that stays rests on it, or a younger step. StoreError
    where nobody knows on which steps a run rests that stays.
    """
    found, wanted = Old(before), set[str]()
    staying: dict[str, list[Item]] = {}
    for run, items in run_items(place).items():
        (found.runs if _newest(items) < before else staying)[run] = items
    for run, items in staying.items():
        if index := _index(place, run):
            wanted |= {*index["ends"], *index["below"]}
            content = content_of(index)
            found.strays += [i for i in items if i.when < before and not _of(i, content)]
    steps = contents(place)
    wanted |= {key for key, items in steps.items() if _newest(items) >= before}
    kept = _closure(place, wanted, steps)
    found.steps = {key: items for key, items in steps.items() if key not in kept}
    for key, content in kept.items():
        found.strays += [i for i in steps.get(key, ()) if i.when < before and not _of(i, content)]
    abandoned = [item for item in place.items(ARRIVING) if item.when < before - ABANDONED]
    found.strays += abandoned
    return found


def _index(place: Place, run: str) -> Mapping[str, Any] | None:
    try:
        return index_of(place, run)
    except StoreError as error:
        problem = error.problems[0]
        what = f"{problem.what.rstrip('.')}, so that nobody knows which steps it rests on; nothing was removed."
        raise StoreError(Problem(problem.where, what, problem.hint)) from None


def _newest(items: Iterable[Item]) -> float:
    return max(item.when for item in items)


def _of(item: Item, content: str) -> bool:
    """Whether a file belongs to a content, or says that it is there."""
    inside = item.name.split("/")[2:]
    return inside[0] == content or (len(inside) == 1 and inside[0] in HEADS)


def _closure(place: Place, wanted: Collection[str], steps: Collection[str]) -> dict[str, str]:
    """Key -> content of the wanted steps and of all that they rest on."""
    kept: dict[str, str] = {}
    frontier = {key for key in wanted if key in steps}
    while frontier:
        needs: set[str] = set()
        for key, (content, below) in each(lambda key: _read(place, key), frontier):
            kept[key] = content
            needs |= below
        frontier = {key for key in needs if key in steps and key not in kept}
    return kept


def _read(place: Place, key: str) -> tuple[str, set[str]]:
    """(content of a step, what it needs); nothing where its manifest cannot be believed."""
    for name in (MANIFEST, DROPPED):
        with suppress(StoreError):
            if manifest := manifest_there(place, key, name):
                return content_of(manifest), set(manifest.get("needs", ()))
    return "", set()


def remove(place: Place, found: Old) -> Old:
    """Remove it, less what somebody has put there, or a run come to rest on, since it was looked for; what went."""
    now, gone = old(place, found.before), Old(found.before)
    for run, items in found.runs.items():
        if run in now.runs and _removed(place, f"runs/{run}", items, found.before):
            gone.runs[run] = items
    for key, items in found.steps.items():
        if key in now.steps and _removed(place, f"steps/{key}", items, found.before):
            gone.steps[key] = items
    still = {item.name for item in now.strays}
    for item in found.strays:
        if item.name in still:
            place.remove(item.name)
            gone.strays.append(item)
    return gone


def _removed(place: Place, under: str, items: Sequence[Item], before: float) -> bool:
    """Remove these files, unless something under that name has become young."""
    if any(item.when >= before for item in place.items(under)):
        return False
    for item in sorted(items, key=lambda item: not item.name.endswith(HEADS)):
        place.remove(item.name)
    return True
