"""Slurm's own queue, by stand-ins for its tools: what it refuses, what never begins, what a killed job leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import xharness.engines.slurm_engine as slurm
from xharness.engines.engine import Event, Order
from xharness.engines.errand import errand
from xharness.spec.engine import Slurm

pytest.importorskip("submitit", reason="needs the extra slurm")

SBATCH = """#!/bin/sh
for script; do :; done
if grep -q gpus-per-node "$script"; then
  echo "sbatch: error: Requested node configuration is not available" >&2
  exit 1
fi
echo x >> "$QUEUE/count"
echo "Submitted batch job $(wc -l < "$QUEUE/count")"
"""
SQUEUE = """#!/bin/sh
cat "$QUEUE/states"
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tools of Slurm that take jobs without a GPU, number them and never begin one."""
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("srun", "#!/bin/sh\n"), ("scancel", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "states").touch()
    monkeypatch.setenv("QUEUE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XHARNESS_SLURM_CLUSTER", "slurm")
    monkeypatch.setattr(slurm, "STATE_SECONDS", 0.0)
    return tmp_path


@pytest.fixture
def engine(queue: Path) -> Iterator[slurm.SlurmEngine]:
    made = slurm.SlurmEngine(queue, "auto", None, None, Slurm(gpus=1))
    made.open(queue)
    yield made
    made.close()


def order(key: str, accelerated: bool) -> Order:
    return Order(key, key, accelerated, 0, {"key": key, "work": {}})


def ends(told: list[Event]) -> dict[str, str]:
    """Key -> the message of what has ended."""
    return {e["key"]: e["message"] for e in told if e["event"] in ("failed", "lost")}


def test_what_waits_beside_refused_jobs_is_submitted(
    engine: slurm.SlurmEngine, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "ARRAY", 1)
    for number in range(2):
        engine.submit(order(f"tune-{number}", accelerated=True))
        engine.submit(order(f"encode-{number}", accelerated=False))
    told = ends(engine.events(timeout=0))
    assert set(told) == {"tune-0", "tune-1"}
    assert all("Requested node configuration is not available" in message for message in told.values())
    assert len((queue / "count").read_text().split()) == 2


def test_what_jobs_are_given_is_their_owners_alone(engine: slurm.SlurmEngine, queue: Path) -> None:
    assert (queue / slurm.FOLDER).stat().st_mode & 0o777 == 0o700


TORN = b'{"event": "progress", "key": "enc'
BEGAN = {"event": "began", "key": "encode-0", "where": "here"}


def line(event: object) -> bytes:
    return json.dumps(event).encode() + b"\n"


@pytest.mark.parametrize("torn", [TORN + line(BEGAN), TORN + "ü".encode()[:1] + line(BEGAN), b"\n", b"7\n"])
def test_a_torn_line_is_passed_over(engine: slurm.SlurmEngine, queue: Path, torn: bytes) -> None:
    engine.submit(order("encode-0", accelerated=False))
    engine.events(timeout=0)
    (queue / slurm.FOLDER / "0.jsonl").write_bytes(line(BEGAN) + torn + line(BEGAN))
    assert engine.events(timeout=0) == [BEGAN, BEGAN]


def test_a_job_whose_last_word_is_torn_is_missed_in_the_queue(engine: slurm.SlurmEngine, queue: Path) -> None:
    engine.submit(order("encode-0", accelerated=False))
    (queue / "states").write_text("1|RUNNING|None\n")
    engine.events(timeout=0)
    (queue / slurm.FOLDER / "0.jsonl").write_bytes(line(BEGAN) + b'{"event": "done", "key"\n')
    (queue / "states").write_text("")
    told = [event for _ in range(slurm.LOOKS) for event in engine.events(timeout=0)]
    assert ends(told) == {"encode-0": "(job 1) ended without a word"}


def test_a_job_that_is_begun_again_does_not_go_on_in_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl"
    path.write_bytes(line(BEGAN) + TORN)
    given = errand(order("encode-0", False), tmp_path, tmp_path / "gone", 1, False, 0)
    slurm.Job(given, path)()
    kept = path.read_bytes().splitlines()
    assert kept[:2] == [line(BEGAN).strip(), TORN]
    assert json.loads(kept[2])["event"] == "failed"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Priority", False),
        ("Resources", False),
        ("PartitionConfig", True),
        ("DependencyNeverSatisfied", True),
        ("launch failed requeued held", True),
        ("launch_failed_requeued_held", True),
    ],
)
def test_a_job_that_never_begins_is_told(engine: slurm.SlurmEngine, queue: Path, reason: str, told: bool) -> None:
    engine.submit(order("encode-0", accelerated=False))
    (queue / "states").write_text(f"1|PENDING|{reason}\n")
    events = [event for _ in range(1 + slurm.LOOKS) for event in engine.events(timeout=0)]
    assert (f"it would wait for ever: {reason}" in ends(events).get("encode-0", "")) is told
