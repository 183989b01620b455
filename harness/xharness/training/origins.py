"""Where a checkpoint's files are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from huggingface_hub import snapshot_download

from xharness.errors import CheckpointError, Problem
from xharness.spec.encoder_config import PEFT_CONFIG, TOKENIZER_FILES
from xharness.spec.suite import Checkpoint

LINEAGE = "lineage.json"
"""File of a tuned folder, beside its encoder: how it came to be."""


@dataclass(frozen=True)
class Origin:
    """Where an encoder's files are."""

    name: str
    """What a message calls it."""
    place: str
    """Hub id or folder."""
    revision: str | None = None
    remote_code: bool = False
    """Whether its own Python code is run."""
    base_revision: str | None = None
    """Of PEFT weights: the commit of the checkpoint that they are put on."""
    base: Origin | None = None
    """Of PEFT weights that a training kept: what they are put on."""

    @property
    def local(self) -> bool:
        """Whether it is a folder."""
        return Path(self.place).is_dir()


def origin_of(checkpoint: Checkpoint, identity: str = "") -> Origin:
    """A checkpoint's files; CheckpointError when a folder is missing or holds no model."""
    # The identity pins the commits: a branch may have moved since the plan was made.
    own, on_base, base = identity.partition(" on ")
    if checkpoint.hub:
        revision = _commit_in(own) or checkpoint.revision
        place = _folder_of(checkpoint.hub, revision) if on_base else checkpoint.hub
        return Origin(checkpoint.name, place, revision, checkpoint.remote_code, _commit_in(base))
    if checkpoint.builtin:
        folder = Path(str(files("xharness.micro"))) / "encoder"
    else:
        folder = Path(str(checkpoint.path)).expanduser()
    if not folder.is_dir():
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", f"the folder {folder} does not exist."))
    found = folder_origin(checkpoint.name, folder, checkpoint.remote_code)
    return replace(found, base_revision=_commit_in(base))


def _commit_in(identity: str) -> str | None:
    found = re.search(r"\b[0-9a-f]{40}\b", identity)
    return found[0] if found else None


def _folder_of(repo: str, revision: str | None) -> str:
    """PEFT weights of the Hub as a folder: small files, and no model of their own that transformers could find."""
    wanted = ["adapter_*", *TOKENIZER_FILES]
    try:
        return snapshot_download(repo, revision=revision, allow_patterns=wanted)
    except Exception as error:  # Networks, caches and disks each fail in their own way.
        said = " ".join(str(error).split())[:300]
        raise CheckpointError(Problem(f"checkpoint {repo}", f"its PEFT weights cannot be had: {said}")) from None


def folder_origin(name: str, folder: Path, remote_code: bool = False) -> Origin:
    """A folder as an origin; CheckpointError when it holds no model."""
    if (folder / PEFT_CONFIG).is_file():
        return Origin(name, str(folder), None, remote_code, base=_base_kept(folder))
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            Problem(f"checkpoint {name}", f"{folder} is no model: it has no config.json.",
                    "Save one there with `save_pretrained`.")
        )  # fmt: skip
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise CheckpointError(Problem(f"checkpoint {name}", f"{folder} has no weights (*.safetensors)."))
    return Origin(name, str(folder), None, remote_code)


def _base_kept(folder: Path) -> Origin | None:
    """What low-rank weights that a stage kept are put on: the encoder of the stage before, or the checkpoint."""
    try:
        lineage = json.loads((folder.parent / LINEAGE).read_text(encoding="utf-8"))
    except OSError:
        return None  # Saved by `peft`, not by a stage.
    checkpoint = Checkpoint(**lineage["checkpoint"])
    if lineage["parent"] is None:
        return origin_of(checkpoint, lineage["identity"])
    below = folder.parent.parent / lineage["parent"] / folder.name
    if not below.is_dir():
        what = f"{folder} holds low-rank weights, and the encoder that they belong to was dropped: {below}."
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", what, "Run its suite again with `--keep all`."))
    return folder_origin(checkpoint.name, below, checkpoint.remote_code)


def problem(origin: Origin, what: str, error: Exception | None = None) -> CheckpointError:
    """What is wrong with a checkpoint, with what a library said of it."""
    said = " ".join(str(error).split())[:300] if error else ""
    return CheckpointError(Problem(f"checkpoint {origin.name}", f"{what}{f': {said}' if said else '.'}"))
