"""Rows of a board as the comparisons read them, and their stored outcomes, matched example by example."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from xharness.errors import DataError, Problem, UsageError
from xharness.metrics import metric
from xharness.metrics.base import Array, Metric
from xharness.record import Record
from xharness.score.statistics import Sample

FILE = "outcomes.parquet"
_SHOWN = 3


@dataclass(frozen=True)
class Scored:
    """What one row of a board has on one target."""

    metric: str
    """The column's metric."""
    languages: tuple[str, ...]
    """Languages that its average needs."""
    values: Mapping[str, Mapping[int, Mapping[str, float]]]
    """Value's name (`squad`, `f1`) -> seed -> language -> 0 to 100."""
    files: Mapping[int, Path] = field(default_factory=dict)
    """Seed -> the file of outcomes."""
    counts_as: str = ""
    """The scheme's name of the target, where it differs."""
    origin: str = ""
    """The row it was taken from, if a side combines several."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds with a score, ascending."""
        return tuple(sorted(self.values.get(self.metric, {})))

    def mean(self, language: str, value: str | None = None) -> float | None:
        """The mean over seeds in a language; None where a seed has no score there."""
        found = [seed.get(language) for seed in self.values.get(value or self.metric, {}).values()]
        there = [score for score in found if score is not None]
        return sum(there) / len(there) if there and len(there) == len(found) else None


@dataclass(frozen=True)
class Side:
    """One row of a board: a checkpoint and an intermediate, under one or more seeds."""

    name: str
    targets: Mapping[str, Scored]
    comparable: bool = True
    """False for a profile that is never ranked against published numbers."""


def side_of(
    run: Mapping[str, Any],
    records: Sequence[Record],
    folder: Callable[[str], Path],
    checkpoint: str,
    intermediate: str,
    name: str = "",
    languages: Mapping[str, Sequence[str]] | None = None,
) -> Side:
    """A row of a stored run; `folder` says where a step's output lies, `languages` what each target's average needs."""
    values: dict[str, dict[str, dict[int, dict[str, float]]]] = {}
    files: dict[str, dict[int, Path]] = {}
    for r in records:
        if (r.checkpoint, r.intermediate) == (checkpoint, intermediate):
            values.setdefault(r.target, {}).setdefault(r.metric, {}).setdefault(r.seed, {})[r.language] = r.value
            files.setdefault(r.target, {})[r.seed] = folder(r.key) / FILE
    needed = languages or {}
    targets = {
        target: Scored(
            run["tasks"][target]["metric"],
            tuple(needed.get(target, run["tasks"][target]["languages"])),
            found,
            files[target],
            run["tasks"][target].get("counts_as", ""),
        )
        for target, found in values.items()
    }
    return Side(name or f"{intermediate}[{checkpoint}]", targets, run.get("comparable", True))


def sides_of(
    run: Mapping[str, Any],
    records: Sequence[Record],
    folder: Callable[[str], Path],
    languages: Mapping[str, Sequence[str]] | None = None,
) -> dict[tuple[str, str], Side]:
    """(checkpoint, intermediate) -> row, for all rows of a stored run in its grid's order."""
    own: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        own.setdefault((record.checkpoint, record.intermediate), []).append(record)
    labels = [(c, i) for c in run["checkpoints"] for i in run["intermediates"] if (c, i) in own]
    return {label: side_of(run, own[label], folder, *label, languages=languages) for label in labels}


@dataclass(frozen=True)
class Outcomes:
    """One language of one file of outcomes, as the column's metric sees it."""

    ids: list[str]
    references: list[str]
    """JSON."""
    parts: Array
    """[examples, parts]."""


def read_outcomes(path: Path, rule: Metric) -> dict[str, Outcomes]:
    """Language -> outcomes of a stored step; DataError for ids named twice or parts that are not there."""
    from pyarrow import parquet

    if not rule.by_example:
        what = f"{rule.name} is worked out by another evaluator: nothing is known of single examples."
        raise DataError(Problem(str(path.parent), what))
    if not path.is_file():
        raise UsageError(Problem(str(path), "is not there any more.", "Run the suite again: it will be made."))
    names = [f"{rule.name}/{part}" for part in rule.parts]
    held = parquet.read_schema(path).names
    if lacking := [name for name in names if name not in held]:
        raise DataError(Problem(str(path), f"has no column {', '.join(lacking)}."))
    table = parquet.read_table(path, columns=["id", "language", "reference", *names])
    ids, languages = table["id"].to_pylist(), np.asarray(table["language"].to_pylist(), dtype=object)
    references = table["reference"].to_pylist()
    parts = np.column_stack([table[name].to_numpy() for name in names]).astype(np.float64)
    out = {}
    for language in dict.fromkeys(languages.tolist()):
        rows = np.flatnonzero(languages == language)
        out[language] = Outcomes([ids[i] for i in rows], [references[i] for i in rows], parts[rows])
        twice = [name for name, count in Counter(out[language].ids).items() if count > 1]
        if twice:
            what = f"names {len(twice)} ids more than once in {language}, such as '{twice[0]}'."
            raise DataError(Problem(str(path), what))
    return out


def matched(target: str, rows: Sequence[tuple[str, Scored]], parallel: bool | None = None) -> Sample:
    """The outcomes of several named rows on one target, in the languages in which all of them have a score.

    A file may have more: a run that asks for a part of the languages is shown that part of a whole step.

    DataError with counts where they were not tested on the same examples. `parallel` forces the languages to be
    drawn together (True) or each by itself (False); None looks at the examples.
    """
    rules = {scored.metric for _, scored in rows}
    if len(rules) > 1:
        raise UsageError(f"{target} is scored by {' and by '.join(sorted(rules))}: no comparison of these rows.")
    rule = _stored_metric(metric(rules.pop()), rows[0][1])
    tables, runs, names = [], [], []
    for system, (name, scored) in enumerate(rows):
        for seed in scored.seeds:
            tables.append(read_outcomes(scored.files[seed], rule))
            runs.append((system, seed))
            names.append(f"{name} (seed {seed})" if len(scored.seeds) > 1 else name)
    languages = [
        language
        for language in tables[0]
        if all(language in table for table in tables)
        and all(language in scored.languages and scored.mean(language) is not None for _, scored in rows)
    ]
    parts, ids, references = {}, {}, {}
    for language in languages:
        where = f"{target}, {language}"
        found = _aligned(where, rule, [table[language] for table in tables], names)
        parts[language], ids[language], references[language] = found
    keys, together = _clusters(ids, references, parallel)
    return Sample(target, rule, parts, keys, together, tuple(runs))


def _stored_metric(rule: Metric, scored: Scored) -> Metric:
    """A metric with parts of each label, with those that a file of outcomes has; any other as it is."""
    if rule.by_label is None:
        return rule
    from pyarrow import parquet

    prefix = f"{rule.name}/"
    path = next(iter(scored.files.values()))
    held = parquet.read_schema(path).names if path.is_file() else []
    return replace(rule, parts=tuple(name.removeprefix(prefix) for name in held if name.startswith(prefix)))


def _aligned(
    where: str, rule: Metric, tables: Sequence[Outcomes], names: Sequence[str]
) -> tuple[Array, list[str], list[str]]:
    """[examples, runs, parts], ids and references of one language, in the order of the first run."""
    reference: dict[str, str] = {}
    for table in tables:
        for name, given in zip(table.ids, table.references, strict=True):
            reference.setdefault(name, given)
    _require_same_answers(where, reference, tables, names)
    places = [{name: row for row, name in enumerate(table.ids)} for table in tables]
    # Rows of a mining are the gold pairs and what the model extracted beside them: a wrong pair that only one model
    # extracted is a row of zeros for the other.
    mined = rule.parts == ("correct", "predicted", "gold")
    wanted = [name for name in reference if not (mined and reference[name] == "false")]
    _require_same(where, wanted, places, names)
    parts = np.zeros((len(reference), len(tables), len(rule.parts)))
    for run, (table, place) in enumerate(zip(tables, places, strict=True)):
        rows = [row for row, name in enumerate(reference) if name in place]
        parts[rows, run] = table.parts[[place[name] for name in reference if name in place]]
    # Where a target has several metrics that compare different rows, those of the others are zero here.
    counts = np.flatnonzero(parts.any(axis=(1, 2)))
    ids = list(reference)
    return parts[counts], [ids[i] for i in counts], [reference[ids[i]] for i in counts]


def _require_same_answers(
    where: str, reference: Mapping[str, str], tables: Sequence[Outcomes], names: Sequence[str]
) -> None:
    """The same example has the same gold answer in all tables."""
    for table, name in zip(tables, names, strict=True):
        other = [i for i, given in zip(table.ids, table.references, strict=True) if reference[i] != given]
        if other:
            what = f"{len(other)} examples have another gold answer in {name}, such as '{other[0]}'."
            raise DataError(Problem(where, what, "Compare rows that were run with the same data and limits."))


def _require_same(where: str, wanted: list[str], places: Sequence[Mapping[str, int]], names: Sequence[str]) -> None:
    short = [(name, [i for i in wanted if i not in place]) for name, place in zip(names, places, strict=True)]
    problems = [
        f"{len(lacking)} of {len(wanted)} examples are not in {name}, such as '{lacking[0]}'"
        for name, lacking in short
        if lacking
    ]
    if problems:
        more = f"; and {len(problems) - _SHOWN} further runs" if len(problems) > _SHOWN else ""
        what = f"the rows were not tested on the same examples: {'; '.join(problems[:_SHOWN])}{more}."
        raise DataError(Problem(where, what, "Compare rows that were run with the same data and limits."))


def _clusters(
    ids: Mapping[str, Sequence[str]], references: Mapping[str, Sequence[str]], parallel: bool | None
) -> tuple[dict[str, Sequence[str]], tuple[tuple[str, ...], ...]]:
    """What each example is drawn by, and which languages are drawn together.

    Languages are parallel when they share half of their ids, or have the same labels in the same order (XNLI's files,
    whose rows have no id). Row numbers that stand in for missing ids are equal in any two files and prove nothing.
    """
    keys: dict[str, Sequence[str]] = dict(ids)
    groups: list[list[str]] = []
    for language in ids:
        home = None
        for group in groups if parallel is not False else ():
            first = group[0]
            if parallel or _share_ids(ids[language], ids[first]):
                home = group
            elif _same_labels(ids[language], references[language], references[first]):
                keys[language] = [str(row) for row in range(len(ids[language]))]
                keys[first], home = keys[language], group
            if home is not None:
                break
        if home is None:
            groups.append([language])
        else:
            home.append(language)
    return keys, tuple(tuple(group) for group in groups)


def _share_ids(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    if all(name.isdecimal() for name in ours):
        return False
    return 2 * len(set(ours) & set(theirs)) >= max(1, min(len(ours), len(theirs)))


def _same_labels(ids: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether two languages have the same references in the same order, far more often than by chance."""
    if len(ours) != len(theirs) or len(ours) < 20:
        return False
    # A retrieval's reference is the id itself, and says nothing of the sentence.
    if all(json.dumps(name) == found for name, found in zip(ids, ours, strict=True)):
        return False
    commonest = Counter(ours).most_common(1)[0][1] / len(ours)
    agreed = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)
    return commonest < 0.9 and agreed >= (1 + commonest) / 2
