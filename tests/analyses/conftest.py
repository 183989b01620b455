"""Made-up runs as analyses read them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from xharness.study import Study

sys.path.insert(0, str(Path(__file__).parents[1] / "comparison"))
from stored import Stored, answers, task

LANGUAGES = ("en", "de")


@pytest.fixture
def stored_study(tmp_path: Path) -> Callable[..., Study]:
    """A study of two targets from row -> share of right answers on each; the same examples are hard for all rows."""

    def made(rows: Mapping[str, tuple[float, float]], n: int = 1500) -> Study:
        rng = np.random.default_rng(0)
        names = ("xnli", "pawsx")
        stored = Stored(tmp_path, {name: task(name, LANGUAGES, metric="accuracy") for name in names})
        hard = {(name, language): rng.random(n) for name in names for language in LANGUAGES}
        for row, chances in rows.items():
            for name, chance in zip(names, chances, strict=True):
                table = {k: answers(rng, n, chance, hard[name, k]) for k in LANGUAGES}
                stored.add(row, name, table, dev=100 * chance)
        return Study(None, {**stored.run, "scheme": ""}, stored.records, stored.folder)  # type: ignore[arg-type]

    return made
