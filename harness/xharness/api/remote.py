"""Runs handed on through a remote store: pushed there with their steps, pulled into another store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xharness.api.sharing import Taken, code_beside, own_files, require_whole
from xharness.errors import Problem, StoreError

if TYPE_CHECKING:
    from xharness.look.texts import Texts
    from xharness.record import Record
    from xharness.remote.place import Place
    from xharness.remote.steps import Mend, Put
    from xharness.store.parts import Part


@dataclass(frozen=True)
class Pushed:
    """What became of a run that was pushed."""

    run: str
    new: bool
    """Whether the run itself was not there yet, or not with these examples."""
    steps: dict[Put, list[str]]
    texts: tuple[Texts, ...]

    def count(self, what: Put) -> int:
        """To how many steps it happened."""
        return len(self.steps.get(what, ()))


def push_run(
    folder: Path, place: Place, texts: bool = True, allowed: Collection[str] = (), mend: bool = False
) -> Pushed:
    """Put a finished run there with all that its board and predictions need, and the models that are still here.

    Encoded data do not go: they are texts, and quickly made. `texts` and `allowed` as in `export_run`. `mend`: what is
    there already is put there again, too, unless another machine made it. RemoteError or StoreError where it is not
    all there then, or its scores' steps have other content there; what is there is whole, and pushing again goes on.
    """
    from xharness.remote.runs import put_run
    from xharness.remote.steps import Mend, Put, content_of, put
    from xharness.remote.watch import each
    from xharness.store.parts import MODELS, parts_of

    own = own_files(folder, texts, allowed)
    parts = {part.key: part for part in parts_of(own.store, own.facts, (*MODELS, "embed"))}
    ends = {key: content_of(parts[key].manifest) for key in _scored(own.facts, parts)}
    became: dict[str, Put] = {}

    def hand_on(keys: Collection[str], again: Mend | None) -> list[str]:
        """Put steps there; keys of those that had to be put."""
        whole = {key: not parts[key].manifest.get("dropped") for key in keys}
        done = dict(each(lambda key: put(place, own.store, key, whole[key], again), keys))
        _require_own(place, folder.name, {key: what for key, what in done.items() if key in ends})
        return [key for key, what in done.items() if became.setdefault(key, what) is not what]

    again = Mend.OWN if mend else None
    # The ends first: where they are of another machine, nothing of the run goes.
    hand_on(ends, again)
    hand_on([key for key in parts if key not in ends], again)
    about = {**own.about, "title": str(own.facts["title"]), "profile": str(own.facts.get("profile") or "")}
    new = put_run(place, about, own.entries, ends, [key for key in parts if key not in ends], mend)
    # From here on no collection takes what the run rests on; what one took meanwhile is put there again.
    for key in hand_on([key for key, what in became.items() if what is Put.THERE], None):
        became[key] = Put.NEW
    steps: dict[Put, list[str]] = {}
    for key, what in became.items():
        steps.setdefault(what, []).append(key)
    return Pushed(folder.name, new, steps, own.texts)


def _scored(facts: Mapping[str, Any], parts: Mapping[str, Part]) -> list[str]:
    """Keys of the steps that a run's records rest on: those of a cell that failed in some languages, too."""
    from xharness.store.parts import ends_of

    keys = [*ends_of(facts), *(c["key"] for c in facts.get("cells", ()) if c.get("key"))]
    return [key for key in dict.fromkeys(keys) if key in parts and not parts[key].manifest.get("dropped")]


def _require_own(place: Place, run: str, ends: Mapping[str, Put]) -> None:
    """The steps with a run's scores are there as the run has them; StoreError otherwise."""
    from xharness.remote.address import shown
    from xharness.remote.steps import Put

    if lost := [key for key, what in ends.items() if what is Put.ABSENT]:
        hint = "`xharness store check --repair`, then run the suite again."
        raise StoreError(Problem(lost[0], "has changed since it was stored, or is gone.", hint))
    if others := [key for key, what in ends.items() if what is Put.OTHER]:
        what = f"{len(others)} of the steps with its scores have other content there under the same key, such as "
        what += f"{others[0]}: another machine rounds differently. Whoever took the run would see scores that are not "
        what += "its own; the run was not put there."
        hint = "Push it to a place of its own: another --remote."
        raise StoreError(Problem(f"{shown(place.url)}: {run}", what, hint))


def pull_run(name: str, place: Place, store: Path, models: bool = False, plugins: Path | None = None) -> Taken:
    """Take a run that was pushed into a store, whole or not at all; `name` is its full name.

    With `models` those that are there come too. No code comes: plug-ins are looked for in `plugins`. UsageError where
    they are not there; StoreError where something is not as it was put there; RemoteError for the line.
    """
    from xharness.remote.address import shown
    from xharness.remote.runs import again, fetch_files, index_of
    from xharness.remote.watch import each
    from xharness.store.files import write_json
    from xharness.store.receiving import receive
    from xharness.store.runs import IMPORTED
    from xharness.store.steps import Store

    where = f"{shown(place.url)}/runs/{name}"

    def refuse(what: str) -> StoreError:
        return StoreError(Problem(where, f"{what}; nothing of it was taken.", again(place, name)))

    index = index_of(place, name)
    if index is None:
        raise refuse("is not there")
    used = code_beside(where, index.get("plugins", []), plugins)
    opened = Store(store).prepare()
    opened.sweep()
    with opened.temporary() as folder:
        fetch_files(place, index, folder)
        about = {"file": where, "when": time.time(), "plugins": used, "texts": index["texts"]}
        write_json(folder / "run" / IMPORTED, about)
        keys = {**dict.fromkeys(index["below"], models), **dict.fromkeys(index["ends"], True)}
        found = dict(each(lambda key: _part(place, key, keys[key], refuse), keys))
        parts = [part for _, part in sorted(found.items()) if part is not None]
        require_whole(folder / "run", parts, refuse)
        _require_same(place, index, parts, folder)
        got = receive(opened, name, folder / "run", parts, lambda part: _filled(place, part, refuse))
        return Taken(got, index["texts"])


def _require_same(place: Place, index: Mapping[str, Any], parts: Sequence[Part], folder: Path) -> None:
    """The steps with a run's scores are those that it was made of; StoreError where another machine's lie there."""
    from xharness.remote.address import shown
    from xharness.remote.steps import content_of, filled
    from xharness.store.receiving import SCORES
    from xharness.store.runs import read_run

    contents, other = index.get("contents"), list[str]()
    held = {part.key: part for part in parts}
    if contents is not None:
        ends = [key for key in index["ends"] if key in held]
        other = [key for key in ends if content_of(held[key].manifest) != contents.get(key)]
    else:  # Of an older version, which wrote down keys alone.
        by_key: dict[str, list[Record]] = {}
        for record in read_run(folder / "run")[1]:
            by_key.setdefault(record.key, []).append(record)
        for key, records in by_key.items():
            inside = folder / "scores" / key
            inside.mkdir(parents=True)
            filled(place, held[key].manifest, [SCORES])(inside)
            if not _agree(inside / SCORES, records):
                other.append(key)
    if other:
        what = f"{other[0]} was made anew there by another machine, and its scores are not those of this run; "
        where = f"{shown(place.url)}/runs/{index['run']}"
        hint = "Ask for a file of it: `xharness store export`."
        raise StoreError(Problem(where, f"{what}nothing was taken.", hint))


def _agree(file: Path, records: Sequence[Record]) -> bool:
    """Whether scores are those that the records say; what the records do not say is no matter."""
    try:
        scores = json.loads(file.read_text("utf-8"))
        for record in records:
            found = scores["languages"][record.language]
            values = {scores["metric"]: found["score"], **found["values"], **found.get("facts", {})}
            if record.metric in values and float(values[record.metric]) != record.value:
                return False
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _filled(place: Place, part: Part, refuse: Callable[[str], StoreError]) -> Callable[[Path], None]:
    """Fills a folder with a step's files; where they are not as they were stored, the words are the run's."""
    from xharness.remote.steps import filled
    from xharness.remote.trouble import NotWhole
    from xharness.store.files import broken

    fill = filled(place, part.manifest, part.files)

    def checked(folder: Path) -> None:
        try:
            fill(folder)
        except NotWhole as error:
            raise refuse(f"rests on {part.key}, of which a file {error.problems[0].what.rstrip('.')}") from None
        if faults := broken(folder, {name: part.manifest["files"][name] for name in part.files}):
            file = Path(faults[0].partition(": ")[0]).name
            raise refuse(f"rests on {part.key}, which did not arrive as it was stored ({file})")

    return checked


def _part(place: Place, key: str, whole: bool, refuse: Callable[[str], StoreError]) -> Part | None:
    """A step as it is there, or what is remembered of it; None where nothing is."""
    from xharness.remote.steps import manifest_there, remembered
    from xharness.store.parts import Part

    try:
        if whole and (manifest := manifest_there(place, key)) is not None:
            return Part(manifest, tuple(manifest["files"]))
    except StoreError:
        raise refuse(f"rests on {key}, whose manifest is torn or was changed") from None
    return remembered(place, key)
