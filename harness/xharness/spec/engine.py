"""What a suite says of the engines that can run it; none of it can change a result."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from xharness.spec.base import Spec

_CLOCK = re.compile(r"(?:(\d{1,4})-)?(\d{1,6}):([0-5]\d):([0-5]\d)", re.ASCII)
_YEAR = 366 * 24 * 60
_NO_NAME = re.compile(r"[^\w.,:=+@/-]", re.ASCII)
"""What no partition, account or resource has in its name; it would be read as part of the job's script."""
_NO_FEATURES = re.compile(r"[^\w.,:=+@/&|()\[\]*-]", re.ASCII)
MOST_JOBS = 10_000
"""Steps at once on a cluster, at the most: what one user may queue, and what is followed in good time."""


class Slurm(Spec):
    """How steps are asked of Slurm."""

    cluster: Literal["slurm", "local"] = "slurm"
    """`local`: submitit's processes on this machine in place of Slurm's jobs; XHARNESS_SLURM_CLUSTER says it too."""
    partition: str = ""
    """Where jobs go; the cluster's default if not said."""
    time: int | str = 240
    """What one job may take: minutes, or "HH:MM:SS". A training that takes longer goes on in a further job."""
    account: str = ""
    """Who pays."""
    constraint: str = ""
    """Features that a node must have."""
    gpus: int = Field(default=1, ge=0, le=1)
    """Of a job that trains or predicts; 0 where the cluster has none."""
    gres: str = ""
    """In place of gpus, as sbatch takes it: "gpu:a100:1"."""
    cpus: int | None = Field(default=None, gt=0)
    """Processors of a job; the profile's threads if not said, else 4."""
    memory: float | None = Field(default=None, ge=0.1)
    """GiB of a job, at least 0.1: less would be 0 MB, Slurm's word for all; the cluster's default if not said."""
    jobs: int = Field(default=100, gt=0, le=MOST_JOBS)
    """Jobs at once at the most, queued ones counted; `-n` is in place of it."""

    @field_validator("time")
    @classmethod
    def _is_a_time(cls, said: int | str) -> int | str:
        if not 1 <= minutes_of(said) <= _YEAR:
            raise ValueError('is a number of minutes of at least 1, or "HH:MM:SS", and at most a year')
        return said

    @field_validator("partition", "account", "gres")
    @classmethod
    def _is_a_name(cls, said: str) -> str:
        if found := _NO_NAME.search(said):
            raise ValueError(f"may have letters, digits and _ . , : = + - @ / and nothing else, found {found[0]!r}")
        return said

    @field_validator("constraint")
    @classmethod
    def _is_features(cls, said: str) -> str:
        if found := _NO_FEATURES.search(said):
            allowed = "letters, digits and _ . , : = + - @ / & | ( ) [ ] *"
            raise ValueError(f"may have {allowed} and nothing else, found {found[0]!r}")
        return said

    @property
    def minutes(self) -> int:
        """Of one job."""
        return minutes_of(self.time)


def minutes_of(said: int | str) -> int:
    """What one job may take; 0 for what is no time."""
    if isinstance(said, int):
        return said
    found = _CLOCK.fullmatch(said)
    if found is None:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes + (seconds > 0)


class Engines(Spec):
    """A table for each engine that takes settings."""

    slurm: Slurm = Slurm()
    """For `--engine slurm`."""
