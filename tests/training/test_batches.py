from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xharness.adapter import Feature
from xharness.spec.recipe import Recipe
from xharness.training import batches
from xharness.training.batches import Examples
from xharness.training.features import PIECE, Item, budgeted_items, pieces


def plan_batches(lengths, batch_size, epochs, seed):
    """The plan, in lists that can be compared."""
    examples = {name: Examples(np.array(held)) for name, held in lengths.items()}
    made = batches.plan_batches(examples, Recipe(batch_size=batch_size, epochs=epochs), seed)
    return [(task, numbers.tolist()) for task, numbers in made]


lengths = st.lists(st.integers(3, 200), min_size=1, max_size=400)


@settings(max_examples=50, deadline=None)
@given(lengths=lengths, size=st.integers(1, 40), seed=st.integers(0, 9))
def test_an_epoch_shows_every_example_once_in_batches_of_the_recipes_size(lengths, size, seed):
    order = plan_batches({"task": lengths}, size, 2, seed)
    half = len(order) // 2
    for epoch in (order[:half], order[half:]):
        assert sorted(i for _, batch in epoch for i in batch) == list(range(len(lengths)))
        sizes = sorted(len(batch) for _, batch in epoch)
        assert all(s == size for s in sizes[1:])
        assert 1 <= sizes[0] <= size


def test_the_order_is_a_function_of_the_seed():
    held = {"a": [5] * 100, "b": [7] * 60}
    assert plan_batches(held, 8, 2, 1) == plan_batches(held, 8, 2, 1)
    assert plan_batches(held, 8, 2, 1) != plan_batches(held, 8, 2, 2)


def test_epochs_differ_and_a_part_of_one_is_a_beginning():
    held = {"a": list(range(3, 163))}
    two = plan_batches(held, 8, 2, 0)
    assert two[:20] != two[20:]
    assert plan_batches(held, 8, 1.25, 0) == two[:25]


def test_every_batch_has_one_task_and_tasks_are_mixed_in_proportion():
    order = [task for task, _ in plan_batches({"large": [5] * 3000, "small": [5] * 1000}, 10, 1, 0)]
    assert order.count("large") == 300
    quarters = [order[i : i + 100].count("small") for i in range(0, 400, 100)]
    assert all(10 <= n <= 40 for n in quarters)


def test_a_batch_is_a_random_draw_whatever_the_lengths():
    held = list(range(3, 8003))
    order = plan_batches({"task": held}, 16, 1, 0)
    means = [np.mean([held[i] for i in batch]) for _, batch in order]
    # The mean of 16 of 8,000 lengths strays by 2309 / sqrt(16) from 4,002; sorted ones stray by 2309.
    assert np.std(means) == pytest.approx(8000 / 12**0.5 / 4, rel=0.1)


def items_of(lengths):
    return [Item("task", (Feature(number, [0] * length),)) for number, length in enumerate(lengths)]


def padded(found):
    return sum(len(piece) * max(item.length for item in piece) for piece in found)


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(3, 200), min_size=1, max_size=40), tokens=st.integers(50, 5000))
def test_pieces_are_the_batch_within_the_budget(lengths, tokens):
    found = pieces(items_of(lengths), tokens)
    assert sorted(item.features[0].example for piece in found for item in piece) == list(range(len(lengths)))
    assert all(len(piece) == 1 or len(piece) * max(i.length for i in piece) <= tokens for piece in found)
    whole = list(budgeted_items(items_of(lengths), tokens))
    assert padded(found) + PIECE * len(found) <= padded(whole) + PIECE * len(whole)


def test_pieces_save_most_of_the_padding():
    chance = random.Random(0)
    held = [int(chance.lognormvariate(3, 0.6)) + 3 for _ in range(3200)]
    order = plan_batches({"task": held}, 32, 1, 0)
    found = [pieces(items_of([held[i] for i in batch]), 10_000) for _, batch in order]
    whole = sum(len(batch) * max(held[i] for i in batch) for _, batch in order)
    assert sum(held) / whole < 0.5
    assert sum(held) / sum(map(padded, found)) > 0.7
