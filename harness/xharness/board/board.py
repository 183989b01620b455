"""The board: a pure function of a run's records. Rows are checkpoint x intermediate, columns targets, groups, average.

It computes no metric. Per seed, a target is the mean over its languages, groups and the average are the scheme's;
what is shown is the mean over seeds with its standard deviation, and the difference from the row without an
intermediate. An aggregate that lacks a member is absent and says how much of it there is.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xharness.errors import listed
from xharness.record import Record
from xharness.score.averages import Average, Summary, by_family, by_script, by_size, by_transfer, summarise
from xharness.score.choice import Choice, best_per_target
from xharness.score.scheme import Scheme

NONE = "none"
OVERALL = "average"
BEST = "best per target"
"""The row that takes every target from the intermediate that is best on its dev set."""


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
    want: int = 0
    state: str = ""
    """`failed`, `skipped`, `not run`, `degenerate` or empty."""
    best: bool = False
    """Best of its column."""
    significant: bool = False
    """The gain is significant after correction."""


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
    """Metric and, for retrieval, how it was read off."""


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


Scores = dict[tuple[str, str], dict[int, dict[str, dict[str, float]]]]
"""(checkpoint, intermediate) -> seed -> target -> language -> score."""


def scores_of(run: Mapping[str, Any], records: Iterable[Record], metric: str | None = None) -> Scores:
    """The headline values of a run, or those of one named value."""
    scores: Scores = {}
    for r in records:
        if r.metric == (metric or run["tasks"][r.target]["metric"]):
            row = scores.setdefault((r.checkpoint, r.intermediate), {}).setdefault(r.seed, {})
            row.setdefault(r.target, {})[r.language] = r.value
    return scores


def languages_of(run: Mapping[str, Any]) -> dict[str, list[str]]:
    """Target -> the languages its average needs: all that a cell of the run took of it."""
    chosen = run.get("languages_selected", {})
    taken: dict[str, set[str]] = {}
    for cell in run["cells"]:
        whole = run["tasks"][cell["target"]]["languages"]
        taken.setdefault(cell["target"], set()).update(chosen.get(cell["name"], whole))
    return {t: [k for k in run["tasks"][t]["languages"] if k in taken[t]] for t in run["targets"]}


def make_board(
    run: Mapping[str, Any],
    records: Sequence[Record],
    scheme: Scheme,
    significant: frozenset[tuple[str, str, str]] = frozenset(),
) -> Board:
    """The board of one run; `significant` holds (checkpoint, intermediate, target) whose gain is."""
    scheme = with_targets(scheme, run)
    scores, own = scores_of(run, records), languages_of(run)
    columns = _columns(run, scheme)
    labels = [(c, i) for c in run["checkpoints"] for i in run["intermediates"]]
    per_seed = {label: _by_seed(scores.get(label, {}), run["seeds"], scheme, own) for label in labels}
    states = _states(run, records)
    rows = []
    for label in labels:
        plain = per_seed.get((label[0], NONE), {}) if label[1] != NONE else {}
        values = {c.name: _value(c, per_seed[label], plain, states.get((*label, c.name), "")) for c in columns}
        if label in scores or any(v.state for v in values.values()):
            rows.append(Row(*label, values))
    rows = _mark(rows, columns, significant)
    chosen = best_per_target(run)
    rows += _best_rows(run, chosen, rows, columns, scores, scheme, own)
    return Board(
        title=run["title"],
        note=run.get("note", ""),
        comparable=run.get("comparable", True),
        columns=columns,
        rows=tuple(rows),
        footnotes=(*_footnotes(run), *_choice_notes(run, chosen)),
        chance=_chance(run, records, own),
    )


def _best_rows(
    run: Mapping[str, Any],
    chosen: Sequence[Choice],
    rows: Sequence[Row],
    columns: Sequence[Column],
    scores: Scores,
    scheme: Scheme,
    own: Mapping[str, Sequence[str]],
) -> list[Row]:
    """The row `best per target` of every checkpoint that has several rows: chosen on dev, reported on test."""
    found = []
    for checkpoint in run["checkpoints"]:
        picks = {c.target: c.intermediate for c in chosen if c.checkpoint == checkpoint and c.intermediate}
        if sum(r.checkpoint == checkpoint for r in rows) < 2 or not picks:
            continue
        mixed = {
            seed: {
                target: values
                for target, intermediate in picks.items()
                if (values := scores.get((checkpoint, str(intermediate)), {}).get(seed, {}).get(target)) is not None
            }
            for seed in run["seeds"]
        }
        mine = _by_seed(mixed, run["seeds"], scheme, own)
        plain = _by_seed(scores.get((checkpoint, NONE), {}), run["seeds"], scheme, own)
        found.append(Row(checkpoint, BEST, {c.name: _value(c, mine, plain, "") for c in columns}))
    return found


def _choice_notes(run: Mapping[str, Any], chosen: Sequence[Choice]) -> list[str]:
    """What was chosen for each target, and where nothing could be."""
    notes = []
    for checkpoint in run["checkpoints"]:
        mine = [c for c in chosen if c.checkpoint == checkpoint]
        if len(run["intermediates"]) < 2 or not any(c.intermediate for c in mine):
            continue
        picks = ", ".join(f"{c.target}: {c.intermediate}" for c in mine if c.intermediate)
        left = ", ".join(f"{c.target} ({c.reason})" for c in mine if not c.intermediate)
        more = f"; without a choice: {left}" if left else ""
        notes.append(f"{BEST} with {checkpoint}, chosen on English dev: {picks}{more}")
    return notes


def with_targets(scheme: Scheme, run: Mapping[str, Any]) -> Scheme:
    """The scheme, with targets that it does not know in groups of their own; those alone where it knows none."""
    ours = {
        task["counts_as"]: name for name, task in run["tasks"].items() if task["counts_as"] and name in run["targets"]
    }
    groups = {
        n: g.model_copy(update={"tasks": tuple(ours.get(t, t) for t in g.tasks)}) for n, g in scheme.group.items()
    }
    scheme = scheme.model_copy(
        update={"group": groups, "task": {ours.get(name, name): task for name, task in scheme.task.items()}}
    )
    own: dict[str, list[str]] = {}
    known_tasks = set(scheme.tasks)
    for target in run["targets"]:
        if target not in known_tasks:
            own.setdefault(run["tasks"][target]["group"], []).append(target)
    for name, targets in own.items():
        known = next((k for k, g in groups.items() if name in (k, g.title.lower())), None)
        if known is None:
            kind = type(next(iter(groups.values())))
            groups[name] = kind(title=name.capitalize(), tasks=tuple(targets))
        else:
            groups[known] = groups[known].model_copy(update={"tasks": (*groups[known].tasks, *targets)})
    wanted = set(run["targets"])
    if not wanted & known_tasks:
        groups = {n: g for n, g in groups.items() if wanted & set(g.tasks)}
        groups = {
            n: g.model_copy(update={"tasks": tuple(t for t in g.tasks if t in wanted)}) for n, g in groups.items()
        }
    return scheme.model_copy(update={"group": groups})


def _columns(run: Mapping[str, Any], scheme: Scheme) -> tuple[Column, ...]:
    columns: list[Column] = []
    for name, group in scheme.group.items():
        present = [t for t in group.tasks if t in run["targets"]]
        for target in present:
            task = run["tasks"][target]
            columns.append(Column(target, task["title"], "target", name, task["metric"]))
        if present and len(group.tasks) > 1:
            columns.append(Column(f"group:{name}", f"{group.title} mean", "group", name))
    return (*columns, Column(OVERALL, "Average", "average"))


def _by_seed(
    scores: Mapping[int, Mapping[str, Mapping[str, float]]],
    seeds: Sequence[int],
    scheme: Scheme,
    own: Mapping[str, Sequence[str]],
) -> dict[int, Summary]:
    return {seed: summarise(scheme, scores.get(seed, {}), own) for seed in seeds}


def _pick(column: Column, summary: Summary) -> Average:
    if column.kind == "average":
        return summary.overall
    if column.kind == "group":
        return summary.groups[column.group]
    return summary.tasks[column.name]


def _value(column: Column, mine: Mapping[int, Summary], plain: Mapping[int, Summary], state: str) -> Value:
    found = [_pick(column, s) for s in mine.values()]
    values = [a.value for a in found if a.value is not None]
    first = found[0] if found else Average(None, 0, 0)
    if not values or len(values) < len(found):
        worst = min(found, key=lambda a: a.have) if found else first
        return Value(seeds=len(values), have=worst.have, want=worst.want, state=state)
    gain = None
    pairs = [
        (a.value, b.value)
        for seed, s in mine.items()
        if seed in plain
        for a, b in [(_pick(column, s), _pick(column, plain[seed]))]
        if a.value is not None and b.value is not None
    ]
    if pairs and len(pairs) == len(values):
        gain = statistics.fmean(a - b for a, b in pairs)
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Value(statistics.fmean(values), spread, len(values), gain, first.have, first.want, state)


def _states(run: Mapping[str, Any], records: Sequence[Record]) -> dict[tuple[str, str, str], str]:
    """What else is to be said of a cell: failed, skipped, degenerate."""
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
    """Best of each column (where there is something to compare), and the significant gains."""
    from dataclasses import replace

    best: dict[str, float] = {}
    for column in columns:
        means = [v.mean for r in rows if (v := r.values[column.name]).mean is not None]
        if len(means) > 1:
            best[column.name] = max(m for m in means if m is not None)
    marked = []
    for row in rows:
        values = {
            name: replace(
                v,
                best=v.mean is not None and v.mean == best.get(name),
                significant=(*row.label, name) in significant,
            )
            for name, v in row.values.items()
        }
        marked.append(replace(row, values=values))
    return marked


def _chance(run: Mapping[str, Any], records: Sequence[Record], own: Mapping[str, Sequence[str]]) -> dict[str, float]:
    found: dict[str, dict[str, float]] = {}
    for r in records:
        if r.metric == "chance":
            found.setdefault(r.target, {})[r.language] = r.value
    return {t: statistics.fmean(v[k] for k in own[t]) for t, v in found.items() if all(k in v for k in own[t])}


def _footnotes(run: Mapping[str, Any]) -> list[str]:
    """What a reader must know to compare: metrics, retrieval settings, failures with their reasons."""
    notes = []
    metrics: dict[str, list[str]] = {}
    for target in run["targets"]:
        task = run["tasks"][target]
        metrics.setdefault(task["metric"], []).append(task["title"])
    for target, kept in languages_of(run).items():
        if len(kept) < (want := len(run["tasks"][target]["languages"])):
            notes.append(f"{run['tasks'][target]['title']}: only {listed(kept)}, {len(kept)} of {want} languages")
    notes.append("metrics: " + "; ".join(f"{m}: {', '.join(names)}" for m, names in metrics.items()))
    retrieval = [t for t in run["targets"] if run["tasks"][t]["adapter"] == "retrieval"]
    for name, checkpoint in run["checkpoints"].items():
        if retrieval:
            how = checkpoint["retrieval"]
            layer = "two thirds of the depth" if how["layer"] is None else f"hidden_states[{how['layer']}]"
            notes.append(f"retrieval with {name}: {how['pooling']} pooling of {layer}")
    for target in retrieval:
        options = ", ".join(f"{k} = {v}" for k, v in run["tasks"][target]["options"].items())
        if options:
            notes.append(f"{run['tasks'][target]['title']}: {options}")
    return notes


def breakdown(
    run: Mapping[str, Any], records: Sequence[Record], by: str
) -> dict[str, dict[tuple[str, str], dict[str, Average]]]:
    """target -> (checkpoint, intermediate) -> part -> mean over seeds; a part is a language, family, …"""
    scores, own = scores_of(run, records), languages_of(run)
    split = {"family": by_family, "script": by_script, "size": by_size, "transfer": by_transfer}.get(by)
    out: dict[str, dict[tuple[str, str], dict[str, Average]]] = {}
    for target in run["targets"]:
        for label, seeds in scores.items():
            tables = []
            for seed in seeds.values():
                found = seed.get(target, {})
                if split is None:
                    tables.append({k: Average(found.get(k), int(k in found), 1) for k in own[target]})
                else:
                    tables.append(split(found, own[target]))
            if tables:
                out.setdefault(target, {})[label] = {part: _over_seeds([t[part] for t in tables]) for part in tables[0]}
    return out


def _over_seeds(found: Sequence[Average]) -> Average:
    values = [a.value for a in found if a.value is not None]
    if len(values) < len(found):
        return min(found, key=lambda a: a.have)
    return Average(statistics.fmean(values), found[0].have, found[0].want)
