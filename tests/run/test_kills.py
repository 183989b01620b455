"""`kill -9` at twenty random moments, each followed by the same command."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

KILLS = 20


class Runs:
    """The same command, again and again, on one store."""

    def __init__(self, suite: Path, store: Path, workers: int) -> None:
        self.store = store
        words = ["run", str(suite), "--store", str(store), "-n", str(workers), "--save-every", "0"]
        self.command = [sys.executable, "-m", "xharness", *words]
        self.finished: dict[str, float] = {}
        """Key -> when it was stored, of every step that was once seen finished."""

    def go(self, seconds: float | None = None, of_training: bool = False) -> str | None:
        """Run to the end, or kill it after so many seconds; its output, None where it was killed.

        The seconds count from the beginning or, `of_training`, from the first training state that it saves.
        """
        env = {**os.environ, "COLUMNS": "150"}
        run = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        try:
            if of_training:
                self._await_state(run, set(self._states()))
            out, _ = run.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.communicate()
            out = None
        self._look()
        return out

    def _states(self) -> list[Path]:
        return list((self.store / "scratch").glob("tune-*/checkpoint-*"))

    def _await_state(self, run: subprocess.Popen[str], old: set[Path]) -> None:
        while run.poll() is None and old.issuperset(self._states()):
            time.sleep(0.01)

    def _look(self) -> None:
        """No finished step was made a second time: each is still the one that was stored then."""
        for path in (self.store / "steps").glob("*/manifest.json"):
            manifest = json.loads(path.read_text())
            assert self.finished.setdefault(manifest["key"], manifest["stored"]) == manifest["stored"], manifest[
                "label"
            ]

    def board(self) -> tuple[str, list[str]]:
        """What the newest run scored, and its board without the line that says how long it took."""
        runs = sorted((self.store / "runs").glob("*/records.jsonl"), key=lambda p: p.stat().st_mtime_ns)
        words = [sys.executable, "-m", "xharness", "show", "--store", str(self.store), "--by", "language", "--chance"]
        shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        return shown, runs[-1].read_text().splitlines()

    def made(self) -> dict[str, int]:
        """How often each step was finished, over all runs."""
        counts: dict[str, int] = {}
        for log in (self.store / "runs").glob("*/events.jsonl"):
            for line in log.read_text().splitlines():
                event = json.loads(line)
                if event["event"] == "done" and not event["found"]:
                    counts[event["key"]] = counts.get(event["key"], 0) + 1
        return counts


def test_twenty_kills_at_random_moments_change_no_digit_and_repeat_no_finished_step(
    suite: Path, tmp_path: Path
) -> None:
    calm = Runs(suite, tmp_path / "calm", 1)
    began = time.monotonic()
    whole = calm.go()
    assert whole is not None
    assert "passed" in whole, whole
    lasted, expected = time.monotonic() - began, calm.board()
    steps = len(calm.made())
    moment, killed, resumed, ends = random.Random(20), 0, 0, 0
    while killed < KILLS:
        runs = Runs(suite, tmp_path / "killed", 1 + ends % 2)
        while killed < KILLS:
            # Every second kill hits a training, which is a small part of so small a run.
            hit = killed % 2 == 1
            if runs.go(moment.uniform(0, 0.3) if hit else moment.uniform(0.5, 0.7 * lasted), of_training=hit):
                break
            killed += 1
        last = runs.go()
        assert last is not None
        assert "passed" in last, last
        assert runs.board() == expected
        assert set(runs.made().values()) == {1}
        # A step stored by a worker whose parent was killed before it could write that down is reused by the next run.
        assert len(runs.made()) <= len(runs.finished) == steps
        resumed += trainings_resumed(runs.store)
        ends += 1
        shutil.rmtree(runs.store)
    assert resumed, "no training was ever resumed"


def trainings_resumed(store: Path) -> int:
    """How many trainings went on from a saved state."""
    manifests = [json.loads(path.read_text()) for path in (store / "steps").glob("tune-*/manifest.json")]
    return sum(m["summary"]["resumed_at"] > 0 for m in manifests)
