"""Who works on a run: seats, their devices and threads, and the engine that has them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from xharness.collect.cells import Cell
from xharness.engines.engine import Engine
from xharness.engines.local import LocalEngine
from xharness.engines.machine import Share, accelerators, chosen, shares
from xharness.engines.names import LOCAL, far_device
from xharness.errors import HarnessError, UsageError, counted
from xharness.plan.cost import missing_steps
from xharness.plan.identity import identity_of
from xharness.session.provenance import cores, memory_bytes
from xharness.spec.encoder_config import training_bytes
from xharness.spec.engine import MOST_JOBS
from xharness.spec.load import Loaded
from xharness.spec.suite import Checkpoint

if TYPE_CHECKING:
    from xharness.session.session import Prepared, Request

WORKER_MEMORY = 3 << 30
"""Memory that `-n auto` reckons for a worker whose checkpoint does not tell its size, in bytes."""
CPU_TOKENS = 2048
"""Tokens at once in training on a processor."""
BESIDE_GPUS = 8
"""Workers that encode and search beside GPUs, at the most: more do not read faster from one disk."""


def memory_of(loaded: Loaded, extra: Sequence[Checkpoint], cells: Sequence[Cell]) -> int:
    """Memory that a worker takes about: of the largest encoder that is trained, in bytes."""
    known = {c.name: c for c in (*loaded.suite.checkpoint, *extra)}
    tokens = loaded.profile.device_tokens or CPU_TOKENS
    rows, targets = ({getattr(cell, side) for cell in cells} for side in ("intermediate", "target"))
    recipes = [loaded.stage_recipe(row, n) for row in rows for n in range(len(loaded.stages(row)))]
    recipes += [loaded.target_recipe(name) for name in targets]
    length = max((recipe.max_length for recipe in recipes), default=0)
    found: list[int] = []
    for name in {cell.checkpoint for cell in cells}:
        with suppress(HarnessError):  # What is wrong with a checkpoint is told of its cells.
            found.append(training_bytes(identity_of(known[name]).config, tokens, length) or WORKER_MEMORY)
    return max(found, default=WORKER_MEMORY)


def parallel(request: Request, loaded: Loaded, memory: int) -> tuple[tuple[Share, ...], int]:
    """(what each worker sees, threads of each): the machine's cores divided, never oversubscribed; a worker a GPU.

    Beside GPUs `-n` counts the workers that encode and search on the processor. Other engines say it of themselves.
    """
    if request.engine != LOCAL:
        if (request.workers or 0) > MOST_JOBS:
            raise UsageError(f"-n '{request.workers}' is more than one run follows: at most {MOST_JOBS}, or auto.")
        return (), 0
    total = cores()
    devices = chosen(request.device, accelerators())
    if devices:
        beside = request.workers or max(1, min(total // (len(devices) + 1), BESIDE_GPUS))
        return tuple(shares(devices, beside)), max(1, total // (len(devices) + beside))
    if request.workers is not None:
        share = max(1, total // request.workers)
        return tuple(shares((), request.workers)), min(loaded.profile.threads or share, share)
    # Steps side by side use cores better than one step on all of them, as far as memory reaches.
    fits = max(1, min(total, memory_bytes() // memory if memory_bytes() else total))
    threads = min(loaded.profile.threads or max(1, total // fits), total)
    return tuple(shares((), max(1, min(total // threads, fits)))), threads


def sees_gpus(request: Request) -> bool:
    """Whether steps of the run may find a GPU; of a cluster it is not asked before it is joined."""
    if request.engine == LOCAL:
        return bool(chosen(request.device, accelerators()))
    return far_device(request.engine, request.device) != "cpu"


def engine_of(request: Request, prepared: Prepared) -> Engine:
    """The engine that a run asks for; UsageError where a cluster cannot be joined."""
    store, profile = prepared.store.root, prepared.loaded.profile
    if request.engine != LOCAL and not missing_steps(prepared.plan, prepared.store, request.keep == "all")[0]:
        return LocalEngine(store, (), 0)  # Nothing is to be made: no cluster need be joined to show that.
    if request.engine == "ray":
        from xharness.engines.ray_engine import RayEngine

        return RayEngine(store, request.device, request.workers, profile.threads, prepared.memory)
    if request.engine == "slurm":
        from xharness.engines.slurm_engine import SlurmEngine

        settings = prepared.loaded.suite.engine.slurm
        return SlurmEngine(store, request.device, request.workers, profile.threads, settings)
    return LocalEngine(store, prepared.workers, prepared.threads)


def crew(engine: Engine) -> str:
    """Who works, for a person."""
    if not engine.seats:
        return "all of them stored"
    devices = sum(bool(seat.accelerated) for seat in engine.seats)
    beside = f" and {devices} on GPUs" if devices else ""
    place = f" on {engine.place}" if engine.place else ""
    workers = counted(len(engine.seats) - devices, "worker")
    return f"{workers}{beside} × {counted(engine.threads, 'thread')}{place}"
