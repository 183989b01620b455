"""One worker a GPU, each of which sees its own and no other; steps of the processor run beside them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from xharness.board.footnotes import footnotes
from xharness.collect.cells import collect
from xharness.engines import worker_process
from xharness.engines.machine import VISIBLE, Share, accelerators, chosen, shares
from xharness.engines.scheduler import Outcome
from xharness.errors import StoreError, UsageError
from xharness.plan.cost import ahead_of
from xharness.plan.plan import Plan, Step
from xharness.plan.planner import Planner
from xharness.session import crew
from xharness.session.description import described
from xharness.session.results import cell_results
from xharness.session.session import Request
from xharness.spec.encoder_config import training_bytes
from xharness.spec.load import load_suite
from xharness.steps.encode import Encode
from xharness.steps.mine import Mine
from xharness.steps.tune import Tune


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("0,1", ("0", "1")),
        (" 3 , 1", ("3", "1")),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", ("0",)),  # As CUDA reads it: nothing behind an entry that is none.
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,2", ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "2")),
        ("MIG-GPU-8932f937-d72c/1/0,MIG-3a4b", ("MIG-GPU-8932f937-d72c/1/0", "MIG-3a4b")),
    ],
)
def test_an_inherited_list_of_devices_is_obeyed(given, seen):
    assert accelerators({VISIBLE: given}) == seen


@pytest.mark.parametrize(
    ("device", "devices"),
    [
        ("auto", ("4", "6", "MIG-1")),
        ("cuda", ("4", "6", "MIG-1")),
        ("cpu", ()),
        ("cuda:1", ("6",)),
        ("cuda:0,2", ("4", "MIG-1")),
    ],
)
def test_the_numbers_of_devices_count_the_visible_ones(device, devices):
    assert chosen(device, ("4", "6", "MIG-1")) == devices


@pytest.mark.parametrize(
    ("device", "seen", "said"),
    [
        ("cuda", (), "shows no CUDA device"),
        ("cuda:0,3", ("0", "1"), "there is no CUDA device 3; 2 are seen"),
        ("cuda:1,1", ("0", "1"), "names 1 twice"),
        ("mps", ("0",), "is not known. Allowed: auto, cpu, cuda, cuda:N"),
        ("cuda:", ("0",), "is not known"),
        ("gpu", (), "is not known"),
    ],
)
def test_a_device_that_is_not_there_is_told_before_anything_starts(device, seen, said):
    with pytest.raises(UsageError, match=said):
        chosen(device, seen)


def test_every_gpu_has_a_worker_and_the_processor_has_its_own_beside_them():
    seats = shares(("0", "MIG-1"), 2)
    assert [(s.visible, s.accelerated) for s in seats] == [("0", True), ("MIG-1", True), ("", False), ("", False)]
    assert shares((), 3) == [Share()] * 3
    kinds = {work.KIND: [s.takes(work.ACCELERATED) for s in seats] for work in (Tune, Encode, Mine)}
    assert kinds == {
        "tune": [True, True, False, False],
        "encode": [False, False, True, True],
        "mine": [False, False, True, True],
    }
    assert all(Share().takes(either) for either in (True, False))


def test_each_worker_sees_only_its_own_devices(tmp_path, monkeypatch):
    # A process in the worker's place that writes down what it sees.
    spy = tmp_path / "spy.py"
    spy.write_text(f"#!{sys.executable}\nimport json, os\nprint(json.dumps(os.environ.get('{VISIBLE}')))\n")
    spy.chmod(0o755)
    monkeypatch.setattr(worker_process.sys, "executable", str(spy))
    monkeypatch.setenv(VISIBLE, "7,8")
    said = []
    for own in (*shares(("8", "MIG-1"), 1), Share()):
        worker = worker_process.Worker(0, tmp_path, 1, None, own)
        out, _ = worker.process.communicate(timeout=30)
        said.append(json.loads(out))
    assert said == ["8", "MIG-1", "", "7,8"]


def test_a_run_on_a_device_that_is_not_there_makes_nothing(tmp_path):
    import subprocess

    ended = subprocess.run(
        [sys.executable, "-m", "xharness", "run", str(Path("suites/xtreme.toml").resolve()), "--device", "cuda:5"],
        cwd=tmp_path, env={**os.environ, VISIBLE: "0,1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 4
    assert "there is no CUDA device 5; 2 are seen" in ended.stderr
    assert not list(tmp_path.iterdir())


def plan_of(steps: dict[str, tuple[str, ...]]) -> Plan:
    return Plan([], {key: Step(key, None, needs, {}, "") for key, needs in steps.items()})  # type: ignore[arg-type]


def test_the_longest_way_to_the_end_comes_first():
    # A short tuning that three long evaluations wait for comes before a longer one that nothing waits for.
    plan = plan_of(
        {"encode": (), "alone": (), "tune": ("encode",), "e1": ("tune",), "e2": ("tune", "encode"), "e3": ("e2",)}
    )
    seconds = {"encode": 1.0, "alone": 30.0, "tune": 5.0, "e1": 20.0, "e2": 18.0, "e3": 10.0}
    found = ahead_of(plan, seconds, plan.steps)
    assert found == {"encode": 34.0, "alone": 30.0, "tune": 33.0, "e1": 20.0, "e2": 28.0, "e3": 10.0}
    # What is stored takes no time any more.
    assert ahead_of(plan, seconds, {"e1", "e3"})["encode"] == 20.0


def test_the_work_of_planning_grows_as_the_cells_do(monkeypatch):
    from dataclasses import replace

    from xharness.collect.cells import collect
    from xharness.plan.planner import Planner
    from xharness.spec.load import load_suite

    loaded = load_suite("suites/xtreme.toml", "micro")
    counts = []
    for seeds in (2, 20):
        grid = loaded.suite.grid.model_copy(update={"seeds": tuple(range(seeds))})
        changed = replace(loaded, suite=loaded.suite.model_copy(update={"grid": grid}))
        cells = collect(changed)
        calls = 0

        def counted(frame, event, argument):
            nonlocal calls
            calls += 1

        planner = Planner(changed)
        planner.plan(cells[:99])  # Files are read and checksums taken once.
        sys.setprofile(counted)
        try:
            planner.plan(cells).shared()
        finally:
            sys.setprofile(None)
        counts.append((len(cells), calls))
    (few, before), (many, after) = counts
    assert many == 10 * few
    assert after < 12 * before


GIB = 1 << 30
E5 = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vocab_size": 163_075,
}
LARGE = {
    "model_type": "xlm-roberta",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "vocab_size": 250_002,
}


def test_memory_of_a_training_is_reckoned_from_the_configuration():
    """3.8 GiB were measured for SQuAD; XLM-R Large has 560 million parameters of 16 bytes, before any activation."""
    assert training_bytes(E5, 2048, 384) / GIB == pytest.approx(3.8, rel=0.1)
    assert training_bytes(LARGE, 2048, 128) > 560e6 * 16
    assert training_bytes(LARGE, 4096, 128) > training_bytes(LARGE, 2048, 128)
    assert training_bytes(LARGE, 2048, 384) > training_bytes(LARGE, 2048, 128)
    assert training_bytes({"model_type": "new"}, 2048, 128) is None


@pytest.mark.parametrize(
    ("total", "asked", "workers", "threads"),
    [(64, None, 8, 1), (12, None, 2, 4), (3, None, 1, 8), (3, 2, 2, 4), (None, None, 8, 1)],
)
def test_as_many_workers_as_memory_holds(monkeypatch, total, asked, workers, threads):
    monkeypatch.setattr(crew, "cores", lambda: 8)
    monkeypatch.setattr(crew, "memory_bytes", lambda: total and total * GIB)
    monkeypatch.setattr(crew, "accelerators", lambda: ())
    request = Request(suite="xtreme", workers=asked)
    found = crew.parallel(request, load_suite("xtreme", "paper"), int(4.5 * GIB))
    assert (len(found[0]), found[1]) == (workers, threads)


class Filled:
    """A store that two machines filled: one has the steps under `none`, in bf16."""

    def __init__(self, plan: Plan) -> None:
        self.halves = {step.key for cell in plan.cells if cell.intermediate == "none" for step in plan.under(cell.name)}

    def manifest(self, key: str) -> dict[str, object]:
        return {"key": key, "summary": {"precision": "bf16" if key in self.halves else "fp32"}}

    def path(self, key: str) -> Path:
        return Path(key)

    def read_json(self, key: str, name: str) -> object:
        raise StoreError("it has no scores.")


@pytest.mark.parametrize(("precision", "said"), [("auto", 1), ("fp32", 0)])
def test_a_board_says_where_auto_came_to_be_two_precisions(tmp_path, precision, said):
    file = tmp_path / "suite.toml"
    grid = '[grid]\nintermediates = ["none", "mnli"]\ntargets = ["panx"]\n'
    file.write_text(
        f'extends = "xtreme"\ntitle = "t"\nscheme = ""\n{grid}[profile.micro.recipe]\nprecision = "{precision}"\n'
    )
    loaded = load_suite(str(file), "micro")
    cells = collect(loaded)
    plan = Planner(loaded).plan(cells)
    results, _ = cell_results(plan, Outcome(), Filled(plan), {}, {})  # type: ignore[arg-type]
    run = {**described(loaded, cells, ()), "cells": [result.as_json() for result in results]}
    notes = [note for note in footnotes(run) if note.startswith('precision = "auto"')]
    assert len(notes) == said
    for note in notes:
        assert "bf16: 1 cell, such as none->panx[tiny-0]; fp32: 1 cell, such as mnli->panx[tiny-0]" in note
    of_one_machine = {**run, "cells": run["cells"][:1]}
    assert not [note for note in footnotes(of_one_machine) if note.startswith("precision")]
