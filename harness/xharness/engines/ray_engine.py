"""The engine of a Ray cluster: a step is a task with its processors, GPUs and memory.

A task performs its step in a worker process beside it, so that what kills a step is told as on one machine; that stays
for the next task which Ray gives the same process. What kills the task, a node that is lost, is Ray's to mend: it runs
the task again elsewhere. The store's locks and its `has` see to it that no finished step is made twice.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xharness.engines.engine import Event, Order
from xharness.engines.errand import Errand, errand, perform_here
from xharness.engines.ray_cluster import Nodes, joined
from xharness.errors import ClusterError, Problem, counted

RETRIES = 3
"""Times that Ray runs a task again whose node or process is lost, before the step counts as lost."""
NODES_SECONDS = 2.0
"""Between two looks at which nodes there are."""
ABSENT = (
    "a node of the Ray cluster has no xharness in the Python that Ray runs there: "
    "install xharness-stilts[ray] on every node."
)


class Mailbox:
    """An actor on this machine that tasks tell their events to."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._some = asyncio.Event()

    async def put(self, event: Event) -> None:
        """An event of a task."""
        self._events.append(event)
        self._some.set()

    async def take(self) -> list[Event]:
        """All that came since; waits until there is something."""
        await self._some.wait()
        self._some.clear()
        taken, self._events = self._events, []
        return taken


def perform_task(given: Errand, mailbox: Any) -> Event:
    """What a task does."""
    import ray

    node = ray.get_runtime_context().get_node_id()

    def tell(event: Event) -> None:
        mailbox.put.remote({**event, "attempt": given.attempt, "node": node})

    return perform_here(given, tell, spare=True)


@dataclass
class _Task:
    """A task that was submitted and has not ended."""

    key: str
    attempt: int
    node: str = ""
    """Where it runs; empty while it waits for a place."""
    begins: int = 0
    """How often it has begun."""


class RayEngine:
    """Tasks of a cluster: that at RAY_ADDRESS, or one of this machine that ends with the run."""

    def __init__(self, store: Path, device: str, most: int | None, threads: int | None, memory: int) -> None:
        self._ending = ExitStack()
        self._ray = self._ending.enter_context(joined())
        self._store, self._folder = store, store
        try:
            nodes = Nodes.of(self._ray.nodes())
            self.threads, self.seats = nodes.seats(device, most, threads, memory)
        except BaseException:
            self._ending.close()
            raise
        self.place = f"Ray, {counted(len(nodes.each), 'node')}"
        self._gpus = device != "cpu" and nodes.gpus > 0
        self._memory = min(memory, nodes.memory)
        self._tasks: dict[Any, _Task] = {}
        """By the reference to what a task will return."""
        self._by_attempt: dict[int, _Task] = {}
        self._told: list[Event] = []
        self._attempts = itertools.count()
        self._looked = time.monotonic()
        self._closed = False

    def open(self, folder: Path) -> None:
        """Begin with the actor that tasks tell their events to: on this machine, which outlives the others."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._folder = folder
        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        actor = self._ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here, max_concurrency=1000)
        self._mailbox = actor.remote()
        self._ending.callback(self._ray.kill, self._mailbox)
        self._mail = self._mailbox.take.remote()
        self._remote = self._ray.remote(perform_task)

    def submit(self, order: Order) -> None:
        """Have Ray run it where there is room."""
        accelerated = order.accelerated and self._gpus
        attempt = next(self._attempts)
        given = errand(order, self._store, self._folder, self.threads, accelerated, attempt)
        needs: dict[str, Any] = {"num_cpus": self.threads, "num_gpus": int(accelerated)}
        if order.accelerated:
            needs["memory"] = self._memory
        task = self._remote.options(**needs, max_retries=RETRIES, name=order.label)
        made = self._by_attempt[attempt] = _Task(order.key, attempt)
        self._tasks[task.remote(given, self._mailbox)] = made
        self._told.append({"event": "queued", "key": order.key})

    def events(self, timeout: float) -> list[Event]:
        """What tasks tell, and how they end."""
        told, self._told = self._told, []
        try:
            return told + self._news(0 if told else timeout)
        except self._ray.exceptions.RayError as error:  # Of tasks it is told as their end; this is the mailbox, or all.
            said = str(error).strip().partition("\n")[0]
            what = f"the cluster, or what takes its messages on this machine, is lost ({type(error).__name__}: {said})."
            hint = "What was finished is stored: the same command goes on."
            raise ClusterError(Problem("--engine ray", what, hint)) from error

    def _news(self, timeout: float) -> list[Event]:
        told: list[Event] = []
        waiting = [self._mail, *self._tasks]
        self._ray.wait(waiting, num_returns=1, timeout=timeout)
        ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        if self._mail in ready:
            for event in self._ray.get(self._mail):
                told += self._heard(event)
            self._mail = self._mailbox.take.remote()
        for reference in ready:
            if reference in self._tasks:
                told.append(self._ended(reference))
        if time.monotonic() - self._looked > NODES_SECONDS:
            self._looked = time.monotonic()
            told += self._of_lost_nodes()
        return told

    def _heard(self, event: Event) -> list[Event]:
        """An event of a task; of one that begins once more, that it was lost before."""
        found = self._by_attempt.get(event["attempt"])
        if found is None:
            return []
        if event["event"] != "began":
            return [event]
        found.begins += 1
        before = [self._again(found)] if found.node else []
        found.node = event["node"]
        if found.begins > 1 + RETRIES:  # Where memory runs out, Ray would try for ever.
            self.stop(found.key)
            return [{"event": "lost", "key": found.key, "message": f"was lost by Ray {found.begins - 1} times"}]
        return [*before, event]

    def _of_lost_nodes(self) -> list[Event]:
        gone = {t.node for t in self._tasks.values() if t.node}
        if gone:
            gone -= {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        return [self._again(task) for task in self._tasks.values() if task.node in gone]

    def _again(self, task: _Task) -> Event:
        said = f"was on node {task.node[:8]}, which is lost"
        task.node = ""
        return {"event": "queued", "key": task.key, "message": said}

    def _ended(self, reference: Any) -> Event:
        """How a task ended; what it returned, unless Ray has given it up."""
        task = self._drop(reference)
        try:
            event: Event = self._ray.get(reference)
            return event
        except Exception as error:  # Ray raises errors of many kinds, the task's own among them.
            lines = [line for line in str(error).splitlines() if line.strip()]
            if "No module named 'xharness" in str(error):
                return {"event": "failed", "key": task.key, "message": ABSENT, "traceback": "", "refused": True}
            said = f"was lost by Ray ({type(error).__name__}: {lines[-1] if lines else ''})"
            return {"event": "lost", "key": task.key, "message": said}

    def _drop(self, reference: Any) -> _Task:
        task = self._tasks.pop(reference)
        del self._by_attempt[task.attempt]
        return task

    def stop(self, key: str) -> None:
        """Kill its task, and with it the worker."""
        for reference in [r for r, task in self._tasks.items() if task.key == key]:
            self._drop(reference)
            self._ray.cancel(reference, force=True)

    def close(self) -> None:
        """Kill all tasks and leave the cluster."""
        if not self._closed:
            self._closed = True
            for reference in list(self._tasks):
                with suppress(Exception):  # One that has just ended.
                    self._ray.cancel(reference, force=True)
            self._tasks.clear()
            self._ending.close()
