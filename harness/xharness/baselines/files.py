"""Published figures: rows with a source for each, and averages recomputed from their rows.

A file of baselines is TOML:

[source.mt5]
title = "mT5 repository, README"
url = "https://…"

[row.mbert.task]
xnli = { accuracy = 65.4, source = "mt5" }
xquad = { f1 = 64.5, exact_match = 49.4, source = "mt5", unverified = ["exact_match"] }

[[row.mbert.printed]]             # an average that is printed beside the row
value = 59.6
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from xharness.errors import Problem, UsageError, nearest
from xharness.metrics import metric
from xharness.score.averages import average, summarise
from xharness.score.scheme import Scheme
from xharness.spec.base import Spec
from xharness.spec.load import shipped_suites
from xharness.spec.parse import Document, read_document, validate

OVERALL = "average"
ROUNDING = 0.1
"""Figures are printed with one digit: each is off by up to 0.05, so a mean of them is, and so is the printed mean."""

ValueName = Literal["accuracy", "f1", "exact_match", "map_at_20"]
VALUES: tuple[ValueName, ...] = ("accuracy", "f1", "exact_match", "map_at_20")


class Source(Spec):
    """Where figures come from."""

    title: str
    url: str = ""
    arxiv: str = ""
    where: str = ""
    """The table or section."""


class Figure(Spec):
    """What a row has on one task, 0 to 100."""

    accuracy: float | None = Field(default=None, ge=0, le=100)
    f1: float | None = Field(default=None, ge=0, le=100)
    exact_match: float | None = Field(default=None, ge=0, le=100)
    map_at_20: float | None = Field(default=None, ge=0, le=100)
    source: str
    verified: bool = True
    """False for a figure that was not found in a text."""
    unverified: tuple[ValueName, ...] = ()
    """Single values that were not, where the others were."""
    languages: tuple[str, ...] = ()
    """Languages of the mean, where they are not the scheme's."""
    language: dict[ValueName, dict[str, float]] = Field(default_factory=dict)
    """The values by language."""
    language_source: str = ""
    """Where those come from, where it is another source."""
    note: str = ""

    @model_validator(mode="after")
    def _has_values(self) -> Figure:
        if not self.values:
            raise ValueError(f"a figure needs one of {', '.join(VALUES)}")
        return self

    @property
    def values(self) -> dict[str, float]:
        """The values that are there."""
        return {name: value for name in VALUES if (value := getattr(self, name)) is not None}

    def doubtful(self, *names: str) -> bool:
        """Whether one of the values (any, without names) is unverified."""
        return not self.verified or any(name in self.unverified for name in names or self.unverified)

    def __str__(self) -> str:
        return "/".join(f"{value:.1f}{'?' if self.doubtful(name) else ''}" for name, value in self.values.items())


class Printed(Spec):
    """An average as it is printed beside a row."""

    name: str
    value: float = Field(ge=0, le=100)
    of: tuple[str | tuple[str, ...], ...] = ()
    """What it is the mean of: tasks, names of other printed averages, or lists of tasks (their means); the scheme's
    overall average when empty."""
    source: str
    verified: bool = True
    note: str = ""


class Row(Spec):
    """One published system."""

    title: str
    protocol: str = ""
    """How its runs differ from the scheme's; such a row is shown, and never ranked."""
    note: str = ""
    task: dict[str, Figure] = Field(default_factory=dict)
    printed: tuple[Printed, ...] = ()


class Baselines(Spec):
    """One file of published rows."""

    title: str
    scheme: str
    source: dict[str, Source]
    row: dict[str, Row]


def load_baselines(given: str, beside: Path | None = None) -> Baselines:
    """A file by the name of a shipped one (`xtreme`) or its path, also relative to the folder `beside`."""
    candidates = [Path(given), *([beside / given] if beside else [])]
    path = next((p for p in candidates if p.suffix == ".toml" and p.is_file()), None)
    if path is None:
        shipped = {p.stem: p for p in sorted((shipped_suites() / "baselines").glob("*.toml"))}
        if given not in shipped:
            what = "is neither a TOML file of baselines nor a shipped one."
            raise UsageError(Problem(given, what, nearest(given, shipped)))
        path = shipped[given]
    document = read_document(path)
    found = validate(Baselines, document.values, document)
    if problems := list(_unsourced(found, document)):
        raise UsageError(*problems)
    return found


def _unsourced(found: Baselines, document: Document) -> Iterator[Problem]:
    """Sources that are named and not there."""
    for name, row in found.row.items():
        named: list[tuple[tuple[str | int, ...], str]] = []
        for task, figure in row.task.items():
            named.append((("row", name, "task", task, "source"), figure.source))
            if figure.language_source:
                named.append((("row", name, "task", task, "language_source"), figure.language_source))
        named += [(("row", name, "printed", i, "source"), p.source) for i, p in enumerate(row.printed)]
        for path, key in named:
            if key not in found.source:
                yield document.problem(path, f"there is no [source.{key}].", nearest(key, found.source), key)


def headline(task: str, scheme: Scheme) -> tuple[str, ...]:
    """The values whose mean is the score of a task: F1 and exact match for question answering."""
    name = scheme.of(task).metric
    # A rank metric's value is called map@20 in scores; TOML keys have no such sign.
    return tuple(re.sub("@", "_at_", value) for value in metric(name).headline) if name else ()


def score(figure: Figure, task: str, scheme: Scheme) -> float | None:
    """The score of the task's column; None where a part of it was not published."""
    found = [figure.values.get(name) for name in headline(task, scheme)]
    there = [value for value in found if value is not None]
    return sum(there) / len(there) if there and len(there) == len(found) else None


def scores(row: Row, scheme: Scheme) -> dict[str, float | None]:
    """Task -> score of the row, for the tasks of the scheme."""
    return {task: score(figure, task, scheme) for task, figure in row.task.items() if task in scheme.tasks}


@dataclass(frozen=True)
class Check:
    """One printed average against what its row gives."""

    name: str
    printed: float
    computed: float | None
    """None where the row does not have all its members."""
    text: str

    @property
    def agrees(self) -> bool | None:
        """Whether the two are the same up to rounding; None where nothing could be computed."""
        return None if self.computed is None else abs(self.printed - self.computed) <= ROUNDING + 1e-9


def recompute(row: Row, scheme: Scheme) -> list[Check]:
    """Every printed average of a row, and every task's mean over its languages, computed again."""
    checks = []
    found = scores(row, scheme)
    printed = {p.name: p.value for p in row.printed}
    for given in row.printed:
        value, members = _mean(given, found, printed, scheme)
        checks.append(_check(given.name, given.value, value, members, given.note, given.verified))
    for task, figure in row.task.items():
        for name, table in figure.language.items():
            if name not in figure.values:
                continue
            wanted = figure.languages or scheme.of(task).languages or tuple(table)
            mean = average(dict(table), wanted)
            members = f"{mean.have} of {mean.want} languages"
            verified = not figure.doubtful(name)
            checks.append(_check(f"{task} {name}", figure.values[name], mean.value, members, figure.note, verified))
    return checks


def _mean(
    given: Printed, found: dict[str, float | None], printed: dict[str, float], scheme: Scheme
) -> tuple[float | None, str]:
    """The average that `given` should be, and how many of its members there are."""
    if not given.of:
        tasks = {task: {OVERALL: value} for task, value in found.items()}
        whole = summarise(scheme, tasks, dict.fromkeys(scheme.tasks, (OVERALL,)))
        return whole.overall.value, f"{whole.overall.have} of {whole.overall.want} tasks"
    members: dict[str, float | None] = {}
    for member in given.of:
        if isinstance(member, tuple):
            members["+".join(member)] = average(found, member).value
        else:
            members[member] = found.get(member, printed.get(member))
    mean = average(members, members)
    return mean.value, f"{mean.have} of {mean.want} members"


def _check(name: str, printed: float, computed: float | None, members: str, note: str, verified: bool) -> Check:
    mark = "" if verified else "?"
    if computed is None:
        text = f"{name}: printed {printed:.1f}{mark}; cannot be recomputed, the row has {members}"
    elif abs(printed - computed) <= ROUNDING + 1e-9:
        text = f"{name}: printed {printed:.1f}{mark}, and so the row gives ({computed:.2f})"
    else:
        text = f"{name}: printed {printed:.1f}{mark}, but the row gives {computed:.2f}" + (f" ({note})" if note else "")
    return Check(name, printed, computed, text)
