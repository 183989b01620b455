from __future__ import annotations

import json

import pytest
import safetensors.torch
import torch
import transformers
from transformers import AutoModel, BertConfig, ViTConfig, ViTModel

from tiny import make_encoder, make_tokenizer, sentiment, write_rows
from tuning import encoded
from xharness.errors import CheckpointError
from xharness.spec.recipe import Recipe
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Data
from xharness.training.checkpoints import load_encoder, load_tokenizer, positions_of
from xharness.training.origins import folder_origin, origin_of

SMALL = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 8, "intermediate_size": 8}


def load(folder):
    return load_encoder(origin_of(Checkpoint(name="it", path=str(folder))))


def test_what_is_no_encoder_is_refused_with_a_sentence(tmp_path):
    ViTModel(ViTConfig(**SMALL, image_size=8, patch_size=4)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"checkpoint it: .*not a text encoder"):
        load(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load(tmp_path)
    make_encoder(tmp_path / "it")
    (tmp_path / "it" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no weights"):
        load(tmp_path / "it")


def test_broken_weights_are_refused(tmp_path):
    make_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(tmp_path)


def test_a_checkpoint_with_missing_weights_is_never_completed_at_random(tmp_path):
    make_encoder(tmp_path)
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 weights .* encoder\.layer\.1\.output\.dense\.weight"):
        load(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    make_encoder(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(CheckpointError, match="tokenizer"):
        load_tokenizer(folder_origin("it", tmp_path))


def test_a_model_saved_with_a_language_head_is_an_encoder(tmp_path):
    transformers.BertForMaskedLM(BertConfig(**SMALL, vocab_size=50)).save_pretrained(tmp_path)
    assert not hasattr(load(tmp_path), "cls")


def test_half_precision_checkpoints_are_loaded_in_float32(tmp_path):
    make_encoder(tmp_path)
    AutoModel.from_pretrained(tmp_path, dtype=torch.float16).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    assert {p.dtype for p in load(tmp_path).parameters()} == {torch.float32}


def test_inputs_are_no_longer_than_the_positions(tmp_path):
    checkpoint = make_encoder(tmp_path)
    encoder = load(tmp_path)
    assert positions_of(encoder.config) == 512
    text = {"text": "red dog " * 400, "label": "positive"}
    task = sentiment(tmp_path / "data", n=4)
    source = write_rows(tmp_path / "long.jsonl", [text])
    rows = task.model_copy(update={"data": Data(test=(source,)), "languages": ("en",)})
    for length, expected in ((600, 512), (128, 128)):
        held = encoded(checkpoint, rows, tmp_path, recipe=Recipe(max_length=length, doc_stride=550))
        assert held.features.lengths.tolist() == [expected]
    inputs = torch.full((1, 512), 7)
    assert encoder(inputs).last_hidden_state.shape == (1, 512, 32)


def test_a_tokenizer_is_read_once_for_the_same_files(tmp_path):
    for name in ("one", "two"):
        make_tokenizer(tmp_path / name)
        make_encoder(tmp_path / name)
    first, second = (load_tokenizer(folder_origin(name, tmp_path / name)) for name in ("one", "two"))
    assert first is second
