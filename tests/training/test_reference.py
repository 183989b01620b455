"""Training is the reference's: without dropout, in one order, transformers' Trainer makes the same weights."""

from __future__ import annotations

import random

import numpy as np
import pytest
from safetensors.torch import load_file
from test_kinds import CONTEXT, LABELS, METRICS
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, Trainer, TrainingArguments

from reference import SCRIPTS, load
from tiny import make_encoder, sentence, without_dropout, write_rows
from tuning import run, tuning
from xharness.spec.recipe import Recipe
from xharness.spec.task import Data, Task
from xharness.training.batches import Examples, plan_batches
from xharness.training.export import export_model

FAMILIES = {"glue": "classification", "ner": "tagging", "qa": "question_answering", "swag": "multiple_choice"}
N, EPOCHS = 24, 3
# Adam divides by a gradient's own size: with its usual epsilon, where the gradient is zero in theory (keys' biases),
# the rounding alone would move a weight.
RECIPE = Recipe(
    epochs=EPOCHS, batch_size=8, learning_rate=1e-2, weight_decay=0.1, warmup=0.2, max_length=48, adam_epsilon=1e-4
)


def rows(family: str) -> list[dict]:
    """Examples of very different lengths; questions have one, as run_qa's windows of one length count their padding."""
    chance = random.Random(0)
    made = []
    for i in range(N):
        words = sentence(chance, chance.randint(1, 20)).split()
        if family == "classification":
            made.append({"text": " ".join(words), "pair": sentence(chance, chance.randint(1, 9)), "label": i % 2})
        elif family == "tagging":
            made.append({"tokens": words, "tags": [int(len(word) > 3) for word in words]})
        elif family == "question_answering":
            word = chance.choice(CONTEXT.split())
            answers = {"text": [word], "answer_start": [f"{CONTEXT} ".index(f"{word} ")]}
            made.append({"question": "what is red", "context": CONTEXT, "answers": answers})
        else:
            made.append({"context": " ".join(words), "choices": ["sings", sentence(chance, 4)], "answer": i % 2})
    return made


class InOrder(Trainer):
    """Trainer that takes its examples as they stand."""

    def get_train_dataloader(self):
        return DataLoader(self.train_dataset, batch_size=RECIPE.batch_size, collate_fn=self.data_collator)


@pytest.mark.parametrize("name", FAMILIES)
def test_transformers_makes_the_same_weights(tmp_path, name):
    family, script, held = FAMILIES[name], SCRIPTS[name], rows(FAMILIES[name])
    checkpoint = make_encoder(tmp_path / "checkpoint")
    without_dropout(tmp_path / "checkpoint")
    source = (write_rows(tmp_path / "rows.jsonl", held),)
    task = Task(
        name="it", title="", adapter=family, metric=METRICS[family], labels=LABELS.get(family, ()),
        data=Data(train=source, test=source), languages=("en",),
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "checkpoint")
    recipe = RECIPE
    if family == "question_answering":
        longest = len(tokenizer(held[0]["question"], CONTEXT)["input_ids"])
        recipe = RECIPE.model_copy(update={"max_length": longest})
    # What the reference starts from: one step that moves nothing.
    still = recipe.model_copy(update={"learning_rate": 1e-30, "epochs": None, "steps": 1})
    for folder, given in (("start", still), ("ours", recipe)):
        run(tuning(checkpoint, task, recipe=given, seed=5), tmp_path, folder)
        export_model(tmp_path / folder, task.name, tmp_path / f"{folder}-model")

    order = plan_batches({"it": Examples(np.ones(N, dtype=np.int64))}, recipe, seed=5)
    features = script.features(tokenizer, task, recipe, held)
    made = InOrder(
        model=load(script, str(tmp_path / "start-model"), task),
        args=TrainingArguments(
            output_dir=str(tmp_path / "theirs"), num_train_epochs=1, per_device_train_batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay, max_grad_norm=recipe.clip,
            adam_epsilon=recipe.adam_epsilon, warmup_steps=int(np.ceil(recipe.warmup * len(order))), use_cpu=True,
            lr_scheduler_type="linear", save_strategy="no", report_to="none", remove_unused_columns=False,
            max_steps=len(order), disable_tqdm=True, logging_strategy="no",
        ),
        train_dataset=[features[i] for _, places in order for i in places],
        data_collator=script.collator(tokenizer),
    )  # fmt: skip
    made.train()
    theirs, ours = made.model.state_dict(), load_file(tmp_path / "ours-model" / "model.safetensors")
    before = load_file(tmp_path / "start-model" / "model.safetensors")
    moved, apart = (
        sum((ours[key] - other[key]).square().sum().item() for key in before) ** 0.5 for other in (before, theirs)
    )
    assert moved > 1e-2
    assert apart < moved / 1000, f"{apart} of {moved}"
