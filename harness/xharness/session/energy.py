"""The energy that a machine takes while a run is under way, where its devices tell.

Processors by the counters of the kernel's powercap (RAPL of Intel and AMD), of the whole package; GPUs by NVML's own
counter. Both are of the machine: what else runs on it at the time is in them, and what they do not see (memory, fans)
is not. A counter begins anew at its range, so that it is read every now and then.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
EVERY = 5.0
"""Seconds between two readings; the smallest range lasts for minutes."""
Read = Callable[[], tuple[float, float]]
"""(joules so far, joules at which the counter begins anew; 0 for never)."""


class Energy:
    """Counts from its making on."""

    def __init__(self, counters: dict[str, Read] | None = None) -> None:
        self._read = counters_here() if counters is None else counters
        self._last: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._when = float("-inf")
        self.sample(now=True)

    def sample(self, now: bool = False) -> None:
        """Read the counters, unless they were read a moment ago; one that cannot be read any more is left out."""
        if not self._read or (not now and time.monotonic() - self._when < EVERY):
            return
        self._when = time.monotonic()
        for name, read in [*self._read.items()]:
            try:
                joules, range_ = read()
            except (OSError, ValueError):
                del self._read[name]
                self._sums.pop(name, None)
                continue
            before = self._last.get(name, joules)
            self._sums[name] = self._sums.get(name, 0.0) + joules - before + (range_ if joules < before else 0.0)
            self._last[name] = joules

    def facts(self) -> dict[str, float]:
        """What was counted -> joules; empty where no device tells."""
        self.sample(now=True)
        return {name: round(sum_, 1) for name, sum_ in self._sums.items()}


def counters_here() -> dict[str, Read]:
    """The counters of this machine that may be read."""
    found: dict[str, Read] = {}
    for folder in sorted(POWERCAP.glob("*:*")):
        # `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it.
        if re.fullmatch(r"[a-z-]+:\d+", folder.name):
            with suppress(OSError, ValueError):
                _rapl(folder)
                found[f"processor {(folder / 'name').read_text().strip()}"] = lambda folder=folder: _rapl(folder)  # type: ignore[misc]
    found.update(_gpus())
    return found


def _rapl(folder: Path) -> tuple[float, float]:
    joules, range_ = (int((folder / name).read_text()) / 1e6 for name in ("energy_uj", "max_energy_range_uj"))
    return joules, range_


def _gpus() -> dict[str, Read]:
    try:
        nvml: Any = import_module("pynvml")  # torch needs it for the same, and does not bring it.
    except ImportError:
        return {}
    found: dict[str, Read] = {}
    try:
        nvml.nvmlInit()
        for number in range(nvml.nvmlDeviceGetCount()):
            device = nvml.nvmlDeviceGetHandleByIndex(number)

            def read(device: Any = device) -> tuple[float, float]:
                try:
                    return nvml.nvmlDeviceGetTotalEnergyConsumption(device) / 1000, 0.0
                except nvml.NVMLError as error:
                    raise OSError(str(error)) from None

            with suppress(OSError):
                read()
                found[f"GPU {number}"] = read
    except nvml.NVMLError:
        pass
    return found
