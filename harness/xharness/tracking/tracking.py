"""The run's side of tracking: events go in, and to a process for each tracker and training that is under way.

Nothing here waits for a tracker but the end of the run, and that not for long. The first trouble of a tracker is one
warning, and the end of it in this run.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from xharness.plan.plan import Plan
from xharness.record import Record
from xharness.tracking import described

LOG = "trackers.log"
PATIENCE = 60.0
"""Seconds that a run which has ended waits for its trackers to write what they were told."""
HURRY = 10.0
"""The same of an interrupted one."""
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "OMP_NUM_THREADS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONUNBUFFERED": "1",
}
UNLESS_SET = {
    "WANDB_SILENT": "true",
    "WANDB_CONSOLE": "off",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_FLATTEN_PARAMS": "true",
    # With seven, as MLflow has it, a server that is gone is noticed after minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


class Process:
    """One tracker's process; it tracks one run at a time."""

    def __init__(self, tracker: str, log: Path) -> None:
        self.said = ""
        """Why it failed, in its own words."""
        self._orders: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        try:
            with log.open("ab") as stream:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "xharness.tracking.process", tracker],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stream,
                    env={**UNLESS_SET, **os.environ, **ENVIRONMENT},
                    start_new_session=True,
                )
        except OSError as error:
            self.said = f"its process could not be started ({error})"
            return
        self._reader.start()
        threading.Thread(target=self._write, daemon=True).start()

    def send(self, order: Mapping[str, Any]) -> None:
        """Tell it something; returns at once."""
        self._orders.put(dict(order))

    def _write(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        # That a process is gone is noticed by who reads.
        with contextlib.suppress(OSError):
            while (order := self._orders.get()) is not None:
                self._process.stdin.write((json.dumps(order, ensure_ascii=False) + "\n").encode())
                self._process.stdin.flush()
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self.said = str(json.loads(line)["failed"])
        if (code := self._process.wait()) and not self.said:
            self.said = f"its process ended (exit code {code})"

    def close(self) -> None:
        """Have it end once everything is written."""
        self._orders.put(None)

    def wait(self, until: float) -> None:
        """Wait for its end; kill it when the time has come."""
        if self._process is None:
            return
        try:
            self._reader.join(max(0.0, until - time.monotonic()))
            if self._reader.is_alive():
                self.said = self.said or "it did not take in time what it was told"
        finally:
            # What it has started ends with it: wandb has a server.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._reader.join()


class Tracking:
    """Listens to the events of a run and tells its trackers."""

    def __init__(self, trackers: Sequence[str], plan: Plan, folder: Path, versions: Mapping[str, str]) -> None:
        """`folder` is the run's: its name is the group of all that is tracked."""
        self.plan, self.folder, self.versions = plan, folder, versions
        self.told: list[str] = list(trackers)
        """The trackers that have not failed."""
        self.trained: set[str] = set()
        """Keys of the trainings that were tracked."""
        # It takes seconds to start, and the run itself is tracked at least.
        self._idle = {name: [Process(name, folder / LOG)] for name in trackers}
        self._busy: dict[str, dict[str, Process]] = {name: {} for name in trackers}
        """Tracker -> key of a training under way -> who is told of it."""

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close([p for name in self._idle for p in self._of(name)], HURRY)

    def __call__(self, event: Mapping[str, Any]) -> list[str]:
        """Take one event; the sentences of trackers that have failed meanwhile."""
        match event["event"]:
            case "training":
                self._begin(event["key"], event)
            case "measured":
                self._tell(event["key"], {"do": "log", "step": event["step"], "values": event["values"]})
            case "done":
                values = described.ended(event["summary"])
                self._tell(event["key"], {"do": "log", "step": event["summary"].get("steps", 0), "values": values})
                self._end(event["key"], "finished")
            case "failed":
                self._end(event["key"], "failed")
            case "remake":
                self._end(event["key"], "stopped")
        return self._failed()

    def whole(self, made: Mapping[str, Any], records: Iterable[Record], ends: Mapping[str, str]) -> list[str]:
        """Track the run that has ended, and end all tracking; the sentences of trackers that have failed.

        `made` is run.json; `ends` says how each step ended.
        """
        seconds = HURRY if made["state"] == "interrupted" else PATIENCE
        for key in {key for told in self._busy.values() for key in told}:
            self._end(key, "stopped")
        # The trainings first: MLflow puts those that it has under the run.
        self._close([p for name in self.told for p in self._idle[name][1:]], seconds)
        if self.told:
            values = described.scores(made, records)
            for order in described.whole(made, self.plan, ends, self.folder.name, values):
                for name in self.told:
                    self._idle[name][0].send(order)
        self._close([p for name in self.told for p in self._idle[name][:1]], seconds)
        return self._failed()

    def _of(self, name: str) -> list[Process]:
        return [*self._idle[name], *self._busy[name].values()]

    def _begin(self, key: str, begun: Mapping[str, Any]) -> None:
        order = described.training(self.plan, key, begun, self.folder.name, self.versions)
        for name in self.told:
            if key in self._busy[name]:  # Its first worker was lost: the same training goes on.
                continue
            idle = self._idle[name]
            self._busy[name][key] = idle.pop() if idle else Process(name, self.folder / LOG)
            self._busy[name][key].send(order)
            self.trained.add(key)

    def _tell(self, key: str, order: Mapping[str, Any]) -> None:
        for name in self.told:
            if key in self._busy[name]:
                self._busy[name][key].send(order)

    def _end(self, key: str, status: str) -> None:
        self._tell(key, {"do": "end", "status": status})
        for name in self.told:
            if key in self._busy[name]:
                self._idle[name].append(self._busy[name].pop(key))

    def _failed(self) -> list[str]:
        """Let go of the trackers that have failed, each with one sentence."""
        said = []
        for name in list(self.told):
            if why := next((p.said for p in self._of(name) if p.said), ""):
                self.told.remove(name)
                for process in self._of(name):
                    process.close()
                said.append(_sentence(name, why, self.folder / LOG))
        return said

    def _close(self, processes: Sequence[Process], seconds: float) -> None:
        until = time.monotonic() + seconds
        for process in processes:
            process.close()
        for process in processes:
            process.wait(until)


def _sentence(name: str, why: str, log: Path) -> str:
    """What a person is told of a tracker that has failed."""
    hint = " Log in, or set WANDB_MODE=offline." if name == "wandb" and "API key" in why else ""
    return f"{name} is told nothing more of this run: {why.rstrip('.')}.{hint} The run goes on. Details: {log}"
