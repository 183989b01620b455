"""A stored run as analyses read it: scores by row, outcomes example by example, the examples themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from xharness.adapter import Example, unfolded
from xharness.analysis import Texts
from xharness.board.grid import languages_of, with_targets
from xharness.data.carried import carried
from xharness.data.examples import examples
from xharness.data.text_vectors import TextVectors, read_vectors
from xharness.errors import DataError, Problem, listed
from xharness.metrics import Metric
from xharness.metrics import metric as rule_of
from xharness.metrics.base import Array
from xharness.record import Record
from xharness.score.choice import BEST, best_per_target, chosen_side
from xharness.score.compare import OVERALL, coefficients
from xharness.score.matching import Outcomes, Side, matched, read_outcomes, sides_of
from xharness.score.quantities import Quantities
from xharness.score.scheme import Scheme, scheme_of
from xharness.score.statistics import RESAMPLES, Sample
from xharness.spec.load import NONE, Loaded
from xharness.spec.task import ColumnPath, Task

Row = tuple[str, str]
"""Checkpoint and intermediate."""


@dataclass(frozen=True)
class Study:
    """What a run has stored, and the suite that it ran."""

    loaded: Loaded
    run: Mapping[str, Any]
    records: Sequence[Record]
    folder: Callable[[str], Path]
    """Where a step's output lies, by its key."""
    manifest: Callable[[str], Mapping[str, Any] | None] = lambda key: None
    """What a step says of itself, by its key."""
    _read: dict[tuple[Path, str], dict[str, Outcomes]] = field(default_factory=dict, repr=False)
    """(file, metric) -> its outcomes by language, each file read once."""

    @cached_property
    def languages(self) -> dict[str, list[str]]:
        """Target -> the languages that its average needs."""
        return languages_of(self.run)

    @cached_property
    def scheme(self) -> Scheme:
        """How the run's targets are averaged."""
        return with_targets(scheme_of(self.run), self.run)

    @cached_property
    def rows(self) -> dict[Row, Side]:
        """The rows that have scores, in the grid's order."""
        return sides_of(self.run, self.records, self.folder, self.languages)

    @property
    def checkpoints(self) -> list[str]:
        """Checkpoints with scores, in the grid's order."""
        return list(dict.fromkeys(checkpoint for checkpoint, _ in self.rows))

    def intermediates(self, checkpoint: str) -> list[str]:
        """The rows of a checkpoint beside `none`."""
        return [name for held, name in self.rows if held == checkpoint and name != NONE]

    def title(self, target: str) -> str:
        """A target's name for people."""
        return str(self.run["tasks"][target]["title"])

    def scores(self, row: Row, target: str, metric: str | None = None) -> dict[str, float]:
        """Language -> score, the mean over seeds; languages that a seed lacks are left out."""
        side = self.rows.get(row)
        if side is None or target not in side.targets:
            return {}
        scored = side.targets[target]
        found = {language: scored.mean(language, metric) for language in self.languages[target]}
        return {language: value for language, value in found.items() if value is not None}

    def seeds(self, row: Row, target: str) -> tuple[int, ...]:
        """The seeds with a score."""
        side = self.rows.get(row)
        return side.targets[target].seeds if side and target in side.targets else ()

    def sample(self, target: str, rows: Sequence[Row], metric: str | None = None) -> Sample:
        """The outcomes of several rows on the same examples; DataError where they are not on the same.

        Under the target's metric, or another that it has.
        """
        scored = [(f"{i}[{c}]", self.rows[c, i].targets[target]) for c, i in rows]
        return matched(target, [(name, replace(held, metric=metric or held.metric)) for name, held in scored])

    def lacking(self, target: str, sample: Sample, row: str) -> str:
        """In which of the target's languages a sample of rows has no scores, as a note; empty where it has all."""
        lost = [language for language in self.languages[target] if language not in sample.languages]
        return f"{self.title(target)}: {row} is left out, for a mean lacks {listed(lost)}" if lost else ""

    def outcomes(self, target: str, row: Row, language: str) -> tuple[list[str], Array]:
        """Ids of the examples, and each one's part in the score, 0 to 100, the mean over seeds [examples].

        The metric must be a mean over examples (accuracy, the squads, mAP, recall): DataError for F1 over all of them.
        """
        scored = self.rows[row].targets[target]
        rule = rule_of(scored.metric)
        found: list[Array] = []
        ids: list[str] = []
        for seed in scored.seeds:
            held = self._outcomes_in(scored.files[seed], rule)[language]
            if abs(float(rule.score(held.parts.sum(axis=0))) - float(np.mean(rule.score(held.parts)))) > 1e-6:
                what = f"the metric {rule.name} is no mean over examples, so that one example has no score of its own."
                raise DataError(Problem(f"target {target}", what))
            if ids and held.ids != ids:
                raise DataError(Problem(f"target {target}, {language}", "its seeds were tested on other examples."))
            ids = held.ids
            found.append(np.asarray(rule.score(held.parts)))
        return ids, np.mean(found, axis=0)

    def _outcomes_in(self, file: Path, rule: Metric) -> dict[str, Outcomes]:
        if (file, rule.name) not in self._read:
            self._read[file, rule.name] = read_outcomes(file, rule)
        return self._read[file, rule.name]

    def quantities(self, checkpoint: str, resamples: int = RESAMPLES) -> Quantities:
        """The rows of a checkpoint, `best per target` among them, to measure quantities of."""
        rows = {name: side for (held, name), side in self.rows.items() if held == checkpoint}
        best = chosen_side(checkpoint, best_per_target(self.run), self.rows)
        if best.targets:
            rows[BEST] = best
        weights = coefficients(self.scheme)[OVERALL]
        return Quantities(rows, weights, resamples)

    def examples(self, target: str, language: str, also: Sequence[str] = ()) -> dict[str, Example]:
        """Id -> example of a target's test split, as the run had them, `also` with other columns of the data."""
        own = carried(self.run, target, language)
        if own is not None and not also:
            return own
        task = _with_columns(self.loaded.tasks[target], also)
        rows = examples(task, "test", language, self.loaded.limit_of(target))
        return {str(example["id"]): example for example in unfolded(task, rows, False)}

    def vectors(self, checkpoint: str, texts: Texts) -> TextVectors | None:
        """Embeddings of texts by a checkpoint as it came; None where the run did not ask for them, or they failed."""
        for held in self.run.get("vectors", ()):
            folder = self.folder(held["key"])
            if held["checkpoint"] == checkpoint and held["texts"] == asdict(texts) and folder.is_dir():
                return read_vectors(folder)
        return None

    def falls(self, target: str) -> bool:
        """Whether lower scores of a target are the better ones: an error, a distance, perplexity."""
        return not rule_of(str(self.run["tasks"][target]["metric"])).higher_is_better

    def rising(self, targets: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
        """The targets whose higher scores are the better ones, and a sentence on the others."""
        low = [self.title(target) for target in targets if self.falls(target)]
        told = f"left out, since lower is better there, and the question is asked of gains: {listed(low)}"
        return tuple(target for target in targets if not self.falls(target)), [told] if low else []

    def absent(self, targets: Sequence[str]) -> list[str]:
        """A sentence for every way in which cells of these targets have no score."""
        found: dict[str, list[str]] = {}
        for cell in self.run["cells"]:
            if cell["target"] in targets and cell["status"] not in ("passed", "xpassed"):
                found.setdefault(cell["status"], []).append(cell["name"])
        return [f"{len(names)} cells {status}, and left out: {listed(names)}" for status, names in found.items()]

    def seed_notes(self, targets: Sequence[str]) -> list[str]:
        """A sentence where no row has more than one seed on these targets, or some have one and others several."""
        counts = {(row, target): len(self.seeds(row, target)) for row in self.rows for target in targets}
        if not any(count > 1 for count in counts.values()):
            return ["one seed: the intervals hold for other examples, and say nothing of other seeds"]
        alone = [f"{i}[{c}] on {self.title(t)}" for ((c, i), t), count in counts.items() if count == 1]
        return [f"one seed alone, of which the intervals hold no variance: {listed(alone)}"] if alone else []


def _with_columns(task: Task, names: Sequence[str]) -> Task:
    """The task whose test sources give these columns too, under their own names."""
    if not names:
        return task
    extra: dict[str, ColumnPath] = {name: name for name in names}
    sources = tuple(
        source.model_copy(update={"columns": {**(source.columns or ({} if source.builtin else task.columns)), **extra}})
        for source in task.data.test
    )
    return task.model_copy(update={"data": task.data.model_copy(update={"test": sources})})
