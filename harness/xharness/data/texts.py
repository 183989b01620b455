"""The texts of a task's examples: what an example is about, and all that is there to be read in a split."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence

from xharness.adapter import Example, SaysTexts, load_adapter, unfolded
from xharness.data.examples import iter_examples
from xharness.errors import DataError, Problem
from xharness.spec.task import Limit, Split, Task

PIECE = 200
"""Characters of a piece: about forty words of English."""


def texts_of(task: Task, split: Split, language: str, limit: Limit) -> Iterator[str]:
    """The texts of a split in the columns that the task's adapter says; DataError where it says none."""
    return texts_in(task, split, iter_examples(task, split, language, limit))


def texts_in(task: Task, split: Split, rows: Iterable[Example]) -> Iterator[str]:
    """The same of rows that were read already."""
    adapter = load_adapter(task.adapter)
    if not isinstance(adapter, SaysTexts):
        what = f"its adapter '{adapter.name}' does not say which columns are texts."
        raise DataError(Problem(f"task {task.name}", what, 'Give the adapter `texts = ("column", …)`.'))
    for example in unfolded(task, rows, split == "train"):
        yield from _texts(example, adapter.texts)


def pieces_in(task: Task, split: Split, rows: Iterable[Example], size: int = PIECE) -> list[str]:
    """The distinct texts of rows, in random order and one after the other, cut into pieces of `size` characters.

    What is left at the end is dropped, so that all pieces are of one length.
    """
    held = sorted(dict.fromkeys(text.strip() for text in texts_in(task, split, rows)))
    random.Random(0).shuffle(held)
    whole = "\n".join(text for text in held if text)
    return [whole[start : start + size] for start in range(0, len(whole) - size + 1, size)]


def contexts_in(task: Task, split: Split, rows: Iterable[Example]) -> list[str]:
    """What the examples are about, each distinct text once."""
    return list(dict.fromkeys(text_of(example) for example in unfolded(task, rows, split == "train")))


def _texts(example: Example, columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        held = example.get(column)
        if isinstance(held, str):
            yield held
        elif isinstance(held, (list, tuple)):
            # Words of a tagged sentence are one text; so are the choices of a question, whose order says nothing.
            yield " ".join(str(part) for part in held)


def text_of(example: Example) -> str:
    """What an example is about: its context, or all of its texts."""
    if isinstance(context := example.get("context"), str):
        return context
    kept = [v for k, v in example.items() if isinstance(v, str) and k not in ("id", "language", "label")]
    return " ".join(kept)


def mark_of(text: str) -> str:
    """A text by content: 16 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
