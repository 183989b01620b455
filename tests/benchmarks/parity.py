"""Training beside transformers' own examples: `python tests/benchmarks/parity.py CHECKPOINT [FAMILY ...]`.

CHECKPOINT is a folder or a repository on the Hub, FAMILY one of glue, ner, qa, swag (all), or `qa=100` for fewer train
examples than the profile `sample` has. The same rows, recipe and three seeds go through a tune step and through a loop
as small as it can be of the shape of transformers' run_glue, run_ner, run_qa and run_swag (their collators, models and
Trainer). Printed are the dev scores of each seed and whether the means lie within the other side's spread. Data are
those of the profile `sample`, from the Hub.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

SEEDS = (0, 1, 2)
TASKS = {"glue": "mnli", "ner": "panx", "qa": "squad_v1", "swag": "hellaswag"}
Rows = list[dict[str, Any]]


def rows_of(task: Any, limit: Any) -> tuple[Rows, Rows]:
    """The train and dev rows under the adapter's names."""
    from xharness.data.examples import examples

    return examples(task, "train", "en", limit), examples(task, "dev", "en", limit)


def ours(checkpoint: Any, task: Any, recipe: Any, limit: Any, seed: int, folder: Path) -> float:
    """The dev score of a tune step."""
    from tuning import run, tuning

    work = tuning(checkpoint, task, recipe=recipe, limit=limit, seed=seed)
    return float(run(work, folder, f"{task.name}-{seed}")["dev"])


def trainer(model: Any, recipe: Any, seed: int, train: Any, collate: Any, folder: Path) -> Any:
    """transformers' Trainer with the recipe."""
    from transformers import Trainer, TrainingArguments

    steps = round(recipe.epochs * -(-len(train) // recipe.batch_size))
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=recipe.batch_size, seed=seed,
        per_device_eval_batch_size=recipe.batch_size, learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay, max_grad_norm=recipe.clip, adam_epsilon=recipe.adam_epsilon,
        warmup_steps=int(-(-recipe.warmup * steps // 1)), lr_scheduler_type="linear", save_strategy="no",
        report_to="none", disable_tqdm=True, remove_unused_columns=False, logging_strategy="no",
    )  # fmt: skip
    made = Trainer(model=model, args=arguments, train_dataset=train, data_collator=collate)
    made.train()
    return made


def glue(name: str, task: Any, recipe: Any, rows: tuple[Rows, Rows], seed: int, folder: Path) -> float:
    """run_glue: accuracy."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, set_seed

    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=len(task.labels), dtype="float32")

    def made(held: Rows) -> Rows:
        found = [tokenizer(r["text"], r["pair"], truncation=True, max_length=recipe.max_length) for r in held]
        return [dict(encoded) | {"label": code(task, r)} for encoded, r in zip(found, held, strict=True)]

    train, dev = map(made, rows)
    loop = trainer(model, recipe, seed, train, DataCollatorWithPadding(tokenizer), folder)
    found = loop.predict(dev)
    return 100 * float((found.predictions.argmax(-1) == found.label_ids).mean())


def code(task: Any, row: dict[str, Any]) -> int:
    """A label's number."""
    label = row["label"]
    return int(label) if isinstance(label, int) else task.labels.index(task.label_map.get(str(label), str(label)))


def ner(name: str, task: Any, recipe: Any, rows: tuple[Rows, Rows], seed: int, folder: Path) -> float:
    """run_ner: the first sub-word of each word has its label; seqeval's F1."""
    from seqeval.metrics import f1_score
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        set_seed,
    )

    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForTokenClassification.from_pretrained(name, num_labels=len(task.labels), dtype="float32")

    def made(held: Rows) -> Rows:
        out = []
        for row in held:
            encoded = tokenizer(
                list(row["tokens"]), is_split_into_words=True, truncation=True, max_length=recipe.max_length
            )
            words, labels, before = encoded.word_ids(), [], None
            for word in words:
                new = word is not None and word != before
                tag = row["tags"][word] if new else None
                labels.append(-100 if tag is None else tag if isinstance(tag, int) else task.labels.index(tag))
                before = word
            out.append({"input_ids": encoded["input_ids"], "labels": labels})
        return out

    train, dev = map(made, rows)
    loop = trainer(model, recipe, seed, train, DataCollatorForTokenClassification(tokenizer), folder)
    found = loop.predict(dev)
    said, gold = [], []
    for scores, labels in zip(found.predictions.argmax(-1), found.label_ids, strict=True):
        kept = labels != -100
        said.append([task.labels[i] for i in scores[kept]])
        gold.append([task.labels[i] for i in labels[kept]])
    return 100 * float(f1_score(gold, said))


def qa(name: str, task: Any, recipe: Any, rows: tuple[Rows, Rows], seed: int, folder: Path) -> float:
    """run_qa: windows, the best of twenty starts and ends of at most thirty sub-words; mean of F1 and exact match."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer, default_data_collator, set_seed

    from xharness.metrics import metric

    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForQuestionAnswering.from_pretrained(name, dtype="float32")

    def windows(held: Rows) -> Any:
        return tokenizer(
            [r["question"].lstrip() for r in held], [r["context"] for r in held], truncation="only_second",
            max_length=recipe.max_length, stride=recipe.doc_stride, return_overflowing_tokens=True,
            return_offsets_mapping=True, padding="max_length",
        )  # fmt: skip

    def trained(held: Rows) -> Rows:
        found, out = windows(held), []
        for i, owner in enumerate(found["overflow_to_sample_mapping"]):
            answer, offsets = held[owner]["answers"], found["offset_mapping"][i]
            start, end = answer["answer_start"][0], answer["answer_start"][0] + len(answer["text"][0])
            inside = [k for k, side in enumerate(found.sequence_ids(i)) if side == 1]
            first, last = 0, 0
            if offsets[inside[0]][0] <= start and offsets[inside[-1]][1] >= end:
                first = max(k for k in inside if offsets[k][0] <= start)
                last = min(k for k in inside if offsets[k][1] >= end)
            out.append({"input_ids": found["input_ids"][i], "attention_mask": found["attention_mask"][i],
                        "start_positions": first, "end_positions": last})  # fmt: skip
        return out

    train, dev = rows
    loop = trainer(model, recipe, seed, trained(train), default_data_collator, folder)
    found = windows(dev)
    fed = [{k: found[k][i] for k in ("input_ids", "attention_mask")} for i in range(len(found["input_ids"]))]
    starts, ends = loop.predict(fed).predictions
    best: dict[int, tuple[float, str]] = {}
    for i, owner in enumerate(found["overflow_to_sample_mapping"]):
        inside = {k for k, side in enumerate(found.sequence_ids(i)) if side == 1}
        for s in np.argsort(starts[i])[::-1][:20]:
            for e in np.argsort(ends[i])[::-1][:20]:
                if s in inside and e in inside and s <= e < s + 30:
                    score = float(starts[i][s] + ends[i][e])
                    offsets = found["offset_mapping"][i]
                    if owner not in best or score > best[owner][0]:
                        best[owner] = score, dev[owner]["context"][offsets[s][0] : offsets[e][1]]
    rule = metric("squad")
    said = [best.get(i, (0.0, ""))[1] for i in range(len(dev))]
    outcomes = rule.outcomes(said, [list(r["answers"]["text"]) for r in dev], "en")
    return float(rule.score(outcomes.sum(axis=0)))


def swag(name: str, task: Any, recipe: Any, rows: tuple[Rows, Rows], seed: int, folder: Path) -> float:
    """run_swag: accuracy."""
    from transformers import AutoModelForMultipleChoice, AutoTokenizer, DataCollatorForMultipleChoice, set_seed

    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForMultipleChoice.from_pretrained(name, dtype="float32")

    def made(held: Rows) -> Rows:
        out = []
        for row in held:
            said = [row["context"]] * len(row["choices"])
            encoded = tokenizer(said, list(row["choices"]), truncation=True, max_length=recipe.max_length)
            out.append({"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"],
                        "labels": int(row["answer"])})  # fmt: skip
        return out

    train, dev = map(made, rows)
    loop = trainer(model, recipe, seed, train, DataCollatorForMultipleChoice(tokenizer), folder)
    found = loop.predict(dev)
    return 100 * float((found.predictions.argmax(-1) == found.label_ids).mean())


LOOPS: dict[str, Callable[..., float]] = {"glue": glue, "ner": ner, "qa": qa, "swag": swag}


def spread(scores: Sequence[float]) -> str:
    """The scores, their mean and standard deviation."""
    told = ", ".join(f"{score:5.1f}" for score in scores)
    return f"{told}   mean {statistics.fmean(scores):5.1f} ± {statistics.stdev(scores):.1f}"


def main() -> None:
    """A block a family."""
    from xharness.spec.load import load_suite
    from xharness.spec.suite import Checkpoint

    given, families = sys.argv[1], sys.argv[2:] or list(LOOPS)
    place = {"path": given} if Path(given).is_dir() else {"hub": given}
    checkpoint = Checkpoint(name="it", **place)  # type: ignore[arg-type]
    suite = load_suite("xtreme", "sample")
    for given_family in families:
        family, _, fewer = given_family.partition("=")
        task = suite.tasks[TASKS[family]].model_copy(update={"languages": ("en",)})
        recipe, limit = suite.recipe_of(task.name), suite.limit_of(task.name).model_copy(update={"tokens": None})
        limit = limit.model_copy(update={"train": int(fewer)}) if fewer else limit
        rows = rows_of(task, limit)
        print(f"{family} ({task.name}): {len(rows[0]):,} train and {len(rows[1]):,} dev examples", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            mine = [ours(checkpoint, task, recipe, limit, seed, Path(folder)) for seed in SEEDS]
            print(f"  xharness      {spread(mine)}", flush=True)
            theirs = [LOOPS[family](given, task, recipe, rows, seed, Path(folder) / "loop") for seed in SEEDS]
            print(f"  run_{family:10}{spread(theirs)}", flush=True)
        away, wide = abs(statistics.fmean(mine) - statistics.fmean(theirs)), max(theirs) - min(theirs)
        print(f"  means {away:.1f} apart, the reference's seeds {wide:.1f}: {'within' if away <= wide else 'OUTSIDE'}")


if __name__ == "__main__":
    main()
