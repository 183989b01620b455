"""Checkpoints and their tokenizers by content, and how long an input they read. Nothing is loaded for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import xharness
from xharness.data.fingerprints import file_sha256
from xharness.data.hub import hub_commit, hub_file, hub_files
from xharness.errors import CheckpointError, DataError, Problem, nearest
from xharness.spec.encoder_config import PEFT_CONFIG, TOKENIZER_FILES, TOKENIZER_KEYS, languages_in, positions_in
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
    config: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Its `config.json`; empty where that cannot be had."""
    languages: frozenset[str] | None = None
    """Languages that it must be told of and knows, in ISO 639-1 codes; None for a model that is not told."""


def identity_of(checkpoint: Checkpoint) -> Identity:
    """What a checkpoint is; CheckpointError where its files cannot be had."""
    try:
        found = _on_hub(checkpoint.hub, checkpoint) if checkpoint.hub else _in_folder(checkpoint)
    except DataError as error:
        raise CheckpointError(*error.problems) from None
    said = f", languages {sorted(checkpoint.languages.items())}" if checkpoint.languages else ""
    code = ", with its code" if checkpoint.remote_code else ""
    return replace(found, content=found.content + said + code, tokenizer=found.tokenizer + code)


def _on_hub(repo: str, checkpoint: Checkpoint) -> Identity:
    commit = hub_commit("model", repo, checkpoint.revision)
    content = f"hub:{repo}@{commit}"
    files = hub_files("model", repo, commit)
    if files is not None and PEFT_CONFIG in files:
        return _on_base(
            f"the repository {repo}", content, files, hub_file("model", repo, PEFT_CONFIG, commit), checkpoint
        )
    if files is None or CONFIG not in files:
        return Identity(content, content, None)
    config = _read(hub_file("model", repo, CONFIG, commit), checkpoint)
    return _identity(content, files, config)


def _in_folder(checkpoint: Checkpoint) -> Identity:
    folder = builtin_folder(checkpoint.builtin) if checkpoint.builtin else Path(str(checkpoint.path)).expanduser()
    if not folder.is_dir():
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", f"the folder {folder} does not exist."))
    adapter = folder / PEFT_CONFIG
    if adapter.is_file():  # Beside a config.json too: so transformers reads it.
        files, content = _files(folder, checkpoint)
        return _on_base(str(folder), content, files, adapter, checkpoint)
    if not (folder / CONFIG).is_file():
        what = f"{folder} has no {CONFIG}."
        raise CheckpointError(
            Problem(f"checkpoint {checkpoint.name}", what, "A checkpoint is a folder saved by transformers.")
        )
    files, content = _files(folder, checkpoint)
    config = _read(folder / CONFIG, checkpoint)
    return _identity(content, files, config)


def _files(folder: Path, checkpoint: Checkpoint) -> tuple[dict[str, str], str]:
    """Name -> checksum of a folder's files, and one checksum over all."""
    wanted = ["*.json", "*.safetensors", "*.bin", "*.model", "*.txt", *TOKENIZER_FILES]
    wanted += ["*.py"] if checkpoint.remote_code else []
    files = {path.name: file_sha256(path) for path in sorted({p for pattern in wanted for p in folder.glob(pattern)})}
    digest = hashlib.sha256()
    for name, checksum in files.items():
        digest.update(f"{name} {checksum}\n".encode())
    return files, f"files:{digest.hexdigest()}"


def _on_base(called: str, content: str, files: Mapping[str, str], adapter: Path, checkpoint: Checkpoint) -> Identity:
    """PEFT weights: their own files and the checkpoint that they are put on."""
    told = _read(adapter, checkpoint)
    named = str(told.get("base_model_name_or_path") or "")
    if not named:
        what = f"{PEFT_CONFIG} of {called} does not say which model it belongs to (base_model_name_or_path)."
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", what))
    place = {"path": named} if Path(named).expanduser().is_dir() else {"hub": named, "revision": told.get("revision")}
    try:
        base = identity_of(Checkpoint(name=checkpoint.name, remote_code=checkpoint.remote_code, **place))
    except ValueError:
        what = f"{PEFT_CONFIG} of {called} names the model '{named}', which is neither a folder nor a repository."
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", what)) from None
    tokenizer = _tokenizer(files, {}) if "tokenizer_config.json" in files else base.tokenizer
    return replace(base, content=f"{content} on {base.content}", tokenizer=tokenizer)


def _identity(content: str, files: Mapping[str, str], config: Mapping[str, Any]) -> Identity:
    known = languages_in(config)
    languages = None if known is None else frozenset(known)
    return Identity(content, _tokenizer(files, config) or content, positions_in(config), config, languages)


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
