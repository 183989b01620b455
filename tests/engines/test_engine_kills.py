"""`kill -9` of a run at random moments on each engine, and the same command again: XHARNESS_KILLS of them (6)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from .conftest import House, Ran

KILLS = int(os.environ.get("XHARNESS_KILLS", "6"))
CELLS = "*->plants"
NEEDS = {"local": "psutil", "ray": "ray", "slurm": "submitit"}
WAITS = {"STAND_IN_SECONDS": "0.3", "STAND_IN_STATES": "1", "XHARNESS_SLURM_CLUSTER": "local"}


@pytest.fixture(scope="module")
def calm(house: House) -> Ran:
    """The same cells as nothing has disturbed them."""
    ran = Ran(house, house.root / "calm")
    ran.run(CELLS)
    return ran


@pytest.mark.parametrize("engine", NEEDS)
def test_kills_change_no_digit_and_repeat_no_finished_step(
    engine: str, ran: Ran, calm: Ran, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip(NEEDS[engine], reason=f"needs the extra {engine}")
    if engine == "ray":
        request.getfixturevalue("nodes")
    words = ("--engine", engine, "-n", "2", CELLS)
    moment, killed, stores = random.Random(engine), 0, 0
    while killed < KILLS:
        before = ran.stored()
        if not killing(ran, moment.uniform(0, 2), *words):
            agrees(ran, calm)  # It came to its end before it could be killed: on with a new store.
            stores += 1
            ran.store = ran.store.with_name(f"store{stores}")
            continue
        killed += 1
        assert before.items() <= ran.stored().items(), "a finished step was made a second time"
    before = ran.stored()
    assert "2 passed" in ran.run(*words, **WAITS)
    assert before.items() <= ran.stored().items(), "a finished step was made a second time"
    agrees(ran, calm)


def killing(ran: Ran, seconds: float, *words: object) -> bool:
    """Kill a run so many seconds after it has begun with its steps; False where it has ended by then."""
    runs = len(list((ran.store / "runs").glob("*/events.jsonl")))
    run = ran.start(*words, **WAITS)
    while run.poll() is None and len(list((ran.store / "runs").glob("*/events.jsonl"))) == runs:
        time.sleep(0.02)
    try:
        said, _ = run.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGKILL)
        run.communicate()
        return True
    assert run.returncode == 0, said
    return False


def agrees(ran: Ran, calm: Ran) -> None:
    """The board is that of the calm run, to the last digit, and no step was made twice."""
    assert ran.board() == calm.board()
    assert ran.stored().keys() == calm.stored().keys()
    assert len(ran.made()) == len(set(ran.made()))
