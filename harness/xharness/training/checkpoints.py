"""The encoder: a checkpoint or a tuned folder to a model without a head and its tokenizer.

Whatever is no encoder is refused with a sentence: a checkpoint that loads with untrained parts would look like a bad
encoder instead of a mistake.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections import OrderedDict
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.models.auto import modeling_auto

from xharness.errors import CheckpointError, Problem
from xharness.spec.encoder_config import BOUNDLESS, TOKENIZER_FILES, positions_in
from xharness.spec.suite import Checkpoint

transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]

HARMLESS = re.compile(r"(^|\.)(pooler|lm_head|cls|position_ids|embeddings_project)(\.|$)")
"""Weights that may be missing: no phase reads them."""


@dataclass(frozen=True)
class Origin:
    """Where an encoder's files are."""

    name: str
    """What a message calls it."""
    place: str
    """Hub id or folder."""
    revision: str | None = None

    @property
    def local(self) -> bool:
        """Whether it is a folder."""
        return Path(self.place).is_dir()


def origin_of(checkpoint: Checkpoint, identity: str = "") -> Origin:
    """A checkpoint's files; CheckpointError when a folder is missing or holds no model."""
    if checkpoint.hub:
        # The identity pins the commit: a branch may have moved since the plan was made.
        commit = re.search(r"\b[0-9a-f]{40}\b", identity)
        return Origin(checkpoint.name, checkpoint.hub, commit[0] if commit else checkpoint.revision)
    if checkpoint.builtin:
        folder = Path(str(files("xharness.micro"))) / "encoder"
    else:
        folder = Path(str(checkpoint.path)).expanduser()
    if not folder.is_dir():
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", f"the folder {folder} does not exist."))
    return folder_origin(checkpoint.name, folder)


def folder_origin(name: str, folder: Path) -> Origin:
    """A folder as an origin; CheckpointError when it holds no model."""
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            Problem(f"checkpoint {name}", f"{folder} is no model: it has no config.json.",
                    "Save one there with `save_pretrained`.")
        )  # fmt: skip
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise CheckpointError(Problem(f"checkpoint {name}", f"{folder} has no weights (*.safetensors)."))
    return Origin(name, str(folder))


def _problem(origin: Origin, what: str, error: Exception | None = None) -> CheckpointError:
    said = " ".join(str(error).split())[:300] if error else ""
    return CheckpointError(Problem(f"checkpoint {origin.name}", f"{what}{f': {said}' if said else '.'}"))


def load_config(origin: Origin) -> Any:
    """The configuration; CheckpointError unless it is a text encoder's."""
    try:
        config = AutoConfig.from_pretrained(origin.place, revision=origin.revision)
    except Exception as error:  # hub, file and format errors of many libraries
        raise _problem(origin, f"{origin.place} cannot be read as a transformers model", error) from error
    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        raise _problem(origin, f"{origin.place} is an encoder-decoder ({kind}), not an encoder")
    masked = modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    causal = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if getattr(config, "is_decoder", False) or (kind in causal and kind not in masked):
        raise _problem(origin, f"{origin.place} is a decoder-only language model ({kind}), not an encoder")
    if not isinstance(getattr(config, "hidden_size", None), int) or not getattr(config, "vocab_size", None):
        raise _problem(origin, f"{origin.place} is not a text encoder ({kind})")
    return config


def load_encoder(origin: Origin) -> nn.Module:
    """The encoder in float32 without pooler; CheckpointError when it is none or parts of it are missing."""
    config = load_config(origin)
    try:
        kind: Any = AutoModel._model_mapping[type(config)]
        kind = kind[0] if isinstance(kind, (tuple, list)) else kind
    except KeyError as error:
        raise _problem(origin, f"{origin.place} has no encoder in transformers ({config.model_type})") from error
    if getattr(kind, "main_input_name", "input_ids") != "input_ids":
        raise _problem(origin, f"{origin.place} reads {kind.main_input_name}, not text")
    extra = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind.__init__).parameters else {}
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
        raise _problem(origin, f"the weights of {origin.place} cannot be loaded", error) from error
    missing = sorted(k for k in info["missing_keys"] if not HARMLESS.search(k))
    if missing or info.get("mismatched_keys"):
        wrong = missing or [str(k) for k in info["mismatched_keys"]]
        raise _problem(origin, f"{len(wrong)} weights of {origin.place} are missing or misshapen, first {wrong[0]}")
    found: nn.Module = model
    return found


FEWEST_PIECES = 16
"""Of a tokenizer that was read and not made up."""
_tokenizers: OrderedDict[str, Any] = OrderedDict()


def load_tokenizer(origin: Origin) -> Any:
    """The fast tokenizer; kept for the next step, since a large vocabulary takes a second to read."""
    key = _tokenizer_key(origin)
    if key in _tokenizers:
        _tokenizers.move_to_end(key)
        return _tokenizers[key]
    try:
        tokenizer = AutoTokenizer.from_pretrained(origin.place, revision=origin.revision)
    except Exception as error:
        raise _problem(origin, f"{origin.place} has no tokenizer that can be read", error) from error
    if not tokenizer.is_fast:
        raise _problem(origin, f"the tokenizer of {origin.place} is a slow one, without character offsets")
    if tokenizer.pad_token_id is None:
        raise _problem(origin, f"the tokenizer of {origin.place} has no padding token")
    if len(tokenizer) - len(tokenizer.all_special_ids) < FEWEST_PIECES:
        # transformers builds an empty one when the files are missing.
        raise _problem(origin, f"{origin.place} has no tokenizer files (tokenizer.json)")
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
    rows = encoder.get_input_embeddings().num_embeddings  # type: ignore[operator]
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
