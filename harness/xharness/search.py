"""Search among sentence embeddings: nearest neighbours, margins, one-to-one mining, thresholds. Numbers in and out.

Imports torch and faiss when first used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Margin = Literal["ratio", "distance", "absolute"]
Index = Literal["exact", "ivf", "hnsw"]
"""How a large pool is searched: whole, or by faiss's inverted lists or graph."""
TILE = (2048, 8192)
"""Rows and columns of the similarities that are held at once: 64 MB."""


def normalised(vectors: NDArray[Any]) -> Floats:
    """Rows of unit length [n, hidden]; a zero row stays zero."""
    found = np.asarray(vectors, dtype=np.float32)
    lengths: Floats = np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return np.divide(found, lengths)


def _faiss() -> Any:
    import faiss
    import torch

    # With torch's OpenMP in the same process faiss crashes on macOS (facebookresearch/faiss#2463).
    faiss.omp_set_num_threads(1 if sys.platform == "darwin" else torch.get_num_threads())
    return faiss


def nearest(queries: Floats, index: Floats) -> Indices:
    """For each query the row of `index` with the highest inner product; of equal ones the first [queries]."""
    faiss = _faiss()
    flat = faiss.IndexFlatIP(index.shape[1])
    flat.add(np.ascontiguousarray(index))
    _, found = flat.search(np.ascontiguousarray(queries), 1)
    return np.asarray(found[:, 0], dtype=np.int64)


def ranked(queries: Floats, blocks: Iterable[Floats], k: int, index: Index = "exact") -> Indices:
    """For each query the k rows with the highest inner products, the best first, over rows that come in blocks.

    Of equal ones the later comes first, as numpy's argsort turned round has them (google-research/xtreme
    evaluate_retrieval.py). `exact` holds one block and the k best; the others hold all rows, and may find fewer than k:
    then -1 stands behind the last. [queries, k]
    """
    if index != "exact":
        return _approximately(queries, np.concatenate([np.ascontiguousarray(block) for block in blocks]), k, index)
    asked = np.ascontiguousarray(queries, dtype=np.float32)
    values = np.full((len(asked), 0), -np.inf, dtype=np.float32)
    places = np.zeros((len(asked), 0), dtype=np.int64)
    begin = 0
    for block in blocks:
        held = np.ascontiguousarray(block, dtype=np.float32)
        score, place = _of_block(asked, held, k)
        values, places = _best(np.hstack([values, score]), np.hstack([places, place + begin]), k)
        begin += len(held)
    return places


def _of_block(asked: Floats, held: Floats, k: int) -> tuple[Floats, Indices]:
    """The k best rows of a block, in any order among equal ones."""
    faiss = _faiss()
    values, places = faiss.knn(asked, held, min(k + 1, len(held)), metric=faiss.METRIC_INNER_PRODUCT)
    if len(held) > k:
        # Of rows that are equal at the cut faiss keeps any.
        for query in np.flatnonzero(values[:, k - 1] == values[:, k]):
            products = held @ asked[query]
            best = np.lexsort((-np.arange(len(held)), -products))[:k]
            values[query, :k], places[query, :k] = products[best], best
    return values[:, :k], places[:, :k]


def _best(values: Floats, places: Indices, k: int) -> tuple[Floats, Indices]:
    order = np.lexsort((-places, -values), axis=1)[:, :k]
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(places, order, axis=1)


def _approximately(queries: Floats, rows: Floats, k: int, index: Index) -> Indices:
    """By faiss's IVF (4 √n lists, a sixteenth of them looked into) or HNSW (32 links), of inner products."""
    faiss = _faiss()
    width = rows.shape[1]
    if index == "hnsw":
        made = faiss.IndexHNSWFlat(width, 32, faiss.METRIC_INNER_PRODUCT)
        made.hnsw.efSearch = max(64, 4 * k)
    else:
        lists = max(1, min(int(4 * len(rows) ** 0.5), len(rows) // 39))
        quantiser = faiss.IndexFlatIP(width)
        made = faiss.IndexIVFFlat(quantiser, width, lists, faiss.METRIC_INNER_PRODUCT)
        made.train(rows)
        made.nprobe = max(1, lists // 16)
    made.add(rows)
    values, places = made.search(np.ascontiguousarray(queries, dtype=np.float32), k)
    return _best(values, np.asarray(places, dtype=np.int64), k)[1]


@dataclass(frozen=True)
class Neighbours:
    """The k nearest of every row on the other side, best first."""

    similarity: Floats
    """[rows, k]"""
    index: Indices
    """[rows, k]"""


def neighbours(x: Floats, y: Floats, k: int, device: str = "cpu") -> tuple[Neighbours, Neighbours]:
    """The k nearest in y of every row of x, and in x of every row of y, from one product taken in tiles."""
    import torch

    xs, ys = (torch.from_numpy(np.ascontiguousarray(side)).to(device) for side in (x, y))
    rows, columns = TILE
    of_y = [_Best(min(k, len(x))) for _ in range(0, len(y), columns)]
    of_x: list[_Best] = []
    with torch.inference_mode():
        for top in range(0, len(x), rows):
            block = _Best(min(k, len(y)))
            of_x.append(block)
            for number, left in enumerate(range(0, len(y), columns)):
                tile = xs[top : top + rows] @ ys[left : left + columns].T
                block.add(tile, left)
                of_y[number].add(tile.T, top)
    return _joined(of_x), _joined(of_y)


class _Best:
    """The highest k values of each row, and where they were, over tiles that arrive one by one."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.values: Any = None
        self.places: Any = None

    def add(self, tile: Any, offset: int) -> None:
        import torch

        if self.values is None:
            self.values, self.places = tile.topk(min(self.k, tile.shape[1]), dim=1)
            self.places += offset
            return
        rows: Any = slice(None)
        if self.values.shape[1] == self.k:
            # The more was seen, the fewer rows have anything better in this tile: one look instead of a sort.
            rows = torch.nonzero(tile.amax(dim=1) > self.values[:, -1]).squeeze(1)
            if not len(rows):
                return
            tile = tile[rows]
        values, places = tile.topk(min(self.k, tile.shape[1]), dim=1)
        values = torch.cat([self.values[rows], values], dim=1)
        places = torch.cat([self.places[rows], places + offset], dim=1)
        values, order = values.topk(min(self.k, values.shape[1]), dim=1)
        places = places.gather(1, order)
        if isinstance(rows, slice):
            self.values, self.places = values, places
        else:
            self.values[rows], self.places[rows] = values, places


def _joined(blocks: Sequence[_Best]) -> Neighbours:
    values = np.concatenate([block.values.cpu().numpy() for block in blocks])
    return Neighbours(values, np.concatenate([block.places.cpu().numpy() for block in blocks]))


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, the best first."""

    source: Indices
    target: Indices
    score: NDArray[np.float64]


def mine(x: Floats, y: Floats, k: int = 4, margin: Margin = "ratio", device: str = "cpu") -> Pairs:
    """One-to-one pairs by margin score: Artetxe and Schwenk 2019, arXiv 1811.01136 §3.

    The best candidate of every row, both ways, is scored by its cosine against the mean of both rows' k nearest;
    from the best score down a pair is taken when neither of its rows is taken (`max` in LASER's and XTREME's
    mine_bitexts).
    """
    forward, backward = neighbours(x, y, k, device)
    mean_x, mean_y = (side.similarity.mean(axis=1, dtype=np.float64) for side in (forward, backward))
    ahead = _margins(forward.similarity, (mean_x[:, None] + mean_y[forward.index]) / 2, margin)
    back = _margins(backward.similarity, (mean_y[:, None] + mean_x[backward.index]) / 2, margin)
    rows_x, rows_y = np.arange(len(x)), np.arange(len(y))
    best_ahead, best_back = ahead.argmax(axis=1), back.argmax(axis=1)
    source = np.concatenate([rows_x, backward.index[rows_y, best_back]])
    target = np.concatenate([forward.index[rows_x, best_ahead], rows_y])
    score = np.concatenate([ahead[rows_x, best_ahead], back[rows_y, best_back]])
    used_x, used_y = np.zeros(len(x), dtype=bool), np.zeros(len(y), dtype=bool)
    taken: list[int] = []
    for candidate in np.argsort(-score, kind="stable").tolist():
        s, t = source[candidate], target[candidate]
        if not used_x[s] and not used_y[t]:
            used_x[s] = used_y[t] = True
            taken.append(candidate)
    return Pairs(source[taken], target[taken], score[taken])


def _margins(similarity: Floats, mean: NDArray[np.float64], margin: Margin) -> NDArray[np.float64]:
    found = similarity.astype(np.float64)
    if margin == "ratio":
        return found / np.where(mean == 0, 1e-12, mean)
    return found - mean if margin == "distance" else found


def fit_threshold(scores: Sequence[float], correct: Sequence[bool], gold: int) -> tuple[float, float]:
    """The threshold on descending scores that maximises F1 against `gold` pairs, and that F1 (0 to 1).

    It lies in the middle between the last accepted score and the next: XTREME's bucc_optimize
    (third_party/utils_retrieve.py), which fails when the best cut is behind the last pair; here that accepts all.
    Without a correct pair nothing is accepted.
    """
    best, threshold, right = 0.0, float("inf"), 0
    for number, (score, hit) in enumerate(zip(scores, correct, strict=True), 1):
        right += bool(hit)
        f1 = 2 * right / (number + gold) if right else 0.0
        if f1 > best:
            following = scores[number] if number < len(scores) else score
            middle = (score + following) / 2
            # Two scores next to each other in floating point have nothing between them.
            best, threshold = f1, middle if middle > following else score
    return threshold, best
