"""`xharness store push`, `pull`, and what `ls` and `gc` do with --remote: a store elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from xharness.cli import options as o
from xharness.cli.ending import tell
from xharness.errors import ExitCode, HarnessError, UsageError, counted, listed

if TYPE_CHECKING:
    from pathlib import Path

    from xharness.api.remote import Pushed
    from xharness.remote.place import Place

RunArgument = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="A run, or part of its name; or --all.", show_default=False)
]
Run = TypeVar("Run")
AllOption = Annotated[bool, typer.Option("--all", help="All finished runs.")]


def _place(remote: str) -> Place:
    from xharness.remote.place import place_at

    if not remote:
        raise UsageError("say which store: --remote URL, or XHARNESS_REMOTE.")
    return place_at(remote)


def _one_or_all(run: str | None, every: bool) -> None:
    if (run is None) != every:
        raise UsageError("name a run, or say --all.")


def _each(runs: Sequence[Run], every: bool, work: Callable[[Run], None]) -> None:
    """Do it with each run. Of all of them one that fails is told and the others go on, unless the line is dead."""
    bad = 0
    for run in runs:
        try:
            work(run)
        except HarnessError as error:
            if not every or getattr(error, "lasting", False):
                raise
            bad += 1
            tell(error)
    if bad:
        raise typer.Exit(int(ExitCode.FAILED))


def push(
    run: RunArgument = None,
    every: AllOption = False,
    remote: o.RemoteOption = "",
    store: o.StoreOption = o.DEFAULT_STORE,
    texts: o.TextsOption = True,
    texts_of: o.TextsOfOption = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="Put everything there again: what was damaged or lost there.")
    ] = False,
) -> None:
    """Put runs with their steps into a remote store; what is there stays."""
    from xharness.api.remote import push_run
    from xharness.api.stored import find_run
    from xharness.store.runs import finished_runs

    _one_or_all(run, every)
    place = _place(remote)
    folders = finished_runs(store) if run is None else [find_run(run, store)]
    if not folders:
        print(f"{store} has no finished run")

    def work(folder: Path) -> None:
        _say_pushed(push_run(folder, place, texts, tuple(texts_of or ()), mend), mend)

    _each(folders, every, work)


def _say_pushed(done: Pushed, mended: bool) -> None:
    from xharness.remote.steps import Put

    put = counted(done.count(Put.NEW), "step")
    if mended:
        print(f"run {done.run} put there again: {put}")
    else:
        word = "pushed" if done.new else "was there already"
        print(f"run {done.run} {word}: {put} new, {done.count(Put.THERE)} there already")
    if others := done.steps.get(Put.OTHER):
        what = f"{len(others)} steps have other content there under the same key"
        print(f"{what} (another machine rounds differently), and that was kept: {listed(others)}")
    for one in done.texts:
        if one.without:
            print(f"without the examples of {one.target}: {one.without}")


def pull(
    run: RunArgument = None,
    every: AllOption = False,
    remote: o.RemoteOption = "",
    store: o.StoreOption = o.DEFAULT_STORE,
    models: Annotated[bool, typer.Option("--models", help="With the tuned models that are there.")] = False,
    plugins: o.PluginsOption = None,
) -> None:
    """Take runs from a remote store, each whole or not at all: show, compare and look work on them."""
    from xharness.api.remote import pull_run
    from xharness.cli.store import say_received
    from xharness.remote.address import shown
    from xharness.remote.runs import named, names_there

    _one_or_all(run, every)
    place = _place(remote)
    names = names_there(place) if run is None else [named(place, run)]
    if not names:
        print(f"no run was pushed to {shown(remote)}")
    _each(names, every, lambda name: say_received(pull_run(name, place, store, models, plugins).received))


def list_remote(remote: str, as_json: bool) -> None:
    """The runs that are in a remote store, and how much there is in all."""
    from xharness.cli.store import age, print_table, size, table_of
    from xharness.remote.address import shown
    from xharness.remote.care import contents
    from xharness.remote.runs import There, runs_there

    place = _place(remote)
    found = runs_there(place)
    runs = [one for one in found if isinstance(one, There)]
    if as_json:
        for one in runs:
            print(json.dumps(one.as_json(), ensure_ascii=False))
    for other in found:
        if not isinstance(other, There):
            tell(other)
    if as_json:
        return
    table = table_of("run", "title", "profile", "steps", "age")
    for one in runs:
        table.add_row(one.run, one.title, one.profile, str(one.steps), age(one.when))
    if runs:
        print_table(table)
    steps = contents(place)
    if not runs and not steps:
        print(f"{shown(remote)}: nothing is there; the first `run --remote` or `store push` makes it")
        return
    total = size(sum(item.size for items in steps.values() for item in items))
    print(f"{shown(remote)}: {counted(len(runs), 'run')}, {len(steps)} steps, {total}")


def collect_remote(remote: str, days: float | None, yes: bool) -> None:
    """Remove from a remote store what was put there so many days ago."""
    from xharness.cli.store import say_freed, size
    from xharness.remote.care import old, remove

    place = _place(remote)
    if days is None:
        raise UsageError("`gc --remote` goes by age: --older-than DAYS.")
    found = old(place, time.time() - days * 86400)
    if yes:
        found = remove(place, found)
    for run in sorted(found.runs):
        print(f"{'removed' if yes else 'would go'}: run {run}")
    for key, items in sorted(found.steps.items()):
        print(f"{'removed' if yes else 'would go'}: {key}, {size(sum(item.size for item in items))}")
    if found.strays:
        count, total = len(found.strays), size(sum(item.size for item in found.strays))
        print(f"{'removed' if yes else 'would go'}: {count} files that belong to no step, {total}")
    say_freed(found.size, yes, bool(found.runs or found.steps or found.strays))
