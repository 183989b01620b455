"""The Ray cluster that a run joins, and how many steps it holds at once."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from xharness.engines.machine import Share
from xharness.errors import Problem, UsageError

ADDRESS = "RAY_ADDRESS"
OWN = "local"
"""A cluster of this machine, which ends with its driver."""
KNOCK_SECONDS = 10.0
ANSWER_SECONDS = 30.0
"""For a cluster to answer; one that lives does so at once."""
ASK = "import sys, ray; ray._raylet.GcsClient(address=sys.argv[1])"
"""What `ray health-check` does, without all that this command imports first."""
BESIDE_GPUS = 8
"""Steps of the processor beside a node's GPUs, at the most: more do not read faster from one disk."""


@contextmanager
def joined() -> Iterator[Any]:
    """The library with a cluster: that at RAY_ADDRESS, else one of this machine; left again, where we joined it.

    UsageError where no cluster answers, or one of another version of Ray or Python.
    """
    for name, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")):
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():  # By who called us.
        yield ray
        return
    address = os.environ.get(ADDRESS) or OWN
    where = f"--engine ray: {ADDRESS}={_shown(address)}" if address != OWN else "--engine ray"
    own: dict[str, Any] = {"include_dashboard": False} if address == OWN else {}
    try:
        _knock(address)
        with _our_signals():
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Of many kinds; that a node is slow to start is a bare Exception.
        with suppress(Exception):
            ray.shutdown()
        said = str(error).strip().partition("\n")[0].replace(address, _shown(address))
        hint = "Start a cluster with `ray start --head`, or unset RAY_ADDRESS for one of this machine alone."
        raise UsageError(Problem(where, f"no cluster can be joined ({said}).", hint)) from None
    try:
        yield ray
    finally:
        with _our_signals():
            ray.shutdown()


def _knock(address: str) -> None:
    """OSError where nobody listens at HOST:PORT, or no cluster; Ray itself would wait for either, for minutes.

    A process of its own asks, since within this one nothing ends the wait: no time, and no interrupt.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit() and "//" not in host):
        return
    socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()
    try:
        # Of what it answers Ray itself says later what is wrong with it.
        subprocess.run([sys.executable, "-c", ASK, address], capture_output=True, timeout=ANSWER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"what listens there does not answer as Ray does, in {ANSWER_SECONDS:g} s") from None


def _shown(address: str) -> str:
    """An address as it may be told: without user and password."""
    scheme, found, rest = address.rpartition("://")
    return scheme + found + rest.rpartition("@")[2]


@contextmanager
def _our_signals() -> Iterator[None]:
    """Ray makes SIGTERM its own; here it ends a run in order, and goes on doing so."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        with suppress(ValueError):  # Only the main thread may say what signals do, and Ray did not either.
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class Node:
    """What one node gives to tasks."""

    cpus: int
    gpus: int
    memory: int
    """Bytes."""

    def fitting(self, memory: int) -> int:
        """How many steps of so many bytes it holds, each with a processor."""
        return max(1, min(self.cpus, self.memory // memory))


@dataclass(frozen=True)
class Nodes:
    """The nodes that have processors."""

    each: tuple[Node, ...]

    @classmethod
    def of(cls, told: Iterable[Mapping[str, Any]]) -> Nodes:
        """From what Ray tells of its nodes; UsageError where none has a processor."""
        alive = [node["Resources"] for node in told if node["Alive"]]
        found = tuple(
            Node(int(has["CPU"]), int(has.get("GPU", 0)), int(has.get("memory", 0))) for has in alive if has.get("CPU")
        )
        if not found:
            raise UsageError("--engine ray: no node of the cluster has a processor for tasks.")
        return cls(found)

    @property
    def gpus(self) -> int:
        """Of all nodes."""
        return sum(node.gpus for node in self.each)

    @property
    def memory(self) -> int:
        """Of the largest node, in bytes: what asks for more never runs."""
        return max(node.memory for node in self.each)

    def seats(self, device: str, most: int | None, threads: int | None, memory: int) -> tuple[int, tuple[Share, ...]]:
        """(threads of a step, seats): as many as run at once, `most` if that is said; UsageError for a GPU not there.

        `threads`: what the suite asks for; `memory`: bytes of a step.
        """
        if device == "cuda" and not self.gpus:
            raise UsageError(Problem("--device cuda", "no node of the Ray cluster has a GPU.", "Use auto, or cpu."))
        largest = max(node.cpus for node in self.each)
        if most is not None:
            cpus = sum(node.cpus for node in self.each)
            return min(threads or max(1, cpus // most), largest), (Share(),) * most
        if device != "cpu" and self.gpus:
            own = min(threads or node.cpus // (node.gpus + 1) or 1 for node in self.each if node.gpus)
            free = sum(min(max(0, node.cpus - own * node.gpus) // own, BESIDE_GPUS) for node in self.each)
            return own, (Share(accelerated=True),) * self.gpus + (Share(accelerated=False),) * max(1, free)
        own = min(min(threads or max(1, node.cpus // node.fitting(memory)), node.cpus) for node in self.each)
        count = sum(max(1, min(node.cpus // own, node.fitting(memory))) for node in self.each)
        return own, (Share(),) * count
