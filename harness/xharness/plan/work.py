"""The work of each kind of step, as plain frozen values that travel to a worker and into the store.

One class a kind. `VERSION` is the step's code version; `FREE` names the fields that cannot change a result and so
do not count in the key; everything else does. Change what a step computes, and its VERSION must be raised.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from xharness.spec.base import Spec
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Limit, Recipe, Task


class Device(Spec):
    """Where and how big; none of it can change a result beyond rounding."""

    device: str = "auto"
    threads: int | None = None
    """Processor threads of the worker; set before it starts."""
    tokens: int | None = None
    """Padded tokens on the device at once; None chooses by the device's memory."""
    save_seconds: float = 120.0
    """Seconds between saved training states."""


class Trained(Spec):
    """One task as a tuning sees it: resolved for the profile, with its recipe."""

    task: Task
    recipe: Recipe
    limit: Limit
    fingerprints: tuple[str, ...] = ()
    """What the train and dev data are, by content: see `data.fingerprints`."""


class Work(Spec):
    """What every kind of work has."""

    KIND: ClassVar[str]
    VERSION: ClassVar[int]
    FREE: ClassVar[tuple[str, ...]] = ("device", "label", "plugins")

    checkpoint: Checkpoint
    identity: str
    """The checkpoint by content: a hub commit, a folder's checksum, the package's version."""
    parent: str | None = None
    """Key of the tuning whose encoder this starts from; None is the checkpoint as it came."""
    device: Device = Device()
    label: str = ""
    """What a person reads in the log."""
    plugins: tuple[str, ...] = ()
    """Python files to load adapters from."""


class Tune(Work):
    """Fine-tune the encoder with fresh heads on the train split of one task, or of several at once."""

    KIND: ClassVar[str] = "tune"
    VERSION: ClassVar[int] = 2
    kind: Literal["tune"] = "tune"
    tasks: tuple[Trained, ...]
    recipe: Recipe
    """Of the run; for one task its own."""
    cap: int | None = None
    """Examples of one task of a mixture at the most."""
    seed: int = 0


class Evaluate(Work):
    """Predict and score a target's test split in every language, in one pass, with a tuned head."""

    KIND: ClassVar[str] = "evaluate"
    VERSION: ClassVar[int] = 2
    kind: Literal["evaluate"] = "evaluate"
    target: Task
    tuned_on: str
    """Name of the task whose head is used."""
    recipe: Recipe
    """For maximum length and windows."""
    limit: Limit
    fingerprints: tuple[str, ...] = ()


class Embed(Work):
    """Embed every distinct sentence of a retrieval target's splits once: a hidden layer, pooled."""

    KIND: ClassVar[str] = "embed"
    VERSION: ClassVar[int] = 2
    kind: Literal["embed"] = "embed"
    target: Task
    limit: Limit
    max_length: int = 512
    fingerprints: tuple[str, ...] = ()


class Mine(Work):
    """Search the embeddings of an `Embed` step and score what is found."""

    KIND: ClassVar[str] = "mine"
    VERSION: ClassVar[int] = 1
    kind: Literal["mine"] = "mine"
    embeddings: str
    """Key of the embed step."""
    target: Task
    limit: Limit
    fingerprints: tuple[str, ...] = ()


AnyWork = Tune | Evaluate | Embed | Mine
