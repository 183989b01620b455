"""Every setting of the recipe does what plain PyTorch does with it: a tuning has the weights of a loop in here.

The network is small and has no dropout. For each setting the weights must be those of the plain loop that heeds it, to
rounding, and far from those of the same loop that does not: a setting that is ignored fails its test.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from tiny import make_encoder, sentiment_rows, without_dropout, write_rows
from tuning import evaluation, run, tuning, weights
from xharness.spec.device import Device
from xharness.spec.recipe import Recipe
from xharness.spec.stage import Sampling
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Data, Limit, Task

BASE = Recipe(epochs=10, batch_size=8, learning_rate=1e-2, clip=0.0, adam_epsilon=1e-3)
"""Eight examples in one batch: an epoch is a step. The epsilon is so large that a gradient which is zero but for
rounding moves nothing: Adam would make a whole step of the rounding."""
CLOSE = 1e-6
"""How far two orders of summation may move the weight that differs most; it is 2e-7 here, of weights up to 1."""
FAR = 200 * CLOSE
"""How far a setting moves it at the least."""

Row = dict[str, Any]
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Lab:
    """An encoder without dropout, its fresh head, and rows to train it on."""

    folder: Path
    checkpoint: Checkpoint
    rows: list[Row]
    task: Task
    head: Weights

    def tuned(self, name: str, device: Device | None = None, **recipe: Any) -> tuple[Weights, dict[str, Any]]:
        """The harness's weights under the base recipe with some settings changed, and its summary."""
        made = Recipe(**{**BASE.model_dump(), **recipe})
        summary = run(tuning(self.checkpoint, self.task, recipe=made, device=device), self.folder, name)
        return weights(self.folder / name), summary

    def plain(self, batches: Sequence[Sequence[Row]], apart: bool = False, **recipe: Any) -> Weights:
        """The weights of the plain loop."""
        *_, last = plain_torch(self, batches, Recipe(**{**BASE.model_dump(), **recipe}), apart)
        return last.weights()


def task_of(folder: Path, rows: list[Row], name: str = "sentiment", dev: list[Row] | None = None) -> Task:
    sources = {"train": (write_rows(folder / f"{name}.train.jsonl", rows),)}
    if dev:
        sources["dev"] = (write_rows(folder / f"{name}.dev.jsonl", dev),)
    sources["test"] = (write_rows(folder / f"{name}.test.jsonl", rows),)
    return Task(
        name=name, title=name, adapter="classification", metric="accuracy", labels=("negative", "positive"),
        data=Data(**sources),
    )  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder: Path = tmp_path_factory.mktemp("lab")
    checkpoint = make_encoder(folder / "checkpoint", hidden=16)
    without_dropout(folder / "checkpoint")
    # Fresh weights are so small that hardly a gradient comes through them.
    stored = folder / "checkpoint" / "model.safetensors"
    begun = {name: 5 * value if value.ndim == 2 else value for name, value in load_file(stored).items()}
    save_file(begun, stored, metadata={"format": "pt"})
    rows = sentiment_rows(8, 3)
    task = task_of(folder, rows)
    # So small a rate leaves the head as it began.
    still = Recipe(epochs=1, batch_size=8, learning_rate=1e-30)
    run(tuning(checkpoint, task, recipe=still), folder, "untrained")
    head = {k.partition(":")[2]: v for k, v in weights(folder / "untrained").items() if k.startswith("sentiment:")}
    return Lab(folder, checkpoint, rows, task, head)


class Plain(nn.Module):
    """The encoder with XLM-R's classification head: dense, tanh, linear on the first token."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(lab.folder / "checkpoint", add_pooling_layer=False)
        self.dense, self.out = nn.Linear(16, 16), nn.Linear(16, 2)
        self.dense.load_state_dict({k: lab.head[f"dense.{k}"] for k in ("weight", "bias")})
        self.out.load_state_dict({k: lab.head[f"out.{k}"] for k in ("weight", "bias")})

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        first = self.encoder(**inputs).last_hidden_state[:, 0]
        logits: Tensor = self.out(torch.tanh(self.dense(first)))
        return logits

    def weights(self) -> Weights:
        """Under the names of a tuned folder."""
        own = {f"sentiment:{k}": v for k, v in self.state_dict().items() if not k.startswith("encoder.")}
        return {k: v.detach().clone() for k, v in {**self.encoder.state_dict(), **own}.items()}


def factor(recipe: Recipe, step: int, steps: int) -> float:
    """What the learning rate is multiplied by in a step, counted from 0."""
    warm = math.ceil(recipe.warmup * steps) if recipe.warmup < 1 else int(recipe.warmup)
    if step < warm:
        return step / warm
    done = (step - warm) / max(1, steps - warm)
    return {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[recipe.schedule]


def plain_torch(lab: Lab, batches: Sequence[Sequence[Row]], recipe: Recipe, apart: bool = False) -> Iterator[Plain]:
    """AdamW, clipping and the schedule, a batch a step (row by row if `apart`); the network as it is after each."""
    network, tokenizer = Plain(lab), AutoTokenizer.from_pretrained(lab.folder / "checkpoint")
    norms = {id(p) for m in network.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()}
    spared = [p for name, p in network.named_parameters() if name.endswith("bias") or id(p) in norms]
    decayed = [p for p in network.parameters() if all(p is not other for other in spared)]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.999), eps=recipe.adam_epsilon)
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * factor(recipe, step, len(batches))
        optimizer.zero_grad()
        for part in [[row] for row in batch] if apart else [batch]:
            texts = [row["text"] for row in part]
            inputs = tokenizer(texts, padding=True, truncation=True, max_length=recipe.max_length, return_tensors="pt")
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.precision == "bf16"):
                logits = network(dict(inputs))
            loss = functional.cross_entropy(logits.float(), torch.tensor([row["label"] for row in part]))
            (loss * len(part) / len(batch)).backward()
        if recipe.clip:
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        yield network


def distance(one: Weights, other: Weights) -> float:
    """The largest difference of two weights."""
    assert one.keys() == other.keys()
    return max(float((one[k] - other[k]).abs().max()) for k in one)


SETTINGS: dict[str, dict[str, Any]] = {
    "learning rate": {"learning_rate": 1e-3},
    "warm-up as a share": {"warmup": 0.25},
    "warm-up in steps": {"warmup": 3.0},
    "warm-up before a constant rate": {"warmup": 0.5, "schedule": "constant"},
    "constant schedule": {"schedule": "constant"},
    "cosine schedule": {"schedule": "cosine"},
    "cosine schedule after warm-up": {"schedule": "cosine", "warmup": 1.0},
    "weight decay": {"weight_decay": 0.5},
    "clipping": {"clip": 0.005},
    "Adam's epsilon": {"adam_epsilon": 1e-2},
    "maximum length": {"max_length": 8},
    "epochs": {"epochs": 6},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_weights_are_those_of_plain_torch_under_a_setting_and_not_without_it(lab: Lab, setting: str) -> None:
    changed = SETTINGS[setting]
    found, _ = lab.tuned(setting, **changed)
    steps = int(changed.get("epochs", BASE.epochs))
    assert distance(found, lab.plain([lab.rows] * steps, **changed)) < CLOSE
    for ignored in changed:
        kept = {name: value for name, value in changed.items() if name != ignored}
        steps = int(kept.get("epochs", BASE.epochs))
        assert distance(found, lab.plain([lab.rows] * steps, **kept)) > FAR


def halves(rows: Sequence[Row], size: int) -> Iterator[list[list[Row]]]:
    """Every epoch of two batches, the smaller one before or after the other."""
    for chosen in itertools.combinations(range(len(rows)), size):
        batch = [rows[i] for i in chosen]
        rest = [row for i, row in enumerate(rows) if i not in chosen]
        yield [batch, rest]
        if len(rest) < size:
            yield [rest, batch]


@pytest.mark.parametrize("size", [2, 3])
def test_a_batch_has_the_examples_it_is_told_and_an_epoch_each_example_once(
    tmp_path: Path, lab: Lab, size: int
) -> None:
    rows = lab.rows[:4]
    few = replace(lab, rows=rows, task=task_of(tmp_path, rows))
    found, summary = few.tuned(f"batches of {size}", batch_size=size, epochs=1)
    assert summary["steps"] == 2
    ways = [distance(found, lab.plain(batches)) for batches in halves(rows, size)]
    assert sum(way < CLOSE for way in ways) == 1
    assert sorted(ways)[1] > 10 * CLOSE


def test_half_an_epoch_is_half_of_its_batches(tmp_path: Path, lab: Lab) -> None:
    rows = lab.rows[:4]
    few = replace(lab, rows=rows, task=task_of(tmp_path, rows))
    found, summary = few.tuned("an epoch and a half", batch_size=2, epochs=1.5)
    assert summary["steps"] == 3
    ways = [[*first, second[0]] for first in halves(rows, 2) for second in halves(rows, 2)]
    assert min(distance(found, lab.plain(batches)) for batches in ways) < CLOSE


def test_precision_is_that_of_the_recipe_and_auto_is_float32_on_a_processor(tmp_path: Path, lab: Lab) -> None:
    # One row: what bfloat16 drops of a sum depends on the order of the rows.
    rows = lab.rows[:1]
    one = replace(lab, rows=rows, task=task_of(tmp_path, rows))
    plain, rounded = (lab.plain([rows] * 10, precision=precision) for precision in ("fp32", "bf16"))
    assert distance(plain, rounded) > FAR
    for precision, expected, told in (("fp32", plain, "fp32"), ("auto", plain, "fp32"), ("bf16", rounded, "bf16")):
        found, summary = one.tuned(f"in {precision}", precision=precision)
        assert summary["precision"] == told
        assert distance(found, expected) < CLOSE


def test_in_bf16_the_chunks_of_a_batch_are_what_each_alone_would_be(tmp_path: Path, lab: Lab) -> None:
    # The weights are converted once for all chunks; each must send its gradient back to them all the same.
    rows = lab.rows[:2]
    two = replace(lab, rows=rows, task=task_of(tmp_path, rows))
    expected = lab.plain([rows] * 10, apart=True, precision="bf16")
    found, _ = two.tuned("in chunks", Device(tokens=1), precision="bf16")
    assert distance(found, expected) < CLOSE
    assert distance(expected, lab.plain([rows[:1]] * 10, precision="bf16")) > FAR


@dataclass(frozen=True)
class Turning:
    """A training whose dev score falls: the dev labels are the opposite of the train labels."""

    lab: Lab
    scores: list[float]
    """After each step, by the plain loop."""
    after: list[Weights]

    def due(self, evaluations: int) -> list[int]:
        """Steps after which the dev set is scored, evenly spaced."""
        return [len(self.scores) * (i + 1) // evaluations for i in range(evaluations)]


@pytest.fixture(scope="module")
def turning(lab: Lab) -> Turning:
    dev = [row | {"label": 1 - row["label"]} for row in lab.rows]
    folder = lab.folder / "turning"
    folder.mkdir()
    tokenizer = AutoTokenizer.from_pretrained(lab.folder / "checkpoint")
    inputs = dict(tokenizer([row["text"] for row in dev], padding=True, return_tensors="pt"))
    scores, after = [], []
    for network in plain_torch(lab, [lab.rows] * 10, BASE):
        with torch.inference_mode():
            right = network(inputs).argmax(dim=1) == torch.tensor([row["label"] for row in dev])
        scores.append(100 * float(right.float().mean()))
        after.append(network.weights())
    return Turning(replace(lab, task=task_of(folder, lab.rows, dev=dev)), scores, after)


@pytest.mark.parametrize(
    ("select", "evaluations"), [*(("last", n) for n in (0, 1, 2, 5, 10)), *(("best", n) for n in (1, 2, 5, 10))]
)
def test_the_dev_set_is_scored_as_often_as_told_and_the_state_kept_is_the_one_asked_for(
    turning: Turning, select: str, evaluations: int
) -> None:
    found, summary = turning.lab.tuned(f"{select} of {evaluations}", evaluations=evaluations, select=select)
    due = turning.due(evaluations)
    assert [(e["step"], e["score"]) for e in summary["evaluations"]] == [(n, turning.scores[n - 1]) for n in due]
    # Of equals the first.
    kept = max(due, key=lambda n: (turning.scores[n - 1], -n)) if select == "best" else len(turning.scores)
    assert summary["dev"] == turning.scores[kept - 1]
    assert distance(found, turning.after[kept - 1]) < CLOSE
    if (select, evaluations) in (("best", 5), ("best", 10)):
        assert distance(found, turning.after[-1]) > FAR


def windows(tokenizer: Any, row: Row, length: int, stride: int) -> int:
    """Sub-words of all windows over a context, as the tokenizer itself cuts them."""
    found = tokenizer(
        row["question"], row["context"], truncation="only_second", max_length=length, stride=stride,
        return_overflowing_tokens=True,
    )  # fmt: skip
    return sum(map(len, found["input_ids"]))


@pytest.mark.parametrize(("length", "stride"), [(32, 4), (32, 12), (24, 4), (128, 16)])
def test_a_long_context_is_read_in_windows_of_the_length_and_overlap_told(
    tmp_path: Path, lab: Lab, length: int, stride: int
) -> None:
    row = {"context": " ".join(["red house"] * 40), "question": "house", "id": "1"}
    row["answers"] = {"text": ["red"], "answer_start": [0]}
    source = (write_rows(tmp_path / "rows.jsonl", [row]),)
    task = Task(name="qa", title="", adapter="question_answering", metric="squad", data=Data(train=source, test=source))
    recipe = Recipe(epochs=1, batch_size=1, max_length=length, doc_stride=stride)
    expected = windows(AutoTokenizer.from_pretrained(lab.folder / "checkpoint"), row, length, stride)
    assert run(tuning(lab.checkpoint, task, recipe=recipe), tmp_path, "tuned")["tokens"] == expected
    scored = run(evaluation(lab.checkpoint, task, "tuned", "qa", recipe=recipe), tmp_path, "scores")
    assert scored["tokens"] == expected


def test_an_evaluation_cuts_its_inputs_to_the_maximum_length(lab: Lab) -> None:
    lab.tuned("whole")
    for length in (8, 128):
        work = evaluation(lab.checkpoint, lab.task, "whole", "sentiment", recipe=Recipe(max_length=length))
        found = run(work, lab.folder, f"cut to {length}")
        # Every word is one sub-word, and two special ones stand around them.
        assert found["tokens"] == sum(min(length, len(row["text"].split()) + 2) for row in lab.rows)


STAIRS = [{"text": " ".join(["red"] * n), "label": n % 2} for n in range(1, 41)]
"""Rows that are longer and longer: the sub-words of a part of them say which part it is."""
SUB_WORDS = [n + 2 for n in range(1, 41)]


def shuffled(chosen: int) -> bool:
    """Whether twenty rows of this many sub-words are neither the first nor the last, but from all of them."""
    quarter = (sum(SUB_WORDS[20:]) - sum(SUB_WORDS[:20])) / 4
    return sum(SUB_WORDS[:20]) + quarter < chosen < sum(SUB_WORDS[20:]) - quarter


def test_the_cap_of_a_mixture_takes_a_shuffled_choice_the_same_under_every_seed(tmp_path: Path, lab: Lab) -> None:
    tasks = [task_of(tmp_path, STAIRS, name) for name in ("first", "second")]
    recipe = Recipe(epochs=1, batch_size=8)
    taken = []
    for seed in (0, 1):
        summary = run(
            tuning(lab.checkpoint, *tasks, recipe=recipe, sampling=Sampling(cap=20), seed=seed),
            tmp_path,
            f"seed {seed}",
        )
        assert summary["examples"] == {"first": 20, "second": 20}
        taken.append(summary["tokens"])
    alone = run(tuning(lab.checkpoint, tasks[0], recipe=recipe, sampling=Sampling(cap=20)), tmp_path, "alone")["tokens"]
    assert taken[0] == taken[1]
    assert shuffled(alone)
    assert shuffled(taken[0] - alone)
    assert alone != taken[0] - alone  # Every task has a choice of its own.


@pytest.mark.parametrize("limit", [Limit(train=20), Limit(tokens=20 * 22)])
def test_a_limit_on_training_examples_or_tokens_takes_a_shuffled_choice(tmp_path: Path, lab: Lab, limit: Limit) -> None:
    task = task_of(tmp_path, STAIRS)
    summary = run(tuning(lab.checkpoint, task, recipe=Recipe(epochs=1, batch_size=8), limit=limit), tmp_path, "tuned")
    if limit.train:
        assert summary["examples"] == {"sentiment": 20}
        assert shuffled(summary["tokens"])
    else:
        # The shortest twenty-odd rows would be the first; the longest of all fill it with ten.
        assert summary["tokens"] <= 20 * 22
        assert 14 <= summary["examples"]["sentiment"] <= 25
