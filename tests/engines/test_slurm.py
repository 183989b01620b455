"""Slurm, by submitit's local executor: the board of a local run, preemption, failures, settings by type and line."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from xharness.engines.slurm_engine import has_gpus
from xharness.errors import UsageError
from xharness.spec.engine import Slurm
from xharness.spec.load import load_suite

from .conftest import Ran, await_event

pytest.importorskip("submitit", reason="needs the extra slurm")
SLURM = ("--engine", "slurm", "-n", "2")


@pytest.fixture(autouse=True)
def local_executor(monkeypatch: pytest.MonkeyPatch, ran: Ran) -> None:
    monkeypatch.setitem(ran.house.env, "XHARNESS_SLURM_CLUSTER", "local")


def test_jobs_come_to_the_board_of_a_local_run(ran: Ran, local: Ran) -> None:
    said = ran.run(*SLURM)
    assert "2 workers × 1 thread on submitit's local executor" in said
    assert ran.board() == local.board()
    assert sorted(ran.made()) == sorted(local.made())
    assert "0 steps made" in ran.run(*SLURM)


def test_a_preempted_job_is_queued_again_and_goes_on_from_its_state(ran: Ran, local: Ran) -> None:
    run = ran.start("--engine", "slurm", "-n", "1", STAND_IN_SECONDS="2", STAND_IN_STATES="1")
    begun = await_event(ran, lambda e: e["event"] == "began" and e["key"].startswith("tune-"))
    await_event(ran, lambda _: (ran.store / "scratch" / begun["key"] / "state").exists())
    for process in jobs(ran):
        process.send_signal(signal.SIGUSR2)
    again = await_event(ran, lambda e: e["event"] == "worker_lost")
    assert again["key"] == begun["key"]
    assert "was preempted, or out of its time: it is queued again" in again["message"]
    done = await_event(ran, lambda e: e["event"] == "done" and e["key"] == begun["key"])
    assert done["summary"]["resumed_at"] > 0
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=180)
    ran.run(*SLURM)
    assert ran.board() == local.board()
    assert len(ran.made()) == len(set(ran.made()))


IN_THE_BACKGROUND = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # As a shell without job control has what it runs behind itself.
runpy.run_module("xharness", run_name="__main__", alter_sys=True)
"""


def test_a_run_in_the_background_that_is_ended_leaves_no_job_behind(ran: Ran) -> None:
    run = ran.start(*SLURM, head=IN_THE_BACKGROUND, STAND_IN_SECONDS="60")
    await_event(ran, lambda e: e["event"] == "began")
    assert jobs(ran)
    run.send_signal(signal.SIGTERM)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 2, said
    assert "interrupted by SIGTERM" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(jobs(ran), timeout=10)
    assert not alive


def jobs(ran: Ran) -> list[psutil.Process]:
    """What submitit runs of this store, without its controllers."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "submitit.core._submit" in words and any(str(ran.store) in word for word in words):
            found.append(process)
    return found


def test_a_job_that_is_killed_is_told_and_its_step_tried_once_more(
    ran: Ran, local: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ran.start(*SLURM, STAND_IN_SECONDS="0.4")
    begun = await_event(ran, lambda e: e["event"] == "began")
    for process in jobs(ran):
        process.kill()
    lost = await_event(ran, lambda e: e["event"] == "worker_lost")
    assert "ended without a word" in lost["message"]
    assert lost["again"] is True
    said, _ = run.communicate(timeout=200)
    assert run.returncode == 0, said
    assert begun["key"] in ran.made()
    assert ran.board() == local.board()
    assert len(ran.made()) == len(set(ran.made()))


def test_failures_are_told_as_on_one_machine(ran: Ran) -> None:
    count = ran.store.parent / "count"
    trouble = {"STAND_IN_TROUBLE": "plants:fault", "STAND_IN_TIMES": "1", "STAND_IN_COUNT": str(count)}
    said = ran.run(*SLURM, "none->*", "--maxfail", 3, STAND_IN_FAILS="animals", code=1, **trouble)
    assert "died of SIGSEGV while it made evaluate none->plants[fake-0]; trying it again" in said
    assert "2 passed, 1 failed" in said
    assert "the stand-in was told to fail on animals" in said
    assert "Traceback" not in said


def test_no_slurm_is_one_sentence(ran: Ran) -> None:
    said = ran.run("--engine", "slurm", code=4, XHARNESS_SLURM_CLUSTER="slurm", PATH="/nowhere")
    assert "--engine slurm: there is no Slurm here: sbatch is not found." in said
    assert said.count("error:") == 1
    assert not ran.store.exists(), "it was refused before anything was made"


@pytest.mark.parametrize(
    ("time", "minutes"), [("90", 90), ('"01:30:00"', 90), ('"1-00:00:30"', 1441), ('"00:59:30"', 60)]
)
def test_time_is_minutes_or_a_clock(tmp_path: Path, ran: Ran, time: str, minutes: int) -> None:
    assert settings(ran, tmp_path, f"time = {time}").minutes == minutes


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('time = "an hour"', "time: is a number of minutes"),
        ("time = 0", "time: is a number of minutes"),
        ("partitions = 1", "partition"),
        ('cpus = "four"', "cpus"),
        ("memory = -1", "memory"),
        ('cluster = "pbs"', "cluster"),
        ("memory = 0.0005", "memory: must be greater than or equal to 0.1, found 0.0005"),
        ("jobs = 2000000000", "jobs: must be less than or equal to 10000, found 2000000000"),
        ("time = 600000", "and at most a year"),
        ('time = "999-00:00:00"', "and at most a year"),
        (f'time = "{"9" * 5000}:00:00"', "time: is a number of minutes"),
        (r'partition = "main\ntouch x"', r"partition: may have letters, digits and _ . , : = + - @ / and nothing else"),
        ('account = "a b"', "and nothing else, found ' '"),
        ('account = "a&b"', "and nothing else, found '&'"),
        ('gres = "gpu:`x`:1"', "and nothing else, found '`'"),
        ('constraint = "a;b"', "and nothing else, found ';'"),
        ('constraint = "a#b"', "and nothing else, found '#'"),
        ('constraint = "$a"', "and nothing else, found '$'"),
        ("""constraint = "it's\"""", 'and nothing else, found "\'"'),
    ],
)
def test_a_wrong_setting_is_told_with_its_line(tmp_path: Path, ran: Ran, line: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        settings(ran, tmp_path, line)
    text = (tmp_path / "suite.toml").read_text().splitlines()
    number = next(n for n, one in enumerate(text, 1) if one in ("[engine.slurm]", line))
    assert said in str(error.value)
    assert f"suite.toml:{number}" in str(error.value) or f"suite.toml:{number + 1}" in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        'constraint = "[rack1*2&rack2]|(a100,knl:quad_1.0)"',
        'gres = "gpu:a100_3g.20gb:1,shard:2"',
        'partition = "main,long-2"',
        'account = "lab/group@site.org"',
        "memory = 0.1",
        'time = "365-00:00:00"',
        "jobs = 10000",
    ],
)
def test_what_a_cluster_may_be_called_is_taken(tmp_path: Path, ran: Ran, line: str) -> None:
    settings(ran, tmp_path, line)


def test_more_jobs_than_can_be_followed_are_one_sentence(ran: Ran) -> None:
    said = ran.run("--engine", "slurm", "-n", "999999999", code=4)
    assert "-n '999999999' is more than one run follows: at most 10000, or auto." in said
    assert said.count("error:") == 1


def settings(ran: Ran, folder: Path, line: str) -> Slurm:
    """[engine.slurm] of a suite with that line."""
    path = folder / "suite.toml"
    above = os.path.relpath(ran.house.suite, folder)
    path.write_text(f'extends = "{above}"\ntitle = "on a cluster"\n[engine.slurm]\n{line}\n')
    return load_suite(str(path)).suite.engine.slurm


@pytest.mark.parametrize(
    ("said", "found"), [("(null)\n(null)", False), ("(null)\ngpu:a100:4(S:0-1)", True), (None, True)]
)
def test_jobs_ask_for_a_gpu_where_a_node_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, found: bool
) -> None:
    sinfo = tmp_path / "sinfo"
    sinfo.write_text("#!/bin/sh\nexit 1\n" if said is None else f"#!/bin/sh\ncat <<END\n{said}\nEND\n")
    sinfo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert has_gpus("main") is found
