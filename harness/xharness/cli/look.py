"""`xharness look`: the examples behind a score."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from xharness.cli import completion
from xharness.cli import options as o
from xharness.cli.output import writable, write
from xharness.errors import UsageError

FIRST = 20
"""Examples that a terminal shows if nothing else is said."""


def look(
    cell: Annotated[
        str,
        typer.Argument(
            metavar="CELL",
            help="A cell of the run: 'squad_v1->xquad', 'none->xnli[tiny-0][de]'.",
            autocompletion=completion.stored_cells,
        ),
    ],
    language: o.LanguageOption = None,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only what is wrong.")] = False,
    right: Annotated[bool, typer.Option("--right", help="Only what is right.")] = False,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="ROW", help="What this row and that intermediate do not both get right."),
    ] = None,
    sort: Annotated[str | None, typer.Option("--sort", help="score: the worst first.")] = None,
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="So many, drawn at random.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the sample.")] = 0,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help=f"At the most; in a terminal {FIRST} if not said, in a file all."),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="terminal, json, csv, html.")] = "terminal",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead of the terminal.")] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="A run's folder or part of its name; the newest when absent.")
    ] = None,
    store: o.StoreOption = o.DEFAULT_STORE,
) -> None:
    """Look at the examples behind a score: input, gold, prediction, outcome."""
    from xharness.api.stored import find_run, store_of, suite_of
    from xharness.look.files import FORMATS
    from xharness.look.predictions import predictions
    from xharness.look.selection import Difference, Wanted, chosen, differences
    from xharness.plugins import load_plugins
    from xharness.store.runs import cell_named, read_run

    if form != "terminal" and form not in FORMATS:
        raise UsageError(f"--format '{form}' is not known. Allowed: terminal, {', '.join(FORMATS)}.")
    if wrong and right:
        raise UsageError("--wrong and --right exclude each other.")
    if sort not in (None, "score"):
        raise UsageError(f"--sort '{sort}' is not known. Allowed: score.")
    writable("--output", output)
    folder = find_run(run, store)
    facts, _ = read_run(folder)
    load_plugins(facts.get("plugins", ()))
    loaded = suite_of(facts)
    cell, spoken = with_languages(cell)
    held, languages = cell_named(cell, facts["cells"]), (*(language or ()), *spoken)
    ours = predictions(held, facts, store_of(folder).path, loaded, languages)
    most = limit or (FIRST if form == "terminal" and sample is None and output is None else None)
    wanted = Wanted(False if wrong else True if right else None, sort == "score", sample, seed, most)
    about: dict[str, Any] = {"cell": held["name"], "title": facts["title"], "note": facts.get("note", ""),
                             "examples": len(ours.rows), "row": held["intermediate"]}  # fmt: skip
    rows: list[Any]
    if against is None:
        rows = ours.read(chosen(ours.rows, wanted))
    else:
        name = f"{against}->{held['name'].partition('->')[2]}"
        theirs = predictions(cell_named(name, facts["cells"]), facts, store_of(folder).path, loaded, languages)
        found = {id(pair.ours): pair for pair in differences(ours, theirs)}
        pairs = [found[id(row)] for row in chosen([pair.ours for pair in found.values()], wanted)]
        mine, other = ours.read([pair.ours for pair in pairs]), theirs.read([pair.theirs for pair in pairs])
        rows = [Difference(*both) for both in zip(mine, other, strict=True)]
        about |= {"against": against, "gained": sum(pair.gained for pair in found.values()), "differ": len(found)}
    about["notes"] = ours.notes
    if form != "terminal":
        text = FORMATS[form](rows, about)
        write(output, text) if output else print(text, end="")
        return
    _show(rows, about, output)


def with_languages(cell: str) -> tuple[str, tuple[str, ...]]:
    """`none->xnli[tiny-0][de,sw]` as the cell and its languages."""
    # Behind a short id, `none->xnli[de]`, what is no checkpoint and seed are languages.
    found = re.fullmatch(r"(.+\])\[([^\[\]]+)\]", cell) or re.fullmatch(r"([^\[\]]+)\[((?:[^\[\],-]+,?)+)\]", cell)
    return (found[1], tuple(part.strip() for part in found[2].split(","))) if found else (cell, ())


def _show(rows: list[Any], about: dict[str, Any], output: Path | None) -> None:
    """In the terminal, or as it would look there in a file."""
    import io

    from xharness.cli.terminal import terminal
    from xharness.look.selection import Difference
    from xharness.look.terminal import LEGEND, show, show_difference

    drawn = io.StringIO() if output else None
    console = terminal(drawn)
    for row in rows:
        if isinstance(row, Difference):
            show_difference(row, console, (about["row"], about["against"]))
        else:
            show(row, console)
    said = f"{about['cell']}: {len(rows)} of {about['examples']} examples shown. {LEGEND}"
    if "against" in about:
        lost = about["differ"] - about["gained"]
        said = (
            f"{about['cell']}: of {about['examples']} examples {about['gained']} right here and wrong with "
            f"{about['against']}, {lost} the other way round; {len(rows)} shown. {LEGEND}"
        )
    for line in (said, *about["notes"]):
        console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
    if drawn and output:
        write(output, drawn.getvalue())
