"""Mean average precision and recall of ranked lists, cut off at k: XTREME-R's retrieval with many candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xharness.errors import DataError
from xharness.metrics.base import Array, Metric, ratio, require_pairs, rows

PerQuery = Callable[[Sequence[Any], set[Any], int], float]


def average_precision(ranked: Sequence[Any], relevant: set[Any], k: int) -> float:
    """Precision at each rank up to k that holds a new relevant id, summed, over min(|relevant|, k); 0 to 1.

    With one relevant id this is its reciprocal rank, which is what XTREME-R computes for Mewsli-X.
    """
    ranks = _ranks(ranked, relevant, k)
    return sum(hits / rank for hits, rank in enumerate(ranks, start=1)) / min(len(relevant), k)


def recall(ranked: Sequence[Any], relevant: set[Any], k: int) -> float:
    """Share of the relevant ids among the first k; 0 to 1."""
    return len(_ranks(ranked, relevant, k)) / len(relevant)


def reciprocal_rank(ranked: Sequence[Any], relevant: set[Any], k: int) -> float:
    """1 over the rank of the first relevant id among the first k, 0 without one; 0 to 1."""
    ranks = _ranks(ranked, relevant, k)
    return 1 / ranks[0] if ranks else 0.0


def _ranks(ranked: Sequence[Any], relevant: set[Any], k: int) -> list[int]:
    """The rank (from 1) of each relevant id's first place among the first k, ascending."""
    first: dict[Any, int] = {}
    for rank, found in enumerate(ranked[:k], start=1):
        if found in relevant:
            first.setdefault(found, rank)
    return list(first.values())


def _ranked_metric(name: str, source: str, per_query: PerQuery, k: int) -> Metric:
    """`NAME_at_K`, whose value is called `NAME@K`, the mean of `per_query` over queries."""
    value = f"{name}@{k}"

    def outcomes(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
        """[queries, (value, n)] of ranked ids against relevant ids."""
        require_pairs(predictions, references)
        table = []
        for number, (ranked, relevant) in enumerate(zip(predictions, references, strict=True)):
            if not relevant or isinstance(relevant, str) or isinstance(ranked, str):
                raise DataError(f"query {number}: a ranked list and a list of one or more relevant ids are needed.")
            table.append((per_query(ranked, set(relevant), k), 1.0))
        return rows(table, 2)

    def values(sums: Array) -> Mapping[str, Array]:
        """The mean over queries."""
        return {value: 100 * ratio(sums[..., 0], sums[..., 1])}

    return Metric(f"{name}_at_{k}", source, (value, "n"), outcomes, values, (value,))


def map_at(k: int) -> Metric:
    """`map_at_K`; its value is called `map@K`, as XTREME-R's evaluate.py does."""
    source = "XTREME-R, arXiv 2104.07412 §3; google-research/xtreme evaluate.py, mewslix_map20(), and utils_mewslix.py."
    return _ranked_metric("map", source, average_precision, k)


def recall_at(k: int) -> Metric:
    """`recall_at_K`; its value is called `recall@K`."""
    source = "Share of the relevant ids among the first k, averaged over queries."
    return _ranked_metric("recall", source, recall, k)


def mrr_at(k: int) -> Metric:
    """`mrr_at_K`; its value is called `mrr@K`."""
    source = "Mean reciprocal rank of the first relevant id; google-research/xtreme utils_mewslix.py."
    return _ranked_metric("mrr", source, reciprocal_rank, k)


def cross_map_at(k: int) -> Metric:
    """`cross_map_at_K`: `map_at_K` with the right candidates in the query's language taken out of pool and gold."""
    source = "map_at_K without the answers in the query's own language; after Roy et al. 2020, arXiv 2004.05484."
    return _ranked_metric("cross_map", source, average_precision, k)


def same_language_at(k: int) -> Metric:
    """`same_language_at_K`: share of candidates in the query's language among the first k; ids are `language:name`.

    To be read beside that language's share of the pool, which is recorded as `pool_share`.
    """

    def outcomes(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
        """[queries, (same, n)]."""
        require_pairs(predictions, references)
        spoken = [[str(name).partition(":")[0] for name in ranked[:k]] for ranked in predictions]
        return rows([(sum(s == language for s in held) / max(1, len(held)), 1.0) for held in spoken], 2)

    def values(sums: Array) -> Mapping[str, Array]:
        """The mean over queries."""
        return {f"same_language@{k}": 100 * ratio(sums[..., 0], sums[..., 1])}

    source = "Language bias of a ranking; after Roy et al. 2020, arXiv 2004.05484."
    return Metric(f"same_language_at_{k}", source, ("same", "n"), outcomes, values, (f"same_language@{k}",))
