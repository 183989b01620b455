"""The built-in encoder: small, loadable, complete for the generator's text, and aligned over languages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertModel, PreTrainedTokenizerBase

from xharness import micro
from xharness.micro import DATASETS, LANGUAGES, pretrain

FOLDER = Path(micro.__file__).parent / "encoder"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(FOLDER)
    return found


@pytest.fixture(scope="module")
def encoder() -> BertModel:
    found: BertModel = AutoModel.from_pretrained(FOLDER, dtype=torch.float32).eval()
    return found


def test_it_is_small_and_whole() -> None:
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert set(files) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert sum(files.values()) < 5_000_000


def test_it_loads_as_single_precision_when_asked(encoder: BertModel) -> None:
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    assert all(bool(torch.isfinite(parameter).all()) for parameter in encoder.parameters())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_generators_text_has_no_unknown_piece(tokenizer: PreTrainedTokenizerBase, language: str) -> None:
    ids = tokenizer(micro.corpus(language, 300, seed=5))["input_ids"]
    assert not any(tokenizer.unk_token_id in row for row in ids)


def test_other_text_falls_apart_into_letters(tokenizer: PreTrainedTokenizerBase) -> None:
    for text in ("Übergrößenträger", "щука", "मगरमच्छ", "تمساح", "Ngorongoro", "ğüşıöç", "x=3;"):
        assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]


def test_a_pair_is_two_segments_and_offsets_point_into_the_text(tokenizer: PreTrainedTokenizerBase) -> None:
    text = "安娜星期一在柏林买了一个红色的苹果。"
    coded = tokenizer("谁买了苹果？", text, return_offsets_mapping=True)
    assert sorted(set(coded["token_type_ids"])) == [0, 1]
    second = [
        text[low:high]
        for (low, high), kind in zip(coded["offset_mapping"], coded["token_type_ids"], strict=True)
        if kind and high
    ]
    assert second == ["安娜", "星期一", "在", "柏林", "买", "了", "一", "个", "红色", "的", "苹果", "。"]


def test_without_any_tuning_it_finds_translations(tokenizer: PreTrainedTokenizerBase, encoder: BertModel) -> None:
    def embed(texts: list[str]) -> torch.Tensor:
        coded = tokenizer(texts, padding=True, return_tensors="pt")
        with torch.inference_mode():
            states = encoder(**coded, output_hidden_states=True).hidden_states[pretrain.MIDDLE]
        weights = coded["attention_mask"].unsqueeze(-1).float()
        return torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)

    shares = []
    for language in DATASETS["tatoeba"].languages:
        rows = micro.rows("tatoeba", "test", language, 200)
        scores = embed([row["target"] for row in rows]) @ embed([row["source"] for row in rows]).T
        shares.append(float((scores.argmax(1) == torch.arange(200)).float().mean()))
    assert sum(shares) / len(shares) >= 0.60


def test_pretraining_begins_again_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name in ("one", "two"):
            pretrain.pretrain(tmp_path / name, steps=4, facts=60)
    finally:
        torch.set_num_threads(threads)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    assert "step      4/4" in capsys.readouterr().out
