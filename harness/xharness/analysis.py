"""The analysis: from what a run has stored to the tables, figures and sentences that answer a question.

Found as an adapter is: by the entry point group `xharness.analyses`, or as a class with `answer` in a Python file that
the suite names under `plugins`. Importing an analysis' module must not import torch or matplotlib: `xharness check`
reads its options without them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from xharness.errors import UsageError, nearest

if TYPE_CHECKING:
    from xharness.spec.load import Loaded
    from xharness.spec.task import Split
    from xharness.study import Study

GROUP = "xharness.analyses"


@dataclass(frozen=True)
class Table:
    """Rows under named columns; numbers stay numbers, so that its CSV has every digit."""

    name: str
    """Also of its CSV file."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure, and the table that has its numbers."""

    name: str
    """Also of its PNG and SVG files."""
    title: str
    table: str
    draw: Callable[[Any], None]
    """Takes matplotlib's Axes."""
    columns: int = 1
    """Of a two-column paper: one wide, or both."""
    height: float = 2.6
    """Inches."""


@dataclass(frozen=True)
class Answer:
    """What an analysis found."""

    sentences: tuple[str, ...]
    """The answer in words, made from the numbers: two or three sentences."""
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know: cells that are missing, slices that are too small, how intervals were made."""


@runtime_checkable
class Analysis(Protocol):
    """What the harness asks of every analysis."""

    name: ClassVar[str]
    options: ClassVar[type[BaseModel]]
    """Frozen pydantic type of the suite's `options` table."""

    def answer(self, study: Study, options: Any) -> Answer:
        """The answer from a stored run; HarnessError where the run lacks what it needs."""


@dataclass(frozen=True)
class Texts:
    """Texts whose embeddings, by a checkpoint as it came, an analysis asks for."""

    task: str
    split: Split
    language: str
    unit: Literal["text", "piece"]
    """What each example is about; or all texts, cut into pieces of one length."""
    most: int
    """Texts or pieces at the most."""


@runtime_checkable
class AsksEmbeddings(Analysis, Protocol):
    """An analysis that reads embeddings of texts, which are made by steps of the plan."""

    def texts(self, loaded: Loaded, options: Any) -> Iterable[Texts]:
        """Which ones, of the tasks of the suite; `Study.vectors` has them when it answers."""


@runtime_checkable
class NamesRows(Analysis, Protocol):
    """An analysis whose options name rows or targets elsewhere than under `intermediates` and `targets`."""

    def unknown(
        self, options: Any, rows: Collection[str], targets: Collection[str]
    ) -> Iterator[tuple[tuple[str | int, ...], str, Collection[str]]]:
        """(path in the options, name, what there is) of every name that no profile of the suite has."""


_loaded: dict[str, Analysis] = {}


def installed_analyses() -> dict[str, Any]:
    """Name -> entry point of every analysis installed on this machine; nothing is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def known_analyses() -> Sequence[str]:
    """Names of the installed ones and of those of plug-ins."""
    return tuple(dict.fromkeys((*installed_analyses(), *_loaded)))


def load_analysis(name: str) -> Analysis:
    """The analysis called `name`; UsageError that names the nearest ones."""
    if name not in _loaded:
        points = installed_analyses()
        if name not in points:
            raise UsageError(f"no analysis is called '{name}'. {nearest(name, known_analyses())}")
        _loaded[name] = points[name].load()()
    return _loaded[name]


def register_analysis(analysis: Analysis) -> None:
    """Make an analysis known by its name, as a plug-in file of a suite does."""
    _loaded[analysis.name] = analysis
