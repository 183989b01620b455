"""The encoder: a checkpoint or a tuned folder to a model without a head and its tokenizer.

Whatever is no encoder is refused with a sentence: a checkpoint that loads with untrained parts would look like a bad
encoder instead of a mistake.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import (
    MODEL_FOR_TEXT_ENCODING_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    ByT5Tokenizer,
    CanineTokenizer,
    PreTrainedModel,
)
from transformers.models.auto import modeling_auto

from xharness.errors import CheckpointError, Problem
from xharness.spec.encoder_config import BOUNDLESS, TOKENIZER_FILES, positions_in
from xharness.spec.suite import Checkpoint
from xharness.training.origins import Origin, problem
from xharness.training.peft_weights import base_of, is_peft, merged

transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]

HARMLESS = re.compile(r"(^|\.)(pooler|lm_head|cls|position_ids|embeddings_project)(\.|$)")
"""Weights that may be missing: no phase reads them."""


def load_config(origin: Origin) -> Any:
    """The configuration; CheckpointError unless it is a text model's."""
    while is_peft(origin):
        origin = base_of(origin)
    try:
        config = AutoConfig.from_pretrained(
            origin.place, revision=origin.revision, trust_remote_code=origin.remote_code
        )
    except Exception as error:  # hub, file and format errors of many libraries
        if "trust_remote_code" in str(error):
            what = f"{origin.place} needs Python code of its own"
            hint = "Read that code first; then say `remote_code = true` in the checkpoint's table."
            raise CheckpointError(Problem(f"checkpoint {origin.name}", f"{what}.", hint)) from None
        raise problem(origin, f"{origin.place} cannot be read as a transformers model", error) from error
    if not isinstance(getattr(config, "hidden_size", None), int) or not (
        getattr(config, "vocab_size", None) or config.model_type in HASHED
    ):
        raise problem(origin, f"{origin.place} is not a text encoder ({config.model_type})")
    # Nothing is generated: keys and values of earlier tokens are not asked for again.
    config.use_cache = False
    return config


HASHED = ("canine",)
"""Model types that read characters without a vocabulary."""


def class_of(config: Any, origin: Origin) -> Any:
    """The class that is loaded: the encoder; of encoder-decoder models the whole, unless the encoder is saved alone."""
    if origin.remote_code and "AutoModel" in (getattr(config, "auto_map", None) or {}):
        return AutoModel
    if type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING and config.model_type.endswith("t5"):
        return MODEL_FOR_TEXT_ENCODING_MAPPING[type(config)]
    try:
        kind: Any = AutoModel._model_mapping[type(config)]
        kind = kind[0] if isinstance(kind, (tuple, list)) else kind
    except KeyError as error:
        raise problem(origin, f"{origin.place} has no encoder in transformers ({config.model_type})") from error
    for name in config.architectures or ():
        alone = getattr(sys.modules[kind.__module__], name, None)
        if name.endswith("Encoder") and isinstance(alone, type) and issubclass(alone, PreTrainedModel):
            return alone
    return kind


def load_encoder(origin: Origin) -> nn.Module:
    """The encoder in float32 without pooler; CheckpointError when it is none or parts of it are missing."""
    if origin.base is not None:  # Trained on an encoder alone.
        kept: nn.Module = merged(load_encoder(origin.base), origin)
        return kept
    model = _model(origin)
    if getattr(model.config, "is_encoder_decoder", False) and hasattr(model, "decoder"):
        model = model.get_encoder()
    found: nn.Module = model
    return found


def _model(origin: Origin) -> Any:
    """The encoder, of some kinds with its decoder."""
    if is_peft(origin):
        return merged(_model(base_of(origin)), origin)
    config = load_config(origin)
    kind = class_of(config, origin)
    main = getattr(kind, "main_input_name", "input_ids")
    if main != "input_ids":
        raise problem(origin, f"{origin.place} reads {main}, not text")
    extra: dict[str, Any] = {}
    if kind is AutoModel:
        extra["trust_remote_code"] = True
    elif "add_pooling_layer" in inspect.signature(kind.__init__).parameters:
        extra["add_pooling_layer"] = False
    try:
        model, info = kind.from_pretrained(
            origin.place,
            revision=origin.revision,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            **extra,
        )
    except Exception as error:
        raise problem(origin, f"the weights of {origin.place} cannot be loaded", error) from error
    missing = sorted(k for k in info["missing_keys"] if not HARMLESS.search(k))
    if missing or info.get("mismatched_keys"):
        wrong = missing or [str(k) for k in info["mismatched_keys"]]
        raise problem(origin, f"{len(wrong)} weights of {origin.place} are missing or misshapen, first {wrong[0]}")
    return model


def word_embeddings(encoder: nn.Module) -> nn.Module | None:
    """The table of word embeddings; None where there is none (characters that are hashed)."""
    try:
        found: nn.Module = encoder.get_input_embeddings()  # type: ignore[operator]
    except NotImplementedError:
        return None
    return found if hasattr(found, "num_embeddings") else None


def reads_forward(config: Any) -> bool:
    """Whether a model reads from left to right only, so that no token but the last has seen the whole input."""
    masked = modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    causal = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if getattr(config, "is_encoder_decoder", False) or config.model_type in CROSSING:
        return False
    return bool(getattr(config, "is_decoder", False)) or (
        config.model_type in causal and config.model_type not in masked
    )


CROSSING = ("t5", "mt5", "umt5", "bart", "mbart", "m2m_100")
"""Encoder-decoder model types: their encoders see the whole input, and say nothing of it when they are saved alone."""


TOKENIZER = "tokenizer_config.json"
FEWEST_PIECES = 16
"""Of a tokenizer that was read and not made up."""
_tokenizers: OrderedDict[str, Any] = OrderedDict()


def load_tokenizer(origin: Origin) -> Any:
    """The tokenizer; kept for the next step, since a large vocabulary takes a second to read."""
    key = _tokenizer_key(origin)
    if key in _tokenizers:
        _tokenizers.move_to_end(key)
        return _tokenizers[key]
    if is_peft(origin) and not (Path(origin.place) / TOKENIZER).is_file():
        return load_tokenizer(base_of(origin))
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            origin.place, revision=origin.revision, trust_remote_code=origin.remote_code
        )
    except Exception as error:
        raise problem(origin, f"{origin.place} has no tokenizer that can be read", error) from error
    if tokenizer.pad_token_id is None:
        # Decoder-only models have none. Padding is masked, so any token does; a new one would need a new embedding.
        borrowed = tokenizer.eos_token or tokenizer.unk_token
        if borrowed is None:
            raise problem(origin, f"the tokenizer of {origin.place} has no padding token, and none to use in its place")
        tokenizer.pad_token = borrowed
    # We pad on the right ourselves; what a tokenizer cuts, it cuts there too.
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    made_of_files = not isinstance(tokenizer, (CanineTokenizer, ByT5Tokenizer))
    if made_of_files and len(tokenizer) - len(tokenizer.all_special_ids) < FEWEST_PIECES:
        # transformers builds an empty one when the files are missing.
        raise problem(origin, f"{origin.place} has no tokenizer files (tokenizer.json)")
    _tokenizers[key] = tokenizer
    while len(_tokenizers) > 3:
        _tokenizers.popitem(last=False)
    return tokenizer


def _tokenizer_key(origin: Origin) -> str:
    """By content for a folder, so that a tuned encoder shares its checkpoint's."""
    if not origin.local:
        return f"{origin.place}@{origin.revision}"
    digest = hashlib.sha256()
    for path in sorted({p for pattern in TOKENIZER_FILES for p in Path(origin.place).glob(pattern)}):
        digest.update(path.name.encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def require_rows(checkpoint: Checkpoint, encoder: nn.Module, vocabulary: int) -> None:
    """CheckpointError when the encoder has no rows for all sub-words of its tokenizer."""
    words = word_embeddings(encoder)
    rows: Any = vocabulary if words is None else words.num_embeddings
    if vocabulary > rows:
        what = f"its tokenizer has {vocabulary} sub-words, its encoder only {rows}."
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", what))


def depth_of(encoder: nn.Module) -> int:
    """Transformer layers."""
    return int(encoder.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]


def positions_of(config: Any) -> int:
    """Sub-words that one input of a model with this configuration can have."""
    found = positions_in(config.to_dict())
    return BOUNDLESS if found is None else found


def dropout_of(encoder: nn.Module) -> float:
    """The dropout of a fresh head: the checkpoint's own."""
    for name in ("classifier_dropout", "hidden_dropout_prob", "seq_classif_dropout"):
        value = getattr(encoder.config, name, None)
        if value is not None:
            return float(value)
    return 0.1
