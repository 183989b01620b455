"""Scores: predictions and references to the files that the board and the comparisons read.

`outcomes.parquet` has one row an example: id, language, prediction and reference (JSON), and a column
`<metric>/<part>` for every part of every metric, whose sums the metric's values are made of. `scores.json` has the
values by language. A language that could not be scored has its error there, and does not stop the others.

For people to look at, and read by no metric: `probabilities` of the labels or choices, half precision (the labels in
`scores.json`), and `neighbours` (JSON), names and similarities of what a retrieval found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.adapter import MetricInput
from xharness.errors import HarnessError, Problem
from xharness.metrics import metric
from xharness.spec.task import Task

OUTCOMES, SCORES = "outcomes.parquet", "scores.json"


class ScoreTable:
    """The outcomes of one target, filled language by language."""

    def __init__(self, task: Task, labels: Sequence[str] = ()) -> None:
        """`labels` are those that the head tells apart; HarnessError where a metric does not fit them."""
        self.task, self.labels = task, tuple(labels)
        self.metrics = [metric(name).of(labels) for name in (task.metric, *task.also)]
        known = task.model_copy(update={"labels": tuple(labels)})
        for rule in self.metrics:
            if why := rule.fits(known):
                raise HarnessError(Problem(f"task {task.name}", f"the metric {rule.name} does not fit: {why}."))
        self._rows: dict[str, list[str]] = {name: [] for name in ("id", "language", "prediction", "reference")}
        self._parts: list[NDArray[np.float64]] = []
        self._probabilities: dict[int, Sequence[float]] = {}
        self._neighbours: dict[int, str] = {}
        self.languages: dict[str, dict[str, Any]] = {}

    def failed(self, language: str, why: str) -> None:
        """Record why a language has no score."""
        self.languages[language] = {"error": why}

    @property
    def unscored(self) -> list[str]:
        """The languages without a score."""
        return [language for language, entry in self.languages.items() if "error" in entry]

    def add(
        self,
        language: str,
        found: Mapping[str, MetricInput],
        degenerate: bool,
        facts: Mapping[str, float] | None = None,
    ) -> None:
        """Score one language; `found` gives for every metric's name the rows it compares.

        Metrics may compare different rows (pairs, sentences): a row that a metric does not know adds 0 to its sums.
        """
        ids = list(dict.fromkeys(i for rule in self.metrics for i in found[rule.name].ids))
        place = {i: row for row, i in enumerate(ids)}
        shown: list[tuple[Any, Any] | None] = [None] * len(ids)
        values: dict[str, float] = {}
        blocks: list[NDArray[np.float64]] = []
        for rule in self.metrics:
            rows = found[rule.name]
            outcomes = rule.outcomes(rows.predictions, rows.references, language)
            block = np.zeros((len(ids), len(rule.parts)))
            where = [place[i] for i in rows.ids]
            block[where] = outcomes
            blocks.append(block)
            for row, prediction, reference in zip(where, rows.predictions, rows.references, strict=True):
                shown[row] = shown[row] or (prediction, reference)
            sums = outcomes.sum(axis=0)
            prefix = "" if rule is self.metrics[0] else f"{rule.name}/"
            values |= {f"{prefix}{name}": float(value) for name, value in rule.values(sums).items()}
            if prefix:
                values[rule.name] = float(rule.score(sums))
            else:
                score = float(rule.score(sums))
        begin = len(self._rows["id"])
        for rows in found.values():
            for name, near in zip(rows.ids, rows.neighbours, strict=False):
                kept = [[other, round(similarity, 4)] for other, similarity in near]
                self._neighbours[begin + place[name]] = json.dumps(kept, ensure_ascii=False)
        self._rows["id"] += ids
        self._rows["language"] += [language] * len(ids)
        for column, side in (("prediction", 0), ("reference", 1)):
            self._rows[column] += [json.dumps(pair[side] if pair else None, ensure_ascii=False) for pair in shown]
        self._parts.append(np.concatenate(blocks, axis=1))
        n = len(found[self.metrics[0].name].ids)
        entry = {"n": n, "score": score, "values": values, "degenerate": degenerate}
        known = dict(facts or {})
        if "chance" in known:
            entry["chance"] = known.pop("chance")
        self.languages[language] = entry | ({"facts": known} if known else {})

    def sure(self, probabilities: Sequence[Sequence[float]]) -> None:
        """Keep the probabilities of the rows that were added last."""
        begin = len(self._rows["id"]) - len(probabilities)
        self._probabilities |= {begin + row: given for row, given in enumerate(probabilities) if len(given)}

    def chance(self, language: str, trivial: Sequence[Any], references: Sequence[Any]) -> None:
        """Record what a model that has learnt nothing would score in a language."""
        rule = self.metrics[0]
        self.languages[language]["chance"] = float(rule.score(rule.outcomes(trivial, references, language).sum(axis=0)))

    def write(self, out: Path) -> None:
        """Write both files; HarnessError of the languages when none could be scored."""
        import pyarrow
        from pyarrow import parquet

        errors = [entry["error"] for entry in self.languages.values() if "error" in entry]
        if len(errors) == len(self.languages):
            raise HarnessError(*dict.fromkeys(errors))
        names = [f"{rule.name}/{part}" for rule in self.metrics for part in rule.parts]
        columns: dict[str, Any] = dict(self._rows)
        parts = np.concatenate(self._parts)
        columns |= {name: parts[:, i] for i, name in enumerate(names)}
        rows = range(len(parts))
        if self._probabilities:
            given = [self._probabilities.get(row) for row in rows]
            halves = [None if one is None else np.asarray(one, dtype=np.float16) for one in given]
            columns["probabilities"] = pyarrow.array(halves, type=pyarrow.list_(pyarrow.float16()))
        if self._neighbours:
            columns["neighbours"] = [self._neighbours.get(row) for row in rows]
        parquet.write_table(pyarrow.table(columns), out / OUTCOMES, compression="zstd")
        labels = {"labels": self.labels} if self._probabilities and self.labels else {}
        about = {"metric": self.task.metric, **labels, "languages": self.languages}
        write_scores(out, about)


def write_scores(out: Path, about: Mapping[str, Any]) -> None:
    """Write `scores.json`: the metric, and by language n, score, values and whether it is degenerate, or an error."""
    text = json.dumps(about, indent=2, ensure_ascii=False)
    (out / SCORES).write_text(text + "\n", encoding="utf-8")


def collapsed(predictions: Sequence[Any]) -> bool:
    """Whether a model says the same whatever it reads: one label, one tag everywhere, no answer at all."""
    if len(predictions) < 2:
        return False
    flat = [p for one in predictions for p in (one if isinstance(one, list) else [one])]
    return len(set(flat)) == 1
