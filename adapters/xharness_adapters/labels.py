"""A row's label as its name, whatever the data writes: the name, another spelling of it, or its code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xharness.errors import nearest
from xharness.spec.task import Task


def label_name(task: Task, given: Any) -> str | None:
    """The task's name of a label, or None when it is none of them; a task without a list has all."""
    text = str(int(given) if isinstance(given, bool) and str(given) not in task.label_map else given)
    text = task.label_map.get(text, text)
    if text in task.labels or not task.labels:
        return text
    # A code in a text column is a code all the same; a number that is itself a label's name came first.
    if text.isascii() and text.isdigit() and int(text) < len(task.labels):
        return task.labels[int(text)]
    return None


def labels_in(task: Task, given: Iterable[Any]) -> tuple[str, ...]:
    """The distinct labels of a train split, sorted, for a task that names none."""
    return tuple(sorted({str(label_name(task, label)) for label in given}))


def label_problem(task: Task, given: Any) -> str | None:
    """The sentence about a label that is none of the task's, or None."""
    if label_name(task, given) is not None:
        return None
    return f"the label {given!r} is not one of the task's {len(task.labels)}. {nearest(str(given), task.labels)}"
