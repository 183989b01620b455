"""A task of a suite: the file that defines it, where its keys stand, its adapter."""

from __future__ import annotations

from xharness.adapter import Adapter, load_adapter
from xharness.errors import UsageError
from xharness.spec.load import Loaded
from xharness.spec.parse import Document, KeyPath
from xharness.spec.task import Task


def file_of(loaded: Loaded, name: str) -> Document:
    """The file that defines a task; the suite's for a task that was built in Python."""
    return loaded.files.get(name, loaded.document)


def data_told(loaded: Loaded, name: str, split: str) -> bool:
    """Whether a problem of a task's data in a split, or of the profile, is reported already."""
    file, profile = file_of(loaded, name), loaded.profile_name
    inside = ("profile", profile, "data", split)
    return not loaded.knows_profile or loaded.told(file, *inside) or loaded.told(file, "data", split)


def place_in(file: Document, profile: str, *path: str | int) -> KeyPath:
    """The path of a key in a task file: in the current profile if it is set there, else at the top level."""
    inside = ("profile", profile, *path)
    return inside if file.positions.depth(inside) == len(inside) else path


def adapter_of(task: Task) -> Adapter | None:
    """A task's adapter; None if there is none of that name, which is reported of the task."""
    try:
        return load_adapter(task.adapter)
    except UsageError:
        return None
