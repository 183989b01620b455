"""Data sets on the Hub: their rows, and the commit a revision stands at."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from xharness.data.readers import Row
from xharness.errors import DataError, Problem, Unreachable


def hub_rows(repo: str, config: str | None, split: str, revision: str | None) -> Iterator[Row]:
    """The rows of one split, as `datasets.load_dataset` gives them, in order and one at a time."""
    yield from _loaded(repo, config, split, revision)


def hub_length(repo: str, config: str | None, split: str, revision: str | None) -> int:
    """How many rows a split has."""
    return len(_loaded(repo, config, split, revision))


@lru_cache(maxsize=4)
def _loaded(repo: str, config: str | None, split: str, revision: str | None) -> Any:
    import datasets
    from datasets import exceptions

    datasets.disable_progress_bars()
    name = f"{repo} ({', '.join(p for p in (config, split) if p)})"
    try:
        return datasets.load_dataset(repo, config, split=split, revision=revision)
    except exceptions.DatasetNotFoundError:
        raise Unreachable(
            Problem(name, "was not found on the Hub.", "Check the id and that you may read it (`hf auth login`).")
        ) from None
    except ValueError as error:
        said = " ".join(str(error).split())
        if "BuilderConfig" in said or "Unknown split" in said:
            raise DataError(Problem(name, f"is not there: {shortened(said)}")) from None
        raise Unreachable(Problem(name, f"cannot be loaded: {shortened(said)}")) from None
    except Exception as error:  # Networks, caches and builders each fail in their own way.
        hint = "Is the Hub reachable (HF_ENDPOINT, HF_HUB_OFFLINE)?"
        raise Unreachable(Problem(name, f"cannot be loaded: {shortened(str(error))}", hint)) from None


def shortened(text: str) -> str:
    """A text of others on one line of at most 300 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:297] + "…"


@lru_cache(maxsize=1024)
def hub_commit(kind: str, repo: str, revision: str | None) -> str:
    """The commit a revision of a hub repository stands at; from the local cache when the Hub cannot be reached."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if revision and len(revision) == 40 and all(c in "0123456789abcdef" for c in revision):
        return revision
    try:
        info = HfApi().repo_info(repo, repo_type=kind, revision=revision, timeout=20)
        return str(info.sha)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        what = f"revision '{revision}' of it" if revision else "it"
        raise DataError(
            Problem(
                f"{kind} {repo}", f"the Hub does not have {what}.", "Check the id; private ones need `hf auth login`."
            )
        ) from None
    except Exception as error:  # What a dead network raises depends on the HTTP library underneath.
        folder = Path(constants.HF_HUB_CACHE) / f"{kind}s--{repo.replace('/', '--')}" / "refs" / (revision or "main")
        if folder.is_file():
            return folder.read_text().strip()
        raise DataError(
            Problem(
                f"{kind} {repo}",
                f"the Hub cannot be reached and nothing is cached: {shortened(str(error))}",
                "Check the network, HF_ENDPOINT and HF_HUB_OFFLINE.",
            )
        ) from None
