"""A checkpoint's own head of language modelling: the same logits as transformers' model, tied while it is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
import transformers
from kinds import KINDS, TOKENIZERS
from transformers import AutoModelForMaskedLM

from adapters.test_contract import Masked, texts
from tuning import QUICK, evaluation, run, tuning, weights
from xharness.adapter import register_adapter
from xharness.errors import CheckpointError
from xharness.spec.suite import Checkpoint
from xharness.training.checkpoints import load_encoder, word_embeddings
from xharness.training.language_head import language_head
from xharness.training.origins import origin_of

MODELS = {
    "BERT": "BertForMaskedLM", "RoBERTa": "RobertaForMaskedLM", "XLM-R": "XLMRobertaForMaskedLM",
    "DistilBERT": "DistilBertForMaskedLM", "mDeBERTa": "DebertaV2ForMaskedLM", "ModernBERT": "ModernBertForMaskedLM",
    "ALBERT": "AlbertForMaskedLM", "ELECTRA": "ElectraForMaskedLM", "RemBERT": "RemBertForMaskedLM",
}  # fmt: skip


def pretrained(name: str, folder: Path) -> Checkpoint:
    kind = KINDS[name]
    tokenizer = TOKENIZERS[kind.tokenizer](folder)
    config = getattr(transformers, kind.config)(**{"vocab_size": len(tokenizer), **kind.settings})
    torch.manual_seed(1)
    model = getattr(transformers, MODELS[name])(config)
    for key, parameter in model.named_parameters():
        if key.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return Checkpoint(name="it", path=str(folder))


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_transformers_model(tmp_path, name):
    checkpoint = pretrained(name, tmp_path)
    origin = origin_of(checkpoint)
    encoder = load_encoder(origin).eval()
    head = language_head(origin, encoder).eval()
    ids = torch.tensor([[0, 7, 9, 12, 4, 2], [0, 8, 4, 2, 1, 1]])
    inputs = {"input_ids": ids, "attention_mask": torch.tensor([[1] * 6, [1] * 4 + [0] * 2])}
    with torch.no_grad():
        expected = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()(**inputs).logits
        found = head(encoder(**inputs).last_hidden_state, inputs["attention_mask"])
    real = inputs["attention_mask"].bool()
    torch.testing.assert_close(found[real], expected[real], atol=1e-5, rtol=1e-4)
    words = word_embeddings(encoder)
    if not head.model.config.tie_word_embeddings:
        return
    assert head.model.get_output_embeddings().weight is words.weight
    assert not any(value is words.weight for value in head.parameters())


def test_an_encoder_saved_without_its_head_is_refused(tmp_path):
    checkpoint = pretrained("XLM-R", tmp_path)
    load_encoder(origin_of(checkpoint)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="the head for masked language modelling is not in"):
        language_head(origin_of(checkpoint), load_encoder(origin_of(checkpoint)))


class Tied(Masked):
    """Masked words under the checkpoint's own head."""

    name: ClassVar[str] = "tied"
    language_head: ClassVar[bool] = True

    def head(self, *given):
        raise AssertionError("the checkpoint's own head is used")


def test_masked_language_modelling_goes_on_with_tied_weights(tmp_path):
    register_adapter(Tied())
    checkpoint = pretrained("XLM-R", tmp_path / "it")
    task = texts(tmp_path, 64).model_copy(update={"adapter": "tied"})
    run(tuning(checkpoint, task, recipe=QUICK.model_copy(update={"epochs": 6})), tmp_path, "tuned")
    found = weights(tmp_path / "tuned")
    size = word_embeddings(load_encoder(origin_of(checkpoint))).weight.shape
    assert [key for key, value in found.items() if value.shape == size] == ["embeddings.word_embeddings.weight"]
    assert any(key.startswith("words:") for key in found)
    run(evaluation(checkpoint, task, "tuned", "words"), tmp_path, "scores")
    run(
        tuning(checkpoint, task, recipe=QUICK.model_copy(update={"epochs": 1, "learning_rate": 1e-30})),
        tmp_path,
        "still",
    )
    run(evaluation(checkpoint, task, "still", "words"), tmp_path, "before")
    scores = [
        json.loads((tmp_path / name / "scores.json").read_text())["languages"]["en"]["score"]
        for name in ("before", "scores")
    ]
    assert np.isfinite(scores).all()
    assert scores[1] > scores[0]
