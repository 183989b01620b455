"""Whether what is to choose for a target can: `choose_by` of its task."""

from __future__ import annotations

from collections.abc import Iterator

from xharness.adapter import RetrievalAdapter
from xharness.collect.task_files import adapter_of, data_told, file_of
from xharness.errors import Problem
from xharness.spec.load import Loaded
from xharness.spec.names import unknown
from xharness.spec.task import Task


def choosers(name: str, task: Task, loaded: Loaded) -> Iterator[Problem]:
    """What chooses for a target must be a task, and have a dev score where it is a target of this profile."""
    file, profile = file_of(loaded, name), loaded.profile_name
    known = None if loaded.told(loaded.document, "tasks") else loaded.known
    yield from unknown(file, ("choose_by",), task.choose_by, known, "task")
    for one in task.choose_by:
        if one != name and one in loaded.targets and one in loaded.tasks and not _has_dev(one, loaded):
            what = f"'{one}' has no dev score in the profile '{profile}' to choose for '{name}' by."
            yield file.problem(("choose_by",), what, "Name a task that has one.", one)


def _has_dev(name: str, loaded: Loaded) -> bool:
    """Whether a target gets a dev score: from what it is tuned on, or from the split that its adapter reads.

    True where that cannot be told, since something else is wrong and reported.
    """
    task = loaded.tasks[name]
    adapter = adapter_of(task)
    source = loaded.tasks.get(task.tune_on or name)
    if adapter is None or source is None or data_told(loaded, source.name, "dev"):
        return True
    if isinstance(adapter, RetrievalAdapter) and not task.tune_on:
        try:
            return bool(task.data.dev) and "dev" in adapter.splits(task)
        except ValueError:  # Its options are wrong.
            return True
    return bool(source.data.dev)
