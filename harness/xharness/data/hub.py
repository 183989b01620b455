"""Data sets on the Hub: their rows, and the commit a revision stands at.

Rows are what `datasets.load_dataset` gives. Where a repository's card names parquet files whose columns are those of
the card, they are read as they stand, which takes a hundredth of the time; anything else `datasets` reads itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from xharness.data.readers import Row
from xharness.data.repository import Table, download, memory, remember, repository_at, same_types
from xharness.errors import DataError, Problem, Unreachable

if TYPE_CHECKING:
    from pyarrow import parquet

BATCH = 1024
"""Rows of a parquet file that are Python objects at once."""


def hub_rows(repo: str, config: str | None, split: str, revision: str | None) -> Iterator[Row]:
    """The rows of one split, as `datasets.load_dataset` gives them, in order and one at a time.

    DataError without the config or split, Unreachable where the data cannot be had.
    """
    files = _parquet(repo, config, split, revision)
    if files is None:
        yield from _loaded(repo, config, split, revision)
        return
    for path in files:
        with _opened(path) as file:
            for batch in file.iter_batches(BATCH):
                yield from batch.to_pylist()


def hub_length(repo: str, config: str | None, split: str, revision: str | None) -> int:
    """How many rows a split has; errors as `hub_rows`."""
    files = _parquet(repo, config, split, revision)
    return len(_loaded(repo, config, split, revision)) if files is None else sum(map(_length, files))


def _parquet(repo: str, config: str | None, split: str, revision: str | None) -> list[Path] | None:
    """The local files whose rows are those of the split; None where only `datasets` knows how to read it.

    So it is too where nothing is known of the repository: `datasets` may have prepared it before, and tells if not.
    """
    try:
        repository = repository_at(repo, hub_commit("dataset", repo, revision))
    except Exception:  # What a dead network raises depends on the HTTP library underneath.
        return None
    if not repository.plain:
        return None
    table = repository.config(config)
    names = repository.parquet_files(table, split)
    if not names:
        return None
    called = f"{repo} ({table['config_name']}, {split})"
    try:
        paths = [download(repo, name, repository.commit) for name in names]
    except Exception as error:  # Networks, caches and disks each fail in their own way.
        raise _unloaded(called, error) from None
    info = repository.info(table)
    schemas = [_schema(path) for path in paths]
    if not all(same_types(s, info.get("features")) and s.equals(schemas[0]) for s in schemas):
        return None
    _require_length(called, info, split, paths)
    return paths


def _require_length(name: str, info: Table, split: str, paths: list[Path]) -> None:
    for told in info.get("splits") or []:
        wanted = told.get("num_examples") if told.get("name") == split else None
        if wanted is not None and wanted != (found := sum(map(_length, paths))):
            raise DataError(Problem(name, f"has {found:,} rows, but its card says {wanted:,}."))


def _opened(path: Path) -> parquet.ParquetFile:
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        hint = "Remove it from the cache: it will be fetched again."
        raise Unreachable(Problem(str(path), f"cannot be read as parquet: {shortened(str(error))}", hint)) from None


def _schema(path: Path) -> Any:
    with _opened(path) as file:
        return file.schema_arrow


def _length(path: Path) -> int:
    with _opened(path) as file:
        return int(file.metadata.num_rows)


@lru_cache(maxsize=8)
def _loaded(repo: str, config: str | None, split: str, revision: str | None) -> Any:
    """A split as `datasets` prepares it, mapped from its cache; kept, since a cap reads it twice."""
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
        raise _unloaded(name, error) from None


def _unloaded(name: str, error: Exception) -> Unreachable:
    hint = "Is the Hub reachable (HF_ENDPOINT, HF_HUB_OFFLINE)?"
    return Unreachable(Problem(name, f"cannot be loaded: {shortened(str(error))}", hint))


def shortened(text: str) -> str:
    """A text of others on one line of at most 300 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:297] + "…"


@lru_cache(maxsize=1024)
def hub_commit(kind: str, repo: str, revision: str | None) -> str:
    """The commit a revision of a hub repository stands at; the last one known when the Hub cannot be reached.

    Asked once a process, so that all that one process reads is of one commit. Unreachable where nothing is known.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if revision and len(revision) == 40 and all(c in "0123456789abcdef" for c in revision):
        return revision
    known = memory(kind, repo, "refs", quote(revision or "main", safe=""))
    try:
        commit = str(HfApi().repo_info(repo, repo_type=kind, revision=revision, timeout=20).sha)
        remember(known, commit)
        return commit
    except (RepositoryNotFoundError, RevisionNotFoundError):
        what = f"revision '{revision}' of it" if revision else "it"
        raise Unreachable(
            Problem(
                f"{kind} {repo}", f"the Hub does not have {what}.", "Check the id; private ones need `hf auth login`."
            )
        ) from None
    except Exception as error:  # What a dead network raises depends on the HTTP library underneath.
        last = _last_known(kind, repo, revision, known)
        if last is not None:
            return last
        raise Unreachable(
            Problem(
                f"{kind} {repo}",
                f"the Hub cannot be reached and nothing is cached ({shortened(str(error)).rstrip('.')}).",
                "Check the network, HF_ENDPOINT and HF_HUB_OFFLINE.",
            )
        ) from None


def _last_known(kind: str, repo: str, revision: str | None, remembered: Path | None) -> str | None:
    """The commit that was found last, by the harness or by a download with the Hub's own tools."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"{kind}s--{repo.replace('/', '--')}" / "refs"
    files = [p for p in (remembered, folder / (revision or "main")) if p is not None and p.is_file()]
    return max(files, key=lambda path: path.stat().st_mtime).read_text().strip() if files else None


def hub_file(kind: str, repo: str, name: str, commit: str) -> Path:
    """A file of a repository in the local cache; Unreachable where it cannot be had."""
    try:
        return download(repo, name, commit, kind)
    except Exception as error:  # Networks, caches and disks each fail in their own way.
        raise _unloaded(f"{kind} {repo}, {name}", error) from None


def hub_files(kind: str, repo: str, commit: str) -> dict[str, str] | None:
    """Name -> checksum of the files of a repository at a commit, as the Hub keeps them; None where nobody tells.

    The checksum of a large file is its sha256, of any other git's. Remembered by commit; without the Hub, those of the
    files in the local cache, whose names they are.
    """
    from huggingface_hub import HfApi, constants

    known = memory(kind, repo, commit, "files-1.json")
    with suppress(OSError, ValueError):
        if known is not None:
            found: dict[str, str] = json.loads(known.read_text(encoding="utf-8"))
            return found
    try:
        info = HfApi().repo_info(repo, repo_type=kind, revision=commit, files_metadata=True, timeout=20)
        listed = {s.rfilename: str(s.lfs.sha256 if s.lfs else s.blob_id) for s in getattr(info, "siblings", None) or []}
    except Exception:  # What a dead network raises depends on the HTTP library underneath.
        folder = Path(constants.HF_HUB_CACHE) / f"{kind}s--{repo.replace('/', '--')}" / "snapshots" / commit
        cached = {p.relative_to(folder).as_posix(): p.resolve().name for p in folder.rglob("*") if p.is_symlink()}
        return cached or None
    if not listed or "None" in listed.values():
        return None
    remember(known, json.dumps(listed))
    return listed
