"""Made-up studies: outcomes with known gains, and the examples that they are of."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from xharness.adapter import Example
from xharness.errors import DataError
from xharness.study import Study

sys.path.insert(0, str(Path(__file__).parents[1] / "comparison"))
from stored import Stored, task

LANGUAGES = ("en", "de", "zh")
Gains = Mapping[str, Any]
"""Language -> points that each example gains."""


class MadeUp(Study):
    """A study whose examples are given."""

    def examples(self, target: str, language: str, also: Sequence[str] = ()) -> dict[str, Example]:
        """Those of the target that lies under `loaded`."""
        held: dict[str, Example] = self.loaded.held[target][language]  # type: ignore[attr-defined]
        for name in also:
            if any(name not in example for example in held.values()):
                raise DataError(f"has no column '{name}'; found: context")
        return held


def example(name: str, language: str, **columns: Any) -> Example:
    """A question and its answer."""
    given = {"context": "The cat sat.", "question": "Who sat?", "answers": {"text": ["cat"], "answer_start": [4]}}
    return {"id": name, "language": language, **given, **columns}


def question_parts(scores: Any) -> Any:
    """[examples, (f1, exact match, n)] whose score, the mean of the two, is from 0 to 100."""
    scores = np.clip(np.asarray(scores, dtype=float), 0, 100) / 100
    return np.column_stack([scores, scores, np.ones(len(scores))])


def study_of(
    root: Path,
    examples: Mapping[str, Sequence[Example]],
    gains: Mapping[str, Gains],
    seeds: Sequence[int] = (0,),
    rng: Any = None,
    target: str = "mlqa",
) -> MadeUp:
    """Rows none and others on one target; scores of 50 that vary by question, plus the gains of a row."""
    rng = rng or np.random.default_rng(0)
    languages = tuple(examples)
    stored = Stored(root, {target: task(target, languages, metric="squad", title="MLQA")})
    ids = {language: [str(e["id"]) for e in rows] for language, rows in examples.items()}
    hard = {name: rng.normal(0, 15) for name in sorted({n for rows in ids.values() for n in rows})}
    for row in ("none", *gains):
        for seed in seeds:
            table = {
                language: question_parts(
                    50
                    + np.array([hard[name] for name in ids[language]])
                    + rng.normal(0, 8, len(ids[language]))
                    + (0 if row == "none" else np.asarray(gains[row][language]))
                )
                for language in languages
            }
            references = {language: [f'["{name}"]' for name in names] for language, names in ids.items()}
            stored.add(row, target, table, seed, ids=ids, references=references)
    held = {target: {language: {str(e["id"]): e for e in rows} for language, rows in examples.items()}}
    loaded = SimpleNamespace(held=held, tasks={})
    return MadeUp(loaded, stored.run, stored.records, stored.folder)  # type: ignore[arg-type]
