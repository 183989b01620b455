"""Ray: two nodes on this machine come to the board of a local run, one of them killed in the middle too."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

import xharness.engines.ray_cluster as ray_cluster
from xharness.engines.ray_cluster import joined
from xharness.errors import UsageError

from .conftest import House, Ran, await_event, environment_of, holding

pytest.importorskip("ray", reason="needs the extra ray")


def test_two_nodes_come_to_the_board_of_a_local_run(nodes: Any, ran: Ran, local: Ran) -> None:
    said = ran.run("--engine", "ray")
    assert "on Ray, 2 nodes" in said
    assert "6 passed" in said
    assert ran.board() == local.board()
    assert sorted(ran.made()) == sorted(local.made())
    assert len({e["node"] for e in ran.events() if e["event"] == "began"}) == 2
    again = ran.run("--engine", "ray")
    assert "0 steps made" in again


def on_plants(ran: Ran) -> set[str]:
    """Keys of the evaluations on plants that a run has told of."""
    return {e["key"] for e in ran.events() if e["event"] == "start" and "->plants" in e["label"]}


def test_the_steps_of_a_node_that_is_killed_are_run_elsewhere(nodes: Any, house: House, ran: Ran, local: Ran) -> None:
    # Both rows' evaluations on plants are held, each of them all that its node has room for, until the loss is told: a
    # node's processes outlive it by a moment, in which its step would come to its end.
    holding(house).touch()
    try:
        run = ran.start("--engine", "ray")
        nodes_of = {node.node_id: node for node in nodes.worker_nodes}
        hit = await_event(ran, lambda e: e["event"] == "began" and e["node"] in nodes_of and e["key"] in on_plants(ran))
        finished = ran.stored()
        nodes.remove_node(nodes_of[hit["node"]], allow_graceful=False)
        await_event(ran, lambda e: e["event"] == "worker_lost")
    finally:
        holding(house).unlink()
    said, _ = run.communicate(timeout=240)
    with environment_of(house):
        nodes.add_node(num_cpus=1)
    assert run.returncode == 0, said
    assert "which is lost while it made" in said
    assert "trying it again" in said
    assert [e["key"] for e in ran.events() if e["event"] == "worker_lost"] == [hit["key"]]
    assert ran.board() == local.board()
    assert sorted(ran.made()) == sorted(local.made())
    assert finished.items() <= ran.stored().items()


def test_a_failing_step_and_a_killed_worker_are_told_as_on_one_machine(nodes: Any, ran: Ran) -> None:
    # Of a run's environment only what is of the Hub and of xharness travels; a cluster of the run's own has all of it.
    count = ran.store.parent / "count"
    trouble = {"STAND_IN_TROUBLE": "plants:killed", "STAND_IN_TIMES": "1", "STAND_IN_COUNT": str(count)}
    said = ran.run("--engine", "ray", "-n", 2, "none->*", RAY_ADDRESS="", STAND_IN_FAILS="animals", code=1, **trouble)
    assert "on Ray, 1 node" in said
    assert "was killed (SIGKILL" in said
    assert "while it made evaluate none->plants[fake-0]; trying it again" in said
    assert "2 passed, 1 failed" in said
    assert "the stand-in was told to fail on animals" in said
    assert "Traceback" not in said


def test_ctrl_c_ends_a_run_in_order_and_the_same_command_goes_on(nodes: Any, ran: Ran, local: Ran) -> None:
    run = ran.start("--engine", "ray")
    await_event(ran, lambda e: e["event"] == "done")
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=180)
    assert run.returncode == 2, said
    assert "interrupted" in said
    assert "Go on with" in said
    assert "Traceback" not in said
    finished = ran.stored()
    assert finished
    ran.run("--engine", "ray")
    assert ran.board() == local.board()
    assert finished.items() <= ran.stored().items()


def test_a_mailbox_that_dies_ends_the_run_in_a_sentence_and_the_same_command_goes_on(ran: Ran, local: Ran) -> None:
    run = ran.start("--engine", "ray", "-n", "1", RAY_ADDRESS="", STAND_IN_SECONDS="1")
    await_event(ran, lambda e: e["event"] == "began")
    own = psutil.Process(run.pid).children(recursive=True)
    mailboxes = [process for process in own if "ray::Mailbox" in " ".join(process.cmdline())]
    assert len(mailboxes) == 1
    mailboxes[0].kill()
    said, _ = run.communicate(timeout=180)
    assert run.returncode == 1, said
    assert said.count("error:") == 1
    assert "is lost (ActorDiedError" in said
    assert "the same command goes on" in said
    record = json.loads(next((ran.store / "runs").glob("*/run.json")).read_text())
    assert (record["state"], record["exit"]) == ("interrupted", 1)
    ran.run("-n", 1)
    assert ran.board() == local.board()


def test_a_cluster_that_is_not_there_is_one_sentence(ran: Ran) -> None:
    said = ran.run("--engine", "ray", code=4, RAY_ADDRESS="127.0.0.1:1")
    assert said.count("error:") == 1
    assert "RAY_ADDRESS=127.0.0.1:1: no cluster can be joined" in said
    assert not ran.store.exists() or not list((ran.store / "runs").glob("*"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """What takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def address_of(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def test_what_listens_and_is_no_cluster_is_one_sentence(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "ANSWER_SECONDS", 2.0)
    monkeypatch.setenv("RAY_ADDRESS", address_of(listener))
    said = "no cluster can be joined (what listens there does not answer as Ray does, in 2 s)"
    with pytest.raises(UsageError, match=re.escape(f"RAY_ADDRESS={address_of(listener)}: {said}")), joined():
        pass


def test_ctrl_c_is_heeded_while_no_cluster_answers(listener: socket.socket, ran: Ran) -> None:
    run = ran.start("--engine", "ray", RAY_ADDRESS=address_of(listener))
    listener.settimeout(120)
    for _ in range(2):  # Whether somebody listens, and whether it is a cluster.
        listener.accept()
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=20)
    assert run.returncode == 2, said
    assert "Traceback" not in said


@pytest.mark.parametrize("address", ["user:pa55w0rd@127.0.0.1:1", "nowhere://user:pa55w0rd@127.0.0.1:1"])
def test_the_password_of_an_address_is_told_nobody(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match="no cluster can be joined") as told, joined():
        pass
    assert "127.0.0.1:1" in str(told.value)
    assert "pa55w0rd" not in str(told.value)
