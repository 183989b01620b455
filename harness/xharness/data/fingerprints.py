"""What data are by content, so that a result is never kept under the name of other data.

A fingerprint says what a split is without loading it: the sha256 of local files, the commit of a hub repository, the
version of the built-in generator. It counts in content keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from xharness.adapter import Example
from xharness.data.examples import Skip, iter_examples
from xharness.data.hub import hub_commit
from xharness.data.readers import VERSION
from xharness.data.sources import code_of, path_of
from xharness.errors import DataError, Problem, Unforeseen, Unreachable
from xharness.spec.task import Limit, Source, Split, Task


def fingerprints(task: Task, splits: Sequence[Split]) -> tuple[str, ...]:
    """Fingerprints of the splits over all languages; `SPLIT missing[de]` where a language is not there.

    DataError where nothing is.
    """
    found: list[str] = []
    failures: list[DataError] = []
    for split in splits:
        for language in task.languages_in(split):
            try:
                code = code_of(task, language)
                found += [f"{split} {_fingerprint(source, code, language)}" for source in getattr(task.data, split)]
            except DataError as error:
                failures.append(error)
                found.append(_missing(split, language))
    if len(failures) >= sum(len(task.languages_in(split)) for split in splits):
        raise failures[0]
    return tuple(found)


def _missing(split: str, language: str) -> str:
    return f"{split} missing[{language}]"


def planned_examples(
    task: Task, split: Split, language: str, limit: Limit | None, planned: Sequence[str]
) -> list[Example]:
    """All of `iter_planned_examples` at once."""
    return list(iter_planned_examples(task, split, language, limit, planned))


def iter_planned_examples(
    task: Task,
    split: Split,
    language: str,
    limit: Limit | None,
    planned: Sequence[str],
    skip: Skip = lambda problem: None,
) -> Iterator[Example]:
    """`iter_examples`, for a result that is kept under the name of the data that were there when the run was planned.

    DataError where a language's data are wrong, which is a result; Unforeseen where they are not what they were, or
    cannot be had any more, which is none. Without `planned` nothing is compared. What is compared is so at the end:
    what was taken before counts only once the iterator has ended.
    """
    try:
        yield from iter_examples(_pinned(task, split, language, planned), split, language, limit, skip=skip)
    except Unreachable as error:
        if not planned or _missing(split, language) in planned:
            raise
        raise Unforeseen(*error.problems) from None
    if planned:
        _require_planned(task, split, language, planned)


def _pinned(task: Task, split: Split, language: str, planned: Sequence[str]) -> Task:
    """The task with the commits that were planned: a branch may have moved since, and the Hub is not asked again."""

    def pinned(source: Source) -> Source:
        start = f"{split} hub:{source.hub}@"
        commits = {entry[len(start) :].partition("[")[0] for entry in planned if entry.startswith(start)}
        at = [source.model_copy(update={"revision": commit}) for commit in commits]
        fits = [s for s in at if f"{split} {_fingerprint(s, code_of(task, language), language)}" in planned]
        return fits[0] if len(fits) == 1 else source

    sources = tuple(pinned(source) if source.hub else source for source in getattr(task.data, split))
    return task.model_copy(update={"data": task.data.model_copy(update={split: sources})})


def _require_planned(task: Task, split: Split, language: str, planned: Sequence[str]) -> None:
    """Compare local files; what is on the Hub was read at the commit that was planned."""
    code = code_of(task, language)
    for source in getattr(task.data, split):
        if source.file and f"{split} {_fingerprint(source, code, language)}" not in planned:
            what = "has changed since this run was planned."
            raise Unforeseen(Problem(str(path_of(source, code)), what, "Run the same command again."))


def _fingerprint(source: Source, code: str, language: str) -> str:
    kept = source.model_dump(exclude_defaults=True, exclude={"hub", "file", "revision", "builtin"}, mode="json")
    if source.file:
        kept["format"] = source.file_format  # also where only the file's name says it: the same bytes, other rows
    rule = f" {kept}" if kept else ""
    if source.builtin:
        from xharness import micro

        return f"builtin:{source.builtin}@{micro.VERSION}[{language}]{rule}"
    if source.file:
        return f"sha256:{file_sha256(path_of(source, code))}@{VERSION}[{language}]{rule}"
    return f"hub:{source.hub}@{hub_commit('dataset', str(source.hub), source.revision)}[{code}]{rule}"


def file_sha256(path: Path) -> str:
    """Checksum of a local file; Unreachable when it is missing."""
    try:
        facts = path.stat()
        return _sha256(path, facts.st_mtime_ns, facts.st_size)
    except OSError as error:
        raise Unreachable(Problem(str(path), f"cannot be read: {error.strerror}.")) from None


@lru_cache(maxsize=4096)
def _sha256(path: Path, changed: int, size: int) -> str:
    """Remembered until the file is written again."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
