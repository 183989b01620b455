"""`xharness store`: what the store holds, how much, whether it is right, what nobody needs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from xharness.cli import options as o
from xharness.cli.output import writable
from xharness.cli.remote import collect_remote, list_remote, pull, push
from xharness.errors import ExitCode, UsageError, listed

if TYPE_CHECKING:
    from rich.table import Table

    from xharness.store.care import Rubbish, Stored
    from xharness.store.receiving import Received
    from xharness.store.steps import Store

app = typer.Typer(
    help="Look after the store: what it holds, how much, whether it is right, what nobody needs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

app.command("push")(push)
app.command("pull")(pull)

RemoteOption = Annotated[str, typer.Option("--remote", metavar="URL", help="Of this store elsewhere instead.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


def _open(root: Path) -> Store:
    from xharness.store.steps import Store

    store = Store(root)
    try:
        os.scandir(store.root / "steps").close()
    except FileNotFoundError:
        hint = "`xharness run SUITE` makes one; --store names another place."
        raise UsageError(f"there is no store at {root}. {hint}") from None
    return store


@app.command("ls")
def ls(
    store: o.StoreOption = o.DEFAULT_STORE,
    kind: Annotated[str | None, typer.Option("--kind", help="Only tune, evaluate, embed or mine.")] = None,
    as_json: JsonOption = False,
    remote: RemoteOption = "",
) -> None:
    """List the stored steps, the oldest first; of a remote store the runs that were pushed there."""
    if remote:
        list_remote(remote, as_json)
        return
    from xharness.steps import AnyWork
    from xharness.store.care import contents

    kinds = [work.KIND for work in get_args(AnyWork)]
    if kind is not None and kind not in kinds:
        raise UsageError(f"--kind '{kind}' is not known. Allowed: {', '.join(kinds)}.")
    steps = [s for s in contents(_open(store)) if kind is None or s.kind == kind]
    if as_json:
        for step in steps:
            print(json.dumps(step.as_json(), ensure_ascii=False))
        return
    table = table_of("kind", "step", "size", "age", "run", "key")
    for step in steps:
        table.add_row(step.kind, _label(step), size(step.size), age(step.stored), step.run, step.key)
    print_table(table)
    print(f"{len(steps)} steps, {size(sum(s.size for s in steps))}")


@app.command("du")
def du(store: o.StoreOption = o.DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Sum the sizes up by kind and by run."""
    from xharness.store.care import contents

    steps = contents(_open(store))
    for by in ("kind", "run"):
        sums: dict[str, tuple[int, int]] = {}
        for step in steps:
            name = str(getattr(step, by)) or "(unknown)"
            count, total = sums.get(name, (0, 0))
            sums[name] = count + 1, total + step.size
        if as_json:
            for name, (count, total) in sums.items():
                print(json.dumps({"by": by, "name": name, "steps": count, "bytes": total}, ensure_ascii=False))
            continue
        table = table_of(by, "steps", "size")
        for name, (count, total) in sorted(sums.items(), key=lambda item: -item[1][1]):
            table.add_row(name, str(count), size(total))
        print_table(table)
    if not as_json:
        print(f"{len(steps)} steps, {size(sum(s.size for s in steps))}")


@app.command("check")
def check(
    store: o.StoreOption = o.DEFAULT_STORE,
    repair: Annotated[bool, typer.Option("--repair", help="Discard what is damaged; a run makes it again.")] = False,
) -> None:
    """Verify the checksum of every file; exit 1 when something is wrong."""
    from xharness.store import care as store_care

    opened = _open(store)
    count = damaged = 0
    for step, damage in store_care.check(opened):
        count += 1
        if damage is None:
            continue
        damaged += 1
        for fault in damage.faults:
            print(f"damaged: {_label(step)} ({step.key}): {fault}")
        if repair:
            opened.discard(step.key)
    runs = 0
    for folder, fault in store_care.check_runs(opened):
        runs += 1
        print(f"damaged: run {folder.name}: {fault}")
        if repair:
            store_care.forget_result(folder)
    if not damaged and not runs:
        print(f"{count} steps are as they were stored")
        return
    what = f"{damaged} of {count} steps" + (f" and {runs} runs" if runs else "")
    if repair:
        print(f"{what} were damaged and are discarded; running the suite again makes them again")
        return
    print(f"{what} are damaged; `xharness store check --repair` discards them")
    raise typer.Exit(int(ExitCode.FAILED))


@app.command("gc")
def gc(
    store: o.StoreOption = o.DEFAULT_STORE,
    keep_run: Annotated[
        list[str] | None,
        typer.Option("--keep-run", metavar="NAME", help="A run (part of its name) whose steps stay; all when absent."),
    ] = None,
    ends_only: Annotated[
        bool,
        typer.Option(
            "--ends-only", help="Keep scores, free the models, embeddings and encoded data below them as well."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Remove it; without, only say what would go.")] = False,
    remote: RemoteOption = "",
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", metavar="DAYS", min=0, help="With --remote: what was put there so long ago."),
    ] = None,
) -> None:
    """Remove what no run needs, and what killed runs left; of a remote store what is old. A dry run unless --yes."""
    if remote:
        collect_remote(remote, older_than, yes)
        return
    if older_than is not None:
        raise UsageError("--older-than is for a store elsewhere: --remote URL.")
    from xharness.store.care import collect_rubbish, rubbish

    opened = _open(store)
    found = rubbish(opened, tuple(keep_run or ()), ends_only)
    if yes:
        found = collect_rubbish(opened, found)
    for line in _lines(found, "removed" if yes else "would go"):
        print(line)
    # What is empty goes as well.
    say_freed(found.size, yes, bool(found.steps or found.models or found.scratch or found.tmp))


def say_freed(count: int, done: bool, anything: bool) -> None:
    """The last line of a collection: how many bytes it frees."""
    if done:
        print(f"freed {size(count)}")
    elif anything:
        print(f"{size(count)} would be freed; --yes removes it")
    else:
        print("nothing to remove")


@app.command("export")
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or part of its name.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Written there: RUN.tar.gz.")],
    store: o.StoreOption = o.DEFAULT_STORE,
    texts: o.TextsOption = True,
    texts_of: o.TextsOfOption = None,
    models: Annotated[bool, typer.Option("--models", help="With the tuned models that are still there.")] = False,
    data: Annotated[bool, typer.Option("--data", help="With encoded data and embeddings.")] = False,
) -> None:
    """Write a run as one file: a colleague needs neither models nor data to show, compare and look."""
    from xharness.api.sharing import export_run
    from xharness.api.stored import find_run
    from xharness.store.parts import DATA, MODELS

    folder = find_run(run, store)
    writable("FILE", file)
    whole = (*(MODELS if models else ()), *(DATA if data else ()))
    done = export_run(folder, file, texts, tuple(texts_of or ()), whole)
    print(f"{file}: run {done.run}, {done.steps} steps with their files, {size(done.size)}")
    for licence, targets in _by_licence({t.target: t.licence for t in done.texts if t.text}).items():
        print(f"examples of {', '.join(targets)}: {licence}")
    for one in done.texts:
        if one.without:
            more = f"; --texts-of {one.target} takes them all the same" if one.licence in one.without else ""
            print(f"without the examples of {one.target}: {one.without}{more if one.licence else ''}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote, or the folder of a store.")],
    store: o.StoreOption = o.DEFAULT_STORE,
    plugins: o.PluginsOption = None,
) -> None:
    """Take a run that was exported into the store, whole or not at all."""
    from xharness.api.sharing import import_file

    if file.is_dir():
        _merge(file, store)
        return
    done = import_file(file, store, plugins)
    say_received(done.received)
    for licence, targets in _by_licence(done.texts).items():
        print(f"examples of {', '.join(targets)}: {licence}")


@app.command("merge")
def merge(
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="The folder of another store; it stays as it is.")],
    store: o.StoreOption = o.DEFAULT_STORE,
) -> None:
    """Take all finished runs of another store into this one."""
    _merge(other, store)


def _merge(other: Path, store: Path) -> None:
    from xharness.api.sharing import merge_store
    from xharness.errors import HarnessError

    damaged = runs = 0
    for done in merge_store(other, store):
        runs += 1
        if isinstance(done, HarnessError):
            damaged += 1
            print(f"left out: {done}")
        else:
            say_received(done.received)
    if not runs:
        print(f"{other} has no finished run")
    if damaged:
        raise typer.Exit(int(ExitCode.FAILED))


def say_received(got: Received) -> None:
    """What became of a run and its steps, one line, and one for what differs."""
    from xharness.store.parts import Taken

    word = "was there already" if got.there else "taken"
    steps = f"{got.count(Taken.NEW)} steps new, {got.count(Taken.THERE)} there already"
    print(f"run {got.run} {word}: {steps}")
    if others := got.taken.get(Taken.OTHER):
        what = f"{len(others)} steps have other content here under the same key"
        print(f"{what} (another machine rounds differently), and that was kept: {listed(others)}")


def _by_licence(texts: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for target, licence in texts.items():
        found.setdefault(f"licence {licence}" if licence != "made by the generator" else licence, []).append(target)
    return found


def _lines(found: Rubbish, word: str) -> list[str]:
    lines = [f"{word}: {_label(s)} ({s.key}), {size(s.size)}" for s in found.steps]
    lines += [f"{word}: large files of {_label(s)} ({s.key}), {size(s.size)}" for s in found.models]
    lines += [f"{word}: training states of {key}, {size(n)}" for key, n in found.scratch]
    lines += [f"{word}: what a killed process left in tmp/{name}, {size(n)}" for name, n in found.tmp]
    return [*lines, *(f"left alone: {key}: a run is working on it" for key in found.busy)]


def _label(step: Stored) -> str:
    state = " (large files dropped)" if step.dropped else "" if step.readable else " (no manifest)"
    return (step.label or step.key) + state


def size(count: int) -> str:
    """Bytes as a person reads them."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def age(when: float) -> str:
    """How long ago, in the largest unit that fits."""
    if not when:
        return "?"
    seconds = max(0.0, time.time() - when)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def table_of(*columns: str) -> Table:
    """An empty table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column in ("size", "age", "steps")
        table.add_column(column, justify="right" if right else "left", no_wrap=column != "step", overflow="fold")
    return table


def print_table(table: Table) -> None:
    """A table for people or for a pipe."""
    from xharness.cli.terminal import terminal

    console = terminal()
    # A pipe has no width: nothing is to be cut there.
    (console if console.is_terminal else terminal(width=240)).print(table)
