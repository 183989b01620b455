"""The plan: the steps of a selection of cells, each once, and which step ends which cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xharness.analysis import Texts
from xharness.collect.cells import Cell
from xharness.steps import AnyWork


@dataclass(frozen=True)
class Step:
    """One unit of work with its content key."""

    key: str
    work: AnyWork
    needs: tuple[str, ...]
    """Keys of the steps whose outputs it reads."""
    ingredients: dict[str, Any]
    """All that can change its output."""
    role: str
    """`intermediate` or `target` for tunings; the kind otherwise."""


@dataclass
class Plan:
    """The steps of a selection, and which step ends which cell."""

    cells: list[Cell]
    steps: dict[str, Step] = field(default_factory=dict)
    """In an order in which each follows what it needs."""
    ends: dict[str, str] = field(default_factory=dict)
    """Cell name -> key of its last step."""
    blocked: dict[str, str] = field(default_factory=dict)
    """Cell name -> why it cannot be planned."""
    dev: dict[str, str] = field(default_factory=dict)
    """Cell name -> key of the step that knows its English dev score."""
    vectors: dict[tuple[str, Texts], str] = field(default_factory=dict)
    """(checkpoint, texts) that an analysis asks for -> key of the step that embeds them; no cell needs it."""
    first: frozenset[str] = frozenset()
    """Keys to be made before the others."""
    _places: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def under(self, name: str) -> list[Step]:
        """The steps of one cell, in order."""
        return [self.steps[k] for k in self.closure([self.ends[name]])] if name in self.ends else []

    def closure(self, keys: Sequence[str]) -> list[str]:
        """The keys and all they need, in order."""
        wanted = set().union(*map(self._below, keys)) if keys else set()
        return sorted(wanted, key=self._place)

    def shared(self) -> dict[str, int]:
        """Key -> number of cells that rest on the step."""
        counts: dict[str, int] = dict.fromkeys(self.steps, 0)
        for end in self.ends.values():
            for key in self._below(end):
                counts[key] += 1
        return counts

    def _below(self, end: str) -> set[str]:
        """A step and all it needs."""
        wanted = {end}
        stack = [end]
        while stack:
            for need in self.steps[stack.pop()].needs:
                if need not in wanted:
                    wanted.add(need)
                    stack.append(need)
        return wanted

    def _place(self, key: str) -> int:
        """Where a step stands in the order."""
        if len(self._places) != len(self.steps):
            self._places = {key: number for number, key in enumerate(self.steps)}
        return self._places[key]
