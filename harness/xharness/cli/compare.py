"""`xharness compare`: two or more rows, of runs or published, with intervals and corrected tests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xharness.cli import options as o
from xharness.cli.output import writable, write
from xharness.errors import UsageError, listed, nearest

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from xharness.baselines.published import Published
    from xharness.score.choice import Choice, Degenerate
    from xharness.score.compare import Comparison, Difference
    from xharness.score.matching import Side
    from xharness.score.scheme import Scheme

BEST, BASELINE = "best", "baseline:"


def compare(
    rows: Annotated[
        list[str],
        typer.Argument(
            metavar="ROW ROW...",
            help="[RUN::]INTERMEDIATE[[CHECKPOINT]], [RUN::]best (per target, chosen on dev), or baseline:NAME; "
            "the first is what the others are compared with.",
        ),
    ],
    store: o.StoreOption = o.DEFAULT_STORE,
    resamples: Annotated[int, typer.Option(min=100, max=1_000_000, help="Resamples of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    languages: Annotated[bool, typer.Option("--languages", help="Show every language.")] = False,
    baselines: Annotated[
        str | None, typer.Option(help="File of published rows; the one of the run's scheme when absent.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here; - is the terminal.")] = None,
) -> None:
    """Compare rows: differences with confidence intervals and corrected p-values."""
    from xharness.cli.terminal import terminal
    from xharness.score.compare import Settings

    if len(rows) < 2:
        raise UsageError("compare needs two rows or more: the first is what the others are compared with.")
    writable("--json", None if json_file == Path("-") else json_file)
    found = compare_rows(rows, store, Settings(resamples, seed), baselines)
    if json_file is not None:
        text = json.dumps([comparison.as_json() for comparison in found.comparisons], indent=2, ensure_ascii=False)
        if json_file == Path("-"):
            typer.echo(text)
            return
        write(json_file, text + "\n")
    show_comparisons(found, terminal(), languages)


@dataclass(frozen=True)
class Compared:
    """What there is to show."""

    comparisons: list[Comparison]
    choices: list[Choice] = field(default_factory=list)
    """Of the rows `best per target`."""
    degenerate: list[Degenerate] = field(default_factory=list)
    """Cells of the compared rows that have learnt nothing."""


@dataclass
class _Runs:
    """Stored runs, each read once."""

    store: Path
    baselines: str | None
    read: dict[str | None, tuple[dict[str, Any], list[Any], dict[tuple[str, str], Side]]] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    degenerate: list[Degenerate] = field(default_factory=list)

    def run(self, name: str | None) -> tuple[dict[str, Any], list[Any], dict[tuple[str, str], Side]]:
        from xharness.board.grid import languages_of
        from xharness.cli.showing import find_run, store_of
        from xharness.plugins import load_plugins
        from xharness.score.matching import sides_of
        from xharness.store.runs import read_run

        if name not in self.read:
            folder = find_run(name, self.store)
            run, records = read_run(folder)
            load_plugins(run.get("plugins", ()))
            self.read[name] = run, records, sides_of(run, records, store_of(folder).path, languages_of(run))
        return self.read[name]


def compare_rows(rows: Sequence[str], store: Path, settings: Any, baselines: str | None = None) -> Compared:
    """Every row against the first, corrected together; UsageError for rows that are not there."""
    from xharness.baselines.published import compare_published
    from xharness.score.compare import compare as compare_sides
    from xharness.score.compare import corrected_together
    from xharness.score.matching import Side

    runs = _Runs(store, baselines)
    sides = [_own(given, runs) for given in rows if not given.startswith(BASELINE)]
    scheme = _scheme(runs)
    file = baselines or _scheme_name(runs)
    own = iter(sides)
    all_sides = [_published(given, file) if given.startswith(BASELINE) else next(own) for given in rows]
    first, *others = all_sides
    tested, plain = [], {}
    for place, other in enumerate(others):
        if isinstance(first, Side) and isinstance(other, Side):
            tested.append((place, compare_sides(first, other, scheme, settings)))
        else:
            plain[place] = compare_published(first, other, scheme)
    corrected = corrected_together([found for _, found in tested])
    plain |= {place: found for (place, _), found in zip(tested, corrected, strict=True)}
    return Compared([plain[place] for place in range(len(others))], runs.choices, runs.degenerate)


def _own(given: str, runs: _Runs) -> Side:
    """A row of a stored run."""
    from xharness.score.choice import best_per_target, chosen_side, degenerate

    name, _, row = given.rpartition("::")
    run, records, rows = runs.run(name or None)
    matched = re.fullmatch(r"([^\[\]]+)(?:\[([^\[\]]+)\])?", row)
    if matched is None:
        raise UsageError(f"'{given}' is no row; write [RUN::]INTERMEDIATE or [RUN::]INTERMEDIATE[CHECKPOINT].")
    intermediate, checkpoint = matched[1], _checkpoint(given, matched[2], run)
    metrics = {target: task["metric"] for target, task in run["tasks"].items()}
    weak = [d for d in degenerate(records, metrics) if d.checkpoint == checkpoint]
    if intermediate == BEST:
        choices = [c for c in best_per_target(run) if c.checkpoint == checkpoint]
        runs.choices += choices
        chosen = {(c.target, c.intermediate) for c in choices}
        runs.degenerate += [d for d in weak if (d.target, d.intermediate) in chosen]
        return chosen_side(checkpoint, choices, rows)
    if (checkpoint, intermediate) not in rows:
        known = [i for c, i in rows if c == checkpoint]
        raise UsageError(
            f"{given}: the run has no scored row '{intermediate}'. {nearest(intermediate, [*known, BEST])}"
        )
    runs.degenerate += [d for d in weak if d.intermediate == intermediate]
    return rows[checkpoint, intermediate]


def _checkpoint(given: str, named: str | None, run: Mapping[str, Any]) -> str:
    known = list(run["checkpoints"])
    if named is None and len(known) == 1:
        return str(known[0])
    if named is None:
        raise UsageError(f"{given}: the run has several checkpoints; add one in brackets: {listed(known)}.")
    if named not in known:
        raise UsageError(f"{given}: the run has no checkpoint '{named}'. {nearest(named, known)}")
    return named


def _published(given: str, file: str) -> Published:
    from xharness.baselines.published import published

    return published(given.removeprefix(BASELINE), file)


def _scheme_name(runs: _Runs) -> str:
    return next((str(run["scheme"]) for run, _, _ in runs.read.values()), "xtreme")


def _scheme(runs: _Runs) -> Scheme:
    """The scheme of the first run, with that run's targets; XTREME's where only published rows are compared."""
    from xharness.board.grid import with_targets
    from xharness.score.scheme import load_scheme, scheme_of

    for run, _, _ in runs.read.values():
        return with_targets(scheme_of(run), run)
    return load_scheme("xtreme")


def show_comparisons(found: Compared, console: Console, languages: bool = False) -> None:
    """Tables, and under them the words that go with the numbers."""
    for comparison in found.comparisons:
        console.print(comparison_table(comparison, languages))
        for words in comparison.words:
            console.print(words, style="dim", highlight=False, markup=False, soft_wrap=True)
    for choice in found.choices:
        if choice.intermediate is None:
            line = f"best per target, {choice.target}: none chosen ({choice.reason})"
        else:
            more = f"; {choice.reason}" if choice.reason else ""
            line = f"best per target, {choice.target}: {choice.intermediate} ({choice.words} {choice.dev:z.1f}{more})"
        console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
    for cell in found.degenerate:
        line = f"degenerate: {cell.intermediate}->{cell.target}[{cell.checkpoint}-{cell.seed}]: {cell.reason}"
        console.print(line, style="bold red", highlight=False, markup=False, soft_wrap=True)


def comparison_table(comparison: Comparison, languages: bool = False) -> Table:
    """One comparison as a table; an asterisk marks differences that are significant after correction."""
    from rich.table import Table
    from rich.text import Text

    level = comparison.settings.level
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for title in (comparison.left, comparison.right):
        table.add_column(Text(title), justify="right", overflow="fold")
    for title in ("difference", f"{level:.0%} interval", "p", "p, Holm", "examples"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    kinds = ("language", "target", "group", "average") if languages else ("target", "group", "average")
    for line in comparison.lines:
        if line.kind in kinds:
            style = {"language": "dim", "target": "", "group": "cyan", "average": "bold"}[line.kind]
            table.add_row(*(Text(cell) for cell in _cells(line, level)), style=style)
    return table


def _cells(line: Difference, level: float) -> list[str]:
    from xharness.score.rounding import gained, rounded

    name = f"  {line.name} {line.language}" if line.kind == "language" else line.name.replace("group:", "mean of ")
    scores = ["—" if score is None else rounded(score) for score in (line.left, line.right)]
    if line.difference is None:
        gap = f"— {line.have}/{line.want}" if line.have < line.want and not line.note else "—"
    else:
        gap = f"{gained(line.difference)}{'*' if line.significant(level) else ''}"
    span = "" if line.low is None or line.high is None else f"[{gained(line.low)}, {gained(line.high)}]"
    tests = ["" if p is None else f"{p:.4f}" for p in (line.p, line.adjusted)]
    return [name, *scores, gap, span, *tests, f"{line.n:,}" if line.n else "", line.note]
