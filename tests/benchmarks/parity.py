"""Training beside transformers' own examples: `python tests/benchmarks/parity.py CHECKPOINT [FAMILY ...]`.

CHECKPOINT is a folder or a repository on the Hub, FAMILY one of glue, ner, qa, swag (all); `qa=100` asks for fewer
train examples than the profile `sample` has, `qa=100:6` for six epochs. The same rows, recipe and three seeds go
through a tune step and through transformers' Trainer with the features, collators and models of its run_glue, run_ner,
run_qa and run_swag. Printed are the dev scores of each seed and whether the means lie within the other side's spread.
Data are those of the profile `sample`, from the Hub. That both make the same weights where no dropout makes them
differ is a test: tests/training/test_reference.py.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import SCRIPTS, begin_anew, load, windows

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


def accuracy(task: Any, found: Any) -> float:
    """Accuracy of what Trainer predicted."""
    return 100 * float((found.predictions.argmax(-1) == found.label_ids).mean())


def f1(task: Any, found: Any) -> float:
    """seqeval's F1 of it."""
    from seqeval.metrics import f1_score

    said, gold = [], []
    for scores, labels in zip(found.predictions.argmax(-1), found.label_ids, strict=True):
        kept = labels != -100
        said.append([task.labels[i] for i in scores[kept]])
        gold.append([task.labels[i] for i in labels[kept]])
    return 100 * float(f1_score(gold, said))


def squad(loop: Any, tokenizer: Any, recipe: Any, dev: Rows) -> float:
    """The best of twenty starts and ends of at most thirty sub-words; mean of F1 and exact match."""
    from xharness.metrics import metric

    found = windows(tokenizer, recipe, dev)
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


def theirs(family: str, name: str, task: Any, recipe: Any, rows: tuple[Rows, Rows], seed: int, folder: Path) -> float:
    """The dev score of the script."""
    from transformers import AutoTokenizer, set_seed

    set_seed(seed)
    script, tokenizer = SCRIPTS[family], AutoTokenizer.from_pretrained(name)
    train, dev = rows
    made = script.features(tokenizer, task, recipe, train)
    model = load(script, name, task)
    if family in ("glue", "swag"):
        begin_anew(model)
    loop = trainer(model, recipe, seed, made, script.collator(tokenizer), folder)
    if family == "qa":
        return squad(loop, tokenizer, recipe, dev)
    return (f1 if family == "ner" else accuracy)(task, loop.predict(script.features(tokenizer, task, recipe, dev)))


def spread(scores: Sequence[float]) -> str:
    """The scores, their mean and standard deviation."""
    told = ", ".join(f"{score:5.1f}" for score in scores)
    return f"{told}   mean {statistics.fmean(scores):5.1f} ± {statistics.stdev(scores):.1f}"


def main() -> None:
    """A block a family."""
    from xharness.spec.load import load_suite
    from xharness.spec.suite import Checkpoint

    given, families = sys.argv[1], sys.argv[2:] or list(SCRIPTS)
    place = {"path": given} if Path(given).is_dir() else {"hub": given}
    checkpoint = Checkpoint(name="it", **place)  # type: ignore[arg-type]
    suite = load_suite("xtreme", "sample")
    for given_family in families:
        family, _, told = given_family.partition("=")
        fewer, _, epochs = told.partition(":")
        task = suite.tasks[TASKS[family]].model_copy(update={"languages": ("en",)})
        recipe, limit = suite.recipe_of(task.name), suite.limit_of(task.name).model_copy(update={"tokens": None})
        limit = limit.model_copy(update={"train": int(fewer)}) if fewer else limit
        recipe = recipe.model_copy(update={"epochs": float(epochs)}) if epochs else recipe
        rows = rows_of(task, limit)
        print(f"{family} ({task.name}): {len(rows[0]):,} train and {len(rows[1]):,} dev examples", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            mine = [ours(checkpoint, task, recipe, limit, seed, Path(folder)) for seed in SEEDS]
            print(f"  xharness      {spread(mine)}", flush=True)
            other = [theirs(family, given, task, recipe, rows, seed, Path(folder) / "loop") for seed in SEEDS]
            print(f"  run_{family:10}{spread(other)}", flush=True)
        away, wide = abs(statistics.fmean(mine) - statistics.fmean(other)), max(other) - min(other)
        print(f"  means {away:.1f} apart, the reference's seeds {wide:.1f}: {'within' if away <= wide else 'OUTSIDE'}")


if __name__ == "__main__":
    main()
