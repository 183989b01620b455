"""The engine of a Slurm cluster, by submitit: a step is a job, those that are ready together are an array.

A job writes its events to a file of its own in the run's folder, which is followed here. A job that is preempted, or
out of its time, is queued again and goes on from the training's saved state. Jobs outlive a head that is killed: the
same command then finds what they have finished, or waits for it at the store's locks.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xharness.engines.engine import Event, Order, event_in
from xharness.engines.errand import Errand, errand, perform_here
from xharness.engines.machine import Share, accelerators
from xharness.errors import Problem, UsageError
from xharness.spec.engine import Slurm

CLUSTER = "XHARNESS_SLURM_CLUSTER"
FOLDER = "slurm"
"""In a run's folder: what submitit and the jobs write."""
THREADS = 4
ARRAY = 500
"""Jobs of one array, at the most; Slurm's own default allows 1,001."""
REQUEUES = 100
"""Times that a job may run out of its time and go on."""
LOOK_SECONDS = 0.5
"""Between two looks at the files of the jobs."""
STATE_SECONDS = 10.0
"""Between two questions whether jobs still live."""
HOPELESS = (
    "BadConstraints",
    "PartitionConfig",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "InvalidAccount",
    "InvalidQOS",
    "DependencyNeverSatisfied",
    "JobHoldMaxRequeue",
    "launch failed requeued held",
)
"""Why a job waits that no patience helps, unless somebody mends the cluster at this moment; some Slurms write _."""
LOOKS = 2
"""A job that so many looks in a row find gone, or waiting without hope, is taken for that."""


@dataclass(frozen=True)
class Job:
    """What a job does; submitit pickles it, and asks it for a `checkpoint` before its machine is taken away."""

    given: Errand
    path: Path
    """Where its events go."""

    def __call__(self) -> None:
        """Perform the step."""
        self._mend()
        self.tell(perform_here(self.given, self.tell))

    def tell(self, event: Event) -> None:
        """Append an event; closed each time, since only then other machines are sure to see it."""
        with self.path.open("ab") as stream:
            stream.write((json.dumps(event, ensure_ascii=False) + "\n").encode())

    def _mend(self) -> None:
        """End the line over which a job of this step was killed, else the first event of this one is lost with it."""
        with suppress(OSError), self.path.open("rb+") as stream:
            stream.seek(-1, os.SEEK_END)
            if stream.read() != b"\n":
                stream.write(b"\n")

    def checkpoint(self) -> Any:
        """Queue the same step again; its training's state lies in the store."""
        from submitit.helpers import DelayedSubmission

        message = f"on {socket.gethostname()} was preempted, or out of its time: it is queued again"
        self.tell({"event": "queued", "key": self.given.key, "message": message})
        return DelayedSubmission(self)


@dataclass
class _Followed:
    """A job, and how much of its file was read."""

    key: str
    path: Path
    job: Any = None
    """None until it is submitted."""
    accelerated: bool = False
    read: int = 0
    gone: int = 0
    """How many looks in a row it was not alive and its file did not say how it ended."""
    hopeless: int = 0
    """How many looks in a row it waited for what never comes."""


def _said_by(*command: str) -> str | None:
    """What a tool of Slurm prints; None where it does not answer."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None


@contextmanager
def _cancellable(folder: Path) -> Iterator[None]:
    """What the local executor starts meanwhile can be cancelled, and writes what it says of that into a file.

    It cancels by an interrupt, which a process inherits as ignored where a shell has put this run in the background.
    """
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    ignored = ignored and threading.current_thread() is threading.main_thread()
    kept = os.dup(2)
    with (folder / "executor.log").open("ab") as stream:
        os.dup2(stream.fileno(), 2)
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.dup2(kept, 2)
        os.close(kept)


def has_gpus(partition: str) -> bool:
    """Whether a node that a job may come to has a GPU; yes where Slurm does not say, whose refusal is told then."""
    where = [f"--partition={partition}"] if partition else []
    said = _said_by("sinfo", "--noheader", "--format=%G", *where)
    return said is None or "gpu" in said


class SlurmEngine:
    """Jobs that are submitted where this runs; the store is on a file system that the nodes share."""

    def __init__(self, store: Path, device: str, most: int | None, threads: int | None, settings: Slurm) -> None:
        cluster = os.environ.get(CLUSTER) or settings.cluster
        if cluster not in ("slurm", "local"):
            raise UsageError(Problem(f"{CLUSTER}={cluster}", "is not known.", "Allowed: slurm, local."))
        if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            hint = f"Run it where jobs are submitted, or set {CLUSTER}=local to try it on this machine."
            raise UsageError(Problem("--engine slurm", "there is no Slurm here: sbatch is not found.", hint))
        self._store, self._folder, self._cluster, self._settings = store, store, cluster, settings
        if cluster == "slurm":
            self.threads, jobs = settings.cpus or threads or THREADS, settings.jobs
        else:
            self.threads = settings.cpus or threads or 1
            jobs = min(settings.jobs, max(1, (os.cpu_count() or 1) // self.threads))
        self.seats: Sequence[Share] = (Share(),) * (most or jobs)
        self.place = "Slurm" if cluster == "slurm" else "submitit's local executor"
        self._gpus = device != "cpu" and bool(settings.gpus or settings.gres)
        if cluster == "local" and not accelerators():
            self._gpus = False
        elif self._gpus and device == "auto" and not {"gpus", "gres"} & settings.model_fields_set:
            self._gpus = has_gpus(settings.partition)
        if device == "cuda" and not self._gpus:
            what = "jobs are given no GPU: this machine shows none, or [engine.slurm] has gpus = 0."
            raise UsageError(Problem("--device cuda", what, "Use auto, or cpu."))
        self._attempts = itertools.count()
        self._followed: dict[str, _Followed] = {}
        self._waiting: list[tuple[Job, _Followed]] = []
        self._told: list[Event] = []
        self._asked = time.monotonic()

    def open(self, folder: Path) -> None:
        """What submitit and the jobs write lies in the run's folder; it has of the environment, and is its owner's."""
        self._folder = folder
        (folder / FOLDER).mkdir(mode=0o700, exist_ok=True)

    def submit(self, order: Order) -> None:
        """It is submitted together with the others of this moment."""
        accelerated, attempt = order.accelerated and self._gpus, next(self._attempts)
        path = self._folder / FOLDER / f"{attempt}.jsonl"
        given = errand(order, self._store, self._folder, self.threads, accelerated, attempt)
        found = self._followed[order.key] = _Followed(order.key, path, accelerated=accelerated)
        self._waiting.append((Job(given, path), found))
        self._told.append({"event": "queued", "key": order.key})

    def events(self, timeout: float) -> list[Event]:
        """What stands in the jobs' files."""
        told, self._told = self._told, []
        if self._waiting:
            told += self._send()
        until = time.monotonic() + timeout
        while True:
            for one in list(self._followed.values()):
                told += self._read(one)
            if time.monotonic() - self._asked > STATE_SECONDS:
                told += self._of_the_dead()
                self._asked = time.monotonic()
            left = until - time.monotonic()
            if told or left <= 0:
                return told
            time.sleep(min(LOOK_SECONDS, left))

    def _send(self) -> list[Event]:
        """Submit what waits, those that are alike as arrays; where Slurm will not have it, that they failed."""
        waiting, self._waiting = self._waiting, []
        told: list[Event] = []
        for accelerated in (True, False):
            alike = [pair for pair in waiting if pair[1].accelerated == accelerated]
            for begin in range(0, len(alike), ARRAY):
                part = alike[begin : begin + ARRAY]
                try:
                    jobs = self._submitted([job for job, _ in part], accelerated)
                except Exception as error:  # submitit passes on whatever sbatch has said.
                    told += [self._refused(found, error) for _, found in part]
                    continue  # What waits beside it may well be taken, as where there are processors and no GPU.
                for (_, found), job in zip(part, jobs, strict=True):
                    found.job = job
        return told

    def _submitted(self, jobs: Sequence[Job], accelerated: bool) -> list[Any]:
        import submitit

        limits = {f"{self._cluster}_max_num_timeout": REQUEUES}
        executor = submitit.AutoExecutor(folder=self._folder / FOLDER / "%j", cluster=self._cluster, **limits)
        executor.update_parameters(**self._parameters(accelerated, len(jobs)))
        with _cancellable(self._folder / FOLDER) if self._cluster == "local" else nullcontext():
            if len(jobs) == 1:
                return [executor.submit(jobs[0])]
            with executor.batch():
                return [executor.submit(job) for job in jobs]

    def _parameters(self, accelerated: bool, count: int) -> dict[str, Any]:
        """As submitit names them; what is not said is left to the cluster."""
        said = self._settings
        slurm = {"partition": said.partition, "account": said.account, "constraint": said.constraint}
        given: dict[str, Any] = {f"slurm_{name}": value for name, value in slurm.items() if value}
        given |= {"name": "xharness", "timeout_min": said.minutes, "cpus_per_task": self.threads}
        if said.memory:
            given["mem_gb"] = said.memory
        if accelerated and said.gres and self._cluster == "slurm":
            given["slurm_additional_parameters"] = {"gres": said.gres}
        elif accelerated:
            given["gpus_per_node"] = said.gpus or 1
        if self._cluster == "slurm":
            given["slurm_array_parallelism"] = count
        return given

    def _refused(self, found: _Followed, error: Exception) -> Event:
        self._followed.pop(found.key, None)
        said = " ".join(str(error).split()) or type(error).__name__
        message = (
            f"Slurm does not take the job ({said}): see [engine.slurm] of the suite; --device cpu asks for no GPU."
        )
        return {"event": "failed", "key": found.key, "message": message, "traceback": "", "refused": True}

    def _read(self, one: _Followed) -> list[Event]:
        """The whole lines that were added to a job's file; opened anew each time, as shared file systems ask."""
        if one.job is None:
            return []
        try:
            with one.path.open("rb") as stream:
                stream.seek(one.read)
                block = stream.read()
        except FileNotFoundError:
            return []
        whole = block[: block.rfind(b"\n") + 1]
        one.read += len(whole)
        # A line is torn where a job was killed while it wrote, and the next went on behind it.
        events = [event for line in whole.split(b"\n") if (event := event_in(line, "key")) is not None]
        if events:
            one.gone = 0
        if any(event["event"] in ("done", "failed", "lost") for event in events):
            del self._followed[one.key]
        return events

    def _of_the_dead(self) -> list[Event]:
        """Jobs that have ended without a word (their machine lost, out of memory), and those that will never begin."""
        told: list[Event] = []
        submitted = [one for one in self._followed.values() if one.job is not None]
        if not submitted or (states := self._states(submitted)) is None:
            return []
        for one in submitted:
            state, reason = states.get(one.job.job_id, ("gone", ""))
            one.gone = one.gone + 1 if state == "gone" else 0
            hopeless = state == "PENDING" and reason.replace("_", " ") in HOPELESS
            one.hopeless = one.hopeless + 1 if hopeless else 0
            if one.hopeless >= LOOKS:
                one.job.cancel(check=False)
                told.append(self._refused(one, RuntimeError(f"it would wait for ever: {reason}")))
            elif one.gone >= LOOKS:  # What it wrote last may have come later than the news of its end.
                del self._followed[one.key]
                message = f"(job {one.job.job_id}) ended without a word"
                told.append({"event": "lost", "key": one.key, "message": message})
        return told

    def _states(self, jobs: Sequence[_Followed]) -> dict[str, tuple[str, str]] | None:
        """Job -> (state, why it waits) of those that have not ended; None where Slurm does not answer.

        Of the queue itself: what submitit asks, the accounting, many clusters have not, or answers late.
        """
        if self._cluster == "local":
            return {one.job.job_id: ("RUNNING", "") for one in jobs if not one.job.done()}
        told = _said_by("squeue", "--noheader", "--array", "--me", "--format=%i|%T|%r")
        if told is None:
            return None
        lines = [line.strip().split("|", 2) for line in told.splitlines() if line.count("|") >= 2]
        return {job: (state, reason) for job, state, reason in lines}

    def stop(self, key: str) -> None:
        """Cancel its job."""
        found = self._followed.pop(key, None)
        self._waiting = [pair for pair in self._waiting if pair[1] is not found]
        if found is not None and found.job is not None:
            found.job.cancel(check=False)

    def close(self) -> None:
        """Cancel all jobs."""
        for key in list(self._followed):
            self.stop(key)
