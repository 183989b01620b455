"""The record: one measured value of one cell in one language; all that the board and the comparisons read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One value, with all it takes to place and trace it."""

    cell: str
    """Id of the cell, such as `squad_v1->xquad[xlmr-large-13]`."""
    checkpoint: str
    intermediate: str
    target: str
    seed: int
    language: str
    """ISO 639-1 code."""
    metric: str
    """Name of the metric, its convention included, such as `f1_xtreme`."""
    value: float
    """0 to 100; of a fact of a search (a threshold, the size of a pool) in its own unit."""
    n: int
    """Examples behind the value."""
    key: str
    """Content key of the step that made it; its outcomes lie there."""
    split: str = "test"
    size: int | float | None = None
    """Examples of the intermediate, or as a float the share of them, where that has several sizes."""
    degenerate: bool = False
    """All predictions the same: a collapsed run."""
    swept: str = ""
    """What a sweep chose for the cell: `learning_rate=2e-05 epochs=2`; of an intermediate's stage with its tasks before
    it, `mnli.learning_rate=5e-05`."""

    def as_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return asdict(self)
