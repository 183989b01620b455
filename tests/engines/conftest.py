"""The small house of `manners`, run by every engine: what it comes to, and that no finished step was made twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from manners.conftest import House, default_signals, make_house

ROOT = Path(__file__).parents[2]


@dataclass
class Ran:
    """A store of the house, and how it is run."""

    house: House
    store: Path

    def start(self, *words: object, head: str = "", **env: str) -> subprocess.Popen[str]:
        """`xharness run small.toml WORD…` as a process of its own; `head`: Python that calls it in place of `-m`."""
        begin = ["-c", head] if head else ["-m", "xharness"]
        return subprocess.Popen(
            [sys.executable, *begin, "run", "small.toml", "--store", str(self.store), *map(str, words)],
            cwd=self.house.root, env={**self.house.env, **env}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=default_signals,  # noqa: PLW1509
        )  # fmt: skip

    def run(self, *words: object, code: int = 0, head: str = "", **env: str) -> str:
        """What such a run prints; it ends with `code`."""
        process = self.start(*words, head=head, **env)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == code, said
        return said

    def events(self) -> list[dict[str, Any]]:
        """What all runs on the store have told."""
        logs = sorted((self.store / "runs").glob("*/events.jsonl"), key=lambda p: p.stat().st_mtime_ns)
        return [json.loads(line) for log in logs for line in log.read_text().splitlines()]

    def made(self) -> list[str]:
        """The steps that runs have made, again for each time."""
        return [e["key"] for e in self.events() if e["event"] == "done" and not e["found"]]

    def stored(self) -> dict[str, float]:
        """Key -> when it was stored."""
        manifests = [json.loads(path.read_text()) for path in (self.store / "steps").glob("*/manifest.json")]
        return {m["key"]: m["stored"] for m in manifests}

    def board(self) -> tuple[str, list[str]]:
        """The newest board, and all that was measured."""
        words = ["show", "--store", str(self.store), "--by", "language", "--chance"]
        shown = subprocess.run(
            [sys.executable, "-m", "xharness", *words], cwd=self.house.root, env=self.house.env, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        runs = sorted((self.store / "runs").glob("*/records.jsonl"), key=lambda p: p.stat().st_mtime_ns)
        return shown.stdout, runs[-1].read_text().splitlines()


def await_event(ran: Ran, wanted: Any, seconds: float = 240) -> dict[str, Any]:
    """The first event of a run that is under way for which `wanted` is true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for event in ran.events():
            if wanted(event):
                return event
        time.sleep(0.05)
    raise AssertionError(f"never told: {[e['event'] for e in ran.events()]}")


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return make_house(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="session")
def local(house: House) -> Ran:
    """The house as workers of this machine have run it."""
    ran = Ran(house, house.root / "local")
    ran.run("-n", 2)
    return ran


@pytest.fixture
def ran(house: House, tmp_path: Path) -> Ran:
    """A store that nothing has run on yet."""
    return Ran(house, tmp_path / "store")


def holding(house: House) -> Path:
    """The file that, while it is there, holds evaluations on `plants` on the cluster's nodes."""
    return house.root / "holds"


@contextmanager
def environment_of(house: House) -> Iterator[None]:
    """What a node that starts meanwhile inherits: the house's stand-ins. No other test may see them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", house.env["PYTHONPATH"])
        patch.setenv("STAND_IN_SECONDS", "0.5")
        patch.setenv("STAND_IN_HOLDS", f"plants:{holding(house)}")
        yield


@pytest.fixture(scope="package")
def nodes(house: House) -> Iterator[Any]:
    """A Ray cluster of two nodes with a processor each; the house's runs are told its address."""
    pytest.importorskip("ray", reason="needs the extra ray")
    from ray.cluster_utils import Cluster

    cluster = None
    for _ in range(3):  # Ray waits half a minute for a node to start, on a busy machine too short a time.
        cluster = Cluster()
        try:
            with environment_of(house):
                cluster.add_node(num_cpus=1, include_dashboard=False)
                cluster.add_node(num_cpus=1)
            break
        except Exception as error:
            cluster.shutdown()
            cluster, told = None, error
    if cluster is None:
        pytest.skip(f"no Ray cluster starts on this machine: {told}")
    house.env["RAY_ADDRESS"] = cluster.address
    yield cluster
    cluster.shutdown()
    del house.env["RAY_ADDRESS"]
