"""A run and its remote store: what the plan lacks is fetched from there first, and what the run makes goes there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from xharness.errors import StoreError, counted
from xharness.plan.cost import ends
from xharness.plan.plan import Plan
from xharness.remote.line import Line
from xharness.remote.steps import Wanted, fetch, fetch_memory, step_there
from xharness.remote.uploading import Uploader
from xharness.remote.watch import each
from xharness.spec.task import FORBIDS
from xharness.steps.choose import Choose
from xharness.steps.encode import Encode
from xharness.steps.tune import Tune
from xharness.store.files import checksums
from xharness.store.runs import own_facts, write_run
from xharness.store.steps import Store

Tell = Callable[[dict[str, Any]], None]


@dataclass
class Remote:
    """What a run has to do with its remote store."""

    line: Line
    uploader: Uploader
    fetched: list[str] = field(default_factory=list)
    """Keys of steps that came from there whole."""

    def hear(self, event: dict[str, Any]) -> list[str]:
        """Hand on what an event says is done; what is to be said of the line since it was asked last."""
        self.uploader(event)
        return self.line.warnings()

    def as_json(self) -> dict[str, Any]:
        """For run.json; nothing of credentials."""
        return {
            "at": self.line.shown,
            "fetched": len(self.fetched),
            "given_up": self.line.closed,
            "other": self.uploader.other,
        }


def remote_of(url: str, read_only: bool, plan: Plan, store: Store, keep: str) -> Remote:
    """The remote store of a run; UsageError where the URL is none."""
    line = Line(url, read_only)
    under = lambda key: plan.closure([key])  # noqa: E731
    return Remote(line, Uploader(line, store, under, lambda key: whole(plan, key, keep)))


def whole(plan: Plan, key: str, keep: str) -> bool:
    """Whether a step goes with its files: a model where `--keep` has it stay, encoded data where their licence lets it.

    Of the others their manifests go, which say how the scores came about and what was best on dev.
    """
    step = plan.steps[key]
    if isinstance(step.work, Tune | Choose):
        return keep == "all" or (keep == "intermediates" and step.role == "intermediate")
    if isinstance(step.work, Encode):
        task = step.work.task
        built_in = all(source.builtin for split in step.work.splits for source in getattr(task.data, split))
        return built_in or not FORBIDS.search(task.licence)
    return True


def there(line: Line, plan: Plan, store: Store) -> frozenset[str]:
    """Of what a run would otherwise make, the steps that it would fetch; they are asked for, and not taken."""
    wanted = _wanted(plan)
    found: set[str] = set()

    def here(lacking: Sequence[str]) -> set[str]:
        got = set(_arrived(lacking, lambda key: line.read(lambda p: step_there(p, key, wanted(key)), key)))
        found.update(got)
        return got

    _descend(line, plan, store, ends(plan), here)
    return frozenset(found)


def fetch_missing(remote: Remote, plan: Plan, store: Store, models: bool, tell: Tell) -> None:
    """Take from the remote store what a run would otherwise make: ends first, and what those need that are not there.

    With `models` every tuned model is an end too. Of what lies under a step that came, what is remembered comes too.
    """
    line, wanted = remote.line, _wanted(plan)

    def here(lacking: Sequence[str]) -> set[str]:
        tell({"event": "fetching", "keys": list(lacking)})
        got = set(_arrived(lacking, lambda key: line.read(lambda p: fetch(p, store, key, wanted(key)), key)))
        got = {key for key in got if store.has(key)}
        remote.fetched += sorted(got)
        return got

    _descend(line, plan, store, ends(plan, models), here)
    below = [key for key in plan.closure(remote.fetched) if store.manifest(key) is None]
    got = list(_arrived(below, lambda key: line.ask(lambda p: fetch_memory(p, store, key, wanted(key)))))
    remote.uploader.known([*remote.fetched, *got])
    if remote.fetched:
        tell({"event": "fetched", "keys": remote.fetched, "from": line.shown})


def _descend(
    line: Line, plan: Plan, store: Store, frontier: Sequence[str], here: Callable[[Sequence[str]], set[str]]
) -> None:
    """From the ends down: ask what of the absent steps `here` has, and go on with what the others need."""
    seen: set[str] = set()
    while frontier and not line.closed:
        asked = [key for key in dict.fromkeys(frontier) if key not in seen]
        seen.update(asked)
        lacking = [key for key in asked if not store.has(key)]
        got = here(lacking)
        frontier = [need for key in lacking if key not in got for need in plan.steps[key].needs]


def _wanted(plan: Plan) -> Callable[[str], Wanted]:
    """Key -> what a plan knows of a step beside its key."""
    sums = {files: checksums(files) for files in {step.work.plugins for step in plan.steps.values()}}
    return lambda key: Wanted(frozenset(plan.steps[key].needs), sums[plan.steps[key].work.plugins])


def _arrived(keys: Iterable[str], work: Callable[[str], object]) -> Iterable[str]:
    return (key for key, got in each(work, keys) if got is not None)


def hand_on(remote: Remote, run: str, console: Console, shown: bool, wait: bool) -> None:
    """Wait until what the run made is in the remote store, and say what is not; Ctrl-C ends the wait, not the run."""
    uploader, where = remote.uploader, remote.line.shown
    later = f"`xharness store push {run} --remote URL` completes it"

    def say(text: str) -> None:
        if shown:
            console.print(text, highlight=False, markup=False, soft_wrap=True)

    try:
        if wait and uploader.open:
            say(f"uploading {counted(uploader.open, 'step')} more to {where}; Ctrl-C ends that, and {later}")
        uploader.finish(wait)
    except KeyboardInterrupt:
        uploader.finish(wait=False)
    for said in remote.line.warnings(over=True):
        print(f"warning: {said}", file=sys.stderr)
    if uploader.count:
        say(f"uploaded {counted(uploader.count, 'step')} to {where}")
    if uploader.other:
        what = f"{where} has {counted(uploader.other, 'step')} of this run with other content under the same key"
        mixed = "(another machine rounds differently): a board may mix the scores of two machines"
        print(f"warning: {what} {mixed}.", file=sys.stderr)
    if uploader.left and not remote.line.closed:
        print(f"warning: not in {where}: {counted(uploader.left, 'step')}; {later}.", file=sys.stderr)


def add_uploads(remote: Remote, folder: Path, made: dict[str, Any]) -> None:
    """Put into a run's record what the last uploads found: the board did not wait for them."""
    known, made["remote"] = made.get("remote"), remote.as_json()
    facts = own_facts(folder)
    if known != made["remote"] and facts is not None:
        with suppress(StoreError):  # It was said, and the run has ended well.
            write_run(folder, {**facts, "remote": made["remote"]})
