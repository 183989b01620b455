"""What the files of a checkpoint tell before any model is loaded: its positions, and which of them are a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOKENIZER_FILES = ("tokenizer*", "*.model", "vocab*", "merges*", "special_tokens*", "added_tokens*")
"""Patterns of the files that a tokenizer is read from."""
PEFT_CONFIG = "adapter_config.json"
"""File of a folder that `peft` saved: small weights on top of another checkpoint."""
TOKENIZER_KEYS = ("model_type", "tokenizer_class", "auto_map")
"""Keys of `config.json` that choose the tokenizer's class."""
ROBERTAS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "data2vec-text", "ibert")
"""Model types that count positions from behind their padding id, and so have fewer than they say."""
POSITIONS = ("max_position_embeddings", "n_positions")
"""Names of the setting in the kinds of models."""
BOUNDLESS = 1 << 30


def training_bytes(config: Mapping[str, Any], tokens: int, length: int) -> int | None:
    """Memory that training with this `config.json` takes about, in bytes; None where it does not say enough.

    `tokens` go through at once, in inputs of up to `length`. Counted are weights, gradients and Adam's two moments in
    float32; the activations of Korthikanti et al. 2022, arXiv 2205.05198, equation 1, at twice their bytes (theirs are
    of 16 bits, and of masks); the libraries and a tokenizer. For SQuAD on multilingual-e5-small that is 4.0 GiB, and
    3.8 were measured.
    """
    hidden, layers = (_number(config, *names) for names in (HIDDEN, LAYERS))
    words = _number(config, "vocab_size") or 0
    if hidden is None or layers is None:
        return None
    parameters = words * hidden + 12 * layers * hidden * hidden
    heads = _number(config, *HEADS) or 1
    activations = tokens * layers * (2 * 34 * hidden + 2 * 5 * heads * length)
    return 16 * parameters + activations + LIBRARIES


HIDDEN = ("hidden_size", "d_model", "dim", "n_embd", "emb_dim")
LAYERS = ("num_hidden_layers", "num_layers", "n_layers", "n_layer", "encoder_layers")
HEADS = ("num_attention_heads", "num_heads", "n_heads", "n_head", "encoder_attention_heads")
"""Names of these settings in the kinds of models."""
LIBRARIES = 1200 << 20


def _number(config: Mapping[str, Any], *names: str) -> int | None:
    return next((int(config[name]) for name in names if isinstance(config.get(name), int)), None)


def positions_in(config: Mapping[str, Any]) -> int | None:
    """Sub-words that one input can have, by a `config.json`; None where it does not say."""
    most = next((config[name] for name in POSITIONS if isinstance(config.get(name), int)), None)
    if most is None:
        return None
    if most < 0:
        return BOUNDLESS
    return int(most) - (int(config.get("pad_token_id", 1)) + 1 if config.get("model_type") in ROBERTAS else 0)


def languages_in(config: Mapping[str, Any]) -> dict[str, int] | None:
    """ISO 639-1 code -> number of the languages that a model is told of; None for one that is not told."""
    if config.get("model_type") == "xlm" and config.get("use_lang_emb", True) and int(config.get("n_langs", 1)) > 1:
        return {str(name): int(number) for name, number in (config.get("lang2id") or {}).items()}
    if config.get("model_type") == "xmod":
        names = config.get("languages") or ()
        return {str(name).partition("_")[0]: number for number, name in reversed(list(enumerate(names)))}
    return None
