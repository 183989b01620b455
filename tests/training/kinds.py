"""Kinds of models, tiny and with random weights, each with a tokenizer of its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers as t
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tiny import make_tokenizer
from xharness.spec.suite import Checkpoint, Retrieval

SMALL: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48,
    "hidden_dropout_prob": 0.1,
}  # fmt: skip
CAUSAL: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16,
    "intermediate_size": 48, "max_position_embeddings": 256,
}  # fmt: skip
SEQUENCE: dict[str, Any] = {
    "d_model": 32, "encoder_layers": 3, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 256,
}  # fmt: skip
T5: dict[str, Any] = {"d_model": 32, "num_layers": 3, "num_decoder_layers": 1, "num_heads": 2, "d_ff": 48, "d_kv": 16}
LETTERS = [chr(code) for code in range(32, 127)]


@dataclass(frozen=True)
class Kind:
    """One kind of model."""

    config: str
    model: str
    settings: dict[str, Any] = field(default_factory=dict)
    tokenizer: str = "sentencepiece"
    refused: str = ""
    """Why it cannot be an encoder; empty where it is one."""
    refuses_answers: str = ""
    """Why it cannot answer questions; empty where it can."""
    pooling: str = "mean"
    layer: int | None = None


def sentencepiece(folder: Path) -> Any:
    return make_tokenizer(folder)


def wordpiece(folder: Path) -> Any:
    return make_tokenizer(folder, bert=True)


def bytes_without_padding(folder: Path) -> Any:
    """Byte-level pieces, a begin and an end, no padding token: as decoder-only models have them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: code for code, letter in enumerate([*alphabet, "<|end|>"])}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = t.PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>", bos_token="<|end|>")
    tokenizer.save_pretrained(folder)
    return tokenizer


def canine(folder: Path) -> Any:
    tokenizer = t.CanineTokenizer()
    tokenizer.save_pretrained(folder)
    return tokenizer


def byt5(folder: Path) -> Any:
    tokenizer = t.ByT5Tokenizer()
    tokenizer.save_pretrained(folder)
    return tokenizer


TOKENIZERS: dict[str, Callable[[Path], Any]] = {
    made.__name__: made for made in (sentencepiece, wordpiece, bytes_without_padding, canine, byt5)
}
ROBERTA = {**SMALL, "max_position_embeddings": 258, "pad_token_id": 1}
KINDS: dict[str, Kind] = {
    "BERT": Kind("BertConfig", "BertModel", SMALL, "wordpiece"),
    "RoBERTa": Kind("RobertaConfig", "RobertaModel", ROBERTA),
    "XLM-R": Kind("XLMRobertaConfig", "XLMRobertaModel", ROBERTA),
    "XLM-R XL": Kind("XLMRobertaXLConfig", "XLMRobertaXLModel", ROBERTA),
    "CamemBERT": Kind("CamembertConfig", "CamembertModel", ROBERTA),
    "DistilBERT": Kind(
        "DistilBertConfig", "DistilBertModel", {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 48}, "wordpiece"
    ),
    "ELECTRA": Kind("ElectraConfig", "ElectraModel", {**SMALL, "embedding_size": 16}, "wordpiece"),
    "ALBERT": Kind("AlbertConfig", "AlbertModel", {**SMALL, "embedding_size": 16}),
    "DeBERTa": Kind(
        "DebertaConfig",
        "DebertaModel",
        {**SMALL, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "pad_token_id": 1},
    ),
    "mDeBERTa": Kind(
        "DebertaV2Config",
        "DebertaV2Model",
        {**SMALL, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "pad_token_id": 1},
    ),
    "MPNet": Kind("MPNetConfig", "MPNetModel", ROBERTA),
    "ModernBERT": Kind(
        "ModernBertConfig",
        "ModernBertModel",
        {**SMALL, "pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0, "cls_token_id": 0, "sep_token_id": 2},
    ),
    "EuroBERT": Kind(
        "EuroBertConfig", "EuroBertModel", {**CAUSAL, "pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0}
    ),
    "RoFormer": Kind("RoFormerConfig", "RoFormerModel", SMALL, "wordpiece"),
    "RemBERT": Kind("RemBertConfig", "RemBertModel", {**SMALL, "input_embedding_size": 16}),
    "ConvBERT": Kind("ConvBertConfig", "ConvBertModel", {**SMALL, "embedding_size": 32}, "wordpiece"),
    "MobileBERT": Kind(
        "MobileBertConfig",
        "MobileBertModel",
        {**SMALL, "embedding_size": 16, "intra_bottleneck_size": 32, "true_hidden_size": 32},
        "wordpiece",
    ),
    "SqueezeBERT": Kind("SqueezeBertConfig", "SqueezeBertModel", {**SMALL, "embedding_size": 32}, "wordpiece"),
    "MEGATRON-BERT": Kind("MegatronBertConfig", "MegatronBertModel", SMALL, "wordpiece"),
    "Nyströmformer": Kind(
        "NystromformerConfig",
        "NystromformerModel",
        {**SMALL, "num_landmarks": 256, "segment_means_seq_len": 256, "max_position_embeddings": 256},
    ),
    "Longformer": Kind("LongformerConfig", "LongformerModel", {**ROBERTA, "attention_window": [8, 8, 8]}),
    "BigBird": Kind("BigBirdConfig", "BigBirdModel", {**SMALL, "attention_type": "original_full"}),
    "XLM": Kind(
        "XLMConfig",
        "XLMModel",
        {
            "emb_dim": 32,
            "n_layers": 3,
            "n_heads": 2,
            "n_langs": 3,
            "lang2id": {"en": 0, "de": 1, "zh": 2},
            "id2lang": {"0": "en", "1": "de", "2": "zh"},
            "use_lang_emb": True,
            "pad_index": 1,
            "bos_index": 0,
            "eos_index": 2,
            "unk_index": 3,
            "pad_token_id": 1,
        },
    ),
    "X-MOD": Kind(
        "XmodConfig", "XmodModel", {**ROBERTA, "languages": ["en_XX", "de_DE", "zh_CN"], "default_language": "en_XX"}
    ),
    "CANINE": Kind(
        "CanineConfig",
        "CanineModel",
        {**SMALL, "num_hash_buckets": 128, "local_transformer_stride": 32, "max_position_embeddings": 256},
        "canine",
        layer=-1,
    ),
    "mT5": Kind("MT5Config", "MT5Model", T5),
    "T5": Kind("T5Config", "T5Model", T5),
    "UMT5, encoder alone": Kind("UMT5Config", "UMT5EncoderModel", T5),
    "ByT5": Kind("T5Config", "T5Model", {**T5, "tokenizer_class": "ByT5Tokenizer"}, "byt5"),
    "mBART": Kind("MBartConfig", "MBartModel", {**SEQUENCE, "pad_token_id": 1}),
    "M2M-100": Kind("M2M100Config", "M2M100Model", {**SEQUENCE, "pad_token_id": 1}),
    "GPT-2": Kind(
        "GPT2Config",
        "GPT2Model",
        {"n_embd": 32, "n_layer": 3, "n_head": 2, "n_positions": 256},
        "bytes_without_padding",
        pooling="last",
    ),
    "BLOOM": Kind(
        "BloomConfig",
        "BloomModel",
        {"hidden_size": 32, "n_layer": 3, "n_head": 2},
        "bytes_without_padding",
        pooling="last",
    ),
    "XGLM": Kind(
        "XGLMConfig",
        "XGLMModel",
        {"d_model": 32, "num_layers": 3, "attention_heads": 2, "ffn_dim": 48, "max_position_embeddings": 256},
        "bytes_without_padding",
        pooling="last",
    ),
    "Llama": Kind("LlamaConfig", "LlamaModel", CAUSAL, "bytes_without_padding", pooling="last"),
    "Mistral": Kind("MistralConfig", "MistralModel", CAUSAL, "bytes_without_padding", pooling="last"),
    "Qwen2": Kind("Qwen2Config", "Qwen2Model", CAUSAL, "bytes_without_padding", pooling="last"),
    "Qwen3": Kind("Qwen3Config", "Qwen3Model", CAUSAL, "bytes_without_padding", pooling="last"),
    "Gemma": Kind("GemmaConfig", "GemmaModel", CAUSAL, "bytes_without_padding", pooling="last"),
    "Gemma 2": Kind("Gemma2Config", "Gemma2Model", CAUSAL, "bytes_without_padding", pooling="last"),
    "Gemma 3": Kind("Gemma3TextConfig", "Gemma3TextModel", CAUSAL, "bytes_without_padding", pooling="last"),
    "ViT": Kind(
        "ViTConfig",
        "ViTModel",
        {**SMALL, "image_size": 16, "patch_size": 8},
        "wordpiece",
        refused="reads pixel_values, not text",
    ),
    "Whisper": Kind(
        "WhisperConfig",
        "WhisperModel",
        {
            **SEQUENCE,
            "num_mel_bins": 8,
            "max_source_positions": 32,
            "max_target_positions": 32,
            "pad_token_id": 1,
            "decoder_start_token_id": 2,
        },
        refused="reads input_features, not text",
    ),
}


def make(name: str, folder: Path) -> Checkpoint:
    """A checkpoint of one kind in a folder."""
    kind = KINDS[name]
    tokenizer = TOKENIZERS[kind.tokenizer](folder)
    config = getattr(t, kind.config)(**{"vocab_size": len(tokenizer) + 3, **kind.settings})
    torch.manual_seed(0)
    model = getattr(t, kind.model)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.1)
    model.save_pretrained(folder)
    return Checkpoint(name="it", path=str(folder), retrieval=Retrieval(pooling=kind.pooling, layer=kind.layer))  # type: ignore[arg-type]
