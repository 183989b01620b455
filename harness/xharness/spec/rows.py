"""The rows of a suite: an intermediate with several sizes is a row for each, and every row is a chain of stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xharness.spec.stage import Intermediate, Size, Stage
from xharness.spec.suite import Suite

AT = "@"
"""Between an intermediate's name and a size: `mnli_size@4000`."""


@dataclass(frozen=True)
class Row:
    """One row: an intermediate, at one of its sizes if it has several."""

    intermediate: str
    size: Size | None = None

    @property
    def name(self) -> str:
        """As it stands in ids."""
        return self.intermediate if self.size is None else f"{self.intermediate}{AT}{self.size!r}"


def size_in(row: str) -> Size | None:
    """The size in a row's name."""
    _, at, size = row.rpartition(AT)
    if not at:
        return None
    return int(size) if size.isdigit() else float(size)


def size_text(size: Size) -> str:
    """A size for people."""
    return f"{size:,}" if isinstance(size, int) else f"{size:.3g} of all" if size < 1 else "all"


def intermediates_of(suite: Suite) -> dict[str, Intermediate]:
    """Name -> what the suite says of an intermediate that is more than a task."""
    return {**{name: mixture.intermediate for name, mixture in suite.mixture.items()}, **suite.intermediate}


def rows_of(name: str, said: Mapping[str, Intermediate]) -> tuple[Row, ...]:
    """The rows of an intermediate, or the one that a row's own name means."""
    if name in said:
        return tuple(Row(name, size) for size in said[name].sizes) or (Row(name),)
    base, at, _ = name.rpartition(AT)
    if at and base in said:
        return tuple(row for row in rows_of(base, said) if row.name == name)
    return (Row(name),)


def stages_of(name: str, said: Mapping[str, Intermediate]) -> tuple[Stage, ...]:
    """The stages of a row, each with one size at the most; of a task one stage with that task."""
    base = name if name in said else name.rpartition(AT)[0]
    if base not in said:
        return (Stage(tasks=(name,)),)
    (row,) = rows_of(name, said)
    return tuple(
        stage.model_copy(update={"size": (row.size,)}) if len(stage.size) > 1 and row.size is not None else stage
        for stage in said[base].chain
    )
