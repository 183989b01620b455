"""The parent's side of a worker: its process, the line to it, what it is doing, how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from xharness.engines.machine import VISIBLE, Share


class Worker:
    """One worker process and what it is doing."""

    def __init__(
        self,
        number: int,
        store: Path,
        threads: int,
        log: IO[bytes] | None,
        own: Share | None = None,
        environment: Mapping[str, str] | None = None,
        working: str | None = None,
    ) -> None:
        self.own = own or Share()
        share = str(threads)
        env = {
            **os.environ,
            **(environment or {}),
            "OMP_NUM_THREADS": share,
            "MKL_NUM_THREADS": share,
            "OPENBLAS_NUM_THREADS": share,
            "RAYON_NUM_THREADS": share,
            "TOKENIZERS_PARALLELISM": "true",
            "PYTHONUNBUFFERED": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "TRANSFORMERS_VERBOSITY": "error",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "XHARNESS_THREADS": share,
        }
        if self.own.visible is not None:
            env[VISIBLE] = self.own.visible
        self.number = number
        self.process = subprocess.Popen(
            [sys.executable, "-m", "xharness.engines.worker", str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log or subprocess.DEVNULL,
            env=env,
            cwd=working,
            start_new_session=True,
        )
        self.step: str | None = None
        self.memory = 0
        """Peak memory it last told of, bytes."""
        self._rest = b""

    def order(self, key: str, message: Mapping[str, Any]) -> None:
        """Have it do a step."""
        assert self.process.stdin is not None
        self.step = key
        self.process.stdin.write((json.dumps(message, ensure_ascii=False) + "\n").encode())
        self.process.stdin.flush()

    def read(self) -> list[dict[str, Any]] | None:
        """Events that have come; None when the process is gone."""
        assert self.process.stdout is not None
        block = os.read(self.process.stdout.fileno(), 1 << 16)
        if not block:
            return None
        *lines, self._rest = (self._rest + block).split(b"\n")
        return [json.loads(line) for line in lines]

    def death(self) -> str:
        """How the process ended, for a person; it has closed its line."""
        code = self.process.wait()
        if code >= 0:
            return f"ended by itself (exit code {code})"
        name = signal.Signals(-code).name if -code in {int(s) for s in signal.Signals} else f"signal {-code}"
        used = f"; it had used {self.memory / 2**30:.1f} GiB" if self.memory else ""
        if -code == signal.SIGKILL:
            return f"was killed ({name}: the system does so when memory runs out{used}; fewer workers need less, -n 1)"
        return f"died of {name}{used}"

    def stop(self) -> None:
        """Kill it and whatever it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
