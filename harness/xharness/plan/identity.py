"""Checkpoints and their tokenizers by content, and how long an input they read. Nothing is loaded for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import xharness
from xharness.data.fingerprints import file_sha256
from xharness.data.hub import hub_commit, hub_file, hub_files
from xharness.errors import CheckpointError, DataError, Problem, nearest
from xharness.spec.encoder_config import TOKENIZER_FILES, TOKENIZER_KEYS, positions_in
from xharness.spec.suite import BUILT_IN, Checkpoint

CONFIG = "config.json"


@dataclass(frozen=True)
class Identity:
    """A checkpoint as plans see it."""

    content: str
    """A hub commit, or the checksum of a folder's files."""
    tokenizer: str
    """The tokenizer by content: checkpoints that have the same one share what is encoded."""
    positions: int | None
    """Sub-words of an input at the most; None where only the loaded model can tell."""


def identity_of(checkpoint: Checkpoint) -> Identity:
    """What a checkpoint is; CheckpointError where its files cannot be had."""
    try:
        return _on_hub(checkpoint.hub, checkpoint) if checkpoint.hub else _in_folder(checkpoint)
    except DataError as error:
        raise CheckpointError(*error.problems) from None


def _on_hub(repo: str, checkpoint: Checkpoint) -> Identity:
    commit = hub_commit("model", repo, checkpoint.revision)
    content = f"hub:{repo}@{commit}"
    files = hub_files("model", repo, commit)
    if files is None or CONFIG not in files:
        return Identity(content, content, None)
    config = _read(hub_file("model", repo, CONFIG, commit), checkpoint)
    return Identity(content, _tokenizer(files, config) or content, positions_in(config))


def _in_folder(checkpoint: Checkpoint) -> Identity:
    folder = builtin_folder(checkpoint.builtin) if checkpoint.builtin else Path(str(checkpoint.path)).expanduser()
    if not folder.is_dir():
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", f"the folder {folder} does not exist."))
    if not (folder / CONFIG).is_file():
        what = f"{folder} has no {CONFIG}."
        raise CheckpointError(
            Problem(f"checkpoint {checkpoint.name}", what, "A checkpoint is a folder saved by transformers.")
        )
    wanted = ("*.json", "*.safetensors", "*.bin", "*.model", "*.txt", *TOKENIZER_FILES)
    files = {path.name: file_sha256(path) for path in sorted({p for pattern in wanted for p in folder.glob(pattern)})}
    digest = hashlib.sha256()
    for name, checksum in files.items():
        digest.update(f"{name} {checksum}\n".encode())
    content = f"files:{digest.hexdigest()}"
    config = _read(folder / CONFIG, checkpoint)
    return Identity(content, _tokenizer(files, config) or content, positions_in(config))


def _read(path: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", f"{path} cannot be read: {error}.")) from None
    return found if isinstance(found, dict) else {}


def _tokenizer(files: Mapping[str, str], config: Mapping[str, Any]) -> str:
    """A checksum over the tokenizer's files (name -> content) and its class; empty where there are none."""
    held = {n: c for n, c in files.items() if "/" not in n and any(fnmatch(n, p) for p in TOKENIZER_FILES)}
    if not held:
        return ""
    chosen = {key: config[key] for key in TOKENIZER_KEYS if key in config}
    text = json.dumps([sorted(held.items()), chosen], sort_keys=True)
    return f"tokenizer:{hashlib.sha256(text.encode()).hexdigest()}"


def builtin_folder(name: str) -> Path:
    """The folder of a built-in encoder."""
    folder = Path(xharness.__file__).parent / "micro" / "encoder"
    if name not in BUILT_IN:
        raise CheckpointError(f"no built-in checkpoint is called '{name}'. {nearest(name, BUILT_IN)}")
    return folder
