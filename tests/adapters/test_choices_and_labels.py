from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from tiny import make_tokenizer
from xharness.adapter import installed_adapters, load_adapter, tunable_adapter
from xharness.errors import UsageError
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task

CHOICE, CLASSES = tunable_adapter("multiple_choice"), tunable_adapter("classification")
COPA = Task(name="copa", title="", adapter="multiple_choice", metric="accuracy",
            options={"questions": {"cause": "what was the cause?"}})  # fmt: skip
NLI = Task(name="nli", title="", adapter="classification", metric="accuracy",
           labels=("entailment", "neutral", "contradiction"), label_map={"contradictory": "contradiction"})  # fmt: skip


@pytest.fixture(scope="module", params=[False, True], ids=["sentencepiece", "wordpiece"])
def tokenizer(request, tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"), request.param)


def row(**changed):
    choices = ["old cat", "new fish"]
    return {"id": "0", "context": "red dog", "question": "cause", "choices": choices, "answer": 1, **changed}


def test_every_choice_is_read_with_the_context_and_the_question(tokenizer):
    features = CHOICE.encode(COPA, [row()], tokenizer, Recipe(), train=True)
    assert [f.target for f in features] == [0.0, 1.0]
    for feature, choice in zip(features, ("old cat", "new fish"), strict=True):
        assert list(feature.ids) == tokenizer("red dog", f"what was the cause? {choice}")["input_ids"]


def test_the_context_gives_way_and_never_the_choice(tokenizer):
    long = row(context="red dog " * 100)
    for feature in CHOICE.encode(COPA, [long], tokenizer, Recipe(max_length=40), train=False):
        assert len(feature.ids) <= 40
    texts = [
        tokenizer.decode(f.ids) for f in CHOICE.encode(COPA, [long], tokenizer, Recipe(max_length=60), train=False)
    ]
    assert "fish" in texts[1]
    assert "cat" in texts[0]


def test_examples_with_more_and_fewer_choices_share_a_batch(tokenizer):
    rows = [row(), row(choices=["a", "b", "c"], answer=2), row(answer=0)]
    features = CHOICE.encode(COPA, rows, tokenizer, Recipe(), train=True)
    logits = torch.randn(len(features), 1, requires_grad=True)
    flat = logits.squeeze(-1)
    parts = [(flat[:2], 1), (flat[2:5], 2), (flat[5:], 0)]
    expected = sum(functional.cross_entropy(scores[None], torch.tensor([gold])) for scores, gold in parts)
    loss = CHOICE.loss(COPA, logits, features)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    assert sum(f.weight for f in features) == pytest.approx(3)
    found = CHOICE.decode(COPA, rows, features, iter(np.array([[1.0], [2], [5], [3], [4], [0], [9]])))
    assert found == [1, 0, 1]


@pytest.mark.parametrize(("answer", "found"), [(1, 1), ("1", 1), ("B", 1), ("two", 1), (0, 0), ("one", 0)])
def test_an_answer_is_a_number_a_letter_or_a_name(answer, found):
    task = COPA.model_copy(update={"options": {"labels": ("one", "two")}})
    assert CHOICE.reference(task, row(answer=answer)) == found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"answer": 2}, "2 names none of the 2 choices"),
        ({"answer": -1}, "-1 names none"),
        ({"answer": "C"}, "'C' names none"),
        ({"choices": ["a"]}, "at least two"),
        ({"choices": ["a", " "]}, "a choice is empty"),
        ({"choices": "ab"}, "list of texts"),
    ],
)
def test_bad_choices_are_told_apart(changed, said):
    assert said in CHOICE.check(COPA, row(**changed))


@pytest.mark.parametrize(
    ("given", "name"),
    [("neutral", "neutral"), (1, "neutral"), ("2", "contradiction"), ("contradictory", "contradiction")],
)
def test_a_label_is_a_name_a_code_or_another_spelling(given, name):
    assert CLASSES.check(NLI, {"text": "a", "label": given}) is None
    assert CLASSES.reference(NLI, {"label": given}) == name


def test_yes_and_no_are_codes_of_two_labels():
    task = NLI.model_copy(update={"labels": ("no", "yes"), "label_map": {}})
    assert [CLASSES.reference(task, {"label": value}) for value in (False, True)] == ["no", "yes"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"label": "entailed"}, "Did you mean 'entailment'?"),
        ({"label": -1}, "-1 is not one of the task's 3"),
        ({"label": 3}, "3 is not one"),
        ({"text": " ", "pair": ""}, "text is empty"),
        ({"text": None}, "must be a string"),
    ],
)
def test_bad_labels_and_texts_are_told_apart(changed, said):
    assert said in CLASSES.check(NLI, {"text": "a", "label": 0, **changed})


@pytest.mark.parametrize("name", sorted(installed_adapters()))
def test_unknown_options_are_errors(name):
    with pytest.raises(ValidationError, match="typo"):
        load_adapter(name).options(typo=1)


def test_retrieval_is_not_tuned_on():
    with pytest.raises(UsageError, match="'retrieval' trains no head"):
        tunable_adapter("retrieval")
