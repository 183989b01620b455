from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xharness.spec.recipe import Recipe
from xharness.training import batches
from xharness.training.batches import WINDOW, Examples


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


def test_batches_hold_like_lengths_and_little_padding():
    chance = random.Random(0)
    held = [int(chance.lognormvariate(3, 0.6)) + 3 for _ in range(8000)]
    order = plan_batches({"task": held}, 16, 1, 0)
    real = sum(held)
    padded = sum(len(batch) * max(held[i] for i in batch) for _, batch in order)
    assert real / padded > 0.9


def test_lengths_are_spread_over_the_epoch():
    held = list(range(3, 8003))
    order = plan_batches({"task": held}, 16, 1, 0)
    means = [np.mean([held[i] for _, batch in order[s : s + WINDOW] for i in batch]) for s in range(0, 500, WINDOW)]
    assert max(means) / min(means) < 1.2
