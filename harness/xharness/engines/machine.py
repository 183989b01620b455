"""Which accelerators there are, and what each worker sees of them; found without importing torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xharness.errors import Problem, UsageError, listed

VISIBLE = "CUDA_VISIBLE_DEVICES"
ALLOWED = "auto, cpu, cuda, cuda:N or cuda:N,M,…"
_MIG = re.compile(r"\(UUID:\s*(MIG-[^)]+)\)")


@dataclass(frozen=True)
class Share:
    """What one worker process sees and takes."""

    visible: str | None = None
    """Its CUDA_VISIBLE_DEVICES; None leaves the process's own."""
    accelerated: bool | None = None
    """True: steps that train and predict, False: steps of the processor alone; None: all."""

    def takes(self, accelerated: bool) -> bool:
        """Whether a step of this kind is for this worker."""
        return self.accelerated is None or self.accelerated == accelerated


def accelerators(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: numbers, GPU- or MIG- ids.

    An inherited list is obeyed as CUDA obeys it: what stands behind an entry that is none is not seen.
    """
    given = (os.environ if environment is None else environment).get(VISIBLE)
    if given is None:
        return _installed()
    found: list[str] = []
    for entry in (part.strip() for part in given.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", entry):
            break
        found.append(entry)
    return tuple(found)


def _installed() -> tuple[str, ...]:
    """All NVIDIA GPUs; of one that is divided (MIG) its instances, which CUDA names by their ids alone."""
    count = len([p for p in Path("/dev").glob("nvidia[0-9]*") if p.name[6:].isdigit()])
    if not count:
        return ()
    tool, told = shutil.which("nvidia-smi"), ""
    with suppress(OSError, subprocess.SubprocessError):
        if tool:
            told = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    return tuple(_MIG.findall(told)) or tuple(map(str, range(count)))


def chosen(device: str, seen: Sequence[str]) -> tuple[str, ...]:
    """The accelerators that `--device` asks for, of those that are seen; UsageError for one that is not there.

    `cuda` and `auto` are all of them; the numbers of `cuda:0,2` count the visible ones from 0.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4}(,\d{1,4})*)?", device):
        raise UsageError(f"--device '{device}' is not known. Allowed: {ALLOWED}.")
    if device == "cpu":
        return ()
    if device == "auto":
        return tuple(seen)
    if not seen:
        hint = f"{VISIBLE} is '{os.environ[VISIBLE]}'." if VISIBLE in os.environ else "Use --device cpu, or auto."
        raise UsageError(Problem(f"--device {device}", "this machine shows no CUDA device.", hint))
    numbers = [int(n) for n in device.removeprefix("cuda").removeprefix(":").split(",") if n]
    if twice := sorted({n for n in numbers if numbers.count(n) > 1}):
        raise UsageError(Problem(f"--device {device}", f"names {listed(map(str, twice))} twice."))
    gone = [n for n in numbers if n >= len(seen)]
    if gone:
        what = f"there is no CUDA device {listed(map(str, gone))}; {len(seen)} are seen, from 0: {', '.join(seen)}."
        raise UsageError(Problem(f"--device {device}", what))
    return tuple(seen[n] for n in numbers) if numbers else tuple(seen)


def shares(devices: Sequence[str], workers: int) -> list[Share]:
    """One worker for each accelerator and `workers` beside them for the processor's steps; else `workers` for all."""
    if not devices:
        return [Share()] * workers
    alone = [Share(visible="", accelerated=False)] * workers
    return [*(Share(visible=device, accelerated=True) for device in devices), *alone]
