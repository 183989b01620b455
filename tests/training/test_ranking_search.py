"""The k nearest of a pool that comes in blocks: numpy's own order, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xharness.search import normalised, ranked


def blocks_of(pool, sizes):
    """The pool cut into blocks, the sizes over and over."""
    begin, number = 0, 0
    while begin < len(pool):
        size = sizes[number % len(sizes)]
        yield pool[begin : begin + size]
        begin, number = begin + size, number + 1


def by_argsort(asked, pool, k):
    """google-research/xtreme evaluate_retrieval.py: argsort, turned round."""
    return np.argsort(asked @ pool.T, axis=1, kind="stable")[:, ::-1][:, :k]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 40), st.integers(1, 25),
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
)  # fmt: skip
def test_blocks_of_any_size_rank_as_argsort_turned_round_does_equal_ones_too(seed, n, queries, k, sizes):
    chance = np.random.default_rng(seed)
    # Products of small whole numbers are exact, and many of them are equal.
    pool, asked = (chance.integers(-1, 2, size=(rows, 3)).astype(np.float32) for rows in (n, queries))
    found = ranked(asked, blocks_of(pool, sizes), k)
    assert found.tolist() == by_argsort(asked, pool, k).tolist()


@pytest.mark.parametrize("size", [1, 7, 64, 300])
def test_blocks_change_nothing_in_the_ranking_of_real_vectors(size):
    chance = np.random.default_rng(3)
    pool, asked = (normalised(chance.normal(size=(rows, 24))) for rows in (300, 50))
    assert ranked(asked, blocks_of(pool, [size]), 20).tolist() == by_argsort(asked, pool, 20).tolist()


def test_of_equal_candidates_the_later_comes_first_and_is_the_one_that_stays():
    pool = normalised(np.array([[1, 0], [0, 1], [1, 0], [1, 0], [0, 1]]))
    asked = normalised(np.array([[1, 0.1]]))
    assert ranked(asked, [pool], 5).tolist() == [[3, 2, 0, 4, 1]]
    assert ranked(asked, [pool], 2).tolist() == [[3, 2]]
    assert ranked(asked, [pool[:2], pool[2:3], pool[3:]], 2).tolist() == [[3, 2]]


def test_no_more_are_found_than_there_are():
    pool = normalised(np.eye(3))
    assert ranked(pool[:1], [pool[:2], pool[2:]], 9).tolist() == [[0, 2, 1]]


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_an_index_finds_most_of_what_is_nearest_and_says_where_it_found_too_few(index):
    chance = np.random.default_rng(5)
    middles = chance.normal(size=(12, 16))
    pool = normalised(np.concatenate([m + 0.05 * chance.normal(size=(100, 16)) for m in middles]))
    found = ranked(pool[::37], blocks_of(pool, [500]), 10, index)
    exact = by_argsort(pool[::37], pool, 10)
    pairs = zip(found.tolist(), exact.tolist(), strict=True)
    assert np.mean([len({*one} & {*other}) / 10 for one, other in pairs]) > 0.5
    assert (found[:, 0] == np.arange(0, len(pool), 37)).mean() > 0.9
    # Where the lists that are looked into hold fewer than k, nothing is made up.
    for row in ranked(pool[:5], [pool], 1000, index).tolist():
        held = [place for place in row if place >= 0]
        assert len(held) == len(set(held))
        assert set(row[len(held) :]) <= {-1}
