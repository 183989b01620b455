"""What an adapter of one's own can ask for beyond the simple case, each used by one written here."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel

from tiny import make_encoder, sentence, sentiment, without_dropout, write_rows
from tuning import QUICK, encoded, evaluation, run, same, tuning, weights
from xharness.adapter import Example, Feature, register_adapter
from xharness.errors import HarnessError
from xharness.spec.device import Device
from xharness.spec.recipe import Recipe
from xharness.spec.task import Data, Task
from xharness_adapters.classification import Classification

MASK, SPECIAL = 4, 5
"""Id of the mask, and the first that is a piece of text, in the tokenizer of these tests."""


class NoOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Masked:
    """Masked words: new ones for every step, a head on the masked places alone."""

    name: ClassVar[str] = "masked"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = {"text": True}
    metrics: ClassVar[tuple[str, ...]] = ("accuracy_token",)
    options: ClassVar[type[BaseModel]] = NoOptions
    trains: ClassVar[bool] = True

    def __init__(self) -> None:
        self.drawn: list[list[list[int]]] = []
        """Masked inputs of every draw."""

    def check(self, task: Task, example: Example) -> str | None:
        return None

    def encode(
        self, task: Task, examples: Sequence[Example], tokenizer: Any, recipe: Recipe, train: bool
    ) -> list[Feature]:
        found = tokenizer([e["text"] for e in examples], truncation=True, max_length=recipe.max_length)["input_ids"]
        return [Feature(index, ids) for index, ids in enumerate(found)]

    def draw(
        self, task: Task, features: Sequence[Feature], tokenizer: Any, random: np.random.Generator
    ) -> list[Feature]:
        assert tokenizer.mask_token_id == MASK
        made = []
        for feature in features:
            ids = np.array(feature.ids)
            places = np.flatnonzero((ids >= SPECIAL) & (random.random(len(ids)) < 0.3)).astype(np.int32)
            target, ids[places] = ids[places], MASK
            note = {"places": places}
            made.append(Feature(feature.example, ids, None, target, float(len(places)), note, feature.language))
        self.drawn.append([feature.ids.tolist() for feature in made])
        return made

    def positions(self, task: Task, feature: Feature) -> Sequence[int]:
        assert feature.note is not None
        return list(feature.note["places"])

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        return Words(hidden)

    def loss(self, task: Task, outputs: Tensor, features: Sequence[Feature]) -> Tensor:
        targets = torch.from_numpy(np.concatenate([f.target for f in features]).astype(np.int64))
        assert len(outputs) == len(targets)
        return functional.cross_entropy(outputs, targets, reduction="sum")

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], outputs: Iterator[Any]
    ) -> list[Any]:
        # Said as tags: whether each masked word was found; the rest of twenty are right.
        found = []
        for feature, row in zip(features, outputs, strict=True):
            right = [str(bool(word == scores.argmax())) for word, scores in zip(feature.target, row, strict=True)]
            found.append([*right, *["True"] * 20][:20])
        return found

    def reference(self, task: Task, example: Example) -> Any:
        return ["True"] * 20

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        return [list(reference) for reference in references]


class Words(nn.Module):
    """Hidden states to a vocabulary."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.out = nn.Linear(hidden, 200)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        found: Tensor = self.out(states)
        return found


class Contrast:
    """Pairs of texts against the other pairs of their batch: an embedding as output, one loss over the whole batch."""

    name: ClassVar[str] = "contrast"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = {"text": True, "pair": True}
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    options: ClassVar[type[BaseModel]] = NoOptions
    trains: ClassVar[bool] = True
    whole_batch: ClassVar[bool] = True

    def check(self, task: Task, example: Example) -> str | None:
        return None

    def encode(
        self, task: Task, examples: Sequence[Example], tokenizer: Any, recipe: Recipe, train: bool
    ) -> list[Feature]:
        features = []
        for index, example in enumerate(examples):
            for text in (example["text"], example["pair"]):
                features.append(Feature(index, tokenizer(text)["input_ids"], weight=0.5))
        return features

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        return Mean()

    def loss(self, task: Task, outputs: Tensor, features: Sequence[Feature]) -> Tensor:
        first, second = (functional.normalize(outputs[start::2], dim=-1) for start in (0, 1))
        assert [f.example for f in features[::2]] == [f.example for f in features[1::2]]
        return functional.cross_entropy(first @ second.T / 0.1, torch.arange(len(first)), reduction="sum")

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], outputs: Iterator[Any]
    ) -> list[Any]:
        # The nearest second text of all those of the language.
        rows = np.stack(list(outputs))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return [examples[place]["id"] for place in (rows[::2] @ rows[1::2].T).argmax(axis=1)]

    def reference(self, task: Task, example: Example) -> Any:
        return example["id"]

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        return [references[0]] * len(references)


class Mean(nn.Module):
    """Mean over the real tokens."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        real = mask.unsqueeze(-1)
        return (states * real).sum(dim=1) / real.sum(dim=1)


class Spoken(Classification):
    """Classification whose loss sees the language of each example."""

    name: ClassVar[str] = "spoken"

    def __init__(self) -> None:
        self.heard: list[str] = []

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], logits: Iterator[Any]
    ) -> list[Any]:
        self.heard += [f.language for f in features]
        return super().decode(task, examples, features, logits)


class Gap(Classification):
    """An adapter that loses an example."""

    name: ClassVar[str] = "gap"

    def encode(self, *given: Any, **more: Any) -> list[Feature]:
        return [feature for feature in super().encode(*given, **more) if feature.example != 3]


@pytest.fixture
def adapter() -> Callable[[Any], Any]:
    def known(made: Any) -> Any:
        register_adapter(made)
        return made

    return known


def texts(folder: Path, n: int = 48) -> Task:
    chance = random.Random(7)
    sources = {
        split: (write_rows(folder / f"{split}.jsonl", [{"text": sentence(chance, 6)} for _ in range(n)]),)
        for split in ("train", "dev", "test")
    }
    return Task(
        name="words", title="", adapter="masked", metric="accuracy_token", data=Data(**sources), languages=("en",)
    )


def test_targets_are_made_anew_for_every_step_as_a_function_of_seed_and_step(tmp_path, adapter):
    checkpoint, task = make_encoder(tmp_path / "it"), texts(tmp_path)
    task = task.model_copy(update={"data": task.data.model_copy(update={"dev": ()})})
    recipe = QUICK.model_copy(update={"epochs": 2})
    draws = []
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        masked = adapter(Masked())
        run(tuning(checkpoint, task, recipe=recipe, seed=seed), tmp_path, name)
        draws.append(masked.drawn)
    assert draws[0] == draws[1] != draws[2]
    assert len(draws[0]) == 12
    # The same sentence is masked otherwise in the second epoch.
    assert not {str(ids) for step in draws[0][:6] for ids in step} >= {
        str(ids) for step in draws[0][6:] for ids in step
    }
    assert same(tmp_path / "first", tmp_path / "again")


def test_masked_words_are_learned_and_scored_the_same_whatever_the_batch(tmp_path, adapter):
    checkpoint, task = make_encoder(tmp_path / "it"), texts(tmp_path, 200)
    adapter(Masked())
    summary = run(tuning(checkpoint, task), tmp_path, "tuned")
    assert len(summary["evaluations"]) == 0
    scores = []
    for name, tokens in (("alone", 8), ("together", 4000)):
        work = evaluation(checkpoint, task, "tuned", "words").model_copy(update={"device": Device(tokens=tokens)})
        masked = adapter(Masked())
        run(work, tmp_path, name)
        scores.append((tmp_path / name / "outcomes.parquet").read_bytes())
        assert masked.drawn
    assert scores[0] == scores[1]


def test_a_loss_over_the_whole_batch_is_that_of_the_undivided_batch(tmp_path, adapter):
    checkpoint = make_encoder(tmp_path / "it")
    without_dropout(tmp_path / "it")
    adapter(Contrast())
    task = pairs(tmp_path)
    recipe = Recipe(epochs=1, batch_size=16, learning_rate=1e-3, adam_epsilon=1e-3)
    for name, tokens in (("whole", 10_000), ("chunks", 40), ("single", 1)):
        run(tuning(checkpoint, task, recipe=recipe, device=Device(tokens=tokens)), tmp_path, name)
    whole = weights(tmp_path / "whole")
    for name in ("chunks", "single"):
        for key, value in weights(tmp_path / name).items():
            torch.testing.assert_close(value, whole[key], atol=2e-6, rtol=0)
    before = AutoModel.from_pretrained(tmp_path / "it", add_pooling_layer=False).state_dict()
    assert max(float((v - before[k.removeprefix("encoder.")]).abs().max())
               for k, v in whole.items() if k.removeprefix("encoder.") in before) > 1e-3  # fmt: skip


def test_chunks_of_a_whole_batch_have_the_same_dropout_in_both_passes(tmp_path, adapter, monkeypatch):
    from xharness.training.loop import Training

    checkpoint = make_encoder(tmp_path / "it")
    adapter(Contrast())
    outputs: list[Tensor] = []
    original = Training._outputs

    def kept(self: Training, task: str, features: Sequence[Feature]) -> Tensor:
        found = original(self, task, features)
        outputs.append(found.detach().clone())
        return found

    monkeypatch.setattr(Training, "_outputs", kept)
    recipe = Recipe(epochs=1, batch_size=48, learning_rate=1e-3)
    run(tuning(checkpoint, pairs(tmp_path), recipe=recipe, device=Device(tokens=100)), tmp_path, "tuned")
    half = len(outputs) // 2
    assert half > 2
    for first, second in zip(outputs[:half], outputs[half:], strict=True):
        assert torch.equal(first, second)


def pairs(folder: Path) -> Task:
    chance = random.Random(5)
    rows = []
    for _ in range(48):
        text = sentence(chance, chance.randint(2, 12))
        words = text.split()
        chance.shuffle(words)
        rows.append({"text": text, "pair": " ".join(words)})
    source = (write_rows(folder / "pairs.jsonl", rows),)
    return Task(name="pairs", title="", adapter="contrast", metric="accuracy", data=Data(train=source, test=source),
                languages=("en",))  # fmt: skip


def test_an_embedding_is_an_output_like_any_other_and_is_learned(tmp_path, adapter):
    checkpoint, task = make_encoder(tmp_path / "it"), pairs(tmp_path)
    adapter(Contrast())
    scores = []
    for name, recipe in (("still", Recipe(epochs=1, learning_rate=1e-30)), ("tuned", QUICK)):
        run(tuning(checkpoint, task, recipe=recipe.model_copy(update={"batch_size": 16})), tmp_path, name)
        run(evaluation(checkpoint, task, name, "pairs"), tmp_path, f"{name} scores")
        found = json.loads((tmp_path / f"{name} scores" / "scores.json").read_text())
        scores.append(found["languages"]["en"]["score"])
    assert scores[1] >= scores[0] > 100 / 48
    assert scores[1] > 60


def test_a_feature_knows_the_language_of_its_example(tmp_path, adapter):
    checkpoint = make_encoder(tmp_path / "it")
    task = sentiment(tmp_path / "data", n=24, languages=("en", "de")).model_copy(update={"adapter": "spoken"})
    adapter(Spoken())
    run(tuning(checkpoint, task), tmp_path, "tuned")
    spoken = adapter(Spoken())
    run(evaluation(checkpoint, task, "tuned", "sentiment"), tmp_path, "scores")
    held = encoded(checkpoint, task, tmp_path)
    assert sorted(spoken.heard) == sorted(language for language, span in held.spans.items() for _ in range(len(span)))
    assert set(spoken.heard) == {"en", "de"}


def test_an_adapter_that_loses_an_example_is_told_of_it(tmp_path, adapter):
    adapter(Gap())
    task = sentiment(tmp_path / "data", n=24).model_copy(update={"adapter": "gap"})
    with pytest.raises(HarnessError, match=r"the gap adapter.*none of the example 4"):
        run(tuning(make_encoder(tmp_path / "it"), task), tmp_path, "tuned")
