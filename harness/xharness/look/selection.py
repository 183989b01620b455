"""Which of a cell's predictions are looked at: wrong ones, a sample, the worst, those on which two rows differ."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from xharness.errors import UsageError, listed
from xharness.look.predictions import Prediction, Predictions


@dataclass(frozen=True)
class Wanted:
    """Which predictions are looked at, and in which order."""

    right: bool | None = None
    """What is right (True) or wrong (False) alone; all if not said."""
    by_score: bool = False
    """The worst first."""
    sample: int | None = None
    seed: int = 0
    limit: int | None = None


def chosen(rows: Sequence[Prediction], wanted: Wanted) -> list[Prediction]:
    """Those that are wanted."""
    kept = [row for row in rows if wanted.right is None or row.right is wanted.right]
    if wanted.sample is not None and wanted.sample < len(kept):
        places = sorted(random.Random(wanted.seed).sample(range(len(kept)), wanted.sample))
        kept = [kept[place] for place in places]
    if wanted.by_score:
        kept.sort(key=lambda row: row.score)
    return kept[: wanted.limit]


@dataclass(frozen=True)
class Difference:
    """An example that one row gets right and the other wrong."""

    ours: Prediction
    theirs: Prediction

    @property
    def gained(self) -> bool:
        """Whether ours is the right one."""
        return self.ours.right is True


def differences(ours: Predictions, theirs: Predictions) -> list[Difference]:
    """The examples that one gets right and the other wrong; UsageError where they were tested on other examples."""
    other = {(row.language, row.id): row for row in theirs.rows}
    lacking = [row.id for row in ours.rows if (row.language, row.id) not in other]
    if lacking:
        raise UsageError(
            f"{ours.cell} and {theirs.cell} were tested on other examples: {listed(lacking[:3])} and "
            f"{len(lacking) - len(lacking[:3])} more of the first are not in the second."
        )
    pairs = [Difference(row, other[row.language, row.id]) for row in ours.rows]
    return [
        pair
        for pair in pairs
        if None not in (pair.ours.right, pair.theirs.right) and pair.ours.right != pair.theirs.right
    ]
