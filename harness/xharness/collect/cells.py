"""From a suite to its cells, and the marks of each. Imports nothing heavy: listing is instant."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from xharness.collect.checkpoints import own_checkpoints
from xharness.collect.conditions import holds
from xharness.errors import UsageError
from xharness.spec.load import Loaded
from xharness.spec.suite import Checkpoint, Mark


@dataclass(frozen=True, slots=True)
class Cell:
    """checkpoint x intermediate x target x seed: what is selected, passes or fails, and stands on the board."""

    suite: str
    intermediate: str
    target: str
    checkpoint: str
    seed: int
    languages: tuple[str, ...] | None = None
    """A part of the target's languages; None is all."""

    @property
    def name(self) -> str:
        """Id within the suite: `squad_v1->xquad[xlmr-large-13]`."""
        return f"{self.intermediate}->{self.target}[{self.checkpoint}-{self.seed}]"

    @property
    def id(self) -> str:
        """Id with the suite: `xtreme.toml::squad_v1->xquad[xlmr-large-13]`."""
        return f"{self.suite}::{self.name}"


@lru_cache(maxsize=512)
def glob(pattern: str) -> re.Pattern[str]:
    """A pattern in which only `*` and `?` are special: brackets belong to ids."""
    return re.compile("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern), re.DOTALL)


def matches(pattern: str, cell: Cell) -> bool:
    """Whether a pattern names the cell, with or without its checkpoint and seed."""
    regex = glob(pattern)
    return bool(
        regex.fullmatch(f"{cell.intermediate}->{cell.target}") or regex.fullmatch(cell.name) or regex.fullmatch(cell.id)
    )


def collect(loaded: Loaded, extra: Sequence[Checkpoint] = ()) -> list[Cell]:
    """All cells of a suite in the grid's order; `extra` checkpoints (from the command line) add rows."""
    grid, names = loaded.suite.grid, own_checkpoints(loaded)
    names = (*names, *(c.name for c in extra if c.name not in names))
    if not names:
        raise UsageError(
            loaded.document.problem(("checkpoint",), "the suite names no checkpoint; add one with --checkpoint.")
        )
    suite = loaded.path.name
    cells = [
        Cell(suite, intermediate, target, checkpoint, seed)
        for checkpoint in names
        for intermediate in loaded.intermediates
        for target in loaded.targets
        for seed in loaded.seeds
    ]
    if grid.include != ("*",):
        cells = [c for c in cells if any(matches(p, c) for p in grid.include)]
    if grid.exclude:
        cells = [c for c in cells if not any(matches(p, c) for p in grid.exclude)]
    if not cells:
        raise UsageError(loaded.document.problem(("grid",), "include and exclude leave no cell."))
    return cells


def marks_of(cell: Cell, loaded: Loaded) -> list[Mark]:
    """The marks of a cell, in the suite's order."""
    return [m for m in loaded.suite.mark if matches(m.cells, cell)]


def mark_names(cell: Cell, loaded: Loaded) -> set[str]:
    """Names of a cell's marks for -m."""
    found: set[str] = set()
    for mark in marks_of(cell, loaded):
        found |= {n for n, on in (("skip", mark.skip), ("skipif", mark.skipif), ("xfail", mark.xfail)) if on}
        found |= {mark.name} if mark.name else set()
    return found


def skip_reason(cell: Cell, loaded: Loaded, gpu: bool | None = None) -> str | None:
    """Why a cell is skipped, or None."""
    return skipper(loaded, gpu)(cell)


def skipper(loaded: Loaded, gpu: bool | None = None) -> Callable[[Cell], str | None]:
    """`skip_reason` for many cells: each condition is evaluated once."""
    holding = [
        (m.cells, m.reason if m.skip else m.reason or f"skipif {m.skipif}")
        for m in loaded.suite.mark
        if m.skip or (m.skipif and holds(m.skipif, loaded.profile_name, gpu))
    ]
    return lambda cell: next((reason for pattern, reason in holding if matches(pattern, cell)), None)


def expected_failure(cell: Cell, loaded: Loaded) -> str | None:
    """Why a cell is expected to fail, or None."""
    return next((m.reason for m in marks_of(cell, loaded) if m.xfail), None)
