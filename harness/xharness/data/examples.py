"""From a task's sources to its examples: read, keep, name the columns, check, cap. One row at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from xharness.adapter import Adapter, Example, load_adapter
from xharness.data.identities import Identities, require_gold, require_unique
from xharness.data.readers import Row
from xharness.data.sources import Part, parts_of
from xharness.errors import DataError, Problem, nearest
from xharness.spec.task import ColumnPath, Limit, Split, Task

SHOWN = 5
"""Bad rows named in one error."""
Placed = tuple[str, Example]
"""An example, and how a message names its row."""
Skip = Callable[[Problem], None]
"""Takes what is wrong with a row that is left out."""


def examples(
    task: Task,
    split: Split,
    language: str,
    limit: Limit | None = None,
    seed: int = 0,
    skip: Skip = lambda problem: None,
) -> list[Example]:
    """All of `iter_examples` at once."""
    return list(iter_examples(task, split, language, limit, seed, skip))


def iter_examples(
    task: Task,
    split: Split,
    language: str,
    limit: Limit | None = None,
    seed: int = 0,
    skip: Skip = lambda problem: None,
) -> Iterator[Example]:
    """The examples of a split in one language under the adapter's column names, checked and capped, one at a time.

    Every row is checked, also those beyond the cap. Raises DataError that names file and line (or data set and row)
    of the first bad rows; what is only known at the end (an id twice, a gold id that nobody has) is told there, so what
    was taken before counts only once the iterator has ended.

    A source with `skip_bad` leaves bad rows out instead, before the cap: `skip` hears of each.
    """
    parts = parts_of(task, split, language)
    adapter = load_adapter(task.adapter)
    cap = getattr(limit or Limit(), split, None)
    checked = _checked(parts, adapter, split, skip)
    if cap is None:
        yield from checked
        return
    n, first = _known_length(parts), next(checked)
    if n is None:
        # The choice depends on how many there are: the rows are read twice, and held never.
        n = 1 + sum(1 for _ in checked)
        kept = _chosen(n, cap, seed, first)
        yield from (example for _, example in _placed(parts, adapter, kept))
    else:
        kept = _chosen(n, cap, seed, first)
        yield from (example for index, example in enumerate(chain([first], checked)) if _keeps(kept, index))


def _known_length(parts: list[Part]) -> int | None:
    lengths = [part.known_length for part in parts]
    return None if None in lengths else sum(n for n in lengths if n is not None)


def _chosen(n: int, cap: int, seed: int, first: Example) -> bytes | None:
    """A byte for each of n rows, 1 for those that a cap keeps: the same of parallel languages. None keeps all.

    The sides of a bitext are whole, or their gold pairs would be torn apart.
    """
    if cap >= n or "side" in first:
        return None
    import numpy

    kept = numpy.zeros(n, dtype=numpy.uint8)
    kept[numpy.random.default_rng(seed).permutation(n)[:cap]] = 1
    return kept.tobytes()


def _keeps(kept: bytes | None, index: int) -> bool:
    """Whether a row is kept; what a file has grown by since it was counted is not."""
    return kept is None or (index < len(kept) and kept[index] == 1)


def _checked(parts: list[Part], adapter: Adapter, split: Split, skip: Skip) -> Iterator[Example]:
    """The examples of all parts; raises where a part has bad rows, where none has any, where ids do not fit."""
    identities = Identities()
    n = 0
    empty: list[Part] = []
    left_out: list[Problem] = []

    def leave_out(problem: Problem) -> None:
        left_out.append(problem)
        skip(problem)

    for part in parts:
        before = n
        problems: list[Problem] = []
        for where, example in _placed([part], adapter, skip=leave_out):
            n += 1
            # Where bad rows are left out, those that come are checked.
            complaint = None if part.source.skip_bad else _complaint(part.task, adapter, example)
            if complaint:
                problems.append(Problem(where, complaint))
                if len(problems) >= SHOWN:
                    break
            elif not problems:
                identities.add(example)
                yield example
        if problems:
            raise DataError(*problems)
        if n == before:
            empty.append(part)
    about = f"task {parts[0].task.name}, {split} [{parts[0].language}]"
    if not n and left_out:
        what = f"has no sound rows: skip_bad leaves out all {len(left_out)}."
        raise DataError(Problem(about, what), *left_out[:SHOWN])
    if not n:
        raise DataError(Problem(about, f"has no rows: {'; '.join(part.why_empty() for part in empty)}."))
    if suspects := identities.repeated():
        require_unique(about, _placed(parts, adapter), suspects)
    if identities.torn():
        require_gold(about, _placed(parts, adapter), SHOWN)


def _placed(
    parts: list[Part], adapter: Adapter, kept: bytes | None = None, skip: Skip = lambda problem: None
) -> Iterator[Placed]:
    """The examples of the parts with their places; those of `kept` only; checked where bad ones are left out."""
    index = -1
    for part in parts:
        for number, row in part.rows():
            placed = None
            if part.source.skip_bad:
                where, example = placed = _example(part, number, row, adapter)
                if complaint := _complaint(part.task, adapter, example):
                    skip(Problem(where, complaint))
                    continue
            index += 1
            if _keeps(kept, index):
                yield placed or _example(part, number, row, adapter)


def _example(part: Part, number: int, row: Row, adapter: Adapter) -> Placed:
    where = part.where(number)
    example = _paired(_named(row, part, adapter, where))
    given = example.get("id")
    example["id"] = part.id_of(number) if given is None else str(given)
    example["language"] = part.language
    return where, example


def _complaint(task: Task, adapter: Adapter, example: Example) -> str | None:
    """The adapter's complaint about a row; a value of a kind that it did not expect is one too."""
    if example.get("side") == "gold":
        return None
    try:
        return adapter.check(task, example)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        kinds = ", ".join(f"{k}: {type(v).__name__}" for k, v in example.items() if k in adapter.columns)
        return f"cannot be read by the {adapter.name} adapter ({type(error).__name__}: {error}); it has {kinds}."


def _column(row: Row, path: ColumnPath, where: str, part: Part) -> Any:
    if not isinstance(path, str):
        return [_column(row, one, where, part) for one in path]
    if path in row:
        return row[path]
    value: Any = row
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            found = _listed(value) if isinstance(value, dict) else type(value).__name__
            hint = part.way_out(path) or (nearest(key, value) if isinstance(value, dict) else "")
            raise DataError(Problem(where, f"has no column '{path}'; found: {found}.", hint))
        value = value[key]
    return value


def _listed(row: Row) -> str:
    """A row's columns; of a row that was taken for a header, only how they begin."""
    return ", ".join(name if len(name) <= 40 else f"{name[:39]}…" for name in row)


def _named(row: Row, part: Part, adapter: Adapter, where: str) -> Example:
    example: Example = {name: _column(row, path, where, part) for name, path in part.columns.items()}
    if part.source.side is not None:
        return example | {"side": part.source.side}
    for name, required in adapter.columns.items():
        if name in example:
            continue
        if name in row:
            example[name] = row[name]
        elif required:
            what = f"has no column '{name}', which the {adapter.name} adapter needs; found: {_listed(row)}."
            raise DataError(Problem(where, what, part.way_out(name) or f'Name it in the task: [columns] {name} = "…".'))
    for name in ("id", "side", "gold"):
        if name in row and name not in example:
            example[name] = row[name]
    return example


def _paired(example: Example) -> Example:
    """A gold pair by the ids of its sentences, `id` and `gold`; rows may also call them `source` and `target`."""
    if example.get("side") == "gold":
        for ours, theirs in (("id", "source"), ("gold", "target")):
            example[ours] = example.pop(theirs, None) or example.get(ours)
    return example
