"""Low-rank adaptation: what it changes, what is stored of it, and what the stages after it start from."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file

from tiny import make_encoder, sentiment
from tuning import evaluation, run, tuning, weights
from xharness.errors import CheckpointError, HarnessError
from xharness.spec.recipe import Lora, Recipe
from xharness.training.checkpoints import load_encoder
from xharness.training.export import export_model
from xharness.training.network import ENCODER
from xharness.training.origins import folder_origin

RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=3e-3)


@pytest.fixture
def checkpoint(tmp_path):
    return make_encoder(tmp_path / "checkpoint")


def test_low_rank_weights_are_merged_and_change_nothing_else(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=64)
    lora = Lora(rank=2, alpha=16, modules=("query", "dense"))
    recipe = RECIPE.model_copy(update={"lora": lora, "epochs": 20, "learning_rate": 5e-3})
    summary = run(tuning(checkpoint, task, recipe=recipe), tmp_path, "it")
    before, after = load_file(tmp_path / "checkpoint" / "model.safetensors"), weights(tmp_path / "it")
    assert before.keys() == {key for key in after if not key.startswith("sentiment:")}
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert all(key.endswith(("query.weight", "dense.weight")) for key in changed)
    assert {torch.linalg.matrix_rank(after[key] - before[key], rtol=1e-3).item() for key in changed} <= {1, 2}
    assert summary["loss"] < 0.65
    missing = RECIPE.model_copy(update={"lora": Lora(modules=("q_proj",))})
    with pytest.raises(HarnessError, match=r"lora cannot be put into it.*q_proj.*lora\.modules, of dense, key"):
        run(tuning(checkpoint, task, recipe=missing), tmp_path, "missing")


def encoder_of(folder):
    """The weights of a tuned folder's encoder, as its readers see them."""
    return load_encoder(folder_origin("it", folder / ENCODER)).state_dict()


def test_kept_low_rank_weights_are_all_that_is_stored_and_read_as_the_merged_ones(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=64)
    lora = Lora(rank=2, alpha=8, modules=("query", "dense"))
    stages = {}
    for name, keep in (("merged", False), ("kept", True)):
        recipe = RECIPE.model_copy(update={"lora": lora.model_copy(update={"keep": keep})})
        first = run(tuning(checkpoint, task, recipe=recipe), tmp_path, name)
        # Two stages that keep theirs, one on the other, and one that trains everything.
        second = run(tuning(checkpoint, task, recipe=recipe, parent=name, seed=1), tmp_path, f"{name}-2")
        run(tuning(checkpoint, task, recipe=RECIPE, parent=f"{name}-2", seed=2), tmp_path, f"{name}-3")
        run(evaluation(checkpoint, task, f"{name}-2", task.name), tmp_path, f"{name}-scores")
        stages[name] = [summary["loss"] for summary in (first, second)]
    assert stages["kept"] == pytest.approx(stages["merged"], abs=1e-4)
    for end in ("", "-2"):
        merged, kept = (encoder_of(tmp_path / f"{name}{end}") for name in ("merged", "kept"))
        assert merged.keys() == kept.keys()
        assert all(torch.allclose(merged[key], kept[key], atol=1e-5) for key in merged)
    before, after = encoder_of(tmp_path / "kept-2"), encoder_of(tmp_path / "kept-3")
    assert not [key for key in before if key.endswith(".weight") and torch.equal(before[key], after[key])]
    whole, small = (sum(p.stat().st_size for p in (tmp_path / n / ENCODER).glob("*.safetensors")) for n in stages)
    assert small < whole / 4
    assert not (tmp_path / "kept-2" / ENCODER / "model.safetensors").exists()
    assert export_model(tmp_path / "kept-2", task.name, tmp_path / "out") == "AutoModelForSequenceClassification"
    shutil.rmtree(tmp_path / "kept")
    with pytest.raises(CheckpointError, match="the encoder that they belong to was dropped"):
        encoder_of(tmp_path / "kept-2")
