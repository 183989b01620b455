"""The device: which one, how much fits on it at once, in which precision it computes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Literal

import torch

from xharness.errors import HarnessError
from xharness.spec.device import Device

Precision = Literal["fp32", "bf16"]
CPU_TOKENS, CPU_TOKENS_FORWARD = 2048, 512
"""Padded tokens on a processor at once, with a backward pass and without: enough to keep its cores busy, few enough to
stay near its caches. Embedding with multilingual-e5-small on two cores, 512 are 10 % faster than 2,048, 8,192 are 35 %
slower."""


@dataclass(frozen=True)
class Hardware:
    """A resolved device."""

    device: torch.device
    precision: Precision
    tokens: int | None
    """Padded tokens at once, where the user says so."""

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which forward passes run; weights stay float32."""
        if self.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def as_written(self) -> contextlib.AbstractContextManager[Any]:
        """Within `autocast`: operations run in the precision that their inputs have, and what it keeps stays."""
        if self.precision == "bf16":
            return torch.autocast(self.device.type, enabled=False)
        return contextlib.nullcontext()

    def budget(self, hidden: int, layers: int, training: bool) -> int:
        """Padded tokens at once: the user's number, or one guessed from memory; an OOM halves it later."""
        if self.tokens:
            return self.tokens
        if self.device.type != "cuda":
            return CPU_TOKENS if training else CPU_TOKENS_FORWARD
        free, _ = torch.cuda.mem_get_info(self.device)
        # About 34 activations of `hidden` floats a token and layer are kept for the backward pass
        # (Korthikanti et al. 2022, arXiv 2205.05198 §4.1), and 4 without one, in one layer only.
        bytes_a_token = hidden * 4 * (34 * layers if training else 64)
        return max(2048, min(1 << 17, int(free * 0.5 / bytes_a_token)))

    def halved(self, budget: int) -> int:
        """The budget after an OOM; HarnessError when one input alone does not fit."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if budget <= 64:
            raise HarnessError(f"the model does not fit on {self.device} even with one short input at a time.")
        return budget // 2


def hardware(device: Device, precision: Literal["auto", "fp32", "bf16"] = "auto") -> Hardware:
    """The device that the work asks for; HarnessError when the machine has none such."""
    if device.threads:
        torch.set_num_threads(device.threads)
    name = device.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(name)
    except RuntimeError:
        raise HarnessError(f"there is no kind of device called '{name}'. Use auto, cpu or cuda.") from None
    if found.type == "cuda":
        if not torch.cuda.is_available() or (found.index or 0) >= torch.cuda.device_count():
            raise HarnessError(
                f"this machine has no device '{name}' ({torch.cuda.device_count()} CUDA devices are seen)."
            )
        if found.index is not None:
            torch.cuda.set_device(found)
    elif found.type != "cpu":
        raise HarnessError(f"device '{name}' is not supported. Use auto, cpu, cuda or cuda:N.")
    chosen: Precision = ("bf16" if has_bf16(found) else "fp32") if precision == "auto" else precision
    return Hardware(found, chosen, device.tokens)


def has_bf16(device: torch.device) -> bool:
    """Whether `auto` computes in bf16: on GPUs that have it in hardware.

    Never on a processor, where some have it and most have not: the same command would give other scores on the next
    machine.
    """
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
