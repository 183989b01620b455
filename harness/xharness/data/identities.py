"""Whether the ids of a split fit together: none twice, every gold id there. Eight bytes a row, however many there are.

Hashes are kept instead of ids. What they make suspect is looked up in a second reading, which tells the places.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from xharness.adapter import Example
from xharness.errors import DataError, Problem, nearest

SIDES = ("source", "target")


class Identities:
    """What is remembered of the rows of a split."""

    def __init__(self) -> None:
        self._ids = array("q")
        self._partners = array("q")
        self._sides: set[Any] = set()

    def add(self, example: Example) -> None:
        """Take note of a row."""
        side = example.get("side")
        if side != "gold":
            self._ids.append(_identity(example))
        if side is not None:
            self._sides.add(str(side))
            self._partners.extend(_hash(other, name) for other, name in partners(example))

    def repeated(self) -> set[int]:
        """Hashes that more than one row has: of one id twice or, hardly ever, of two ids."""
        import numpy as np

        ids = np.sort(np.frombuffer(self._ids, dtype=np.int64))
        return set(ids[1:][ids[1:] == ids[:-1]].tolist())

    def torn(self) -> bool:
        """Whether a side has no rows, or a partner that a row names is not there."""
        import numpy as np

        if not self._sides:
            return False
        if not self._sides.issuperset(SIDES):
            return True
        ids, wanted = (np.frombuffer(held, dtype=np.int64) for held in (self._ids, self._partners))
        return not bool(np.isin(wanted, ids).all())


def _identity(example: Example) -> int:
    return _hash(example.get("side", ""), example["id"])


def _hash(side: Any, name: str) -> int:
    return hash(f"{side}\0{name}")


def require_unique(about: str, placed: Iterator[tuple[str, Example]], suspects: set[int]) -> None:
    """DataError at the first row that has the id of an earlier one; `suspects` are the hashes to look at."""
    seen: dict[str, str] = {}
    for where, example in placed:
        if example.get("side") == "gold" or _identity(example) not in suspects:
            continue
        key = f"{example.get('side', '')}\0{example['id']}"
        if key in seen:
            what = f"repeats the id '{example['id']}' of {seen[key]} ({about}); ids must be unique."
            raise DataError(Problem(where, what))
        seen[key] = where


def require_gold(about: str, placed: Iterator[tuple[str, Example]], shown: int) -> None:
    """For mining: DataError where a side has no rows, or at the first gold ids that name no sentence of a side."""
    ids: dict[str, set[str]] = {side: set() for side in SIDES}
    named: list[tuple[str, list[tuple[str, str]]]] = []
    for where, example in placed:
        if example.get("side") is None:
            continue
        if example["side"] in ids:
            ids[example["side"]].add(example["id"])
        if others := partners(example):
            named.append((where, others))
    for side in SIDES:
        if not ids[side]:
            raise DataError(Problem(about, f"has no rows of the {side} side.", "Mining needs source, target and gold."))
    problems: list[Problem] = []
    for where, others in named:
        for side, name in others:
            if name not in ids[side]:
                what = f"the gold id '{name}' is not on the {side} side ({about})."
                problems.append(Problem(where, what, nearest(name, ids[side]) if not problems else ""))
        if len(problems) >= shown:
            break
    if problems:
        raise DataError(*problems)


def partners(example: Example) -> list[tuple[str, str]]:
    """(side, id) of every sentence that a row for mining says is there."""
    partner = str(example["gold"]) if example.get("gold") else ""
    if example["side"] == "gold":
        return [("source", str(example["id"])), ("target", partner)]
    return [("target" if example["side"] == "source" else "source", partner)] if partner else []
