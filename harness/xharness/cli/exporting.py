"""`xharness export`: a stored row as a submission folder that `xharness score` reads back to the same numbers.

`xharness export model CELL DIR` writes the model behind a cell instead, `xharness export mteb DIR` every row as the
result files that mteb reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xharness.cli import options as o
from xharness.errors import UsageError, listed, nearest


def export(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR | model CELL DIR | mteb [DIR]",
            help="Folder for the predictions; or the model of a cell; or all rows as mteb's result files.",
        ),
    ],
    run: Annotated[
        str | None, typer.Option("--run", help="A run's folder or part of its name; the newest when absent.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="xtreme: XTREME's submission layout.")] = "xtreme",
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", "-c", help="Row: this checkpoint.")] = None,
    intermediate: Annotated[str | None, typer.Option("--intermediate", help="Row: this intermediate.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Row: this seed.")] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Write the label files here too.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Of mteb: the folder (mteb-results).")] = None,
    store: o.StoreOption = o.DEFAULT_STORE,
) -> None:
    """Write one row of a stored run in XTREME's submission layout; a tuned model for transformers; or rows for mteb.

    `export DIR` writes a submission, `export model CELL DIR` the model behind a cell, `export mteb DIR` result files.
    """
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
    if what[0] == "mteb" and len(what) < 3:
        _mteb(find_run(run, store), Path(what[1]) if len(what) == 2 else output, checkpoint, intermediate, seed)
        return
    if len(what) > 1:
        forms = "`xharness export DIR`, `xharness export model CELL DIR` or `xharness export mteb DIR`"
        raise UsageError(f"{forms}; found {len(what)} words.")
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


def _mteb(found: Path, folder: Path | None, checkpoint: str | None, intermediate: str | None, seed: int | None) -> None:
    """Every row that the options leave, as mteb's result files."""
    from xharness.api.stored import store_of
    from xharness.mteb.files import write_results
    from xharness.plugins import load_plugins
    from xharness.store.runs import read_run

    folder = folder or Path("mteb-results")
    facts, records = read_run(found)
    load_plugins(facts.get("plugins", ()))
    if not records:
        raise UsageError(f"{found.name}: none of its cells is scored. Name another run with --run.")
    wanted = {"checkpoint": checkpoint, "intermediate": intermediate, "seed": seed}
    for name, value in wanted.items():
        known = {str(getattr(record, name)) for record in records}
        records = [record for record in records if value is None or getattr(record, name) == value]
        if not records:
            raise UsageError(f"--{name} {value}: the run has no such row. {nearest(str(value), known)}")
    written, other = write_results(facts, records, store_of(found), folder)
    files, models = len(written), len({one.model for one in written})
    said = f"{files} result file{'s' * (files > 1)} of {models} model{'s' * (models > 1)}"
    print(f"{said} in {folder}: mteb.ResultCache({str(folder)!r})")
    if not facts["comparable"]:
        print(f"not comparable with published numbers ({facts['note'] or facts['profile']}); the models' names say so")
    for lost in sorted({name for one in written for name in one.left_out}):
        print(f"left out: language {lost}, which mteb's task does not have")
    if other:
        print(f"left out: {listed(other)}, which mteb does not measure in this way")
