"""Masked language modelling: transformers' own rule of masking, and its loss."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from test_language_head import pretrained

from tiny import WORDS, make_encoder, sentence, write_rows
from tuning import encoded, evaluation, run, same, tuning
from xharness.adapter import LanguageModelling, load_adapter
from xharness.errors import CheckpointError, HarnessError
from xharness.spec.recipe import Recipe
from xharness.spec.task import Data, Task

RECIPE = Recipe(epochs=4, batch_size=8, learning_rate=3e-3, max_length=32)


def texts(folder: Path, n: int = 48, languages: tuple[str, ...] = ("en",), **options: object) -> Task:
    import random

    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(5)
    sources = {}
    for split, count in (("train", n), ("dev", 16), ("test", 24)):
        for language in languages:
            rows = [{"text": sentence(chance, chance.randint(6, 12))} for _ in range(count)]
            write_rows(folder / f"{split}.{language}.jsonl", rows)
        source = write_rows(folder / f"{split}.en.jsonl", [{"text": sentence(chance, 8)} for _ in range(count)])
        sources[split] = (source.model_copy(update={"file": str(folder / f"{split}.{{lang}}.jsonl")}),)
    return Task(
        name="mlm", title="", adapter="masked_lm", metric="perplexity", languages=languages, options=options,
        data=Data(**sources),
    )  # fmt: skip


def test_the_adapter_is_one_of_language_modelling():
    assert isinstance(load_adapter("masked_lm"), LanguageModelling)


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_masked_is_what_transformers_masks(tmp_path, whole):
    checkpoint = make_encoder(tmp_path / "it")
    task = texts(tmp_path / "data", whole_words=whole)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "it")
    held = encoded(checkpoint, task, tmp_path, "train", train=True, recipe=RECIPE)
    features = [f for i in range(8) for f in held.item(i)]
    adapter = load_adapter("masked_lm")
    drawn = adapter.draw(task, features, tokenizer, np.random.default_rng(3))
    # The same numbers drawn, and transformers' collator on its own input.
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, whole_word_mask=whole)
    collator.generator = torch.Generator().manual_seed(int(np.random.default_rng(3).integers(2**62)))
    rows = [json.loads(line)["text"] for line in (tmp_path / "data" / "train.en.jsonl").open()][:8]
    given = tokenizer(rows, return_special_tokens_mask=True, return_offsets_mapping=whole, padding=True)
    if whole:
        # "▁dog" is said to stand where its space is, so that transformers would take a sentence for one word.
        given["offset_mapping"] = [
            [(b + (text[b:e][:1] == " "), e) for b, e in places]
            for text, places in zip(rows, given["offset_mapping"], strict=True)
        ]
    names = ("input_ids", "special_tokens_mask", *(("offset_mapping",) if whole else ()))
    expected = collator([{name: given[name][i] for name in names} for i in range(8)])
    for row, feature in enumerate(drawn):
        n = len(feature.ids)
        assert feature.ids.tolist() == expected["input_ids"][row, :n].tolist()
        labels = expected["labels"][row, :n].numpy()
        assert feature.note["places"].tolist() == np.flatnonzero(labels >= 0).tolist()
        assert feature.target.tolist() == labels[labels >= 0].tolist()
        assert feature.weight == len(feature.target)
    assert sum(f.weight for f in drawn) > 4
    if whole:
        mask = tokenizer.mask_token_id
        assert all((feature.ids[feature.note["places"]] == mask).all() for feature in drawn)


def test_a_long_text_is_windows_that_lose_nothing(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    task = texts(tmp_path / "data")
    write_rows(tmp_path / "data" / "train.en.jsonl", [{"text": " ".join(WORDS * 5)}])
    held = encoded(checkpoint, task, tmp_path, "train", train=True, recipe=RECIPE)
    features = held.item(0)
    assert len(features) == math.ceil(len(WORDS) * 5 / 30)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "it")
    inner = [int(i) for f in features for i in f.ids if i not in tokenizer.all_special_ids]
    assert inner == tokenizer(" ".join(WORDS * 5), add_special_tokens=False)["input_ids"]


def scored(root: Path, name: str) -> dict[str, float]:
    found = json.loads((root / name / "scores.json").read_text())["languages"]
    return {language: entry["score"] for language, entry in found.items()}


def test_perplexity_is_that_of_transformers_model_on_the_same_masks(tmp_path):
    checkpoint = pretrained("XLM-R", tmp_path / "it")
    task = texts(tmp_path / "data", languages=("en", "de"), probability=0.3)
    still = RECIPE.model_copy(update={"epochs": 1, "learning_rate": 1e-30})
    run(tuning(checkpoint, task, recipe=still), tmp_path, "still")
    run(evaluation(checkpoint, task, "still", "mlm", recipe=RECIPE), tmp_path, "scores")
    found = scored(tmp_path, "scores")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "it")
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "it").eval()
    held = encoded(checkpoint, task, tmp_path, "test", recipe=RECIPE)
    from xharness.training.prediction import Source

    source = Source(task, held, tokenizer)
    for language, span in held.spans.items():
        total, n = 0.0, 0
        for number in span:
            for feature in source.features(number):
                if not len(feature.target):
                    continue
                labels = torch.full((1, len(feature.ids)), -100)
                labels[0, feature.note["places"]] = torch.from_numpy(feature.target)
                with torch.no_grad():
                    loss = model(input_ids=torch.from_numpy(feature.ids.astype(np.int64))[None], labels=labels).loss
                total, n = total + float(loss) * len(feature.target), n + len(feature.target)
        assert found[language] == pytest.approx(math.exp(total / n), rel=1e-4)
    assert "chance" not in json.loads((tmp_path / "scores" / "scores.json").read_text())["languages"]["en"]


def test_language_modelling_gets_better_and_is_the_same_whatever_the_batches(tmp_path):
    checkpoint = pretrained("XLM-R", tmp_path / "it")
    task = texts(tmp_path / "data", n=96)
    before = run(tuning(checkpoint, task, recipe=RECIPE.model_copy(update={"learning_rate": 1e-30})), tmp_path, "a")
    after = run(tuning(checkpoint, task, recipe=RECIPE), tmp_path, "b")
    assert after["dev"] < before["dev"]
    assert after["majority"] == {}
    run(tuning(checkpoint, task, recipe=RECIPE), tmp_path, "again")
    assert same(tmp_path / "b", tmp_path / "again")


def test_a_checkpoint_without_its_head_is_refused_or_gets_a_fresh_one(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    with pytest.raises(CheckpointError, match=r"head for masked language modelling is not in .*options\.fresh_head"):
        run(tuning(checkpoint, texts(tmp_path / "data"), recipe=RECIPE), tmp_path, "refused")
    task = texts(tmp_path / "data", fresh_head=True)
    first = run(tuning(checkpoint, task, recipe=RECIPE), tmp_path, "fresh")
    run(tuning(checkpoint, task, recipe=RECIPE), tmp_path, "again")
    assert same(tmp_path / "fresh", tmp_path / "again")
    run(evaluation(checkpoint, task, "fresh", "mlm", recipe=RECIPE), tmp_path, "scores")
    assert scored(tmp_path, "scores")["en"] < 200
    assert first["dev"] > 1


def test_a_text_of_nothing_that_could_be_masked_is_told(tmp_path):
    from xharness.metrics import metric

    with pytest.raises(HarnessError, match="no sub-word of the texts in 'de' was masked"):
        metric("perplexity").outcomes([(0.0, 0)], [None], "de")
