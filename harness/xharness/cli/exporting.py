"""`xharness export`: a stored row as a submission folder that `xharness score` reads back to the same numbers.

`xharness export model CELL DIR` writes the model behind a cell instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xharness.cli import options as o
from xharness.errors import UsageError, listed


def export(
    what: Annotated[
        list[str],
        typer.Argument(metavar="DIR | model CELL DIR", help="Folder for the predictions; or the model of a cell."),
    ],
    run: Annotated[
        str | None, typer.Option("--run", help="A run's folder or part of its name; the newest when absent.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="xtreme: XTREME's submission layout.")] = "xtreme",
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", "-c", help="Row: this checkpoint.")] = None,
    intermediate: Annotated[str | None, typer.Option("--intermediate", help="Row: this intermediate.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Row: this seed.")] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Write the label files here too.")] = None,
    store: o.StoreOption = o.DEFAULT_STORE,
) -> None:
    """Write one row of a stored run in XTREME's submission layout, or a tuned model for transformers."""
    from xharness.api.stored import find_run, store_of
    from xharness.plugins import load_plugins
    from xharness.score.scheme import scheme_of
    from xharness.store.runs import read_run
    from xharness.submission.outcomes import choose_row, submission_of
    from xharness.submission.scoring import write_folder

    if what[0] == "model" and len(what) == 3:
        from xharness.session.exported_model import export_cell

        found = find_run(run, store)
        load_plugins(read_run(found)[0].get("plugins", ()))
        print(export_cell(what[1], Path(what[2]), found, store_of(found)))
        return
    if len(what) > 1:
        raise UsageError(f"`xharness export DIR` or `xharness export model CELL DIR`; found {len(what)} words.")
    folder = Path(what[0])
    if form != "xtreme":
        raise UsageError(f"--format '{form}' is not known. Allowed: xtreme.")
    found = find_run(run, store)
    facts, records = read_run(found)
    load_plugins(facts.get("plugins", ()))
    if not records:
        raise UsageError(f"{found.name}: none of its cells is scored, so there is nothing to export.")
    choice = choose_row(facts, records, checkpoint, intermediate, seed)
    outcomes = submission_of(facts, records, store_of(found), choice)
    scheme = scheme_of(facts)
    known = {task: languages for task, languages in outcomes.items() if task in scheme.tasks}
    if not known:
        raise UsageError(f"there is nothing to export: the scheme '{scheme.title}' has none of {listed(outcomes)}.")
    written = write_folder(known, folder, scheme, labels)
    print(f"{len(written)} files of {choice.checkpoint} / {choice.intermediate}, seed {choice.seed}, in {folder}")
    for task in outcomes.keys() - known.keys():
        print(f"left out: {task}, which the scheme '{scheme.title}' does not have")
