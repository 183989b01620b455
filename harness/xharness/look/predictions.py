"""The predictions of a cell of a stored run, each beside what it is about."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from xharness.adapter import (
    Case,
    Example,
    LabellingAdapter,
    Line,
    ShowsPredictions,
    TunableAdapter,
    load_adapter,
    unfolded,
)
from xharness.data.carried import carried
from xharness.data.examples import examples
from xharness.errors import HarnessError, Unreachable, UsageError, nearest
from xharness.metrics import metric
from xharness.spec.load import Loaded
from xharness.spec.task import POOL, Limit, Task

FIRST = ("map_at_", "mrr_at_", "recall_at_")
"""Metrics of rankings: right is what has a right candidate first."""


@dataclass
class Known:
    """Examples that were read, for further cells of a run."""

    examples: dict[tuple[str, str], dict[str, Example]] = field(default_factory=dict)
    """(target, language) -> id -> example."""
    unreachable: str = ""
    """Why the Hub cannot be asked: it is not asked again, for every question would wait."""


@dataclass(frozen=True)
class Prediction:
    """One prediction of a cell."""

    id: str
    language: str
    gold: Any
    prediction: Any
    score: float
    """What the example alone scores under the target's metric, in its unit (mostly 0 to 100)."""
    right: bool | None
    """None where nothing is simply right or wrong: regression, language modelling."""
    probabilities: Mapping[str, float] | None = None
    """Label or number of a choice -> probability, half precision; None where they were not kept."""
    neighbours: tuple[tuple[str, float], ...] = field(default=(), repr=False)
    """Names and similarities of what a search found."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """The example under the adapter's column names; empty until it is read, and where the data are not at hand."""
    lines: tuple[Line, ...] = field(default=(), repr=False)
    """How it is shown to a person."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        kept = ("id", "language", "gold", "prediction", "score", "right")
        held = {name: getattr(self, name) for name in kept}
        sure = dict(self.probabilities) if self.probabilities is not None else None
        return {**held, "probabilities": sure, "inputs": dict(self.inputs)}


@dataclass(frozen=True)
class Predictions:
    """The predictions of a cell."""

    cell: str
    rows: tuple[Prediction, ...]
    """Without inputs: which of them are looked at is chosen first, since the data of a language take time to read."""
    _reader: _Reader
    _without: tuple[str, ...] = ()

    def read(self, rows: Sequence[Prediction]) -> list[Prediction]:
        """Some of the rows, with their inputs and how they are shown."""
        return [self._reader.with_example(row) for row in rows]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not at hand of the rows that were read: the data, probabilities."""
        return (*self._reader.notes(), *self._without)


def predictions(
    cell: Mapping[str, Any],
    run: Mapping[str, Any],
    folder: Callable[[str], Path],
    loaded: Loaded | None,
    languages: Sequence[str] = (),
    known: Known | None = None,
) -> Predictions:
    """All predictions of a cell as the run has it, in some languages or all; what they are about is read when asked.

    `loaded` is the run's suite, which says where the examples are; without it they have no inputs. `known` keeps what
    was read for further cells. UsageError for a language that the cell has no score in, and where outcomes are gone.
    """
    from pyarrow import parquet

    rule = metric(run["tasks"][cell["target"]]["metric"])
    if not rule.by_example:
        what = f"{cell['name']}: {rule.name} is worked out by another evaluator, which says nothing of single examples."
        raise UsageError(what)
    file = folder(cell["key"]) / "outcomes.parquet"
    if not file.is_file():
        raise UsageError(f"{cell['name']}: its predictions are not in the store any more. Run the suite again.")
    table = parquet.read_table(file)
    there = list(dict.fromkeys(table["language"].to_pylist()))
    for language in languages:
        if language not in there:
            raise UsageError(f"{cell['name']} has no predictions in '{language}'. {nearest(language, there)}")
    reader = _Reader(cell["target"], run, loaded, Known() if known is None else known)
    labels = json.loads((folder(cell["key"]) / "scores.json").read_text(encoding="utf-8")).get("labels")
    parts = np.column_stack([table[f"{rule.name}/{part}"].to_numpy() for part in rule.parts])
    scores = np.asarray(rule.score(parts), dtype=np.float64)
    rows: list[Prediction] = []
    columns = table.select([c for c in table.column_names if "/" not in c]).to_pylist()
    for held, score in zip(columns, scores.tolist(), strict=True):
        if not languages or held["language"] in languages:
            rows.append(reader.prediction(held, score, labels))
    kept = any(name in table.column_names for name in ("probabilities", "neighbours")) or not reader.keeps
    without = () if kept else ("made before probabilities and neighbours were kept, so without them",)
    return Predictions(cell["name"], tuple(rows), reader, without)


class _Reader:
    """Puts examples beside the predictions of a target."""

    def __init__(self, target: str, run: Mapping[str, Any], loaded: Loaded | None, known: Known) -> None:
        facts = run["tasks"][target]
        self.metric = str(facts["metric"])
        self.adapter = load_adapter(facts["adapter"])
        self.run, self.loaded, self.target = run, loaded, target
        self.task: Task | None = loaded.tasks.get(target) if loaded else None
        self.keeps = self.adapter.name in ("classification", "multiple_choice", "retrieval")
        self._held = known
        self._lacking: dict[str, None] = {} if self.task else {"the run's suite cannot be read": None}
        self._gone = self._changed = 0

    def prediction(self, held: Mapping[str, Any], score: float, labels: Sequence[str] | None) -> Prediction:
        """A row of the outcomes."""
        said, gold = json.loads(held["prediction"]), json.loads(held["reference"])
        near = tuple((str(other), float(value)) for other, value in json.loads(held.get("neighbours") or "[]"))
        sure = held.get("probabilities")
        named = (
            None if sure is None else {k: float(v) for k, v in zip(labels or map(str, range(99)), sure, strict=False)}
        )
        right = self._right(said, gold, score)
        return Prediction(str(held["id"]), str(held["language"]), gold, said, score, right, named, near)

    def with_example(self, row: Prediction) -> Prediction:
        """A prediction with its example."""
        found = self._example(row.language, row.id)
        self._changed += found is not None and self._has_changed(found, row.gold)
        example = found or {"id": row.id, "language": row.language}
        case = Case(example, row.prediction, row.gold, row.neighbours, lambda other: self._other(row.language, other))
        shown: tuple[Line, ...] = ()
        if isinstance(self.adapter, ShowsPredictions) and self.task is not None:
            shown = tuple(self.adapter.shown(self.task, case))
        inputs = {key: value for key, value in (found or {}).items() if key not in ("id", "language")}
        return replace(row, inputs=inputs, lines=shown or _plain(inputs, self.adapter.columns))

    def _has_changed(self, example: Example, gold: Any) -> bool:
        """Whether the data have another gold answer now than when the cell was scored."""
        if self.task is None or not isinstance(self.adapter, TunableAdapter):
            return False
        if isinstance(self.adapter, LabellingAdapter) and not self.task.labels:
            return False  # What its labels are is known to those alone who read the train split.
        try:
            return bool(json.loads(json.dumps(self.adapter.reference(self.task, example))) != gold)
        except (KeyError, ValueError, TypeError):
            return False

    def _right(self, said: Any, gold: Any, score: float) -> bool | None:
        if isinstance(said, float) or not metric(self.metric).higher_is_better:
            return None
        if self.metric.startswith(FIRST):
            return bool(said) and said[0] in gold
        return said == gold or score >= 100 - 1e-9

    def _example(self, language: str, name: str) -> Example | None:
        found = self._examples(language).get(name)
        # Mined pairs are named by both sentences, and are rows of no file.
        if found is None and "\t" in name:
            return {"id": name, "language": language}
        self._gone += found is None and bool(self._examples(language))
        return found

    def _other(self, language: str, name: str) -> Example | None:
        spoken, colon, short = name.partition(":")
        found = self._examples(language).get(name)
        if found is None and colon and self.task is not None and spoken in self.task.languages:
            found = self._examples(spoken).get(short)
        if found is None and self.task is not None and self.task.data.pool:
            found = self._examples(POOL).get(name)
        return found

    def _examples(self, language: str) -> dict[str, Example]:
        place = self.target, language
        held = self._held.examples
        if place not in held:
            own = carried(self.run, *place)
            held[place] = own or {}
            if own is None and self.task is not None and self.loaded is not None:
                remote = any(source.hub for source in self.task.data.test)
                if remote and self._held.unreachable:
                    self._lacking[self._held.unreachable] = None
                    return held[place]
                try:
                    held[place] = self._read(self.task, self.loaded.limit_of(self.target), language)
                except HarnessError as error:
                    why = f"{error.problems[0].where}: {error.problems[0].what}"
                    self._lacking[why] = None
                    if remote and isinstance(error, Unreachable):
                        self._held.unreachable = why
        return held[place]

    def _read(self, task: Task, limit: Limit, language: str) -> dict[str, Example]:
        split, spoken = (POOL, task.languages_in(POOL)[0]) if language == POOL else ("test", language)
        rows = examples(task, split, spoken, limit)  # type: ignore[arg-type]
        return {str(example["id"]): example for example in unfolded(task, rows, False)}

    def notes(self) -> tuple[str, ...]:
        """What was not there."""
        told = [f"without inputs: {why}" for why in self._lacking]
        if self._gone:
            told.append(f"{self._gone} examples are not in the data any more, so without inputs")
        if self._changed:
            told.append(
                f"{self._changed} examples have another gold answer in the data now: the scores are of the old one"
            )
        return tuple(told)


def _plain(inputs: Mapping[str, Any], columns: Mapping[str, bool]) -> tuple[Line, ...]:
    """An example as it is, but for its label."""
    kept = {name: value for name, value in inputs.items() if name in columns and name != "label"}
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in kept.items()
    }
    return tuple(Line(name, ((text, ""),)) for name, text in texts.items() if text not in ("", "null"))
