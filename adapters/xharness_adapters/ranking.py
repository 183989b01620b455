"""Ranking: the queries of each language against one pool of candidates of all languages (LAReQA, Mewsli-X).

A candidate is right for a query if they share a key. The pool is what candidates stand among the test rows of all
languages, and in `data.pool`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from xharness.adapter import Case, Example, Line, MetricInput
from xharness.errors import DataError, Problem
from xharness.search import Index, normalised, ranked
from xharness.spec.task import POOL, Split, Task
from xharness_adapters import mewsli_x
from xharness_adapters.pairs import BETWEEN, COLUMNS, Rows, keys_of, paragraph_problem, ranked_rows
from xharness_adapters.shown import marked

if TYPE_CHECKING:
    from xharness.adapter import Vectors
    from xharness.data.encoded import Rows as EncodedRows

BLOCK = 65_536
"""Candidates that are searched at once."""
LOOKED = 1000
"""Queries by which it is measured what an index loses."""
DEPTH = 20
"""Candidates that a metric looks at which does not say."""
CROSS = "cross_"
"""Beginning of the metrics that leave out the right candidates in the query's language."""


SHOWN = 3
"""Candidates that are shown to a person."""


class Options(BaseModel):
    """Settings of a ranking task."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rows: Rows = "plain"
    """What the data's rows are: {query, keys} and {candidate, keys}, SQuAD's questions, or Mewsli-X's mentions."""
    query_length: int = Field(default=96, gt=2)
    """Sub-words of a query at the most."""
    candidate_length: int = Field(default=256, gt=2)
    """Sub-words of a candidate at the most; both no more than the recipe's length."""
    index: Index = "exact"
    """How the pool is searched: all of it, or by faiss's inverted lists or graph, which miss some. What that costs is
    measured and recorded (`index_recall`)."""


class Ranking:
    """Ranks candidates by the cosine of embeddings: of the encoder as it is, or of a dual encoder (`tune_on`)."""

    name: ClassVar[str] = "ranking"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = COLUMNS
    metrics: ClassVar[tuple[str, ...]] = (
        "map_at_20", "recall_at_10", "mrr_at_20", "cross_map_at_20", "same_language_at_20",
    )  # fmt: skip
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = False
    texts: ClassVar[tuple[str, ...]] = ("query", "candidate")

    def check(self, task: Task, example: Example) -> str | None:
        """A plain row is a query or a candidate; of other kinds their own rules."""
        kind = _options(task).rows
        if kind == "squad":
            return paragraph_problem(example, answered=True)
        if kind == "mewsli_x":
            return mewsli_x.row_problem(example)
        held = [name for name in self.texts if isinstance(example.get(name), str) and example[name].strip()]
        if len(held) != 1:
            return f"a row is a query or a candidate; this one has {' and '.join(held) or 'neither text'}."
        if held == ["query"] and not keys_of(example):
            return "the query has no keys, so no candidate answers it."
        return None

    def unfold(self, task: Task, example: Example, train: bool) -> Iterator[Example]:
        """The queries and candidates of a row."""
        return ranked_rows(_options(task).rows, example)

    def spoken(self, example: Example, column: str) -> str:
        """The row's language."""
        return str(example["language"])

    def limits(self, task: Task) -> Mapping[str, int]:
        """The lengths of both sides."""
        options = _options(task)
        return {"query": options.query_length, "candidate": options.candidate_length}

    def splits(self, task: Task) -> tuple[Split, ...]:
        """The pool is a split where it has data of its own."""
        return ("test", POOL) if task.data.pool else ("test",)

    def retrieve(
        self, task: Task, splits: Mapping[str, EncodedRows], vectors: Vectors, device: str = "cpu"
    ) -> tuple[dict[str, MetricInput], dict[str, float]]:
        """One language against its own candidates."""
        ((_, found, facts),) = self.retrieve_pooled(task, {"": splits}, vectors)
        if isinstance(found, DataError):
            raise found
        return found, facts

    def retrieve_pooled(
        self, task: Task, languages: Mapping[str, Mapping[str, EncodedRows]], vectors: Vectors
    ) -> Iterator[tuple[str, dict[str, MetricInput] | DataError, dict[str, float]]]:
        """The candidates of all languages, then the queries of each; the pool is gone through once for all of them."""
        pool, queries = Pool(), {}
        for language, splits in languages.items():
            for split, rows in splits.items():
                held = pool.add(task, rows, "" if split == POOL else language)
                if split != POOL:
                    queries[language] = held
        depth = depths(task)
        _require_pool(task, pool, depth)
        problems = {language: _problem(task, language, held, pool) for language, held in queries.items()}
        asked = {language: held for language, held in queries.items() if problems[language] is None}
        found, facts = _searched(task, asked, pool, vectors, _deepest(depth, asked, pool))
        begin = 0
        for language, held in queries.items():
            if (problem := problems[language]) is not None:
                yield language, DataError(problem), {}
                continue
            nearest, begin = found[begin : begin + len(held.names)], begin + len(held.names)
            share = {"pool_share": 100 * pool.languages.count(language) / len(pool.names)}
            yield language, _compared(language, held, nearest, pool, depth), {**facts, **share}

    def shown(self, task: Task, case: Case) -> list[Line]:
        """The query, the candidates found first, and the place of the first right one."""
        lines = [Line("query", ((str(case.example.get("query") or case.example["id"]), ""),))]
        for place, name in enumerate(case.prediction[:SHOWN], start=1):
            lines.append(Line(f"found {place}", ((_text(case, name), marked(True, name in case.reference)),)))
        places = [place for place, name in enumerate(case.prediction, start=1) if name in case.reference]
        if not places or places[0] > SHOWN:
            where = f"at place {places[0]}" if places else f"not among the first {len(case.prediction)}"
            name = case.prediction[places[0] - 1] if places else next(iter(case.reference), "")
            lines.append(Line(f"right, {where}", ((_text(case, name), "missed"),)))
        return lines


def _text(case: Case, name: str) -> str:
    return str((case.other(name) or {}).get("candidate") or "") or name


def depths(task: Task) -> dict[str, int]:
    """How many candidates each metric of a task looks at."""
    found = {name: re.search(r"_at_(\d+)$", name) for name in (task.metric, *task.also)}
    return {name: int(match[1]) if match else DEPTH for name, match in found.items()}


@dataclass
class Queries:
    """The queries of a language."""

    names: list[str] = field(default_factory=list)
    keys: list[tuple[str, ...]] = field(default_factory=list)
    sentences: list[int] = field(default_factory=list)


@dataclass
class Pool:
    """All candidates; each is known by its language and its name."""

    names: dict[str, int] = field(default_factory=dict)
    """`language:name`, or the name alone of a candidate of the split `pool` -> its place."""
    languages: list[str] = field(default_factory=list)
    sentences: list[int] = field(default_factory=list)
    by_key: dict[str, list[int]] = field(default_factory=dict)
    """Key -> places of the candidates that have it."""

    def right(self, keys: Sequence[str]) -> list[int]:
        """Places of the candidates that have one of the keys."""
        return sorted({place for key in keys for place in self.by_key.get(key, ())})

    def add(self, task: Task, rows: EncodedRows, language: str) -> Queries:
        """Take the candidates of some rows; their queries."""
        found, names, keys = Queries(), rows.ids, rows.texts("keys")
        queries, candidates = (rows.sentences(column).tolist() for column in Ranking.texts)
        for name, held, query, candidate in zip(names, keys, queries, candidates, strict=True):
            several = tuple(held.split(BETWEEN)) if held else ()
            if query >= 0:
                found.names.append(name)
                found.keys.append(several)
                found.sentences.append(query)
            else:
                self._add(task, f"{language}:{name}" if language else name, language, candidate, several)
        return found

    def _add(self, task: Task, name: str, language: str, sentence: int, keys: Sequence[str]) -> None:
        place = self.names.setdefault(name, len(self.names))
        if place == len(self.sentences):
            self.languages.append(language)
            self.sentences.append(sentence)
        elif self.sentences[place] != sentence:
            raise DataError(Problem(f"task {task.name}", f"two candidates are called {name} and read differently."))
        for key in keys:
            holders = self.by_key.setdefault(key, [])
            if place not in holders:
                holders.append(place)


def _require_pool(task: Task, pool: Pool, depth: Mapping[str, int]) -> None:
    if not pool.names:
        raise DataError(Problem(f"task {task.name}", "has no candidates."))
    for name, k in depth.items():
        if k > len(pool.names):
            what = f"{name} ranks {k} candidates, and the pool has {len(pool.names)}."
            raise DataError(Problem(f"task {task.name}", what))


def _problem(task: Task, language: str, queries: Queries, pool: Pool) -> Problem | None:
    """What keeps a language from being searched."""
    where = f"task {task.name}, test [{language}]"
    if len(set(queries.names)) < len(queries.names):
        ((twice, n),) = Counter(queries.names).most_common(1)
        return Problem(where, f"{n} queries are called {twice}; each needs an id of its own.")
    lost = [n for n, keys in zip(queries.names, queries.keys, strict=True) if not any(k in pool.by_key for k in keys)]
    if lost:
        others = f" (with {len(lost) - 1} more)" if len(lost) > 1 else ""
        return Problem(
            where, f"the query {lost[0]}{others} of {len(queries.names)} has no right candidate in the pool."
        )
    return None if queries.names else Problem(where, "has no queries.")


def _deepest(depth: Mapping[str, int], queries: Mapping[str, Queries], pool: Pool) -> int:
    """How many candidates must be found: more where the right ones in the query's language are then taken out."""
    crossing = max((k for name, k in depth.items() if name.startswith(CROSS)), default=0)
    if not crossing:
        return max(depth.values())
    own = [sum(pool.languages[p] == language for p in pool.right(keys)) for language, held in queries.items()
           for keys in held.keys]  # fmt: skip
    return max(*depth.values(), crossing + max(own, default=0))


def _searched(
    task: Task, queries: Mapping[str, Queries], pool: Pool, vectors: Vectors, k: int
) -> tuple[NDArray[np.int64], dict[str, float]]:
    """The places of the k nearest candidates of every query of every language, and facts of the search."""
    sentences, index = np.array(pool.sentences), _options(task).index
    facts = {"pool": float(len(sentences))}
    k = min(k, len(sentences))
    if not queries:
        return np.zeros((0, k), dtype=np.int64), facts
    asked = normalised(vectors(np.concatenate([held.sentences for held in queries.values()])))

    def search(asked: NDArray[np.float32], index: Index) -> NDArray[np.int64]:
        blocks = (normalised(vectors(sentences[i : i + BLOCK])) for i in range(0, len(sentences), BLOCK))
        return ranked(asked, blocks, k, index)

    found = search(asked, index)
    if index != "exact":
        looked = np.random.default_rng(0).permutation(len(asked))[:LOOKED]
        pairs = zip(found[looked].tolist(), search(asked[looked], "exact").tolist(), strict=True)
        facts["index_recall"] = 100 * float(np.mean([len({*one} & {*other}) / k for one, other in pairs]))
    return found, facts


def _compared(
    language: str, queries: Queries, found: NDArray[np.int64], pool: Pool, depth: Mapping[str, int]
) -> dict[str, MetricInput]:
    """What each metric compares; `cross_` ones without the right candidates in the query's language."""
    names = list(pool.names)
    right = [pool.right(keys) for keys in queries.keys]
    inputs: dict[str, MetricInput] = {}
    for name, k in depth.items():
        out = [
            {p for p in places if pool.languages[p] == language} if name.startswith(CROSS) else set()
            for places in right
        ]
        rows = [row for row, places in enumerate(right) if len(places) > len(out[row])]
        inputs[name] = MetricInput(
            [queries.names[row] for row in rows],
            # An index that finds fewer than it should gives -1 for the others.
            [[names[p] for p in found[row].tolist() if p >= 0 and p not in out[row]][:k] for row in rows],
            [[names[p] for p in right[row] if p not in out[row]] for row in rows],
        )
    return inputs


def _options(task: Task) -> Options:
    return Options(**task.options)
