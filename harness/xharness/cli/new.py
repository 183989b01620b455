"""`xharness new`: a commented suite, task or metric to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Write a commented suite, task or metric to start from.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("suite")
def suite(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; the file is NAME.toml.")],
    folder: Annotated[Path, typer.Option("--in", metavar="DIR", help="Folder to write to.")] = Path(),
) -> None:
    """Write a suite: NAME.toml."""
    from xharness.spec.starters import check_name, suite_text, write_new

    name = name.removesuffix(".toml")
    check_name("suite", name)
    file = folder / f"{name}.toml"
    write_new(file, suite_text(name, file))
    print(f"{file} is written; `xharness list {file}` shows its cells, `xharness check {file}` tries its data")


@app.command("task")
def task(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; the file is tasks/NAME.toml.")],
    adapter: Annotated[
        str, typer.Option("--adapter", help="classification, tagging, question_answering, multiple_choice, retrieval.")
    ] = "classification",
    folder: Annotated[
        Path, typer.Option("--in", metavar="DIR", help="Folder to write to; suites find `tasks/` beside them.")
    ] = Path("tasks"),
) -> None:
    """Write a task: tasks/NAME.toml."""
    from xharness.spec.starters import check_name, task_text, write_new

    name = name.removesuffix(".toml")
    check_name("task", name)
    file = folder / f"{name}.toml"
    write_new(file, task_text(name, adapter, file))
    print(f"{file} is written; name '{name}' in a suite's grid, and `xharness check SUITE` tries its data")


@app.command("metric")
def metric(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; the file is NAME.py.")],
    folder: Annotated[
        Path, typer.Option("--in", metavar="DIR", help="Folder to write to; suites name the file under `plugins`.")
    ] = Path(),
) -> None:
    """Write a metric: NAME.py."""
    from xharness.errors import UsageError
    from xharness.metrics import installed_metrics
    from xharness.spec.starters import check_name, metric_text, write_new

    name = name.removesuffix(".py")
    check_name("metric", name)
    if name in installed_metrics():
        raise UsageError(f"there is a metric '{name}' already; choose another name.")
    file = folder / f"{name}.py"
    write_new(file, metric_text(name))
    print(f'{file} is written; plugins = ["{file.name}"] in a suite beside it, and metric = "{name}" in a task')
