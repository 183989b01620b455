"""A run as one file for a colleague, such files and whole stores taken into a store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xharness.errors import HarnessError, Problem, StoreError, UsageError, listed

if TYPE_CHECKING:
    from xharness.look.texts import Texts
    from xharness.spec.load import Loaded
    from xharness.store.archive import Entry
    from xharness.store.parts import Part
    from xharness.store.receiving import Received
    from xharness.store.steps import Store


@dataclass(frozen=True)
class Exported:
    """What went into a file."""

    run: str
    file: Path
    size: int
    steps: int
    """Steps that are in it with their files."""
    texts: tuple[Texts, ...]


def export_run(
    folder: Path, file: Path, texts: bool = True, allowed: Collection[str] = (), whole: Collection[str] = ()
) -> Exported:
    """Write a finished run, all that its board and predictions need, as one file.

    `texts`: with the examples it was tested on; those of tasks whose licence forbids it only where `allowed` names
    them. `whole`: kinds of step (tune, encode, …) whose files come too. The same run is the same bytes. StoreError
    where something of it is not in the store any more, or damaged.
    """
    from xharness.store.archive import Entry, write_archive
    from xharness.store.files import sealed_text
    from xharness.store.parts import parts_of
    from xharness.store.steps import MANIFEST

    own = own_files(folder, texts, allowed)
    entries: list[Entry] = []
    parts = parts_of(own.store, own.facts, whole)
    for part in parts:
        place, held = own.store.path(part.key), part.manifest["files"]
        entries.append(Entry.of(f"steps/{part.key}/{MANIFEST}", sealed_text(part.manifest).encode()))
        for name in part.files:
            fact = held[name]
            entries.append(Entry(f"steps/{part.key}/{name}", place / name, fact["size"], fact["sha256"]))
    write_archive(file, own.about, [*entries, *own.entries])
    steps = sum(not part.manifest.get("dropped") for part in parts)
    return Exported(folder.name, file, file.stat().st_size, steps, own.texts)


@dataclass(frozen=True)
class Own:
    """A run's own files, as they are handed on."""

    facts: Mapping[str, Any]
    store: Store
    entries: tuple[Entry, ...]
    """Named `run/…`: its folder, less what stays here, its suite, and examples."""
    about: Mapping[str, Any]
    """Its name, the licences of its examples, the names of its plug-ins."""
    texts: tuple[Texts, ...]


def own_files(folder: Path, texts: bool, allowed: Collection[str]) -> Own:
    """What of a finished run goes with it beside its steps; UsageError where `allowed` names no target of it."""
    from xharness.api.stored import store_of, suite_of
    from xharness.plugins import load_plugins
    from xharness.store.archive import Entry
    from xharness.store.files import sealed_text
    from xharness.store.receiving import run_files
    from xharness.store.runs import EXAMPLES, FACTS, SUITE, own_facts, public, read_run

    facts, _ = read_run(folder)
    own = public(own_facts(folder) or {})
    load_plugins(facts.get("plugins", ()))
    if unknown := sorted(set(allowed) - set(facts["targets"])):
        raise UsageError(f"--texts-of {unknown[0]}: the run has no such target. Allowed: {listed(facts['targets'])}.")
    store, loaded = store_of(folder), suite_of(facts)
    names = [name for name in run_files(folder) if not name.startswith((f"{EXAMPLES}/", f"{SUITE}/"))]
    entries = [Entry.of(f"run/{name}", folder / name) for name in names if name != FACTS]
    entries.append(Entry.of(f"run/{FACTS}", sealed_text(own).encode()))
    found = _texts(facts, loaded, store, allowed) if texts else []
    entries += [Entry.of(f"run/{EXAMPLES}/{one.target}.jsonl", one.text.encode()) for one in found if one.text]
    files = _suite_files(folder, facts, loaded)
    entries += [Entry.of(f"run/{SUITE}/{name}", text.encode()) for name, text in files.items()]
    licences = {one.target: one.licence for one in found if one.text}
    about = {"run": folder.name, "texts": licences, "plugins": own["plugins"]}
    return Own(facts, store, tuple(entries), about, tuple(found))


def _texts(facts: Mapping[str, Any], loaded: Loaded | None, store: Store, allowed: Collection[str]) -> list[Texts]:
    from xharness.look.texts import texts_of
    from xharness.score.matching import FILE

    found = []
    for target in facts["targets"]:
        keys = dict.fromkeys(c["key"] for c in facts["cells"] if c["target"] == target and c.get("key"))
        files = [path for key in keys if (path := store.path(key) / FILE).is_file()]
        if files:
            found.append(texts_of(facts, loaded, target, files, target in allowed))
    return found


def _suite_files(folder: Path, facts: Mapping[str, Any], loaded: Loaded | None) -> dict[str, str]:
    """The run's suite in one piece, its tasks beside it, without what it extends; of an imported run what came."""
    import tomli_w

    from xharness.store.runs import IMPORTED, SUITE

    if (folder / IMPORTED).is_file():
        inside = folder / SUITE
        return {p.relative_to(inside).as_posix(): p.read_text("utf-8") for p in inside.rglob("*") if p.is_file()}
    if loaded is None:
        return {}
    values = {k: v for k, v in loaded.document.values.items() if k not in ("extends", "tasks", "plugins")}
    # A task without a file of its own (`mteb:NAME`) is made anew from its name.
    own = {name: document for name, document in loaded.files.items() if document is not loaded.document}
    files = {f"tasks/{name}.toml": tomli_w.dumps(document.values) for name, document in own.items()}
    scheme = str(facts["scheme"])
    if scheme.endswith(".toml"):
        values["scheme"] = "scheme.toml"
        path = next((p for p in (Path(scheme), loaded.path.parent / scheme) if p.is_file()), None)
        files |= {"scheme.toml": path.read_text("utf-8")} if path else {}
    return {f"{loaded.path.stem}.toml": tomli_w.dumps(values), **files}


@dataclass(frozen=True)
class Taken:
    """A run that was taken into a store."""

    received: Received
    texts: Mapping[str, str]
    """Target -> licence of the examples that came with it."""


def import_file(file: Path, store: Path, plugins: Path | None = None) -> Taken:
    """Take what `export_run` wrote into a store, whole or not at all.

    The file carries no code: where its run used plug-ins, they are looked for in `plugins`. UsageError where they are
    not there; StoreError where the file is not as it was written, or tries what it must not.
    """
    from xharness.store.archive import refused, unpack
    from xharness.store.files import write_json
    from xharness.store.parts import safe_name
    from xharness.store.receiving import receive
    from xharness.store.runs import IMPORTED
    from xharness.store.steps import Store

    opened = Store(store).prepare()
    opened.sweep()
    with opened.temporary() as folder:
        index = unpack(file, folder)
        name, texts = index.get("run"), index.get("texts", {})
        if not safe_name(name) or "/" in str(name) or str(name).startswith("."):
            raise refused(file, "carries a run with a name that no run can have")
        if not isinstance(texts, dict) or not all(isinstance(value, str) for value in texts.values()):
            raise refused(file, "does not say what texts it carries")
        parts = _parts_in(folder, index["files"], file)
        run = folder / "run"
        run.mkdir(exist_ok=True)
        used = code_beside(str(file), index.get("plugins", []), plugins)
        write_json(run / IMPORTED, {"file": file.name, "when": time.time(), "plugins": used, "texts": texts})
        require_whole(run, parts, partial(refused, file))

        def fill(part: Part) -> Callable[[Path], None]:
            return lambda target: _move(folder / "steps" / part.key, target, part.files)

        return Taken(receive(opened, str(name), run, parts, fill), texts)


def _move(source: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).rename(target / name)


def code_beside(where: str, names: object, beside: Path | None) -> list[str]:
    """The plug-ins of a run as they are here."""
    if not isinstance(names, list) or not all(isinstance(n, str) and n == Path(n).name for n in names):
        raise UsageError(Problem(where, "names plug-ins that are no files."))
    if not names:
        return []
    lacking = [n for n in names if beside is None or not (beside / n).is_file()]
    if beside is None or lacking:
        what = f"its run used plug-ins, which are code and do not come with it: {listed(lacking)}."
        raise UsageError(Problem(where, what, "Get them from whoever made the run: `--plugins FOLDER`."))
    return [str((beside / n).resolve()) for n in names]


def _parts_in(folder: Path, files: Mapping[str, Any], file: Path) -> list[Part]:
    """The steps that were unpacked, each of which is believable by itself."""
    from xharness.store.archive import refused
    from xharness.store.files import read_json
    from xharness.store.parts import Part, require_sound
    from xharness.store.steps import MANIFEST

    inside: dict[str, list[str]] = {}
    for name in files:
        place, _, rest = name.partition("/")
        if place == "steps":
            key, _, inner = rest.partition("/")
            inside.setdefault(key, []).append(inner)
        elif place != "run":
            raise refused(file, f"has a file that belongs nowhere: {name}")
    parts = []
    for key, names in sorted(inside.items()):
        manifest = require_sound(read_json(folder / "steps" / key / MANIFEST), f"{file}: {key}")
        own = tuple(name for name in names if name != MANIFEST)
        held = manifest["files"]
        lacking = [] if manifest.get("dropped") else [name for name in held if name not in own]
        if manifest["key"] != key or lacking or any(files[f"steps/{key}/{n}"] != held.get(n) for n in own):
            raise refused(file, f"has other files of {key} than the step was stored with")
        parts.append(Part(manifest, own))
    return parts


def require_whole(run: Path, parts: Sequence[Part], refuse: Callable[[str], StoreError]) -> None:
    """The run can be read, its board drawn, and its scores rest on steps that came with it."""
    from xharness.board.board import make_board
    from xharness.plugins import load_plugins
    from xharness.score.scheme import scheme_of
    from xharness.store.parts import ends_of
    from xharness.store.runs import read_run

    try:
        facts, records = read_run(run)
        load_plugins(facts["plugins"])
        make_board(facts, records, scheme_of(facts))
        ends = {*ends_of(facts), *(record.key for record in records)}
    except HarnessError as error:
        raise refuse(f"carries a run that cannot be shown ({error.problems[0].what.rstrip('.')})") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise refuse(f"carries a run that this version cannot show ({type(error).__name__}: {error})") from None
    whole = {part.key for part in parts if not part.manifest.get("dropped")}
    if lacking := sorted(ends - whole):
        raise refuse(f"lacks the step {lacking[0]} that its scores rest on")


def merge_store(other: Path, store: Path) -> Iterator[Taken | HarnessError]:
    """Take every finished run of another store, models and data that are there included; what is there already stays.

    A run of it that is damaged is told and left out. UsageError where there is no store, or it is the same one.
    """
    from xharness.store.parts import DATA, MODELS, copied_from, parts_of
    from xharness.store.receiving import receive, run_files
    from xharness.store.runs import IMPORTED, finished_runs, read_run
    from xharness.store.steps import Store

    source, opened = Store(other), Store(store)
    if not (source.root / "steps").is_dir():
        raise UsageError(f"there is no store at {other}. A store is a folder that `xharness run` made.")
    if source.root == opened.root:
        raise UsageError(f"{other} and {store} are the same store.")
    opened.prepare().sweep()
    for run in finished_runs(source.root):
        try:
            facts, _ = read_run(run)
            parts = parts_of(source, facts, (*MODELS, *DATA))
            with opened.temporary() as folder:
                for name in (*run_files(run), *([IMPORTED] if (run / IMPORTED).is_file() else [])):
                    (folder / "run" / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(run / name, folder / "run" / name)
                got = receive(opened, run.name, folder / "run", parts, lambda part: copied_from(source, part))
            yield Taken(got, {})
        except StoreError as error:
            yield error
