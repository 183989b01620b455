"""The examples that a run's predictions are about, to be handed on with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xharness.adapter import Example, unfolded
from xharness.data.carried import carried, carried_text
from xharness.data.examples import examples
from xharness.errors import HarnessError
from xharness.spec.load import Loaded
from xharness.spec.task import FORBIDS, POOL, Task

NAMES = ("prediction", "reference", "neighbours")
"""Columns of outcomes that name other sentences of a search."""


@dataclass(frozen=True)
class Texts:
    """The examples of a target, or why there are none."""

    target: str
    text: str = ""
    """A JSON object a line."""
    examples: int = 0
    licence: str = ""
    without: str = ""
    """Why there are none."""


def texts_of(
    run: Mapping[str, Any], loaded: Loaded | None, target: str, outcomes: Sequence[Path], allowed: bool = False
) -> Texts:
    """The examples of a target's test split that these files of outcomes name, with their gold answers.

    Those of a task whose licence forbids it only where `allowed`.
    """
    task = loaded.tasks.get(target) if loaded else None
    if task is None or loaded is None:
        return Texts(target, without="the run's suite cannot be read")
    made = all(source.builtin for source in task.data.test)
    licence = "made by the generator" if made else task.licence or "not stated"
    if not allowed and FORBIDS.search(licence):
        return Texts(target, licence=licence, without=f"its licence forbids it ({licence})")
    wanted = _named(outcomes, task.adapter in ("retrieval", "ranking"))
    try:
        found = list(_wanted(run, loaded, task, target, wanted))
    except HarnessError as error:
        return Texts(target, licence=licence, without=f"{error.problems[0].where}: {error.problems[0].what}")
    return Texts(target, carried_text(found), len(found), licence)


def _wanted(
    run: Mapping[str, Any], loaded: Loaded, task: Task, target: str, wanted: Mapping[str, set[str]]
) -> Iterator[tuple[str, Example]]:
    everywhere = set().union(*wanted.values()) if wanted else set()
    for language in (*task.languages, *([POOL] if task.data.pool else ())):
        if language != POOL and language not in wanted:
            continue
        held = carried(run, target, language)
        if held is None:
            spoken = task.languages_in(POOL)[0] if language == POOL else language
            split: Any = POOL if language == POOL else "test"
            rows = examples(task, split, spoken, loaded.limit_of(target))
            held = {str(example["id"]): example for example in unfolded(task, rows, False)}
        for name, example in held.items():
            if (
                name in everywhere
                if language == POOL
                else name in wanted[language] or f"{language}:{name}" in everywhere
            ):
                yield language, example


def _named(outcomes: Sequence[Path], search: bool) -> dict[str, set[str]]:
    """Language -> ids of examples; of a search also what was found."""
    from pyarrow import parquet

    named: dict[str, set[str]] = {}
    for file in outcomes:
        held = parquet.read_schema(file).names
        others = [name for name in NAMES if search and name in held]
        for row in parquet.read_table(file, columns=["id", "language", *others]).to_pylist():
            ids = named.setdefault(row["language"], set())
            # Mined pairs are named by both sentences.
            ids.update((row["id"], *row["id"].split("\t")))
            for column in others:
                ids.update(_strings(json.loads(row[column] or "null")))
    return named


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (value, *value.split("\t"))
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
