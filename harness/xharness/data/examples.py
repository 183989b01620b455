"""From a task's sources to its examples: read, keep, name the columns, check, cap."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from xharness.adapter import Adapter, Example, load_adapter
from xharness.data.readers import Located, Row, located, read, way_out
from xharness.errors import DataError, Problem, Unreachable, nearest
from xharness.spec.task import ColumnPath, Limit, Source, Split, Task

SHOWN = 5
"""Bad rows named in one error."""


def examples(task: Task, split: Split, language: str, limit: Limit | None = None, seed: int = 0) -> list[Example]:
    """The examples of a split in one language under the adapter's column names, checked and capped.

    Raises DataError that names file and line (or data set and row) of the first bad rows.
    """
    sources: tuple[Source, ...] = getattr(task.data, split)
    if not sources:
        raise DataError(Problem(f"task {task.name}", f"has no {split} data in this profile."))
    adapter = load_adapter(task.adapter)
    found: list[Example] = []
    empty: list[str] = []
    for source in sources:
        seen: Seen = {}
        before = len(found)
        found.extend(_from_source(task, adapter, source, language, len(sources) > 1, seen))
        if len(found) == before:
            empty.append(_why_empty(source, task, language, seen))
    if not found:
        raise DataError(Problem(f"task {task.name}, {split} [{language}]", f"has no rows: {'; '.join(empty)}."))
    about = f"task {task.name}, {split} [{language}]"
    _no_duplicates(about, found)
    _gold_exists(about, found)
    cap = getattr(limit or Limit(), split)
    if cap is not None and cap < len(found) and "side" not in found[0]:
        found = [found[i] for i in _chosen(len(found), cap, seed)]
    for example in found:
        del example["where"]
    return found


Seen = dict[str, dict[str, None]]
"""Column -> the values it had, of the columns that choose rows."""


def _why_empty(source: Source, task: Task, language: str, seen: Seen) -> str:
    """Which condition no row met, and what the data has instead."""
    name, code = name_of(source, task, language), code_of(task, language)
    if not seen:
        return f"{name} is empty"
    parts = []
    for column, wanted in source.where.items():
        value = _fill(wanted, code) if isinstance(wanted, str) else wanted
        if column in seen and not any(_matches(v, wanted, code) for v in seen[column]):
            others = ", ".join([*seen[column]][:12]) + (", …" if len(seen[column]) > 12 else "")
            parts.append(f"no row has {column} = {value!r}, there are: {others}")
    return f"{name}: {' and '.join(parts) or 'where, drop and rows leave none'}"


@lru_cache(maxsize=64)
def _chosen(n: int, cap: int, seed: int) -> list[int]:
    """Which rows a cap keeps: the same of parallel languages, in the order of the data."""
    import numpy

    return sorted(numpy.random.default_rng(seed).permutation(n)[:cap].tolist())


def name_of(source: Source, task: Task, language: str) -> str:
    """How a message names a source."""
    if source.file:
        return str(path_of(source, code_of(task, language)))
    if source.builtin:
        return f"built-in {source.builtin}"
    parts = [_fill(p, code_of(task, language)) for p in (source.config, source.split) if p]
    return f"{source.hub} ({', '.join(parts)})" if parts else str(source.hub)


def code_of(task: Task, language: str) -> str:
    """What `{lang}` becomes for a language in this task's data."""
    return task.codes.get(language, language)


def _fill(text: str, code: str) -> str:
    return text.replace("{lang}", code)


def path_of(source: Source, code: str) -> Path:
    """The local file of a source for one language code; an unset environment variable is an error."""
    assert source.file is not None
    path = os.path.expanduser(os.path.expandvars(_fill(source.file, code)))
    if unset := re.search(r"\$(\w+|\{[^}]*\})", path):
        name = unset[1].strip("{}")
        hint = f"Set {name} to the folder that has the data."
        raise DataError(Problem(source.file, f"the environment variable {name} is not set.", hint))
    if "\0" in path:
        raise DataError(Problem(repr(source.file), "is no path: it has a zero character."))
    return Path(path)


def _from_source(
    task: Task, adapter: Adapter, source: Source, language: str, several: bool, seen: Seen
) -> Iterator[Example]:
    name = name_of(source, task, language)
    columns = dict(source.columns if source.columns is not None else ({} if source.builtin else task.columns))
    rows = _kept(source, _rows(task, source, language, columns), code_of(task, language), name, seen)
    if source.rows:
        held = list(rows)
        rows = iter(held[round(source.rows[0] * len(held)) : round(source.rows[1] * len(held))])
    problems: list[Problem] = []
    for number, row in rows:
        where = _where(source, name, number)
        example = _named(
            row, columns, adapter, where, source.side, lambda column: _way_out(source, task, language, column)
        )
        given = example.get("id")
        example["id"] = str(given) if given is not None else (f"{name}:{number}" if several else str(number))
        example |= {"language": language, "where": where}
        if problem := _complaint(task, adapter, example):
            problems.append(Problem(where, problem))
            if len(problems) >= SHOWN:
                break
        yield example
    if problems:
        raise DataError(*problems)


WayOut = Callable[[str], str]
"""What to do where a source seems to lack a column."""


def _way_out(source: Source, task: Task, language: str, column: str) -> str:
    return way_out(path_of(source, code_of(task, language)), source, column) if source.file else ""


def _where(source: Source, name: str, number: int) -> str:
    return located(name, source.file_format, number) if source.file else f"{name}, row {number}"


def _complaint(task: Task, adapter: Adapter, example: Example) -> str | None:
    """The adapter's complaint about a row; a value of a kind that it did not expect is one too."""
    if example.get("side") == "gold":
        return None
    try:
        return adapter.check(task, example)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        kinds = ", ".join(f"{k}: {type(v).__name__}" for k, v in example.items() if k in adapter.columns)
        return f"cannot be read by the {adapter.name} adapter ({type(error).__name__}: {error}); it has {kinds}."


def _rows(task: Task, source: Source, language: str, columns: dict[str, ColumnPath]) -> Iterable[Located]:
    code = code_of(task, language)
    if source.builtin:
        return _builtin_rows(source, language)
    if source.file:
        return read(path_of(source, code), source, columns.values())
    return enumerate(
        _hub_rows(
            str(source.hub),
            _fill(source.config, code) if source.config else None,
            _fill(source.split or "train", code),
            source.revision,
        ),
        1,
    )


def _builtin_rows(source: Source, language: str) -> Iterable[Located]:
    from xharness import micro

    dataset = micro.DATASETS.get(str(source.builtin))
    if dataset is None:
        raise DataError(
            Problem(
                "built-in data", f"'{source.builtin}' does not exist.", nearest(str(source.builtin), micro.DATASETS)
            )
        )
    if language not in dataset.languages:
        known = ", ".join(dataset.languages)
        raise DataError(Problem(f"built-in {source.builtin}", f"has no language '{language}'. It has: {known}."))
    if (source.split or "train") not in dataset.splits:
        known = ", ".join(dataset.splits)
        raise DataError(
            Problem(f"built-in {source.builtin}", f"has no split '{source.split or 'train'}'.", f"Allowed: {known}.")
        )
    return enumerate(micro.rows(str(source.builtin), source.split or "train", language, source.size, source.seed), 1)


@lru_cache(maxsize=128)
def _hub_rows(repo: str, config: str | None, split: str, revision: str | None) -> list[Row]:
    """All rows of one split on the Hub, through `datasets`; cached, since targets of several cells read the same."""
    import datasets
    from datasets import exceptions

    datasets.disable_progress_bars()
    name = f"{repo} ({', '.join(p for p in (config, split) if p)})"
    try:
        return list(datasets.load_dataset(repo, config, split=split, revision=revision))
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


def _matches(value: Any, wanted: str | int, code: str) -> bool:
    if isinstance(wanted, str):
        wanted = _fill(wanted, code)
        if "*" in wanted:
            return fnmatchcase(str(value), wanted)
    return bool(str(value) == str(wanted))


def _kept(source: Source, rows: Iterable[Located], code: str, name: str, seen: Seen) -> Iterator[Located]:
    dropped = {c: v if isinstance(v, tuple) else (v,) for c, v in source.drop.items()}
    for number, row in rows:
        for column in (*source.where, *dropped):
            if column not in row:
                where = _where(source, name, number)
                hint = way_out(path_of(source, code), source, column) if source.file else ""
                raise DataError(Problem(where, f"has no column '{column}'.", hint or nearest(column, row)))
            values = seen.setdefault(column, {})
            if len(values) < 1000:
                values[str(row[column])[:60]] = None
        if all(_matches(row[c], v, code) for c, v in source.where.items()) and not any(
            _matches(row[c], v, code) for c, values in dropped.items() for v in values
        ):
            yield number, row


def _column(row: Row, path: ColumnPath, where: str, out: WayOut) -> Any:
    if not isinstance(path, str):
        return [_column(row, part, where, out) for part in path]
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            found = _listed(value) if isinstance(value, dict) else type(value).__name__
            hint = out(path) or (nearest(part, value) if isinstance(value, dict) else "")
            raise DataError(Problem(where, f"has no column '{path}'; found: {found}.", hint))
        value = value[part]
    return value


def _listed(row: Row) -> str:
    """A row's columns; of a row that was taken for a header, only how they begin."""
    return ", ".join(name if len(name) <= 40 else f"{name[:39]}…" for name in row)


def _named(
    row: Row, columns: dict[str, ColumnPath], adapter: Adapter, where: str, side: str | None, out: WayOut
) -> Example:
    example: Example = {name: _column(row, path, where, out) for name, path in columns.items()}
    if side is not None:
        return example | {"side": side}
    for name, required in adapter.columns.items():
        if name in example:
            continue
        if name in row:
            example[name] = row[name]
        elif required:
            what = f"has no column '{name}', which the {adapter.name} adapter needs; found: {_listed(row)}."
            raise DataError(Problem(where, what, out(name) or f'Name it in the task: [columns] {name} = "…".'))
    for name in ("id", "side", "gold"):
        if name in row and name not in example:
            example[name] = row[name]
    return example


def _no_duplicates(about: str, found: list[Example]) -> None:
    seen: dict[str, str] = {}
    for example in found:
        key = f"{example.get('side', '')}\0{example['id']}"
        if example.get("side") != "gold" and key in seen:
            what = f"repeats the id '{example['id']}' of {seen[key]} ({about}); ids must be unique."
            raise DataError(Problem(example["where"], what))
        seen[key] = example["where"]


def _gold_exists(about: str, found: list[Example]) -> None:
    """For mining: both sides have rows, and every gold pair names a sentence of each."""
    sides: dict[str, set[str]] = {"source": set(), "target": set()}
    sided = [e for e in found if e.get("side") is not None]
    for example in sided:
        if example["side"] in sides:
            sides[example["side"]].add(example["id"])
    for side, ids in sides.items():
        if sided and not ids:
            raise DataError(Problem(about, f"has no rows of the {side} side.", "Mining needs source, target and gold."))
    problems: list[Problem] = []
    for example in sided:
        for side, name in _partners(example):
            if name not in sides[side]:
                what = f"the gold id '{name}' is not on the {side} side ({about})."
                problems.append(Problem(example["where"], what, nearest(name, sides[side]) if not problems else ""))
        if len(problems) >= SHOWN:
            break
    if problems:
        raise DataError(*problems)


def _partners(example: Example) -> list[tuple[str, str]]:
    """(side, id) of every sentence that a row for mining says is there."""
    partner = str(example["gold"]) if example.get("gold") else ""
    if example["side"] == "gold":
        return [
            ("source", str(example.get("source") or example["id"])),
            ("target", str(example.get("target") or partner)),
        ]
    return [("target" if example["side"] == "source" else "source", partner)] if partner else []
