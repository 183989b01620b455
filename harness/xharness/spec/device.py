"""Where a step runs and how much at once; none of it can change a result beyond rounding."""

from __future__ import annotations

from xharness.spec.base import Spec


class Device(Spec):
    """The device and what goes through it at once."""

    device: str = "auto"
    threads: int | None = None
    """Processor threads of the worker; set before it starts."""
    tokens: int | None = None
    """Padded tokens on the device at once; None chooses by the device's memory."""
    save_seconds: float = 120.0
    """Seconds between saved training states."""
