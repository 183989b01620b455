"""Looking after a store: what is in it, how much of it, whether it is right, what nobody needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xharness.errors import StoreError, UsageError, nearest
from xharness.store.files import told
from xharness.store.parts import ends_of
from xharness.store.runs import RECORDS, finished_runs, read_facts, read_run, under_way
from xharness.store.steps import Store


@dataclass(frozen=True)
class Stored:
    """One stored step."""

    key: str
    kind: str
    label: str
    size: int
    """Bytes that its files take now."""
    stored: float
    """When it was made, seconds since the epoch."""
    run: str
    """The run that made it."""
    seconds: float
    needs: tuple[str, ...]
    dropped: bool
    """Its large files were let go of after use."""
    readable: bool = True
    """Whether it has a manifest."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except OSError:  # Another process has just taken it away.
            continue
    return total


def _stored(store: Store, key: str) -> Stored:
    manifest = store.manifest(key)
    facts: Mapping[str, Any] = manifest or {}
    return Stored(
        key=key,
        kind=str(facts.get("kind") or key.partition("-")[0]),
        label=str(facts.get("label", "")),
        size=_bytes(store.path(key)),
        stored=float(facts.get("stored", 0.0)),
        run=str(facts.get("run", "")),
        seconds=float(facts.get("seconds", 0.0)),
        needs=tuple(facts.get("needs", ())),
        dropped=bool(facts.get("dropped")),
        readable=manifest is not None,
    )


def contents(store: Store) -> list[Stored]:
    """All stored steps, the oldest first."""
    return sorted((_stored(store, key) for key in store.keys()), key=lambda s: (s.stored, s.key))  # noqa: SIM118


@dataclass(frozen=True)
class Damage:
    """What is wrong with one stored step."""

    key: str
    label: str
    faults: tuple[str, ...]


def check(store: Store) -> Iterator[tuple[Stored, Damage | None]]:
    """Verify the checksums of all files of every step, one step after another."""
    for step in contents(store):
        manifest = store.manifest(step.key)
        if manifest is None:
            faults = [f"{store.path(step.key)}: its manifest is missing or cannot be read"]
        else:
            faults = store.faults(step.key, manifest)
        yield step, Damage(step.key, step.label, tuple(faults)) if faults else None


def check_runs(store: Store) -> Iterator[tuple[Path, str]]:
    """(folder, what is wrong) of the finished runs whose record is not as it was written."""
    for folder in finished_runs(store.root):
        try:
            read_run(folder)
        except StoreError as error:
            yield folder, f"{error.problems[0].where}: {error.problems[0].what}"


def forget_result(run: Path) -> None:
    """Take a run's scores away: it is no finished run any more; its events still say what it rests on."""
    with told(run, "remove"):
        (run / RECORDS).unlink(missing_ok=True)


@dataclass
class Rubbish:
    """What a collection would remove, or has removed."""

    steps: list[Stored] = field(default_factory=list)
    """Steps that no kept run and none under way rests on."""
    models: list[Stored] = field(default_factory=list)
    """Steps whose large files go while their manifests stay."""
    scratch: list[tuple[str, int]] = field(default_factory=list)
    """(key, bytes) of training states whose step is finished or not needed."""
    tmp: list[tuple[str, int]] = field(default_factory=list)
    """(folder, bytes) of outputs that a killed process left uncommitted."""
    busy: list[str] = field(default_factory=list)
    """Keys left alone because a run is working on them."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(s.size for s in (*self.steps, *self.models)) + sum(n for _, n in (*self.scratch, *self.tmp))


def runs_of(store: Store, names: Sequence[str] = ()) -> list[Path]:
    """Folders of the runs that have one of `names` in theirs, of all runs without names; UsageError where none has."""
    folders = sorted(p.parent for p in (store.root / "runs").glob("*/run.json"))
    if not names:
        return folders
    chosen: list[Path] = []
    for name in names:
        found = [f for f in folders if name in f.name]
        if not found:
            raise UsageError(f"no run in {store.root} is called '{name}'. {nearest(name, [f.name for f in folders])}")
        chosen += found
    return list(dict.fromkeys(chosen))


def touched(run: Path) -> set[str]:
    """Keys that a run's cells end in and that it set out to make or reuse, whether it came to its end or not."""
    keys: set[str] = set()
    # Where it is damaged, the run's events still say what it was about.
    if facts := read_facts(run):
        keys |= {*ends_of(facts)}
    try:
        with (run / "events.jsonl").open(encoding="utf-8") as stream:
            for line in stream:
                if '"fetching"' in line:
                    keys |= set(json.loads(line).get("keys", ()))
                if '"begin"' in line:
                    event = json.loads(line)
                    keys |= {*event.get("pending", ()), *event.get("reused", ())}
                    break
    except (OSError, ValueError):
        pass
    return keys


def in_use(store: Path, besides: Path | None = None) -> set[str]:
    """Keys of the runs under way, of all but one."""
    return {key for run in (store / "runs").glob("*") if run != besides and under_way(run) for key in touched(run)}


def needed(store: Store, steps: Sequence[Stored], keep: Sequence[str] = ()) -> set[str]:
    """Keys that the kept runs and those under way rest on: their final steps, and all that those were made from."""
    needs = {s.key: s.needs for s in steps}
    found: set[str] = set()
    stack = [*in_use(store.root), *(key for run in runs_of(store, keep) for key in touched(run))]
    while stack:
        key = stack.pop()
        if key not in found:
            found.add(key)
            stack += needs.get(key, ())
    return found


def rubbish(store: Store, keep: Sequence[str] = (), ends_only: bool = False) -> Rubbish:
    """What may go: what no kept run rests on, and what killed processes left.

    With `ends_only` also the large files of the steps below the final ones: boards stay, tuning would start anew.
    """
    steps = contents(store)
    wanted = needed(store, steps, keep)
    found = Rubbish(steps=[s for s in steps if s.key not in wanted])
    if ends_only:
        busy = in_use(store.root)
        below = [s for s in steps if s.kind in ("encode", "tune", "choose", "embed") and not s.dropped]
        found.models = [s for s in below if s.key in wanted and s.key not in busy]
    stored = {s.key for s in steps}
    for path in sorted((store.root / "scratch").glob("*")):
        if path.name in stored or path.name not in wanted:
            found.scratch.append((path.name, _bytes(path)))
    found.tmp = [(p.name, _bytes(p)) for p in store.leftovers()]
    return found


def collect_rubbish(store: Store, found: Rubbish) -> Rubbish:
    """Remove it; what a run is working on at this moment stays."""
    done = Rubbish()
    for step in found.steps:
        with _unless_busy(store, step.key, done) as free:
            if free:
                store.discard(step.key)
                store.forget_scratch(step.key)
                done.steps.append(step)
    for step in found.models:
        with _unless_busy(store, step.key, done) as free:
            if free and store.drop(step.key):
                done.models.append(step)
    for key, size in found.scratch:
        with _unless_busy(store, key, done) as free:
            if free:
                store.forget_scratch(key)
                done.scratch.append((key, size))
    for name, size in found.tmp:
        with told(store.root / "tmp" / name, "remove"), suppress(FileNotFoundError):
            shutil.rmtree(store.root / "tmp" / name)
        done.tmp.append((name, size))
    return done


@contextmanager
def _unless_busy(store: Store, key: str, done: Rubbish) -> Iterator[bool]:
    """Hold the step's lock; False where a run is making the step or reads it."""
    from filelock import Timeout

    with ExitStack() as locks:
        try:
            locks.enter_context(store.step_lock(key).acquire(timeout=0))
            free = locks.enter_context(store.unread(key))
        except Timeout:
            free = False
        if not free and key not in done.busy:
            done.busy.append(key)
        yield free
