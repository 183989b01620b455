"""The predictions of a cell of a stored run, each beside what it is about."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xharness.adapter import Case, Example, Line, ShowsPredictions, load_adapter, unfolded
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
    inputs: Mapping[str, Any]
    """The example under the adapter's column names; empty where the data are no longer at hand."""
    gold: Any
    prediction: Any
    score: float
    """What the example alone scores under the target's metric, in its unit (mostly 0 to 100)."""
    right: bool | None
    """None where nothing is simply right or wrong: regression, language modelling."""
    probabilities: Mapping[str, float] | None = None
    """Label or number of a choice -> probability, half precision; None where they were not kept."""
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
    notes: tuple[str, ...] = ()
    """What is not at hand: the data, probabilities."""


def predictions(
    cell: Mapping[str, Any],
    run: Mapping[str, Any],
    folder: Callable[[str], Path],
    loaded: Loaded | None,
    languages: Sequence[str] = (),
    known: Known | None = None,
) -> Predictions:
    """All predictions of a cell as the run has it, in some languages or all.

    `loaded` is the run's suite, which says where the examples are; without it they have no inputs. `known` keeps what
    was read for further cells. UsageError for a language that the cell has no score in, and where outcomes are gone.
    """
    from pyarrow import parquet

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
    rule = metric(run["tasks"][cell["target"]]["metric"])
    parts = np.column_stack([table[f"{rule.name}/{part}"].to_numpy() for part in rule.parts])
    scores = np.asarray(rule.score(parts), dtype=np.float64)
    rows: list[Prediction] = []
    columns = table.select([c for c in table.column_names if "/" not in c]).to_pylist()
    for held, score in zip(columns, scores.tolist(), strict=True):
        if not languages or held["language"] in languages:
            rows.append(reader.prediction(held, score, labels))
    notes = reader.notes()
    if not any(name in table.column_names for name in ("probabilities", "neighbours")) and reader.keeps:
        notes = (*notes, "made before probabilities and neighbours were kept, so without them")
    return Predictions(cell["name"], tuple(rows), notes)


class _Reader:
    """Puts examples beside the predictions of a target."""

    def __init__(self, target: str, run: Mapping[str, Any], loaded: Loaded | None, known: Known) -> None:
        facts = run["tasks"][target]
        self.metric = str(facts["metric"])
        self.adapter = load_adapter(facts["adapter"])
        self.loaded, self.target = loaded, target
        self.task: Task | None = loaded.tasks.get(target) if loaded else None
        self.keeps = self.adapter.name in ("classification", "multiple_choice", "retrieval")
        self._held = known
        self._lacking: dict[str, None] = {} if self.task else {"the run's suite cannot be read": None}
        self._gone = 0

    def prediction(self, held: Mapping[str, Any], score: float, labels: Sequence[str] | None) -> Prediction:
        """A row of the outcomes, with its example."""
        said, gold = json.loads(held["prediction"]), json.loads(held["reference"])
        language, name = str(held["language"]), str(held["id"])
        found = self._example(language, name)
        example = found or {"id": name, "language": language}
        near = [(str(other), float(value)) for other, value in json.loads(held.get("neighbours") or "[]")]
        sure = held.get("probabilities")
        named = (
            None if sure is None else {k: float(v) for k, v in zip(labels or map(str, range(99)), sure, strict=False)}
        )
        case = Case(example, said, gold, near, lambda other: self._other(language, other))
        shown: tuple[Line, ...] = ()
        if isinstance(self.adapter, ShowsPredictions) and self.task is not None:
            shown = tuple(self.adapter.shown(self.task, case))
        inputs = {key: value for key, value in (found or {}).items() if key not in ("id", "language")}
        lines = shown or _plain(inputs, self.adapter.columns)
        return Prediction(name, language, inputs, gold, said, score, self._right(said, gold, score), named, lines)

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
            held[place] = {}
            if self.task is not None and self.loaded is not None:
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
        return tuple(told)


def _plain(inputs: Mapping[str, Any], columns: Mapping[str, bool]) -> tuple[Line, ...]:
    """An example as it is, but for its label."""
    kept = {name: value for name, value in inputs.items() if name in columns and name != "label"}
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in kept.items()
    }
    return tuple(Line(name, ((text, ""),)) for name, text in texts.items() if text not in ("", "null"))
