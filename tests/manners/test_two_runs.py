"""Two runs on one store at once, and care for a store while a run is at it."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from xharness.store.care import collect_rubbish, contents, in_use, rubbish
from xharness.store.runs import going, under_way
from xharness.store.steps import Store

from .conftest import TASK, House

BEASTS = """
extends = "small.toml"
[grid]
intermediates = ["none"]
targets = ["pairs", "beasts"]
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one model."""
    made = Store(tmp_path / "one").prepare()
    with made.temporary() as out:
        (out / "weights.bin").write_bytes(b"x" * 100)
        made.commit("tune-1", out, {"kind": "tune"})
    return made


def test_what_somebody_reads_is_neither_freed_nor_collected(store: Store) -> None:
    with store.reading(["tune-1"]), store.reading(["tune-1"]):
        with store.unread("tune-1") as unread:
            assert not unread
        assert collect_rubbish(store, rubbish(store)).busy == ["tune-1"]
        assert store.has("tune-1")
    assert [s.key for s in collect_rubbish(store, rubbish(store)).steps] == ["tune-1"]


def test_what_a_run_under_way_rests_on_stays_whatever_runs_are_named(store: Store) -> None:
    for name in ("old", "new"):
        (store.root / "runs" / name).mkdir()
        (store.root / "runs" / name / "run.json").write_text("{}")
    run = store.root / "runs" / "new"
    (run / "events.jsonl").write_text('{"event": "begin", "pending": [], "reused": ["tune-1"]}\n')
    with going(run):
        assert under_way(run)
        assert in_use(store.root) == {"tune-1"}
        assert not in_use(store.root, besides=run)
        assert not rubbish(store, ["old"]).steps
        assert not rubbish(store, ends_only=True).models
    assert not under_way(run)
    assert [s.key for s in rubbish(store, ["old"]).steps] == ["tune-1"]
    assert [s.key for s in rubbish(store, ends_only=True).models] == ["tune-1"]


def _until(there: Callable[[], object]) -> None:
    for _ in range(1200):
        if there():
            return
        time.sleep(0.05)
    pytest.fail("it never came")


def test_two_runs_that_need_one_model_tune_it_once_and_the_last_lets_go_of_it(house: House) -> None:
    task = TASK.format(name="beasts", languages='["en", "de"]', tag="zoo").replace("beasts.", "animals.")
    (house.root / "tasks" / "beasts.toml").write_text('tune_on = "animals"\n' + task)
    (house.root / "beasts.toml").write_text(BEASTS)
    runs = []
    for suite, cell, pace in (("small.toml", "none->animals", "1"), ("beasts.toml", "none->*", "2")):
        runs.append(
            subprocess.Popen(
                house.command("run", suite, "-n", 1, cell),
                cwd=house.root,
                env={**house.env, "STAND_IN_SECONDS": pace},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        # The second begins when the first is at it, and comes to the model when the first is done with it.
        _until(lambda: any('"start"' in p.read_text() for p in (house.store / "runs").glob("*/events.jsonl")))
    for run in runs:
        out, _ = run.communicate(timeout=120)
        assert run.returncode == 0, out
    told = [json.loads(line) for p in (house.store / "runs").glob("*/events.jsonl") for line in p.open()]
    made = Counter(e["key"].partition("-")[0] for e in told if e["event"] == "done" and not e["found"])
    assert made == {"encode": 4, "tune": 1, "evaluate": 2, "embed": 1, "mine": 1}
    assert [s.dropped for s in contents(Store(house.store)) if s.kind == "tune"] == [True]
