from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from tiny import WORDS, make_tokenizer
from xharness.adapter import tunable_adapter
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task
from xharness_adapters.question_answering import trimmed

QA = tunable_adapter("question_answering")
TASK = Task(name="qa", title="", adapter="question_answering", metric="squad")
ALPHABETS = {
    "english": [f"{w} " for w in WORDS] + [", ", ". ", "  "],
    "chinese": [*"今天气很好我们去公园，。", "今天", "天气", "公园"],
    "thai": ["วัน", "อากาศ", "สวัสดี", "ครับ", " ", "ที่", "ก็"],
    "combining": ["e\u0301", "a\u0308", "क्षि", "n\u0303o ", "ﬁ", " ", "\u200c", "x"],
    "emoji": ["😀", "👩‍👩‍👧", "🇩🇪", " red ", "dog", "❤️", "\n"],
}


@pytest.fixture(scope="module", params=[False, True], ids=["sentencepiece", "wordpiece"])
def tokenizer(request, tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"), request.param)


def example(context, text, start, question="red dog?"):
    return {"id": "1", "context": context, "question": question, "answers": {"text": [text], "answer_start": [start]}}


def contexts(n, seed):
    chance = random.Random(seed)
    for number in range(n):
        alphabet = ALPHABETS[list(ALPHABETS)[number % len(ALPHABETS)]]
        yield "".join(chance.choice(alphabet) for _ in range(chance.randint(1, 60))), chance


def spoken(feature, start, end):
    """Logits that point at one span."""
    scores = np.full((len(feature.ids), 2), -9.0, np.float32)
    scores[start, 0] = scores[end, 1] = 9.0
    return scores


def test_gold_spans_decode_to_the_gold_answer_in_every_script(tokenizer):
    recipe = Recipe(max_length=32, doc_stride=12)
    whole = 0
    for context, chance in contexts(2000, 1):
        table = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        table = trimmed(context, table)
        if not len(table):
            continue
        first = chance.randrange(len(table))
        start, end = int(table[first][0]), int(table[min(len(table) - 1, first + chance.randrange(6))][1])
        text = context[start:end]
        cuts = any(s < start < e or s < end < e for s, e in table)
        if not text or cuts or text != text.strip():
            continue
        row = example(context, text, start)
        assert QA.check(TASK, row) is None
        features = QA.encode(TASK, [row], tokenizer, recipe, train=True)
        assert max(len(f.ids) for f in features) <= 32
        held = [f for f in features if f.target != (0, 0)]
        for feature in held:
            logits = [spoken(f, *f.target) if f is feature else spoken(f, 0, 0) for f in features]
            assert QA.decode(TASK, [row], features, iter(logits)) == [text]
        whole += bool(held)
    assert whole > 1500


def test_an_answer_inside_a_sub_word_decodes_to_the_least_that_covers_it(tokenizer):
    recipe = Recipe(max_length=64, doc_stride=12)
    for context, chance in contexts(500, 2):
        start = chance.randrange(len(context))
        text = context[start : start + chance.randint(1, 8)].strip()
        start = context.index(text) if text else 0
        if not text:
            continue
        row = example(context, text, start)
        features = QA.encode(TASK, [row], tokenizer, recipe, train=True)
        for feature in features:
            if feature.target == (0, 0):
                continue
            offsets = feature.note["offsets"]
            first, last = (place - feature.note["first"] for place in feature.target)
            touched = [(s, e) for s, e in offsets.tolist() if s < start + len(text) and e > start and s < e]
            assert offsets[first][0] == min(s for s, _ in touched)
            assert offsets[last][1] == max(e for _, e in touched)


def test_windows_hold_every_sub_word_of_the_context_and_overlap(tokenizer):
    recipe = Recipe(max_length=24, doc_stride=6)
    for context, _ in contexts(200, 3):
        if not context.strip():
            continue
        row = example(context, context.strip()[0], context.index(context.strip()[0]))
        features = QA.encode(TASK, [row], tokenizer, recipe, train=False)
        whole = tokenizer(context, add_special_tokens=False)["input_ids"]
        seen: list[int] = []
        for feature in features:
            window = list(feature.ids)[feature.note["first"] : feature.note["first"] + len(feature.note["offsets"])]
            shared = min(6, len(seen), len(window)) if seen else 0
            if seen and len(features) > 1:
                assert seen[-shared:] == window[:shared]
            seen += window[shared:]
        assert seen == whole


@pytest.mark.parametrize(
    ("text", "offsets", "expected"),
    [
        ("a red", [(0, 1), (1, 5)], [(0, 1), (2, 5)]),
        ("e\u0301a\u0308x", [(0, 1), (2, 3), (4, 5)], [(0, 2), (2, 4), (4, 5)]),
        ("ที่", [(0, 1), (1, 3)], [(0, 1), (1, 3)]),
        ("cafe\u0301 x", [(0, 4), (6, 7)], [(0, 5), (6, 7)]),
        ("今", [(0, 1), (0, 1)], [(0, 1), (0, 1)]),
    ],
)
def test_a_letter_keeps_its_marks_and_a_word_loses_its_space(text, offsets, expected):
    assert trimmed(text, offsets).tolist() == [list(pair) for pair in expected]


def test_a_long_question_is_cut_and_leaves_room(tokenizer):
    row = example("red dog sings", "dog", 4, question="old cat " * 100)
    features = QA.encode(TASK, [row], tokenizer, Recipe(max_length=40), train=True)
    assert all(len(f.ids) <= 40 for f in features)
    assert any(f.target != (0, 0) for f in features)


def test_where_the_answer_is_outside_the_window_the_first_token_is_the_target(tokenizer):
    context = "red dog sings " * 30 + "fish"
    row = example(context, "fish", len(context) - 4)
    targets = [f.target for f in QA.encode(TASK, [row], tokenizer, Recipe(max_length=32, doc_stride=8), train=True)]
    assert targets[0] == (0, 0)
    assert targets[-1] != (0, 0)


def test_the_best_span_is_taken_over_windows_and_is_not_too_long(tokenizer):
    context = "red dog sings " * 20
    row = example(context, "red", 0)
    task = TASK.model_copy(update={"options": {"max_answer_length": 2}})
    features = QA.encode(task, [row], tokenizer, Recipe(max_length=32, doc_stride=4), train=False)
    logits = [np.zeros((len(f.ids), 2), np.float32) for f in features]
    first = features[1].note["first"]
    logits[1][first, 0], logits[1][first + 5, 1], logits[1][first + 1, 1] = 5, 5, 1
    (found,) = QA.decode(task, [row], features, iter(logits))
    assert len(found.split()) == 2


def test_an_unanswerable_question_is_empty_only_where_the_task_allows_it(tokenizer):
    row = example("red dog sings", "dog", 4)
    features = QA.encode(TASK, [row], tokenizer, Recipe(), train=False)
    null = [spoken(f, 0, 0) for f in features]
    assert QA.decode(TASK, [row], features, iter(null)) != [""]
    free = TASK.model_copy(update={"metric": "squad_v2"})
    assert QA.decode(free, [row], features, iter(null)) == [""]
    span = [spoken(f, f.note["first"], f.note["first"]) for f in features]
    assert QA.decode(free, [row], features, iter(span)) != [""]


def test_both_forms_of_answers_are_read(tokenizer):
    listed = {**example("red dog", "dog", 4), "answers": [{"text": "dog", "answer_start": 4}]}
    assert QA.check(TASK, listed) is None
    assert QA.reference(TASK, listed) == QA.reference(TASK, example("red dog", "dog", 4)) == ["dog"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"context": " "}, "context is empty"),
        ({"question": ""}, "question is empty"),
        ({"answers": {"text": ["cat"], "answer_start": [4]}}, "is not at 4, where the context has 'dog'"),
        ({"answers": {"text": ["dog"], "answer_start": [90]}}, "outside the context of 13"),
        ({"answers": {"text": ["dog"], "answer_start": [-1]}}, "outside the context"),
        ({"answers": {"text": [], "answer_start": []}}, "unanswerable"),
        ({"answers": {"text": [""], "answer_start": [0]}}, "an answer is empty"),
        ({"answers": "dog"}, "answers must be"),
        ({"answers": {"text": ["dog"], "answer_start": []}}, "answers must be"),
    ],
)
def test_bad_rows_are_told_apart(changed, said):
    assert said in QA.check(TASK, {**example("red dog sings", "dog", 4), **changed})


def test_padding_takes_no_part_in_the_loss(tokenizer):
    row = example("red dog sings", "dog", 4)
    features = QA.encode(TASK, [row], tokenizer, Recipe(), train=True)
    logits = torch.randn(1, len(features[0].ids), 2)
    padded = torch.cat([logits, torch.full((1, 5, 2), 50.0)], dim=1)
    torch.testing.assert_close(QA.loss(TASK, padded, features), QA.loss(TASK, logits, features))
