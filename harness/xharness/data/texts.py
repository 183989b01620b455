"""The texts of a task's examples: what an example is about, and all that is there to be read in a split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from xharness.adapter import Example, SaysTexts, load_adapter, unfolded
from xharness.data.examples import iter_examples
from xharness.errors import DataError, Problem
from xharness.spec.task import Limit, Split, Task


def texts_of(task: Task, split: Split, language: str, limit: Limit) -> Iterator[str]:
    """The texts of a split in the columns that the task's adapter says; DataError where it says none."""
    adapter = load_adapter(task.adapter)
    if not isinstance(adapter, SaysTexts):
        what = f"its adapter '{adapter.name}' does not say which columns are texts."
        raise DataError(Problem(f"task {task.name}", what, 'Give the adapter `texts = ("column", …)`.'))
    for example in unfolded(task, iter_examples(task, split, language, limit), split == "train"):
        yield from _texts(example, adapter.texts)


def _texts(example: Example, columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        held = example.get(column)
        if isinstance(held, str):
            yield held
        elif isinstance(held, (list, tuple)):
            # Words of a tagged sentence are one text; so are the choices of a question, whose order says nothing.
            yield " ".join(str(part) for part in held)


def contexts_of(task: Task, split: Split, language: str, limit: Limit) -> Iterator[str]:
    """What each example of a split is about."""
    for example in unfolded(task, iter_examples(task, split, language, limit), split == "train"):
        yield text_of(example)


def text_of(example: Example) -> str:
    """What an example is about: its context, or all of its texts."""
    if isinstance(context := example.get("context"), str):
        return context
    kept = [v for k, v in example.items() if isinstance(v, str) and k not in ("id", "language", "label")]
    return " ".join(kept)


def mark_of(text: str) -> str:
    """A text by content: 16 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
