"""A run's folder: what was asked and what came of it (run.json), every score (records.jsonl), events, the log.

    STORE/runs/<time>-<suite>-<profile>-<four letters>/

`run.json` carries its own checksum and that of the records, so that a board is shown right or not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from xharness.errors import Problem, StoreError, UsageError, listed, nearest
from xharness.record import Record
from xharness.store.files import SEAL, held, read_json, sha256, sync, told, write_json

FACTS, RECORDS, EVENTS, LOG = "run.json", "records.jsonl", "events.jsonl", "workers.log"
GOING = "going"
"""Held by the process of a run that is under way."""
IMPORTED, SUITE, EXAMPLES = "imported.json", "suite", "examples"
"""In the folder of a run that was made elsewhere: that it was; its suite's files; the examples it was tested on."""


def new_run(store: Path, suite: str, profile: str) -> Path:
    """An empty folder for a run that begins now."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{suite}-{profile}-{secrets.token_hex(2)}"
    folder = store / "runs" / name
    with told(folder, "make a folder"):
        folder.mkdir(parents=True)
    return folder


@contextmanager
def going(folder: Path) -> Iterator[None]:
    """Have a run be `under_way`; the system ends it when the process dies."""
    path = folder / GOING
    with ExitStack() as opened:
        with told(path, "lock"):
            fcntl.flock(opened.enter_context(path.open("ab")), fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def under_way(folder: Path) -> bool:
    """Whether a living process is at this run."""
    return held(folder / GOING)


def write_run(folder: Path, facts: Mapping[str, Any], records: Iterable[Record] | None = None) -> None:
    """Write what is known of a run, with its records once it has ended; StoreError when that is not possible."""
    with told(folder, "write the run's record"):
        made = dict(facts)
        if records is not None:
            path = folder / RECORDS
            with path.open("w", encoding="utf-8") as stream:
                for record in records:
                    stream.write(json.dumps(record.as_json(), ensure_ascii=False) + "\n")
            sync(path)
            made["records"] = sha256(path)
        write_json(folder / FACTS, made)


def read_facts(folder: Path) -> dict[str, Any] | None:
    """run.json; None where it is not there, not as it was written, or cannot be read.

    The paths in that of an imported run are its maker's: what is beside it stands in their place, and no other.
    """
    facts = own_facts(folder)
    if facts is None or not (folder / IMPORTED).is_file():
        return facts
    suite = folder / SUITE / f"{Path(str(facts['suite'])).stem}.toml"
    scheme = str(folder / SUITE / "scheme.toml") if str(facts["scheme"]).endswith(".toml") else facts["scheme"]
    try:
        about = read_json(folder / IMPORTED) or {}
    except OSError:
        about = {}
    plugins = about.get("plugins", [])
    return {**facts, "suite": str(suite), "scheme": scheme, "plugins": plugins, "examples": str(folder / EXAMPLES)}


def public(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A run's facts as they are handed on: paths of its maker's disk are the names at their ends."""
    held = {name: value for name, value in facts.items() if name != SEAL}
    hardware = {name: value for name, value in facts.get("hardware", {}).items() if name != "python"}
    checkpoints = {
        name: {**said, "path": Path(said["path"]).name} if said.get("path") else said
        for name, said in facts["checkpoints"].items()
    }
    return {
        **held,
        "suite": Path(str(facts["suite"])).name,
        "scheme": Path(str(facts["scheme"])).name if str(facts["scheme"]).endswith(".toml") else facts["scheme"],
        "plugins": [Path(name).name for name in facts.get("plugins", ())],
        "argv": [Path(word).name if os.path.isabs(word) else word for word in facts.get("argv", ())],
        "hardware": hardware,
        "checkpoints": checkpoints,
    }


def own_facts(folder: Path) -> dict[str, Any] | None:
    """run.json with the paths of whoever made the run."""
    try:
        return read_json(folder / FACTS)
    except OSError:
        return None


def read_run(folder: Path) -> tuple[dict[str, Any], list[Record]]:
    """(run.json, records) of a finished run; StoreError where one of the files is not as it was written."""
    facts = read_facts(folder)
    if facts is None:
        raise _changed(folder / FACTS)
    path = folder / RECORDS
    with told(path, "read"):
        if sha256(path) != facts.get("records"):
            raise _changed(path)
        with path.open(encoding="utf-8") as stream:
            return facts, [Record(**json.loads(line)) for line in stream]


def _changed(path: Path) -> StoreError:
    hint = "Run the suite again: what its steps made is not touched, and the board is made anew in a second."
    return StoreError(Problem(str(path), "is missing, torn, or has changed since the run wrote it.", hint))


def finished_runs(store: Path) -> list[Path]:
    """Folders of the runs that came to their end, the oldest first."""
    return runs_with(store, RECORDS)


def runs_with(store: Path, name: str) -> list[Path]:
    """Folders of the runs that have a file of this name, the oldest first."""
    found = (store.expanduser() / "runs").glob(f"*/{name}")
    # Runs that began in the same second are told apart by when they ended.
    return [p.parent for p in sorted(found, key=lambda p: (p.parent.name[:15], p.stat().st_mtime_ns))]


def latest_run(store: Path, name: str | None = None) -> Path | None:
    """A run's folder by (part of) its name, or the newest finished one."""
    found = [folder for folder in finished_runs(store) if name is None or name in folder.name]
    return found[-1] if found else None


def cell_named(name: str, cells: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The one cell of that name that passed, with or without checkpoint and seed; UsageError for none or several."""
    found = [c for c in cells if name in (c["name"], c["name"].partition("[")[0])]
    names = [c["name"] for c in found]
    if not found:
        raise UsageError(f"the run has no cell '{name}'. {nearest(name, [c['name'] for c in cells])}")
    if len(found) > 1:
        raise UsageError(f"'{name}' is the name of {len(found)} cells. Say which one: {listed(names)}.")
    if not found[0]["key"]:
        why = f": {found[0]['reason']}" if found[0].get("reason") else ""
        raise UsageError(f"{names[0]} did not pass ({found[0]['status']}){why}")
    return found[0]
