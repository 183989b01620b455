"""The matrix of context and question languages: the diagonal against the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from made_up import LANGUAGES, MadeUp, example, study_of

from xharness.analyses.matrix import Matrix, Options


def two_columns(tmp_path: Path, same: float, other: float) -> MadeUp:
    """Targets g_en and g_de: gains where the question's language is the context's, and elsewhere."""
    made = []
    for question in ("en", "de"):
        held = {c: [example(f"q{i}", c) for i in range(60)] for c in LANGUAGES}
        gains = {c: np.full(60, same if c == question else other) for c in LANGUAGES}
        made.append(study_of(tmp_path / question, held, {"squad_v1": gains}, target=f"g_{question}"))
    first, second = made
    run = {**first.run, "tasks": {**first.run["tasks"], **second.run["tasks"]}, "targets": ["g_en", "g_de"]}
    run["cells"] = [*first.run["cells"], *second.run["cells"]]
    places = {r.key: study.folder(r.key) for study in made for r in study.records}
    return replace(first, run=run, records=[*first.records, *second.records], folder=places.__getitem__)


def test_a_gain_on_the_diagonal_alone_is_found(tmp_path: Path) -> None:
    options = Options(columns={"en": "g_en", "de": "g_de", "vi": "g_vi"}, resamples=400)
    found = Matrix().answer(two_columns(tmp_path, 12.0, 0.0), options)
    parts = {row[2]: row for row in found.tables[0].rows}
    assert parts["same language"][3] == 2
    assert parts["two languages"][3] == 4
    apart = parts["same language - two languages"]
    assert apart[5] < 12 < apart[6]
    assert apart[-1] < 0.05
    assert "is larger than chance" in found.sentences[-1]
    assert "not in this run: g_vi" in found.notes
    assert len(found.tables[1].rows) == 6


def test_a_gain_everywhere_is_no_difference(tmp_path: Path) -> None:
    options = Options(columns={"en": "g_en", "de": "g_de"}, resamples=400)
    found = Matrix().answer(two_columns(tmp_path, 6.0, 6.0), options)
    assert "may be chance" in found.sentences[-1]
