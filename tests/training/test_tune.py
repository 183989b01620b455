from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from tiny import make_encoder, sentiment, without_dropout
from tuning import QUICK, evaluation, run, same, tuning, weights
from xharness.errors import CheckpointError, DataError
from xharness.spec.device import Device
from xharness.spec.recipe import Recipe
from xharness.spec.stage import Sampling
from xharness.spec.task import Data, Limit
from xharness.training.network import load_tuned


@pytest.fixture
def checkpoint(tmp_path):
    return make_encoder(tmp_path / "checkpoint")


def test_a_task_is_learned_and_its_dev_score_returned(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data")
    summary = run(tuning(checkpoint, task), tmp_path, "tuned")
    assert summary["steps"] == 75
    assert summary["dev"] > 90
    run(evaluation(checkpoint, task, "tuned", "sentiment"), tmp_path, "scores")
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores["languages"]["en"]["score"] > 90


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=40)
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        run(tuning(checkpoint, task, seed=seed), tmp_path, name)
    assert same(tmp_path / "one", tmp_path / "again")
    assert not same(tmp_path / "one", tmp_path / "other")


def test_the_size_of_the_device_changes_nothing_but_rounding(tmp_path):
    checkpoint = make_encoder(tmp_path / "plain")
    without_dropout(tmp_path / "plain")
    task = sentiment(tmp_path / "data", n=64)
    recipe = Recipe(epochs=1, batch_size=16, learning_rate=1e-3)
    for name, tokens in (("large", 100_000), ("small", 24)):
        run(tuning(checkpoint, task, recipe=recipe, device=Device(tokens=tokens)), tmp_path, name)
    large, small = weights(tmp_path / "large"), weights(tmp_path / "small")
    assert max(float((large[k] - small[k]).abs().max()) for k in large) < 2e-5


def test_any_user_of_transformers_can_load_the_encoder(tmp_path, checkpoint):
    run(tuning(checkpoint, sentiment(tmp_path / "data", n=40)), tmp_path, "tuned")
    model = AutoModel.from_pretrained(tmp_path / "tuned" / "encoder")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tuned" / "encoder")
    out = model(**tokenizer(["red house"], return_tensors="pt"))
    assert out.last_hidden_state.shape[-1] == 32


def test_a_child_starts_from_its_parents_encoder_with_fresh_heads_and_knows_its_lineage(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=40)
    run(tuning(checkpoint, task), tmp_path, "parent")
    still = Recipe(epochs=0.01, batch_size=8, learning_rate=1e-12)
    run(tuning(checkpoint, task, recipe=still, parent="parent"), tmp_path, "child")
    run(tuning(checkpoint, task, recipe=still), tmp_path, "orphan")
    parent, child, orphan = (weights(tmp_path / name) for name in ("parent", "child", "orphan"))
    for key, value in parent.items():
        if key.startswith("sentiment:"):
            torch.testing.assert_close(child[key], orphan[key], atol=1e-9, rtol=0)
        else:
            torch.testing.assert_close(child[key], value, atol=1e-9, rtol=0)
    lineage = json.loads((tmp_path / "child" / "lineage.json").read_text())
    assert lineage["parent"] == "parent"
    assert lineage["parent_lineage"]["steps"] == 15
    assert lineage["tasks"] == ["sentiment"]


def test_a_mixture_trains_every_head_and_every_batch_has_one_task(tmp_path, checkpoint):
    first, second = sentiment(tmp_path / "data"), sentiment(tmp_path / "data", name="other.one", n=120)
    summary = run(tuning(checkpoint, first, second, sampling=Sampling(cap=160)), tmp_path, "tuned")
    assert summary["examples"] == {"sentiment": 160, "other.one": 120}
    assert summary["steps"] == 3 * (20 + 15)
    for task in (first, second):
        run(evaluation(checkpoint, task, "tuned", task.name), tmp_path, f"scores-{task.name}")
        scores = json.loads((tmp_path / f"scores-{task.name}" / "scores.json").read_text())
        assert scores["languages"]["en"]["score"] > 80


def test_a_head_that_was_not_trained_is_an_error(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=40)
    run(tuning(checkpoint, task), tmp_path, "tuned")
    with pytest.raises(CheckpointError, match=r"no head trained on 'mnli'; it has: sentiment"):
        run(evaluation(checkpoint, task, "tuned", "mnli"), tmp_path, "scores")
    other = task.model_copy(update={"labels": ("yes", "no")})
    with pytest.raises(CheckpointError, match="negative, positive"):
        load_tuned(tmp_path / "tuned", "sentiment", other)


def test_labels_in_another_order_mean_what_the_head_was_trained_for(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data")
    run(tuning(checkpoint, task), tmp_path, "tuned")
    swapped = task.model_copy(
        update={"labels": task.labels[::-1], "label_map": {"0": "negative", "1": "positive"}, "name": "swapped"}
    )
    run(evaluation(checkpoint, swapped, "tuned", "sentiment"), tmp_path, "scores")
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores["languages"]["en"]["score"] > 90


def test_best_keeps_the_best_scored_state(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=64)
    # So high a rate that later states are worse than the first ones now and then.
    recipe = QUICK.model_copy(
        update={"evaluations": 6, "select": "best", "learning_rate": 0.05, "schedule": "constant"}
    )
    summary = run(tuning(checkpoint, task, recipe=recipe), tmp_path, "tuned")
    assert len(summary["evaluations"]) == 6
    assert summary["dev"] == max(e["score"] for e in summary["evaluations"])
    dev = task.model_copy(update={"data": Data(test=task.data.dev), "languages": ("en",)})
    run(evaluation(checkpoint, dev, "tuned", "sentiment"), tmp_path, "scores")
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores["languages"]["en"]["score"] == pytest.approx(summary["dev"])


def test_best_without_dev_data_is_an_error(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=16)
    task = task.model_copy(update={"data": task.data.model_copy(update={"dev": ()})})
    recipe = QUICK.model_copy(update={"evaluations": 2, "select": "best"})
    with pytest.raises(DataError, match="needs dev data"):
        run(tuning(checkpoint, task, recipe=recipe), tmp_path, "tuned")
    assert run(tuning(checkpoint, task), tmp_path, "last")["dev"] is None


def test_a_divergence_is_said_and_nothing_is_saved(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=64)
    recipe = QUICK.model_copy(update={"learning_rate": 1e30, "clip": 0.0})
    with pytest.raises(Exception, match="diverged"):
        run(tuning(checkpoint, task, recipe=recipe), tmp_path, "tuned")
    assert not list((tmp_path / "tuned").iterdir())


def test_a_cap_on_tokens_counts_sub_words_and_keeps_one_example(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=100)
    work = tuning(checkpoint, task, recipe=Recipe(epochs=1, batch_size=4, learning_rate=1e-3), limit=Limit(tokens=200))
    summary = run(work, tmp_path, "tuned")
    assert 150 < summary["tokens"] <= 200
    work = tuning(checkpoint, task, recipe=Recipe(epochs=1, batch_size=4), limit=Limit(tokens=1))
    assert run(work, tmp_path, "one")["examples"] == {"sentiment": 1}
