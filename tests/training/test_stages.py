"""What a stage can do: proportions, sizes, languages, shared heads, what is trained, which state is kept."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from kinds import make
from safetensors.torch import load_file

import xharness.steps.tuning
import xharness.training.loop
import xharness.training.progress
from tiny import make_encoder, sentiment, sentiment_rows, write_rows
from tuning import ENCODES, encoding, run, same, tuning, weights
from xharness.data.encoded import Encoded
from xharness.errors import HarnessError
from xharness.spec.device import Device
from xharness.spec.recipe import Lora, Recipe
from xharness.spec.stage import Sampling
from xharness.spec.task import Data, Task
from xharness.steps.subset import subset
from xharness.steps.tune import Selected, Trained
from xharness.training.batches import Examples, plan_batches, shares_of
from xharness.training.checkpoints import load_encoder
from xharness.training.layers import depths, freeze
from xharness.training.origins import origin_of

RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=3e-3)


@pytest.fixture
def checkpoint(tmp_path):
    return make_encoder(tmp_path / "checkpoint")


# ------------------------------------------------------------ proportions


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(by="uniform"), (1 / 3, 1 / 3, 1 / 3)),
        (Sampling(temperature=2), (20 / 32, 10 / 32, 2 / 32)),
        (Sampling(weights={"a": 1, "b": 1, "c": 8}), (0.1, 0.1, 0.8)),
    ],
)
def test_tasks_are_drawn_as_the_stage_says(sampling, expected):
    sizes = {"a": 4000, "b": 1000, "c": 40}
    assert list(shares_of(sizes, sampling).values()) == pytest.approx(expected)
    examples = {name: Examples(np.full(n, 10)) for name, n in sizes.items()}
    recipe = Recipe(epochs=4, batch_size=10)
    order = plan_batches(examples, recipe, 3, sampling)
    assert len(order) == 4 * 504
    found = Counter(task for task, _ in order)
    assert [found[name] / len(order) for name in sizes] == pytest.approx(expected, abs=0.04)
    again = plan_batches(examples, recipe, 3, sampling)
    assert all(a == b and (x == y).all() for (a, x), (b, y) in zip(order, again, strict=True))
    assert [task for task, _ in order] != [task for task, _ in plan_batches(examples, recipe, 4, sampling)]
    # Whoever is drawn more often than it has examples begins again, with all of them.
    of_the_smallest = np.concatenate([numbers for task, numbers in order if task == "c"])
    times = Counter(of_the_smallest.tolist())
    assert max(times.values()) - min(times.values()) <= 1


def test_a_temperature_that_no_float_holds_the_power_of_leaves_the_largest():
    assert shares_of({"a": 400_000, "b": 10}, Sampling(temperature=0.01)) == {"a": 1.0, "b": 0.0}
    languages = np.repeat([0, 1], [4000, 100])
    order = plan_batches(
        {"a": Examples(np.full(4100, 10), languages)}, Recipe(epochs=1), 0, Sampling(language_temperature=0.01)
    )
    numbers = np.concatenate([held for _, held in order])
    assert len(numbers) == 4100
    assert set(languages[numbers]) == {0}


def test_steps_say_how_long_a_training_is_instead_of_epochs():
    examples = {"a": Examples(np.full(100, 10)), "b": Examples(np.full(20, 10))}
    assert len(plan_batches(examples, Recipe(steps=31, batch_size=10), 0)) == 31
    assert len(plan_batches(examples, Recipe(steps=31, batch_size=10), 0, Sampling(by="uniform"))) == 31


def test_languages_are_drawn_by_temperature():
    languages = np.repeat([0, 1], [900, 100])
    examples = {"a": Examples(np.full(1000, 10), languages)}
    for temperature, share in ((1.0, 0.1), (2.0, 0.25), (1e9, 0.5)):
        order = plan_batches(examples, Recipe(epochs=1), 0, Sampling(language_temperature=temperature))
        numbers = np.concatenate([held for _, held in order])
        assert len(numbers) == 1000
        assert (languages[numbers] == 1).mean() == pytest.approx(share, abs=0.002)
        assert Counter(Counter(numbers[numbers >= 900].tolist()).values()).keys() <= {
            int(share / 0.1), int(share / 0.1) + 1,
        }  # fmt: skip


# ------------------------------------------------------------ sizes and languages


def held_in(tmp_path, checkpoint, counts):
    """A training set with so many examples of each language."""
    for language, n in counts.items():
        write_rows(tmp_path / f"train.{language}.jsonl", sentiment_rows(n, 1))
    source = (write_rows(tmp_path / "train.en.jsonl", sentiment_rows(counts["en"], 1)),)
    source = (source[0].model_copy(update={"file": str(tmp_path / "train.{lang}.jsonl")}),)
    task = Task(
        name="it", title="", adapter="classification", metric="accuracy", labels=("negative", "positive"),
        languages=tuple(counts), data=Data(train=source),
    )  # fmt: skip
    run_of = encoding(checkpoint, task, "train", train=True)
    run(ENCODES[run_of], tmp_path, run_of)
    return Trained(task=task, train=run_of), Encoded(tmp_path / run_of)


def test_smaller_sizes_are_parts_of_larger_ones_and_seeds_have_their_own(tmp_path, checkpoint):
    trained, encoded = held_in(tmp_path, checkpoint, {"en": 200})

    def chosen(size, seed=0):
        return subset(trained.model_copy(update={"size": size}), encoded, None, False, seed).tolist()

    assert [len(chosen(size)) for size in (10, 0.25, 100, 1.0)] == [10, 50, 100, 200]
    assert set(chosen(10)) < set(chosen(0.25)) < set(chosen(100)) < set(range(200))
    assert chosen(10) == sorted(chosen(10))
    assert set(chosen(100)) != set(chosen(100, seed=1))
    with pytest.raises(HarnessError, match="size = 201 is more than the 200 examples"):
        chosen(201)


def test_languages_of_matched_size_are_as_many_together_as_one(tmp_path, checkpoint):
    trained, encoded = held_in(tmp_path, checkpoint, {"en": 90, "de": 90, "ru": 60})
    assert len(subset(trained, encoded, None, False, 0)) == 240
    matched = subset(trained, encoded, None, True, 0)
    assert [sum(n in span for n in matched.tolist()) for span in encoded.spans.values()] == [30, 30, 30]
    places = [{n - span.start for n in matched.tolist() if n in span} for span in encoded.spans.values()]
    assert places[0] != places[1]
    half = subset(trained.model_copy(update={"size": 0.5}), encoded, None, True, 0)
    assert len(half) == 45


@pytest.mark.parametrize(
    ("counts", "parts"), [((90, 10), [80, 10]), ((12, 90, 12), [12, 66, 12]), ((7, 5, 1), [3, 3, 1])]
)
def test_a_language_with_less_than_its_part_gives_all_and_others_the_rest(tmp_path, checkpoint, counts, parts):
    trained, encoded = held_in(tmp_path, checkpoint, dict(zip(("en", "de", "ru"), counts, strict=False)))
    matched = subset(trained, encoded, None, True, 0).tolist()
    assert [sum(n in span for n in matched) for span in encoded.spans.values()] == parts
    assert len(set(matched)) == max(counts)


# ------------------------------------------------------------ heads


def test_tasks_that_share_a_head_train_one(tmp_path, checkpoint):
    tasks = sentiment(tmp_path / "data", n=48), sentiment(tmp_path / "data", name="second", n=48)
    run(tuning(checkpoint, *tasks, recipe=RECIPE, share_head=True), tmp_path, "shared")
    run(tuning(checkpoint, *tasks, recipe=RECIPE), tmp_path, "apart")
    shared, apart = weights(tmp_path / "shared"), weights(tmp_path / "apart")
    keys = [key.partition(":")[2] for key in shared if key.startswith("sentiment:")]
    assert keys
    assert all(torch.equal(shared[f"sentiment:{key}"], shared[f"second:{key}"]) for key in keys)
    assert not any(torch.equal(apart[f"sentiment:{key}"], apart[f"second:{key}"]) for key in keys if "weight" in key)


def test_tasks_with_labels_in_another_order_share_no_head(tmp_path, checkpoint):
    task, other = sentiment(tmp_path / "data", n=16), sentiment(tmp_path / "data", name="second", n=16)
    turned = other.model_copy(update={"labels": other.labels[::-1]})
    with pytest.raises(HarnessError, match="task second: its data have the labels positive, negative, those of"):
        run(tuning(checkpoint, task, turned, recipe=RECIPE, share_head=True), tmp_path, "shared")


# ------------------------------------------------------------ what is trained


def moved(before, after):
    """Names of the weights that are not what they were."""
    return {key for key in before if key in after and not torch.equal(before[key], after[key])}


@pytest.mark.parametrize(
    ("freeze", "still"),
    [
        ("nothing", ()),
        ("embeddings", ("embeddings.",)),
        (2, ("embeddings.", "encoder.layer.0.", "encoder.layer.1.")),
        ("encoder", ("embeddings.", "encoder.")),
    ],
)
def test_what_is_frozen_stays_and_the_rest_moves(tmp_path, checkpoint, freeze, still):
    task = sentiment(tmp_path / "data", n=32)
    run(tuning(checkpoint, task, recipe=RECIPE.model_copy(update={"freeze": freeze})), tmp_path, "tuned")
    before = load_file(tmp_path / "checkpoint" / "model.safetensors")
    found = moved(before, weights(tmp_path / "tuned"))
    assert found == {key for key in before if not (still and key.startswith(still))}


@pytest.mark.parametrize(
    ("kind", "below", "above"),
    [
        ("XLM", ("layer_norm_emb.", "ffns.0.", "layer_norm2.0.", "attentions.0."), ("ffns.1.", "layer_norm1.1.")),
        ("GPT-2", ("wpe.", "wte.", "h.0."), ("h.1.", "ln_f.")),
        ("MPNet", ("encoder.relative_attention_bias.", "encoder.layer.0."), ("encoder.layer.1.",)),
        ("CANINE", ("initial_char_encoder.", "chars_to_molecules.", "encoder.layer.0."), ("encoder.layer.1.", "proj")),
    ],
)
def test_a_layer_is_all_of_it_and_what_is_below_it_is_below(tmp_path, kind, below, above):
    encoder = load_encoder(origin_of(make(kind, tmp_path)))
    found = depths(encoder)
    of = {start: {d for name, d in found.items() if name.startswith(start)} for start in (*below, *above)}
    assert all(of[start] == ({1} if "0." in start else {0}) for start in below), of
    assert all(of[start] == ({2} if "1." in start else {4}) for start in above), of
    freeze(encoder, 1)
    assert {name for name, value in encoder.named_parameters() if not value.requires_grad} == {
        name for name, depth in found.items() if depth <= 1
    }


def test_more_layers_than_there_are_cannot_be_frozen(tmp_path, checkpoint):
    work = tuning(checkpoint, sentiment(tmp_path / "data", n=8), recipe=RECIPE.model_copy(update={"freeze": 4}))
    with pytest.raises(HarnessError, match="freeze = 4, but the encoder has 3 layers"):
        run(work, tmp_path, "tuned")


def test_heads_and_layers_have_rates_of_their_own(tmp_path, checkpoint, monkeypatch):
    seen = []
    make = xharness.training.loop.Training.create_optimizer

    def kept(self, model=None):
        made = make(self)
        names = {id(value): name for name, value in self.network.named_parameters()}
        seen.extend(
            (names[id(p)], group["lr"], group["weight_decay"]) for group in made.param_groups for p in group["params"]
        )
        return made

    monkeypatch.setattr(xharness.training.loop.Training, "create_optimizer", kept)
    recipe = RECIPE.model_copy(
        update={"learning_rate": 1.0, "head_learning_rate": 3.0, "layer_decay": 0.5, "weight_decay": 0.1, "steps": 1}
    )
    run(tuning(checkpoint, sentiment(tmp_path / "data", n=8), recipe=recipe), tmp_path, "tuned")
    rates = {name: rate for name, rate, _ in seen}
    expected = {"encoder.embeddings.": 1 / 16, "encoder.encoder.layer.0.": 1 / 8, "encoder.encoder.layer.1.": 1 / 4,
                "encoder.encoder.layer.2.": 1 / 2, "heads.": 3.0}  # fmt: skip
    for prefix, rate in expected.items():
        assert {r for name, r in rates.items() if name.startswith(prefix)} == {rate}, prefix
    assert all(name.startswith(tuple(expected)) for name in rates)
    assert {decay for name, _, decay in seen if "bias" in name or "LayerNorm" in name} == {0.0}
    assert {decay for name, _, decay in seen if name.endswith("query.weight")} == {0.1}


# ------------------------------------------------------------ which state is kept


def constant(**more):
    return RECIPE.model_copy(update={"schedule": "constant", **more})


def test_the_mean_of_the_last_states_is_kept(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=48)
    states = []
    for steps in (6, 9, 12):
        run(tuning(checkpoint, task, recipe=constant(steps=steps)), tmp_path, f"after {steps}")
        states.append(weights(tmp_path / f"after {steps}"))
    recipe = constant(steps=12, evaluations=4, select="mean", average=3)
    summary = run(tuning(checkpoint, task, recipe=recipe), tmp_path, "mean")
    for key, value in weights(tmp_path / "mean").items():
        torch.testing.assert_close(value, torch.stack([state[key] for state in states]).mean(0), atol=1e-6, rtol=1e-5)
    assert summary["dev"] is not None


def test_a_training_stops_when_dev_gets_no_better(tmp_path, checkpoint):
    task = sentiment(tmp_path / "data", n=48)
    recipe = constant(steps=60, evaluations=20, patience=2, select="best", learning_rate=3e-3)
    summary = run(tuning(checkpoint, task, recipe=recipe), tmp_path, "stopped")
    scores = [entry["score"] for entry in summary["evaluations"]]
    best = scores.index(max(scores))
    assert len(scores) == best + 3 < 20
    assert summary["steps"] == summary["evaluations"][-1]["step"] == 3 * len(scores)
    assert summary["dev"] == max(scores)
    run(tuning(checkpoint, task, recipe=constant(steps=3 * (best + 1))), tmp_path, "alone")
    assert same(tmp_path / "alone", tmp_path / "stopped")


def test_states_can_be_compared_on_the_dev_set_of_another_task(tmp_path, checkpoint):
    task, other = sentiment(tmp_path / "data", n=48), sentiment(tmp_path / "data", name="other", n=40)
    other = other.model_copy(
        update={"data": Data(dev=(write_rows(tmp_path / "other.dev.jsonl", sentiment_rows(30, 9)),))}
    )
    work = tuning(checkpoint, task, recipe=constant(steps=12, evaluations=3, select="best"))
    key = encoding(checkpoint, other.model_copy(update={"languages": ("en",)}), "dev")
    run(ENCODES[key], tmp_path, key)
    chosen = work.model_copy(update={"select_on": Selected(task=other, dev=key, head="sentiment")})
    own, found = (run(w, tmp_path, n)["evaluations"] for w, n in ((work, "own"), (chosen, "other")))
    assert [e["step"] for e in own] == [e["step"] for e in found]
    assert [e["score"] for e in own] != [e["score"] for e in found]
    assert chosen.ingredients() != work.ingredients()


class Stopped(Exception):
    pass


@pytest.mark.parametrize("select", ["last", "best"])
def test_a_training_out_of_patience_goes_no_further_when_it_is_resumed(tmp_path, checkpoint, monkeypatch, select):
    recipe = constant(steps=30, evaluations=10, patience=2, select=select)
    work = tuning(checkpoint, sentiment(tmp_path / "data", n=48), recipe=recipe, device=Device(save_seconds=0.0))
    whole = run(work, tmp_path, "undisturbed")
    assert whole["steps"] < 30

    def killed(*given):
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(xharness.steps.tuning, "save_tuned", killed)
        with pytest.raises(Stopped):
            run(work, tmp_path, "resumed")
    shutil.rmtree(tmp_path / "resumed")
    again = run(work, tmp_path, "resumed")
    assert (again["steps"], again["evaluations"]) == (whole["steps"], whole["evaluations"])
    assert same(tmp_path / "undisturbed", tmp_path / "resumed")


@pytest.mark.parametrize(
    "more",
    [
        {"select": "mean", "evaluations": 6, "average": 4},
        {"patience": 3, "evaluations": 6, "select": "best"},
        {"lora": Lora(rank=2)},
        {"freeze": "embeddings", "layer_decay": 0.8, "head_learning_rate": 1e-2},
    ],
)
def test_a_resumed_stage_ends_with_the_same_bits(tmp_path, checkpoint, monkeypatch, more):
    monkeypatch.setattr(xharness.training.progress, "INTERVAL", 0)
    tasks = sentiment(tmp_path / "data", n=48), sentiment(tmp_path / "data", name="second", n=32)
    sampling = Sampling(temperature=3)
    recipe = RECIPE.model_copy(update=more)
    work = tuning(checkpoint, *tasks, recipe=recipe, sampling=sampling, device=Device(save_seconds=0.0))
    whole = run(work, tmp_path, "undisturbed")
    stop = 2 * whole["steps"] // 3

    def report(message):
        if message["unit"] == "steps" and message["done"] == stop:
            raise Stopped

    with pytest.raises(Stopped):
        run(work, tmp_path, "resumed", report)
    shutil.rmtree(tmp_path / "resumed")
    summary = run(work, tmp_path, "resumed")
    assert summary["resumed_at"] == stop - 1
    assert {key: summary[key] for key in ("losses", "evaluations", "dev", "steps")} == {
        key: whole[key] for key in ("losses", "evaluations", "dev", "steps")
    }
    assert same(tmp_path / "undisturbed", tmp_path / "resumed")


def test_losses_are_told_by_task_and_one_that_is_no_number_by_its_step(tmp_path, checkpoint):
    tasks = sentiment(tmp_path / "data", n=48), sentiment(tmp_path / "data", name="second", n=32)
    summary = run(tuning(checkpoint, *tasks, recipe=RECIPE), tmp_path, "tuned")
    assert set(summary["losses"]) == {"sentiment", "second"}
    assert all(0 < loss < 2 for loss in summary["losses"].values())
    wild = RECIPE.model_copy(update={"learning_rate": 1e30, "clip": 0.0})
    with pytest.raises(HarnessError, match=r"the loss of step [23] of 20 \((sentiment|second)\) is not a number"):
        run(tuning(checkpoint, *tasks, recipe=wild), tmp_path, "diverged")
