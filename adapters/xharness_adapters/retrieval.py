"""Retrieval of translations by sentence embeddings: Tatoeba (nearest neighbour) and BUCC (mining).

Rows are pairs {source, target}, source foreign and target English; or, for mining, sentences {side, text} whose
partners stand in `gold` or in rows of their own, {side = "gold", id, gold}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xharness.adapter import Case, Example, Line, MetricInput
from xharness.errors import DataError, Problem
from xharness.search import Margin, fit_threshold, mine, nearest, normalised, ranked
from xharness.spec.task import Split, Task
from xharness_adapters.ranking import depths
from xharness_adapters.shown import marked

if TYPE_CHECKING:
    from xharness.adapter import Vectors
    from xharness.data.encoded import Rows

Pool = dict[str, int]
"""Id -> number of the sentence, of one side."""
SIDES = ("source", "target", "gold")
RECALL = "recall_at_"

NEIGHBOURS = 3
"""Sentences nearest to a query that are kept to be looked at."""


class Options(BaseModel):
    """Settings of a retrieval task."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["nearest", "mine"] = "nearest"
    """`nearest`: every sentence has a partner, find it. `mine`: some have one, find which pairs are translations."""
    k: int = Field(default=4, ge=1)
    """Neighbours in the margin's mean."""
    margin: Margin = "ratio"
    """Cosine divided by the mean cosine of both sides' neighbours, less it, or as it is."""


class Retrieval:
    """Compares embeddings of the encoder as it is; no head, nothing trained."""

    name: ClassVar[str] = "retrieval"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = dict.fromkeys(("source", "target", "side", "text", "gold"), False)
    metrics: ClassVar[tuple[str, ...]] = (
        "accuracy_tatoeba",
        "accuracy_tatoeba_reverse",
        "f1_tatoeba_mteb",
        "f1_bucc",
        "f1_bucc_mteb",
        "recall_at_10",
    )
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = False
    texts: ClassVar[tuple[str, ...]] = ("source", "target", "text")

    def check(self, task: Task, example: Example) -> str | None:
        """A pair has two texts; a sentence of a pool has one and a side."""
        side = example.get("side")
        if side is None:
            for column in ("source", "target"):
                if not isinstance(example.get(column), str) or not example[column].strip():
                    return f"the {column} is empty."
            return None
        if side not in SIDES:
            return f"the side is {side!r}; it must be {', '.join(SIDES)}."
        if _options(task).kind == "nearest":
            return 'rows with sides are for mining; set options.kind = "mine", or give pairs of source and target.'
        if side != "gold" and (not isinstance(example.get("text"), str) or not example["text"].strip()):
            return "the text is empty."
        return None

    def spoken(self, example: Example, column: str) -> str:
        """The task's language on the source's side, English on the target's."""
        foreign = column == "source" or (column == "text" and example.get("side") == "source")
        return str(example["language"]) if foreign else "en"

    def splits(self, task: Task) -> tuple[Split, ...]:
        """Mining needs dev, to fit its threshold."""
        return ("dev", "test") if _options(task).kind == "mine" else ("test",)

    def retrieve(
        self, task: Task, splits: Mapping[str, Rows], vectors: Vectors, device: str = "cpu"
    ) -> tuple[dict[str, MetricInput], dict[str, float]]:
        """What each metric compares: ids of retrieved sentences, or whether a pair was mined."""
        options = _options(task)
        if options.kind == "nearest":
            pool = distinct(pools(splits["test"])[0])
            return _nearest(task, splits["test"], vectors), {"chance": 100 / len(pool)}
        return _mined(task, options, splits, vectors, device)

    def shown(self, task: Task, case: Case) -> list[Line]:
        """A query with what was found and what is right; of mined pairs both sentences."""
        if isinstance(case.reference, bool):
            source, _, target = str(case.example["id"]).partition("\t")
            mark = marked(bool(case.prediction), case.reference)
            said = {name: _sentence(case.other(name)) for name in (source, target)}
            return [
                Line(side, ((said[name] or name, mark),)) for side, name in (("source", source), ("target", target))
            ]
        lines = [Line("query", ((str(case.example.get("target") or case.example["id"]), ""),))]
        found: Sequence[tuple[str, float | None]] = case.neighbours or [(str(case.prediction), None)]
        for place, (name, similarity) in enumerate(found, start=1):
            other = case.other(name) or {}
            text = str(other.get("source") or name) + ("" if similarity is None else f"  {similarity:.3f}")
            lines.append(Line(f"found {place}", ((text, marked(place == 1, name == case.reference)),)))
        if case.reference not in dict(found):
            lines.append(Line("right", ((str(case.example.get("source") or case.reference), "missed"),)))
        return lines


def _sentence(example: Example | None) -> str:
    return str((example or {}).get("text") or "")


def _options(task: Task) -> Options:
    return Options(**task.options)


def pools(rows: Rows) -> tuple[Pool, Pool, dict[tuple[str, str], None]]:
    """Sentences of the source and of the target by id, and the gold pairs in order."""
    source: Pool = {}
    target: Pool = {}
    gold: dict[tuple[str, str], None] = {}
    sentences = zip(*(rows.sentences(column).tolist() for column in Retrieval.texts), strict=True)
    others = zip(rows.texts("side"), rows.texts("gold"), strict=True)
    for name, (ahead, behind, own), (side, partner) in zip(rows.ids, sentences, others, strict=True):
        if side is None:
            source[name], target[name] = ahead, behind
            gold[name, name] = None
        elif side == "gold":
            gold[name, str(partner or "")] = None
        else:
            (source if side == "source" else target)[name] = own
            if partner:
                gold[(name, partner) if side == "source" else (partner, name)] = None
    return source, target, gold


def distinct(pool: Pool) -> dict[int, str]:
    """Sentence -> the first id that has it: repeats are searched once, as XTREME's text_load_unify does."""
    found: dict[int, str] = {}
    for name, sentence in pool.items():
        found.setdefault(sentence, name)
    return found


def search(queries: Sequence[int], pool: Pool, vectors: Vectors) -> list[str]:
    """The id of the sentence in `pool` nearest to each query by cosine; of equal sentences the first."""
    sentences = distinct(pool)
    ids = list(sentences.values())
    found = nearest(_normalised(vectors, queries), _normalised(vectors, sentences))
    return [ids[i] for i in found.tolist()]


def neighbours(queries: Sequence[int], pool: Pool, vectors: Vectors) -> list[list[tuple[str, float]]]:
    """The ids of the few sentences nearest to each query, with their cosines."""
    sentences = distinct(pool)
    names, asked, held = list(sentences.values()), _normalised(vectors, queries), _normalised(vectors, sentences)
    found = ranked(asked, [held], min(NEIGHBOURS, len(names)))
    return [
        [(names[place], float(query @ held[place])) for place in row.tolist()]
        for query, row in zip(asked, found, strict=True)
    ]


def _normalised(vectors: Vectors, sentences: Iterable[int]) -> Any:
    return normalised(vectors(np.fromiter(sentences, dtype=np.int64)))


def _recalls(
    task: Task, ids: Sequence[str], queries: Sequence[int], pool: Pool, gold: Sequence[str], vectors: Vectors
) -> dict[str, MetricInput]:
    """What the task's `recall_at_K` compare: the nearest ids of each query, as many as the largest K."""
    wanted = {name: k for name, k in depths(task).items() if name.startswith(RECALL)}
    if not wanted:
        return {}
    sentences = distinct(pool)
    name, most = max(wanted.items(), key=lambda one: one[1])
    if most > len(sentences):
        what = f"{name} looks at {most} sentences, and there are {len(sentences)} to search."
        raise DataError(Problem(f"task {task.name}, test", what))
    names = list(sentences.values())
    found = ranked(_normalised(vectors, queries), [_normalised(vectors, sentences)], most)
    lists = [[names[place] for place in row] for row in found.tolist()]
    right = [[one] for one in gold]
    return {name: MetricInput(ids, lists, right) for name in wanted}


def _nearest(task: Task, rows: Rows, vectors: Vectors) -> dict[str, MetricInput]:
    """English queries among foreign sentences (XTREME's direction), and the other way round; recall as the first."""
    source, target, _ = pools(rows)
    ids = list(source)
    nearby = neighbours(list(target.values()), source, vectors)
    ahead = MetricInput(ids, search(list(target.values()), source, vectors), ids, nearby)
    reverse = MetricInput(ids, search(list(source.values()), target, vectors), ids)
    return {
        "accuracy_tatoeba": ahead,
        "accuracy_tatoeba_reverse": reverse,
        "f1_tatoeba_mteb": reverse,
        **_recalls(task, ids, list(target.values()), source, ids, vectors),
    }


def _mined(
    task: Task, options: Options, splits: Mapping[str, Rows], vectors: Vectors, device: str
) -> tuple[dict[str, MetricInput], dict[str, float]]:
    """The pairs above the threshold fitted on dev, beside the gold pairs of test."""
    scored, gold = _pairs(task, "dev", options, splits["dev"], vectors, device)
    threshold, best = fit_threshold([score for _, score in scored], [pair in gold for pair, _ in scored], len(gold))
    scored, gold = _pairs(task, "test", options, splits["test"], vectors, device)
    mined = {pair: score for pair, score in scored if score >= threshold}
    rows = list(dict.fromkeys((*gold, *mined)))
    ids = [f"{s}\t{t}" for s, t in rows]
    pairs = MetricInput(ids, [row in mined for row in rows], [row in gold for row in rows])
    source, target, _ = pools(splits["test"])
    found = search([source[s] for s, _ in gold], target, vectors)
    names, right = [f"{s}\t{t}" for s, t in gold], [t for _, t in gold]
    top = MetricInput(names, found, right)
    recalls = _recalls(task, names, [source[s] for s, _ in gold], target, right, vectors)
    facts = {"chance": 0.0, "threshold": threshold, "dev_f1": 100 * best, "candidates": float(len(scored))}
    return {"f1_bucc": pairs, "f1_bucc_mteb": top, **recalls}, {name: v for name, v in facts.items() if np.isfinite(v)}


def _pairs(
    task: Task, split: str, options: Options, rows: Rows, vectors: Vectors, device: str
) -> tuple[list[tuple[tuple[str, str], float]], dict[tuple[str, str], None]]:
    """Candidate pairs of ids with their scores, the best first, and the gold pairs."""
    source, target, gold = pools(rows)
    where = f"task {task.name}, {split}"
    if not source or not target or not gold:
        missing = [name for name, held in (("source", source), ("target", target), ("gold", gold)) if not held]
        raise DataError(Problem(where, f"has no {' and no '.join(missing)} rows."))
    unknown = next((pair for pair in gold if pair[0] not in source or pair[1] not in target), None)
    if unknown:
        raise DataError(
            Problem(where, f"the gold pair {unknown[0]} - {unknown[1]} names a sentence that is not there.")
        )
    sides = distinct(source), distinct(target)
    x, y = (_normalised(vectors, side) for side in sides)
    found = mine(x, y, options.k, options.margin, device)
    names = [list(side.values()) for side in sides]
    pairs = [(names[0][s], names[1][t]) for s, t in zip(found.source.tolist(), found.target.tolist(), strict=True)]
    return list(zip(pairs, found.score.tolist(), strict=True)), gold
