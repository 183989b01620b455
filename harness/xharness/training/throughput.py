"""How well a device is used: tokens a second, share of the peak, padding, memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from xharness.adapter import Feature
from xharness.training.devices import Hardware

PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "A10": 125e12, "RTX 4090": 165e12}
"""Floating-point operations a second in bf16 without sparsity, by a part of the device's name; NVIDIA's data sheets."""


class Throughput:
    """Counts what goes through a device."""

    def __init__(self, machine: Hardware, size: tuple[int, int], parameters: int, training: bool) -> None:
        """`size` is hidden units and layers, `parameters` those of the layers: looking up a word computes nothing."""
        self._machine, self._training = machine, training
        self._hidden, self._layers, self._parameters = *size, parameters
        self._began = time.monotonic()
        self._real = self._padded = 0
        self._operations = 0.0
        if machine.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(machine.device)

    def add(self, features: Sequence[Feature]) -> None:
        """Take note of one padded batch."""
        width = max(len(f.ids) for f in features)
        real = sum(len(f.ids) for f in features)
        self._real += real
        self._padded += width * len(features)
        # 6 operations a parameter and token in training, 2 without, and attention over the length: Chowdhery et al.
        # 2022, arXiv 2204.02311, appendix B. Padding is no use, so only real tokens count.
        times = 6 if self._training else 2
        self._operations += real * (times * self._parameters + 2 * times * self._layers * self._hidden * width)

    def facts(self) -> dict[str, Any]:
        """For the manifest; the share of the peak only where the device's peak is known and bf16 is used.

        The seconds are those since the beginning, pauses for the dev set and for saving included.
        """
        seconds = max(time.monotonic() - self._began, 1e-9)
        found: dict[str, Any] = {
            "tokens_per_second": round(self._real / seconds, 1),
            "padding": round(1 - self._real / self._padded, 4) if self._padded else 0.0,
        }
        if self._machine.device.type == "cuda":
            found["device_memory"] = torch.cuda.max_memory_allocated(self._machine.device)
            name = torch.cuda.get_device_name(self._machine.device)
            peak = next((peak for part, peak in PEAK.items() if part in name), None)
            if peak is not None and self._machine.precision == "bf16":
                found["mfu"] = round(self._operations / seconds / peak, 4)
        return found


def layer_parameters(encoder: torch.nn.Module) -> int:
    """Parameters of an encoder but for its tables of embeddings."""
    tables = {id(p) for m in encoder.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    return sum(p.numel() for p in encoder.parameters() if id(p) not in tables)
