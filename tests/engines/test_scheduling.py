"""The scheduler at some scale with its time simulated, and what `plan` says of cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.scheduling import Simulated, SimulatedEngine, lengths_of, plan_of, simulate
from xharness.plan.cost import ahead_of
from xharness.plan.plan import Plan, Step
from xharness.plan.workers import makespan
from xharness.steps.tune import Tune

from .conftest import Ran

SEATS = 50


@pytest.fixture(scope="module")
def found() -> Simulated:
    plan = plan_of(2000)
    return simulate(plan, SEATS, lengths_of(plan))


def test_every_step_is_done_once_and_after_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(400)
    done: set[str] = set()
    order: list[str] = []
    begin, following = SimulatedEngine._begin, SimulatedEngine._next

    def begun(engine: SimulatedEngine, key: str) -> None:
        assert set(plan.steps[key].needs) <= done
        begin(engine, key)

    def told(engine: SimulatedEngine) -> list[dict[str, Any]]:
        events = following(engine)
        keys = [e["key"] for e in events if e["event"] == "done"]
        done.update(keys)
        order.extend(keys)
        return events

    monkeypatch.setattr(SimulatedEngine, "_begin", begun)
    monkeypatch.setattr(SimulatedEngine, "_next", told)
    found = simulate(plan, SEATS, lengths_of(plan))
    assert sorted(order) == sorted(plan.steps) == sorted(found.outcome.done)


def test_the_scheduler_takes_at_most_a_millisecond_a_step(found: Simulated) -> None:
    assert found.steps > 3000
    assert found.own / found.steps <= 1e-3


def test_the_makespan_is_within_a_tenth_of_what_no_schedule_can_beat(found: Simulated) -> None:
    assert found.bound <= found.makespan <= 1.1 * found.bound


def test_its_own_time_grows_as_the_steps_do() -> None:
    times = []
    for cells in (300, 1800):
        plan = plan_of(cells)
        found = min((simulate(plan, SEATS, lengths_of(plan)) for _ in range(2)), key=lambda one: one.own)
        times.append(found.own / found.steps)
    assert times[1] < 3 * times[0]


def chain(needs: dict[str, tuple[str, ...]]) -> Plan:
    work = Tune.model_construct()
    return Plan([], {key: Step(key, work, of, {}, "target") for key, of in needs.items()})


@pytest.mark.parametrize(("workers", "seconds"), [(1, 16.0), (2, 10.0), (3, 9.0)])
def test_a_makespan_worked_out_by_hand(workers: int, seconds: float) -> None:
    # Two workers: a 0-1, e 0-4, b 1-6, c 4-7, d 7-10; a third takes c at once, and a, b, d in a line are 9.
    plan = chain({"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()})
    lengths = {"a": 1.0, "b": 5.0, "c": 3.0, "d": 3.0, "e": 4.0}
    ahead = ahead_of(plan, lengths, plan.steps)
    assert makespan(plan, plan.steps, lengths, ahead, workers) == seconds
    # What is stored takes nobody's time.
    assert makespan(plan, {"b", "d"}, lengths, ahead, workers) == 8.0


def test_plan_says_what_is_left_and_how_it_falls_with_workers(local: Ran) -> None:
    def planned(*words: str) -> str:
        command = [sys.executable, "-m", "xharness", "plan", "small.toml", "--store", str(local.store), *words]
        return subprocess.run(
            command, cwd=local.house.root, env=local.house.env, capture_output=True, text=True, check=True
        ).stdout

    assert "work:" not in planned(), "nothing is left to do"
    more = planned("--seed", "0", "-c", str(other_encoder(local)))
    assert "of GPU time where there are GPUs; the longest chain takes" in more
    assert "on so many workers: 1: " in more
    facts = json.loads(planned("-c", str(other_encoder(local)), "--cost"))
    times = [facts["on"][key] for key in sorted(facts["on"], key=int)]
    assert times[0] == pytest.approx(facts["work"])
    assert times == sorted(times, reverse=True)
    assert facts["path"] <= times[-1]
    assert 0 < facts["accelerated"] < facts["work"]
    assert facts["steps"] > 0


def other_encoder(local: Ran) -> os.PathLike[str]:
    """A checkpoint that nothing was run with."""
    folder = local.house.root / "other"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text('{"other": true}')
    return folder
