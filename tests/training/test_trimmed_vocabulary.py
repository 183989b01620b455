from __future__ import annotations

import numpy as np
import pytest
import torch

import xharness.steps.tuning
import xharness.training.trimmed_vocabulary
from tiny import make_encoder, sentiment
from tuning import QUICK, run, same, tuning, weights


class Seen:
    """Sub-words that occur somewhere."""

    def __init__(self, ids):
        self.ids = ids

    def used(self, size):
        return np.isin(np.arange(size), self.ids.numpy())


@pytest.mark.parametrize("bert", [False, True])
def test_training_the_touched_rows_alone_gives_the_same_bits(tmp_path, monkeypatch, bert):
    checkpoint = make_encoder(tmp_path / "checkpoint", bert=bert, vocabulary=25_000, hidden=16)
    task = sentiment(tmp_path / "data", n=64)
    # A bound this low clips at every step, so that the norm's last bit counts.
    recipe = QUICK.model_copy(update={"clip": 0.1})
    summary = run(tuning(checkpoint, task, recipe=recipe), tmp_path, "trimmed")
    assert 0 < summary["rows"] < 200
    monkeypatch.setattr(xharness.steps.tuning, "trim_vocabulary", lambda *given: None)
    assert run(tuning(checkpoint, task, recipe=recipe), tmp_path, "whole")["rows"] is None
    assert same(tmp_path / "trimmed", tmp_path / "whole")
    words = weights(tmp_path / "trimmed")["embeddings.word_embeddings.weight"]
    assert words.shape[0] == 25_000


def test_with_weight_decay_all_rows_are_trained(tmp_path):
    checkpoint = make_encoder(tmp_path / "checkpoint", vocabulary=25_000, hidden=16)
    task = sentiment(tmp_path / "data", n=8)
    recipe = QUICK.model_copy(update={"weight_decay": 0.01, "epochs": 1.0})
    assert run(tuning(checkpoint, task, recipe=recipe), tmp_path, "tuned")["rows"] is None


def test_padding_keeps_its_id(tmp_path):
    make_encoder(tmp_path / "checkpoint", vocabulary=25_000, hidden=16)
    from transformers import AutoModel

    model = AutoModel.from_pretrained(tmp_path / "checkpoint")
    before = model.get_input_embeddings().weight.detach().clone()
    ids = torch.tensor([[0, 900, 7, 2, 1, 1]])
    mask = (ids != 1).long()
    model.eval()
    with torch.no_grad():
        whole = model(ids, mask).last_hidden_state
        held = xharness.training.trimmed_vocabulary.trim_vocabulary(model, [Seen(ids)], [0, 1, 2, 3], 0.0)
        assert held is not None
        assert held.ids[1] == 1
        part = model(torch.from_numpy(held.ids)[ids].long(), mask).last_hidden_state
    assert torch.equal(whole, part)
    held.restore(model)
    assert torch.equal(model.get_input_embeddings().weight, before)
