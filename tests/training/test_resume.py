from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from transformers import TrainerControl

import xharness.training.progress
from tiny import make_encoder, sentiment
from tuning import QUICK, run, same, tuning
from xharness.spec.device import Device
from xharness.training.loop import SEALED, states, whole_state
from xharness.training.model_selection import BEST, HISTORY, ModelSelection
from xharness.training.progress import Progress


class Stopped(Exception):
    pass


def stop_at(step):
    def report(message):
        if message["unit"] == "steps" and message["done"] == step:
            raise Stopped

    return report


@pytest.fixture
def setting(tmp_path, monkeypatch):
    monkeypatch.setattr(xharness.training.progress, "INTERVAL", 0)
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


def test_a_damaged_state_is_not_gone_on_from(setting):
    work, root = setting
    with pytest.raises(Stopped):
        run(work, root, "resumed", stop_at(13))
    shutil.rmtree(root / "resumed")
    scratch = root / "resumed.scratch"
    (state,) = states(scratch)
    names = [path.name for path in state.iterdir()]
    assert {"model.safetensors", "optimizer.pt", "trainer_state.json", BEST, HISTORY, SEALED} <= set(names)
    for name in names:
        for damage in ("truncated", "flipped", "gone"):
            shutil.copytree(state, root / "copy" / state.name)
            file = root / "copy" / state.name / name
            held, middle = file.read_bytes(), file.stat().st_size // 2
            if damage == "gone":
                file.unlink()
            else:
                flipped = held[:middle] + bytes([held[middle] ^ 1]) + held[middle + 1 :]
                file.write_bytes(held[:-1] if damage == "truncated" else flipped)
            assert whole_state(root / "copy") is None, (name, damage)
            assert not list((root / "copy").iterdir())
    assert whole_state(scratch) == state
    (state / "optimizer.pt").write_bytes(b"half of")
    assert run(work, root, "resumed")["resumed_at"] == 0


class Stretch:
    """Ninety-nine batches of a training."""

    def __len__(self):
        return 99

    def tokens(self, step):
        return 0


def test_saving_takes_little_of_the_time(setting, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("xharness.training.model_selection.time.monotonic", lambda: now[0])
    selection = ModelSelection(None, QUICK, Stretch(), Progress(lambda message: None, 99, "steps"), 10.0, None)
    state, saves = SimpleNamespace(global_step=0, max_steps=99), []
    for step in range(1, 90):
        now[0] += 5.0
        control = TrainerControl()
        state.global_step = step
        selection.on_step_end(None, state, control)
        if control.should_save:
            now[0] += 4.0
            selection.on_save(None, state, control)
            saves.append(step)
    assert saves[:4] == [2, 18, 34, 50]


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
