from __future__ import annotations

import shutil

import pytest

import xharness.phases.progress
from tiny import make_encoder, sentiment
from tuning import QUICK, run, same, tuning
from xharness.phases.training import states
from xharness.work import Device


class Stopped(Exception):
    pass


def stop_at(step):
    def report(message):
        if message["unit"] == "steps" and message["done"] == step:
            raise Stopped

    return report


@pytest.fixture
def setting(tmp_path, monkeypatch):
    monkeypatch.setattr(xharness.phases.progress, "INTERVAL", 0)
    checkpoint = make_encoder(tmp_path / "checkpoint")
    tasks = sentiment(tmp_path / "data", n=48), sentiment(tmp_path / "data", name="second", n=32)
    recipe = QUICK.model_copy(update={"evaluations": 4, "select": "best"})
    return tuning(checkpoint, *tasks, recipe=recipe, device=Device(save_seconds=0.0)), tmp_path


def test_a_resumed_training_ends_with_the_same_bits_as_an_undisturbed_one(setting):
    work, root = setting
    undisturbed = run(work, root, "undisturbed")
    for step in (13, 22):
        with pytest.raises(Stopped):
            run(work, root, "resumed", stop_at(step))
        shutil.rmtree(root / "resumed")
    summary = run(work, root, "resumed")
    assert summary["resumed_at"] == 21
    assert summary["evaluations"] == undisturbed["evaluations"]
    assert summary["dev"] == undisturbed["dev"]
    assert same(root / "undisturbed", root / "resumed")


def test_a_kill_while_saving_falls_back_to_the_state_before(setting):
    work, root = setting
    run(work, root, "undisturbed")
    with pytest.raises(Stopped):
        run(work, root, "resumed", stop_at(9))
    scratch = root / "resumed.scratch"
    assert [p.name for p in states(scratch)] == ["checkpoint-8"]
    torn = scratch / "partial" / "checkpoint-9"
    torn.mkdir(parents=True)
    (torn / "model.safetensors").write_bytes(b"half of")
    shutil.rmtree(root / "resumed")
    assert run(work, root, "resumed")["resumed_at"] == 8
    assert same(root / "undisturbed", root / "resumed")


def test_states_are_gone_when_the_training_is_done(setting):
    work, root = setting
    run(work, root, "tuned")
    assert not list((root / "tuned.scratch").iterdir())


def test_nothing_is_saved_before_its_time(setting):
    work, root = setting
    slow = work.model_copy(update={"device": Device(save_seconds=3600.0)})
    with pytest.raises(Stopped):
        run(slow, root, "tuned", stop_at(20))
    assert states(root / "tuned.scratch") == []
