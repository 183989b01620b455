"""Rows of stored runs, and published ones, against each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xharness.errors import UsageError, listed, nearest

if TYPE_CHECKING:
    from xharness.baselines.published import Published
    from xharness.score.choice import Choice, Degenerate
    from xharness.score.compare import Comparison
    from xharness.score.matching import Side
    from xharness.score.scheme import Scheme

BEST, BASELINE = "best", "baseline:"


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

    stores: Sequence[Path]
    baselines: str | None
    read: dict[str | None, tuple[dict[str, Any], list[Any], dict[tuple[str, str], Side]]] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    degenerate: list[Degenerate] = field(default_factory=list)

    def run(self, name: str | None) -> tuple[dict[str, Any], list[Any], dict[tuple[str, str], Side]]:
        from xharness.api.stored import find_runs, read_stored
        from xharness.board.grid import languages_of
        from xharness.score.matching import sides_of

        if name not in self.read:
            found = read_stored(find_runs(name, self.stores))
            sides = sides_of(found.run, found.records, found.stores.path, languages_of(found.run))
            self.read[name] = found.run, found.records, sides
        return self.read[name]


def compare_rows(rows: Sequence[str], stores: Sequence[Path], settings: Any, baselines: str | None = None) -> Compared:
    """Every row against the first, corrected together; UsageError for rows that are not there.

    With several stores a row that names no run is of their newest runs as one.
    """
    from xharness.baselines.published import compare_published
    from xharness.score.compare import compare as compare_sides
    from xharness.score.compare import corrected_together
    from xharness.score.matching import Side

    runs = _Runs(stores, baselines)
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
