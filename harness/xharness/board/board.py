"""The board: a pure function of a run's records. Rows are checkpoint x intermediate, columns targets, groups, average.

It computes no metric. Per seed, a target is the mean over its languages, groups and the average are the scheme's;
what is shown is the mean over seeds with its standard deviation, and the difference from the row without an
intermediate. An average that lacks a member is absent and says how much of it there is.

A place without a cell, because the grid leaves it out (`include`, `exclude`) or the run did not select it, is empty,
and its seeds are not missing. Averages keep their members all the same: every row averages the same ones, so a row
that lacks a cell has no such average (`— 8/9`). An average none of whose members has a cell is empty too.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xharness.board.footnotes import choice_notes, footnotes, outliers
from xharness.board.grid import Scores, Seeds, languages_of, scores_of, seeds_of, with_targets
from xharness.board.retrieval_notes import ranking_notes
from xharness.board.sweeps import sweep_notes
from xharness.record import Record
from xharness.score.averages import Average, Summary, summarise
from xharness.score.choice import BEST, Choice, best_per_target
from xharness.score.rounding import direction
from xharness.score.scheme import Scheme

NONE = "none"
OVERALL = "average"
FEW = 100
"""Differences that are never too many for a correction: for these nothing need be imported to say so."""


@dataclass(frozen=True)
class Value:
    """One cell of the table."""

    mean: float | None = None
    spread: float | None = None
    """Standard deviation over seeds; None for one seed."""
    seeds: int = 0
    gain: float | None = None
    """Difference from the row without an intermediate."""
    have: int = 0
    """Members of the average that are there: languages of a target, targets of a group."""
    want: int = 0
    """Members that it needs; 0 where the grid has no cell."""
    state: str = ""
    """`failed`, `skipped`, `not run`, `degenerate` or empty."""
    best: bool = False
    """Best of its column."""
    significant: bool = False
    """The gain is significant after correction."""
    higher_is_better: bool = True
    """Of its column."""

    @property
    def way(self) -> int:
        """1 where the gain is an improvement, -1 where it is a loss, 0 where it rounds to nothing or is not there."""
        shown = 0 if self.gain is None else direction(self.gain)
        return shown if self.higher_is_better else -shown


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    checkpoint: str
    intermediate: str
    values: Mapping[str, Value]
    """Column name -> value."""

    @property
    def label(self) -> tuple[str, str]:
        """(checkpoint, intermediate)."""
        return self.checkpoint, self.intermediate


@dataclass(frozen=True)
class Column:
    """One column: a target, a group's average, or the average."""

    name: str
    title: str
    kind: str
    """`target`, `group` or `average`."""
    group: str = ""
    note: str = ""
    """The metric's name."""
    higher_is_better: bool = True


@dataclass(frozen=True)
class Board:
    """A table ready to be drawn."""

    title: str
    note: str
    comparable: bool
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    chance: Mapping[str, float] = field(default_factory=dict)
    """Target -> score of the majority or chance baseline."""


def make_board(
    run: Mapping[str, Any],
    records: Sequence[Record],
    scheme: Scheme,
    significant: frozenset[tuple[str, str, str]] = frozenset(),
) -> Board:
    """The board of one run; `significant` holds (checkpoint, intermediate, target) whose gain is."""
    scheme = with_targets(scheme, run)
    own = languages_of(run)
    table = _Table(_columns(run, scheme), scheme, own, run["seeds"], scores_of(run, records), seeds_of(run))
    states = _states(run, records)
    rows = []
    for label in ((c, i) for c in run["checkpoints"] for i in run["intermediates"]):
        plain = None if label[1] == NONE else table.scores.get((label[0], NONE), {})
        values = table.values(table.scores.get(label, {}), table.cells.get(label, {}), plain)
        said = {name: states.get((*label, name), "") for name in values}
        if label in table.scores or any(said.values()):
            rows.append(Row(*label, {name: replace(v, state=said[name]) for name, v in values.items()}))
    rows = _mark(rows, table.columns, significant)
    chosen = best_per_target(run)
    return Board(
        title=run["title"],
        note=run.get("note", ""),
        comparable=run.get("comparable", True),
        columns=table.columns,
        rows=(*rows, *_best_rows(run, chosen, rows, table)),
        footnotes=(
            *footnotes(run),
            *outliers(run, records),
            *ranking_notes(run, records),
            *sweep_notes(run),
            *choice_notes(run, chosen),
            *_unmarked(rows, table.columns, significant),
        ),
        chance=_chance(run, records, own),
    )


BySeed = Mapping[int, Mapping[str, Mapping[str, float]]]
"""Seed -> target -> language -> score."""


@dataclass(frozen=True)
class _Table:
    """What the rows of a board are made from."""

    columns: tuple[Column, ...]
    scheme: Scheme
    languages: Mapping[str, Sequence[str]]
    """Target -> languages that its average needs."""
    seeds: Sequence[int]
    scores: Scores
    cells: Mapping[tuple[str, str], Seeds]

    def values(self, scores: BySeed, cells: Seeds, plain: BySeed | None) -> dict[str, Value]:
        """One row's value in every column; gains are over `plain`."""
        mine, base = self._summaries(scores), self._summaries(plain) if plain is not None else {}
        return {column.name: _value(column, mine, base, self._held(column, cells)) for column in self.columns}

    def _summaries(self, scores: BySeed) -> dict[int, Summary]:
        return {seed: summarise(self.scheme, scores.get(seed, {}), self.languages) for seed in self.seeds}

    def _held(self, column: Column, cells: Seeds) -> list[int]:
        """The seeds under which a row has a cell of a column: of the target, or of any member of an average."""
        if column.kind == "target":
            return sorted(cells.get(column.name, ()))
        whole = column.kind == "average"
        members = self.scheme.tasks if whole else self.scheme.group[column.group].tasks
        return sorted({seed for target in members for seed in cells.get(target, ())})


def _best_rows(run: Mapping[str, Any], chosen: Sequence[Choice], rows: Sequence[Row], table: _Table) -> list[Row]:
    """The row `best per target` of every checkpoint that has several rows: chosen on dev, reported on test."""
    found = []
    for checkpoint in run["checkpoints"]:
        picks = {c.target: c.intermediate for c in chosen if c.checkpoint == checkpoint and c.intermediate}
        if sum(r.checkpoint == checkpoint for r in rows) < 2 or not picks:
            continue
        mixed: dict[int, dict[str, Mapping[str, float]]] = {seed: {} for seed in table.seeds}
        cells: dict[str, tuple[int, ...]] = {}
        for (owner, intermediate), row in table.cells.items():
            for target, seeds in row.items() if owner == checkpoint else ():
                # A target for which none was chosen still has cells, so its place is not empty.
                if picks.get(target, intermediate) == intermediate:
                    cells[target] = tuple({*cells.get(target, ()), *seeds})
        for target, intermediate in picks.items():
            for seed, values in table.scores.get((checkpoint, str(intermediate)), {}).items():
                if target in values:
                    mixed[seed][target] = values[target]
        plain = table.scores.get((checkpoint, NONE), {})
        found.append(Row(checkpoint, BEST, table.values(mixed, cells, plain)))
    return found


def _columns(run: Mapping[str, Any], scheme: Scheme) -> tuple[Column, ...]:
    columns: list[Column] = []
    for name, group in scheme.group.items():
        present = [t for t in group.tasks if t in run["targets"]]
        for target in present:
            task = run["tasks"][target]
            columns.append(Column(target, task["title"], "target", name, task["metric"], _rises(run, [target])))
        if present and len(group.tasks) > 1:
            rises = _rises(run, present)
            columns.append(Column(f"group:{name}", f"{group.title} mean", "group", name, higher_is_better=rises))
    return (*columns, Column(OVERALL, "Average", "average", higher_is_better=_rises(run, run["targets"])))


def _rises(run: Mapping[str, Any], targets: Sequence[str]) -> bool:
    """Whether a higher score is better, of one of the targets at least."""
    return any(run["tasks"][target].get("higher_is_better", True) for target in targets)


def _pick(column: Column, summary: Summary) -> Average:
    if column.kind == "average":
        return summary.overall
    if column.kind == "group":
        return summary.groups[column.group]
    return summary.tasks[column.name]


def _value(column: Column, mine: Mapping[int, Summary], plain: Mapping[int, Summary], seeds: Sequence[int]) -> Value:
    """A row's value over the seeds of its cells; empty if it has none."""
    found = [_pick(column, mine[seed]) for seed in seeds]
    if not found:
        return Value()
    values = [a.value for a in found if a.value is not None]
    if len(values) < len(found):
        worst = min(found, key=lambda a: a.have)
        return Value(seeds=len(values), have=worst.have, want=worst.want)
    without = [_pick(column, plain[seed]).value if plain else None for seed in seeds]
    differences = [a - b for a, b in zip(values, without, strict=True) if b is not None]
    gain = statistics.fmean(differences) if len(differences) == len(values) else None
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Value(statistics.fmean(values), spread, len(values), gain, found[0].have, found[0].want)


def _states(run: Mapping[str, Any], records: Sequence[Record]) -> dict[tuple[str, str, str], str]:
    """What else to say of a cell: failed, skipped, degenerate."""
    out: dict[tuple[str, str, str], str] = {}
    for cell in run["cells"]:
        if cell["status"] in ("failed", "skipped", "not run", "xfailed"):
            out[cell["checkpoint"], cell["intermediate"], cell["target"]] = cell["status"]
    total: dict[tuple[str, str, str], list[bool]] = {}
    for r in records:
        total.setdefault((r.checkpoint, r.intermediate, r.target), []).append(r.degenerate)
    for place, flags in total.items():
        if flags and all(flags):
            out.setdefault(place, "degenerate")
    return out


def _mark(rows: list[Row], columns: Sequence[Column], significant: frozenset[tuple[str, str, str]]) -> list[Row]:
    """Mark the best of each column that has several values, and the significant gains."""
    best: dict[str, float] = {}
    for column in columns:
        means = [v.mean for r in rows if (v := r.values[column.name]).mean is not None]
        if len(means) > 1:
            best[column.name] = (max if column.higher_is_better else min)(m for m in means if m is not None)
    rises = {column.name: column.higher_is_better for column in columns}
    marked = []
    for row in rows:
        values = {
            name: replace(
                v,
                best=v.mean is not None and v.mean == best.get(name),
                significant=(*row.label, name) in significant,
                higher_is_better=rises[name],
            )
            for name, v in row.values.items()
        }
        marked.append(replace(row, values=values))
    return marked


def _unmarked(
    rows: Sequence[Row], columns: Sequence[Column], significant: frozenset[tuple[str, str, str]]
) -> list[str]:
    """A note on a board so large that no difference whatever could be marked."""
    names = {column.name for column in columns if column.kind == "target"}
    tests = sum(v.gain is not None for row in rows for name, v in row.values.items() if name in names)
    if significant or tests <= FEW:
        return []
    from xharness.score.statistics import RESAMPLES, out_of_reach

    told = f"no difference is marked: {tests} at once are too many for {RESAMPLES:,} resamples; compare fewer rows"
    return [told] if out_of_reach(tests, RESAMPLES) else []


def _chance(run: Mapping[str, Any], records: Sequence[Record], own: Mapping[str, Sequence[str]]) -> dict[str, float]:
    found: dict[str, dict[str, float]] = {}
    for r in records:
        if r.metric == "chance":
            found.setdefault(r.target, {})[r.language] = r.value
    return {t: statistics.fmean(v[k] for k in own[t]) for t, v in found.items() if all(k in v for k in own[t])}
