from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import OutOfMemoryError

from tiny import make_encoder, make_tokenizer, sentence, sentiment_rows, write_rows
from tuning import encoded
from xharness.adapter import tunable_adapter
from xharness.spec.recipe import Recipe
from xharness.spec.task import Data, Task
from xharness.training.checkpoints import load_encoder
from xharness.training.devices import Hardware
from xharness.training.features import budgeted, pad
from xharness.training.network import Network
from xharness.training.origins import folder_origin
from xharness.training.prediction import predict

CPU = torch.device("cpu")


def pairs(n: int) -> list[dict]:
    chance = random.Random(3)
    rows = sentiment_rows(n, 5)
    return [{**row, "pair": sentence(chance, chance.randint(1, 20)), "id": str(i)} for i, row in enumerate(rows)]


@pytest.fixture(params=[False, True], ids=["sentencepiece", "wordpiece"])
def model(request, tmp_path):
    checkpoint = make_encoder(tmp_path / "it", bert=request.param)
    task = Task(name="nli", title="", adapter="classification", metric="accuracy", labels=("negative", "positive"))
    network = Network(load_encoder(folder_origin("tiny", tmp_path / "it")), {"nli": task}).eval()

    def encode(rows, length=32):
        """The rows as an encode step stores them."""
        folder = tmp_path / f"rows-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        held = task.model_copy(update={"data": Data(test=(write_rows(folder / "rows.jsonl", rows),))})
        return encoded(checkpoint, held, folder, recipe=Recipe(max_length=length))

    return network, task, encode


def logits(network, held, batches, extra=0):
    features = held.features
    found = np.zeros((len(features), 2), np.float32)
    with torch.inference_mode():
        for batch in batches:
            inputs = pad([features[i] for i in batch], held.padding, CPU)
            if extra:
                filler = {"input_ids": held.padding}
                inputs = {k: torch.nn.functional.pad(v, (0, extra), value=filler.get(k, 0)) for k, v in inputs.items()}
            found[batch] = network("nli", inputs).numpy()
    return found


def test_neither_batch_nor_padding_changes_a_logit(model):
    network, _, encode = model
    held = encode(pairs(40), 24)
    alone = logits(network, held, [[i] for i in range(40)])
    together = logits(network, held, [list(range(40))])
    padded = logits(network, held, [list(range(20)), list(range(20, 40))], extra=13)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(padded, alone, atol=1e-5)


def test_neither_order_nor_budget_changes_a_prediction(model):
    network, task, encode = model
    rows = pairs(60)
    # A fresh head may say the same of every text; centred, it cannot.
    mean = logits(network, encode(rows), [[i] for i in range(60)]).mean(axis=0)
    network.heads["nli"].out.bias.data -= torch.from_numpy(mean)
    expected = None
    for budget, seed in ((None, 0), (30, 1), (200, 2), (10**6, 3)):
        order = random.Random(seed).sample(range(60), 60)
        held = encode([rows[i] for i in order])
        found = predict(network, "nli", task, held, Hardware(CPU, "fp32", budget))["en"]
        by_id = dict(zip(held.ids(held.spans["en"]), found, strict=True))
        expected = expected or by_id
        assert by_id == expected
    assert set(expected.values()) == set(task.labels)


def test_what_does_not_fit_is_tried_in_smaller_batches(model, monkeypatch):
    network, task, encode = model
    asked = (network, "nli", task, encode(pairs(50)), Hardware(CPU, "fp32", 2000))
    expected = predict(*asked)
    forward = Network.forward

    def tight(self, head, inputs):
        if inputs["input_ids"].numel() > 300:
            raise OutOfMemoryError("full")
        return forward(self, head, inputs)

    monkeypatch.setattr(Network, "forward", tight)
    assert predict(*asked) == expected


def test_in_bf16_a_batch_is_what_it_is_alone(model):
    # The weights are converted once for all batches, which may change nothing of what each of them gives.
    network, _, encode = model
    held = encode(pairs(12))
    features, machine = held.features, Hardware(CPU, "bf16", 1)
    found = []
    for feature in features:
        with torch.inference_mode(), machine.autocast():
            found.append(network("nli", pad([feature], held.padding, CPU)).float().numpy()[0])
    said = {}
    predict(network, "nli", network.tasks["nli"], held, machine, probabilities=said)
    expected = torch.from_numpy(np.stack(found)).softmax(dim=1).numpy()
    np.testing.assert_allclose(said["en"], expected, atol=2e-3)  # Kept in half precision.
    assert not np.allclose(logits(network, held, [list(range(12))]), np.stack(found), atol=1e-5)


@given(
    items=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 4)), min_size=1, max_size=80),
    tokens=st.integers(1, 400),
)
def test_no_batch_exceeds_the_budget_and_none_is_lost(items, tokens):
    lengths, counts = (np.array(column) for column in zip(*items, strict=True))
    batches = list(budgeted(lengths, counts, tokens))
    assert sorted(place for batch in batches for place in batch) == list(range(len(items)))
    assert all(len(b) == 1 or counts[b].sum() * lengths[b].max() <= tokens for b in batches)
    assert [lengths[b].max() for b in batches] == sorted((lengths[b].max() for b in batches), reverse=True)


def test_segments_reach_a_model_that_has_them(tmp_path):
    tokenizer = make_tokenizer(tmp_path, bert=True)
    task = Task(name="nli", title="", adapter="classification", metric="accuracy", labels=("a", "b"))
    feature, *_ = tunable_adapter("classification").encode(
        task, [{"text": "red dog", "pair": "old cat"}], tokenizer, Recipe(), False
    )
    assert list(feature.types) == [0, 0, 0, 0, 1, 1, 1]
