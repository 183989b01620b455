"""A machine with another xharness, other code, or another file system is refused in one sentence, and makes nothing."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import xharness as package
import xharness.engines.errand as errands
from xharness.engines.engine import Order
from xharness.engines.errand import Errand, code, environment, perform_here, refusal
from xharness.engines.errand import errand as order_of
from xharness.engines.ray_cluster import Node, Nodes
from xharness.engines.worker_process import Worker
from xharness.errors import UsageError

from .conftest import ROOT, Ran

MAIN = "import sys; sys.argv[0] = 'xharness'; from xharness.__main__ import main; sys.exit(main())"


def errand(folder: Path) -> Errand:
    return Errand({"key": "tune-0"}, str(folder), str(folder), threads=1, accelerated=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "0.0.1"}, f"has xharness {package.__version__} and the run was started with 0.0.1"),
        ({"code": "0" * 16}, "is not the code that the run was started with"),
        ({"folder": "/nowhere/runs/x"}, "does not see the store"),
    ],
)
def test_what_differs_is_refused_before_a_step_begins(tmp_path: Path, change: dict[str, str], said: str) -> None:
    told: list[object] = []
    ended = perform_here(replace(errand(tmp_path), **change), told.append)  # type: ignore[arg-type]
    assert (ended["event"], ended["key"], ended["refused"]) == ("failed", "tune-0", True)
    assert said in ended["message"]
    assert ended["message"].count(". ") == 0, "it is one sentence"
    assert not told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", ["other", "gone"])
def test_a_plug_in_that_differs_is_refused_as_other_code_is(tmp_path: Path, change: str) -> None:
    own = tmp_path / "own.py"
    own.write_text("one = 1\n")
    message = {"key": "tune-0", "work": {"kind": "none", "plugins": [str(own)]}}
    given = order_of(Order("tune-0", "tune", False, 0, message), tmp_path, tmp_path, 1, False, 0)
    assert refusal(given) is None
    if change == "other":
        own.write_text("one = 2\n")
    else:
        own.unlink()
    assert "is not the code that the run was started with" in str(refusal(given))


def test_secrets_do_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("XHARNESS_REMOTE", "secret")
    monkeypatch.setenv("XHARNESS_REMOTE_READ_ONLY", "secret")
    assert environment()["HF_ENDPOINT"] == "http://127.0.0.1:1"
    assert "secret" not in environment().values()


def test_other_code_on_the_nodes_stops_a_run_with_one_sentence(ran: Ran, tmp_path: Path) -> None:
    """The head has a changed copy; the jobs that it submits have the original."""
    pytest.importorskip("submitit", reason="needs the extra slurm")
    copy = tmp_path / "harness"
    shutil.copytree(ROOT / "harness", copy, ignore=shutil.ignore_patterns("__pycache__"))
    changed = copy / "xharness" / "record.py"
    changed.write_text(changed.read_text() + "# changed\n")
    # The head's own path comes first, and submitit's jobs are started with that which their shell has.
    shell = tmp_path / "python"
    paths = ran.house.env["PYTHONPATH"]
    shell.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" exec "{sys.executable}" "$@"\n')
    shell.chmod(0o755)
    env = {"PYTHONPATH": os.pathsep.join([str(copy), paths]), "XHARNESS_SLURM_CLUSTER": "local"}
    head = f"import sys; sys.executable = {str(shell)!r}\n{MAIN}"
    said = ran.run("--engine", "slurm", "none->plants", code=1, head=head, **env)
    assert said.count("is not the code that the run was started with") >= 1
    assert "install the same on every machine" in said
    assert "Traceback" not in said
    assert not ran.stored()


def test_a_worker_stays_for_the_next_step_of_its_kind_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Worker] = []

    def hire(*about: object, **more: object) -> Worker:
        made.append(Worker(*about, **more))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(errands, "Worker", hire)
    given = errand(tmp_path)
    order = {"work": {"kind": "none"}, "needs": [], "about": {}, "measure": False, "diverged": []}
    given = replace(given, message={"key": "tune-0", **order})
    try:
        for _ in range(2):  # The step is of no kind there is: it fails, in the same worker both times.
            assert perform_here(given, lambda event: None, spare=True)["event"] == "failed"
        assert len(made) == 1
        assert made[0].process.poll() is None
        made[0].process.kill()
        made[0].process.wait()
        assert perform_here(given, lambda event: None, spare=True)["event"] == "failed"
        assert len(made) == 2
        assert perform_here(replace(given, threads=2), lambda event: None, spare=True)["event"] == "failed"
        assert len(made) == 3
        assert made[1].process.poll() is not None
        assert perform_here(replace(given, threads=2, accelerated=True), lambda event: None, True)["event"] == "failed"
        assert len(made) == 4
        assert all(worker.process.poll() is not None for worker in made)
    finally:
        for worker in made:
            worker.stop()


GIB = 1 << 30


@pytest.mark.parametrize(
    ("nodes", "device", "most", "threads", "memory", "found"),
    [
        ([Node(8, 0, 64 * GIB)], "auto", None, 1, 3 * GIB, (1, [None] * 8)),
        ([Node(8, 0, 12 * GIB)], "auto", None, None, 6 * GIB, (4, [None] * 2)),
        ([Node(8, 0, 64 * GIB), Node(2, 0, 64 * GIB)], "auto", None, 4, 3 * GIB, (2, [None] * 5)),
        ([Node(8, 0, 64 * GIB)], "auto", 100, None, 3 * GIB, (1, [None] * 100)),
        ([Node(8, 0, 64 * GIB)], "auto", 2, None, 3 * GIB, (4, [None] * 2)),
        ([Node(12, 2, 64 * GIB)], "auto", None, None, 3 * GIB, (4, [True] * 2 + [False])),
        ([Node(12, 2, 64 * GIB)], "cpu", None, 3, 3 * GIB, (3, [None] * 4)),
    ],
)
def test_seats_are_as_many_as_the_nodes_hold(nodes, device, most, threads, memory, found) -> None:  # type: ignore[no-untyped-def]
    own, seats = Nodes(tuple(nodes)).seats(device, most, threads, memory)
    assert (own, [seat.accelerated for seat in seats]) == found
    assert all(own <= node.cpus for node in nodes)


def test_a_gpu_that_no_node_has_is_told() -> None:
    with pytest.raises(UsageError, match="no node of the Ray cluster has a GPU"):
        Nodes((Node(8, 0, GIB),)).seats("cuda", None, None, GIB)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "rya"), "--engine 'rya' is not known. Did you mean 'ray'?"),
        (("--engine", "ray", "--device", "cuda:1"), "ray gives each step a GPU of its own, on whatever machine."),
    ],
)
def test_an_engine_that_is_not_known_is_one_sentence(ran: Ran, words: tuple[str, ...], said: str) -> None:
    told = ran.run(*words, code=4)
    assert said in told
    assert told.count("error:") == 1


def test_an_engine_that_is_not_installed_is_one_sentence(ran: Ran, tmp_path: Path) -> None:
    """A finder that has no ray, before all others."""
    (tmp_path / "without_ray.py").write_text(
        "import sys, importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'ray' else found(name, package)\n"
    )
    head = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import without_ray\n{MAIN}"
    told = ran.run("--engine", "ray", code=4, head=head)
    assert "--engine ray: ray is not installed. Install it: pip install 'xharness-stilts[ray]'" in told


def test_the_code_is_known_by_its_content() -> None:
    assert code() == code()
    assert len(code()) == 16
