"""What mteb has of bitext mining, retrieval and similarity of texts: a target `mteb:NAME` by its name.

Importing mteb takes ten seconds, and a suite is read by every command: what is asked of its metadata is kept in the
user's cache folder, by mteb's version.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from xharness.mteb.codes import subsets_by_language

PREFIX = "mteb:"
"""Before the name of a task of mteb's where a suite names its targets."""
JUDGE, RESULT = "mteb", "mteb.json"
"""The adapter of targets that mteb judges itself, and the file of its step that holds mteb's result."""
KINDS = ("BitextMining", "Retrieval", "STS")
"""Types of tasks that embeddings of texts are all that is needed for."""


@dataclass(frozen=True)
class MtebTask:
    """A task of mteb's, as its metadata say."""

    name: str
    kind: str
    """One of KINDS."""
    main: str
    """Its main score: `f1`, `ndcg_at_10`, `cosine_spearman`."""
    subsets: Mapping[str, Sequence[str]]
    """mteb's name of each part -> its languages, ISO 639-3 with the script."""
    repository: str
    """On the Hub."""
    revision: str
    """The commit that mteb reads."""
    licence: str

    @property
    def languages(self) -> dict[str, str]:
        """Our language -> mteb's subset, in mteb's order."""
        return subsets_by_language(self.subsets)


def mteb_version() -> str:
    """Of the installed mteb."""
    return version("mteb")


@cache
def mteb_tasks() -> dict[str, MtebTask]:
    """Name -> task, of all that can be a target."""
    file = _folder() / f"mteb-{mteb_version()}.json"
    with suppress(OSError, ValueError, TypeError):
        return {name: MtebTask(**found) for name, found in json.loads(file.read_text("utf-8")).items()}
    made = _asked()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}.new")
        fresh.write_text(json.dumps({name: asdict(task) for name, task in made.items()}), encoding="utf-8")
        fresh.replace(file)
    return made


def _folder() -> Path:
    """As the XDG base directories have it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xharness"


def _asked() -> dict[str, MtebTask]:
    import mteb

    made = {}
    kinds: Any = list(KINDS)
    found = mteb.get_tasks(task_types=kinds, modalities=["text"], exclude_superseded=False, exclude_aggregate=True)
    for task in found:
        about: Any = task.metadata
        if about.main_score.startswith(MEASURES):
            made[about.name] = MtebTask(
                about.name,
                about.type,
                about.main_score,
                {subset: list(spoken) for subset, spoken in about.hf_subsets_to_langscripts.items()},
                about.dataset["path"],
                about.dataset["revision"],
                about.license or "",
            )
    return made


MEASURES = ("f1", "cosine_spearman", "ndcg_at_", "recall_at_", "mrr_at_", "precision_at_", "hit_rate_at_")
"""Main scores between 0 and 1, of which more is better."""
