from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import OutOfMemoryError

from tiny import make_encoder, make_tokenizer, sentence, sentiment_rows
from xharness.adapter import tunable_adapter
from xharness.spec.task import Recipe, Task
from xharness.training.checkpoints import folder_origin, load_encoder
from xharness.training.devices import Hardware
from xharness.training.features import encode, items_of, pad
from xharness.training.network import Network
from xharness.training.prediction import predict

CPU = torch.device("cpu")


def pairs(n: int) -> list[dict]:
    chance = random.Random(3)
    rows = sentiment_rows(n, 5)
    return [{**row, "pair": sentence(chance, chance.randint(1, 20)), "id": str(i)} for i, row in enumerate(rows)]


@pytest.fixture(params=[False, True], ids=["sentencepiece", "wordpiece"])
def model(request, tmp_path):
    make_encoder(tmp_path, bert=request.param)
    task = Task(name="nli", title="", adapter="classification", metric="accuracy", labels=("negative", "positive"))
    network = Network(load_encoder(folder_origin("tiny", tmp_path)), {"nli": task}).eval()
    return network, task, make_tokenizer(tmp_path, request.param)


def logits(network, features, tokenizer, batches, extra=0):
    found = np.zeros((len(features), 2), np.float32)
    with torch.inference_mode():
        for batch in batches:
            inputs = pad([features[i] for i in batch], tokenizer.pad_token_id, CPU)
            if extra:
                filler = {"input_ids": tokenizer.pad_token_id}
                inputs = {k: torch.nn.functional.pad(v, (0, extra), value=filler.get(k, 0)) for k, v in inputs.items()}
            found[batch] = network("nli", inputs).numpy()
    return found


def test_neither_batch_nor_padding_changes_a_logit(model):
    network, task, tokenizer = model
    features = encode(task, pairs(40), tokenizer, Recipe(max_length=24), train=False)
    alone = logits(network, features, tokenizer, [[i] for i in range(40)])
    together = logits(network, features, tokenizer, [list(range(40))])
    padded = logits(network, features, tokenizer, [list(range(20)), list(range(20, 40))], extra=13)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(padded, alone, atol=1e-5)


def test_neither_order_nor_budget_changes_a_prediction(model):
    network, task, tokenizer = model
    rows = pairs(60)
    # A fresh head may say the same of every text; centred, it cannot.
    features = encode(task, rows, tokenizer, Recipe(max_length=32), train=False)
    mean = logits(network, features, tokenizer, [[i] for i in range(60)]).mean(axis=0)
    network.heads["nli"].out.bias.data -= torch.from_numpy(mean)
    expected = None
    for budget, seed in ((None, 0), (30, 1), (200, 2), (10**6, 3)):
        order = random.Random(seed).sample(range(60), 60)
        examples = [rows[i] for i in order]
        features = encode(task, examples, tokenizer, Recipe(max_length=32), train=False)
        machine = Hardware(CPU, "fp32", budget)
        found = predict(network, "nli", task, examples, features, tokenizer.pad_token_id, machine)
        by_id = {e["id"]: label for e, label in zip(examples, found, strict=True)}
        expected = expected or by_id
        assert by_id == expected
    assert set(expected.values()) == set(task.labels)


def test_what_does_not_fit_is_tried_in_smaller_batches(model, monkeypatch):
    network, task, tokenizer = model
    rows = pairs(50)
    features = encode(task, rows, tokenizer, Recipe(max_length=32), train=False)
    asked = (network, "nli", task, rows, features, tokenizer.pad_token_id, Hardware(CPU, "fp32", 2000))
    expected = predict(*asked)
    forward = Network.forward

    def tight(self, head, inputs):
        if inputs["input_ids"].numel() > 300:
            raise OutOfMemoryError("full")
        return forward(self, head, inputs)

    monkeypatch.setattr(Network, "forward", tight)
    assert predict(*asked) == expected


def test_no_batch_exceeds_the_budget_and_none_is_lost(model):
    from xharness.training.features import budgeted

    _, task, tokenizer = model
    items = items_of("nli", encode(task, pairs(80), tokenizer, Recipe(max_length=32), train=False))
    batches = list(budgeted(items, 100))
    assert sorted(id(i) for b in batches for i in b) == sorted(map(id, items))
    assert all(len(b) * max(i.length for i in b) <= 100 for b in batches)


def test_segments_reach_a_model_that_has_them(tmp_path):
    tokenizer = make_tokenizer(tmp_path, bert=True)
    task = Task(name="nli", title="", adapter="classification", metric="accuracy", labels=("a", "b"))
    feature, *_ = tunable_adapter("classification").encode(
        task, [{"text": "red dog", "pair": "old cat"}], tokenizer, Recipe(), False
    )
    assert list(feature.types) == [0, 0, 0, 0, 1, 1, 1]
