"""`xharness score`: the figures of a submission folder, without any model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from xharness.cli.output import writable, write
from xharness.cli.terminal import terminal
from xharness.errors import listed
from xharness.metrics import metric
from xharness.score.scheme import Scheme, load_scheme
from xharness.submission.scoring import average_of, score_folder, task_average


def score(
    predictions: Annotated[
        Path, typer.Option(help="Folder of predictions: <task>/test-<language>.tsv, .json, .jsonl.")
    ],
    labels: Annotated[Path, typer.Option(help="Folder of labels of the same form.")],
    scheme: Annotated[str, typer.Option(help="xtreme, xtreme-r, or a scheme's TOML file.")] = "xtreme",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here; - is the terminal.")] = None,
    languages: Annotated[bool, typer.Option("--languages", help="Show every language.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Score what is there; a task that lacks languages has no average.")
    ] = False,
) -> None:
    """Score a folder in XTREME's submission layout, by XTREME's rules."""
    writable("--json", None if json_file == Path("-") else json_file)
    rules = load_scheme(scheme)
    scores = score_folder(predictions, labels, rules, partial)
    text = json.dumps(scores, indent=2, ensure_ascii=False)
    if json_file == Path("-"):
        typer.echo(text)
        return
    if json_file is not None:
        write(json_file, text + "\n")
    console = terminal()
    console.print(_table(scores, rules))
    if languages:
        for task, values in scores["tasks"].items():
            console.print(_languages(task, values))
    if scores["ignored"]:
        names = listed(scores["ignored"])
        console.print(Text(f"Not in the scheme '{rules.title}', so not scored: {names}.", style="dim"))


def _table(scores: dict[str, Any], scheme: Scheme) -> Table:
    """Tasks under their groups, each group's average, the overall one."""
    table = Table(title=Text(scheme.title), caption=_caption(scores), caption_justify="left")
    table.add_column("Task")
    table.add_column("Metric")
    table.add_column("Languages", justify="right")
    table.add_column("Values")
    table.add_column("Average", justify="right")
    for name, group in scheme.group.items():
        for task in group.tasks:
            table.add_row(*_row(task, scores, scheme))
        average = Text(format(average_of(scores, scheme, name), "z.2f"), style="bold")
        table.add_row(Text(group.title, style="bold"), "", "", "", average, end_section=True)
    table.add_row(Text("All", style="bold"), "", "", "", Text(format(average_of(scores, scheme), "z.2f"), style="bold"))
    return table


def _row(task: str, scores: dict[str, Any], scheme: Scheme) -> tuple[str, ...]:
    if task not in scores["tasks"]:
        return task, scheme.of(task).metric, "", "", "—"
    values, average = scores["tasks"][task], task_average(scores, task)
    means: list[str] = []
    if average.value is not None:
        means = [
            f"{one} {sum(values[one].values()) / average.have:z.2f}" for one in metric(scheme.of(task).metric).headline
        ]
    return task, scheme.of(task).metric, str(average.have), "\n".join(means), format(average, "z.2f")


def _caption(scores: dict[str, Any]) -> Text | None:
    """What has no average, and why."""
    incomplete = scores["missing_languages"]
    missing = sorted({name for names in scores["missing"].values() for name in names} - {*incomplete})
    said = [f"Not there, so their averages are absent: {', '.join(missing)}."] if missing else []
    said += [f"{task} lacks {', '.join(names)}." for task, names in incomplete.items()]
    for task, counts in scores["unanswered"].items():
        n = sum(counts.values())
        where = f"without a ranking, in {listed(list(counts))}"
        said += [f"{task}: {n} quer{'y' if n == 1 else 'ies'} {where}: scored 0."]
    return Text("\n".join(said)) if said else None


def _languages(task: str, values: dict[str, Any]) -> Table:
    """Every value of one task by language."""
    per_language = {name: found for name, found in values.items() if name != "average"}
    table = Table(title=Text(task))
    table.add_column("Language")
    for name in per_language:
        table.add_column(name, justify="right")
    for language in next(iter(per_language.values()), {}):
        table.add_row(language, *(f"{found[language]:z.2f}" for found in per_language.values()))
    return table
