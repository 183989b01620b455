"""Two labs with the same suite and data, each with a store of its own, and a place where they meet."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manners.conftest import House, make_house
from xharness.store.files import read_json, seal, write_json
from xharness.store.steps import MANIFEST, Store, content_key

from .s3 import KEY_ID, S3, SECRET

Lab = Callable[[str], House]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A lab by its name."""

    def made(name: str) -> House:
        (tmp_path / name).mkdir()
        house = make_house(tmp_path / name)
        for part in ("train", "dev"):
            house.rows(f"colours.{part}.jsonl", [{"text": f"colour {i}", "label": "yes"} for i in range(4)])
        return house

    return made


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """A folder of a disk that both have."""
    folder = tmp_path / "shared" / "cache"
    folder.parent.mkdir()
    return folder


def counts(house: House) -> tuple[int, int, int]:
    """(made, reused, of them fetched) of the newest run."""
    run = house.last()
    return run["made"], run["reused"], run["remote"]["fetched"]


def kinds(house: House) -> dict[str, int]:
    """Kind -> how many steps of it a store has with their files."""
    found: dict[str, int] = {}
    for path in (house.store / "steps").glob(f"*/{MANIFEST}"):
        if not json.loads(path.read_text()).get("dropped"):
            found[path.parent.name.partition("-")[0]] = found.get(path.parent.name.partition("-")[0], 0) + 1
    return found


def scores(house: House) -> list[dict[str, Any]]:
    """The newest run's records."""
    folder = sorted((house.store / "runs").glob("*/records.jsonl"), key=lambda p: p.stat().st_mtime_ns)[-1]
    return [json.loads(line) for line in folder.read_text().splitlines()]


def board(output: str) -> str:
    """What a run prints between its title and its summary."""
    lines = output.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("─"))
    return "\n".join(lines[first:-1])


def forget(house: House) -> None:
    """Have a lab lose its store."""
    shutil.rmtree(house.store)


def step_of(root: Path, scores: bytes, **more: bytes) -> tuple[Store, str]:
    """A store with one step, and its key."""
    store = Store(root).prepare()
    made_of = {"target": "plants"}
    key = content_key("evaluate", made_of)
    with store.temporary() as out:
        for name, content in {"scores.json": scores, **more}.items():
            (out / name).write_bytes(content)
        store.commit(key, out, {"kind": "evaluate", "ingredients": made_of, "needs": [], "label": "evaluate plants"})
    return store, key


def evaluation_in(house: House, number: int = 0) -> str:
    """Key of an evaluation in a lab's store."""
    return sorted(key for key in Store(house.store).keys() if key.startswith("evaluate"))[number]  # noqa: SIM118


def round_differently(house: House, key: str) -> None:
    """Have a lab's step be that of another machine: the same key, other scores."""
    store = Store(house.store)
    path = store.path(key) / "scores.json"
    found = json.loads(path.read_text())
    for language in found["languages"].values():
        language["score"] += 0.125
        language["values"] = {metric: value + 0.125 for metric, value in language["values"].items()}
    path.write_text(json.dumps(found))
    files = {name: fact for name, fact in seal(store.path(key)).items() if name != MANIFEST}
    write_json(store.path(key) / MANIFEST, {**(store.manifest(key) or {}), "files": files})


def reseal(path: Path, **changed: Any) -> None:
    """Change what a sealed file says; None takes a field away."""
    found = {**(read_json(path) or {}), **changed}
    write_json(path, {name: value for name, value in found.items() if value is not None})


def flip(path: Path) -> None:
    """Change the first byte of a file."""
    path.write_bytes(b"#" + path.read_bytes()[1:])


@pytest.fixture(scope="session")
def server() -> Iterator[S3]:
    """An S3 for all tests of a session."""
    reason = "not installed: pip install 'xharness-stilts[s3]' 'moto[server,s3]'"
    pytest.importorskip("s3fs", reason=reason)
    moto = pytest.importorskip("moto.server", reason=reason)
    boto3 = pytest.importorskip("boto3", reason=reason)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET
    )
    yield S3(endpoint, client)
    running.stop()


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """It with an empty bucket, and this process asking it."""
    server.reset()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return server
