from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny import make_tokenizer
from xharness.adapter import tunable_adapter
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task

TAGGING = tunable_adapter("tagging")
TAGS = ("O", "B-PER", "I-PER")
TASK = Task(name="ner", title="", adapter="tagging", metric="f1_entity", labels=TAGS)
# Words of any kind: with spaces inside, without a sub-word (a zero-width space), longer than an input.
ODD = ["red", "dog", "今天", "\u200b", "\u200c", " ", "New York", "😀", "abcdefghij" * 9, "é"]
words = st.lists(st.sampled_from(ODD) | st.text(min_size=1, max_size=6), min_size=1, max_size=60)


@pytest.fixture(scope="module", params=[False, True], ids=["sentencepiece", "wordpiece"])
def tokenizer(request, tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"), request.param)


def rows_of(sentences):
    return [
        {"id": str(i), "tokens": s, "tags": [TAGS[(i + j) % 3] for j in range(len(s))]} for i, s in enumerate(sentences)
    ]


@settings(max_examples=60, deadline=None)
@given(sentences=st.lists(words, min_size=1, max_size=4), length=st.integers(8, 40))
def test_every_word_gets_its_own_tag_whatever_it_is_made_of(tokenizer, sentences, length):
    rows = rows_of(sentences)
    features = TAGGING.encode(TASK, rows, tokenizer, Recipe(max_length=length), train=True)
    assert max(len(f.ids) for f in features) <= length
    assert sum(f.weight for f in features) == sum(map(len, sentences))
    logits = [np.eye(3)[np.maximum(f.target, 0)] for f in features]
    assert TAGGING.decode(TASK, rows, features, iter(logits)) == [row["tags"] for row in rows]


def test_only_first_sub_words_are_targets(tokenizer):
    row = {"id": "0", "tokens": ["red", "xyz"], "tags": [1, "I-PER"]}
    (feature,) = TAGGING.encode(TASK, [row], tokenizer, Recipe(), train=True)
    assert [t for t in feature.target if t >= 0] == [1, 2]
    assert len(feature.ids) > 4
    assert feature.target[0] == feature.target[-1] == -100


def test_the_loss_is_a_sum_over_words_whatever_the_batch(tokenizer):
    rows = rows_of([["red", "dog", "sings"], ["old"]])
    features = TAGGING.encode(TASK, rows, tokenizer, Recipe(), train=True)
    width = max(len(f.ids) for f in features)
    logits = torch.randn(2, width, 3)
    together = TAGGING.loss(TASK, logits, features)
    apart = sum(TAGGING.loss(TASK, logits[i : i + 1], features[i : i + 1]) for i in (0, 1))
    torch.testing.assert_close(together, apart)


def test_a_task_without_labels_has_those_of_its_rows(tokenizer):
    free = TASK.model_copy(update={"labels": ()})
    rows = [{"tokens": ["a", "b"], "tags": ["N/N", "N"]}]
    assert TAGGING.check(free, rows[0]) is None
    assert TAGGING.labels_of(free, rows) == ("N", "N/N")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"tokens": [], "tags": []}, "no words"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "2 words and 1 tags"),
        ({"tokens": ["a"], "tags": ["B-PRE"]}, "'B-PRE' is not one of the task's 3. Did you mean 'B-PER'?"),
        ({"tokens": ["a"], "tags": [3]}, "3 is not one"),
        ({"tokens": "a b", "tags": ["O"]}, "must be lists"),
    ],
)
def test_bad_rows_are_told_apart(row, said):
    assert said in TAGGING.check(TASK, row)
