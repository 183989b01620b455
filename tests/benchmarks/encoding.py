"""What encoding takes, beside `datasets.map`: `python tests/benchmarks/encoding.py CHECKPOINT [PAIRS [SENTENCES]]`.

CHECKPOINT is a folder with a model and its tokenizer. PAIRS (400,000) sentence pairs of MNLI's lengths are encoded for
training, as a step of a run does and as `load_dataset("json").map(batched=True, num_proc=2)` does, and once more; then
a training starts on them. SENTENCES (0; BUCC has 2,700,000) are encoded for mining. Every line is a process of its own,
from its start: imports and reading count. Memory is the peak of the process, its children's beside it; for a training,
beside that of one on a hundred pairs.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKERS = 2
LENGTH = 128


class FirstStep(Exception):
    """The first step of a training is done."""


def write_pairs(path: Path, words: list[str], n: int) -> None:
    """Premises of 4 to 36 words and hypotheses of 4 to 16, as MNLI has them in the mean (20 and 10)."""
    chance = random.Random(0)
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(n):
            sides = [" ".join(chance.choices(words, k=chance.randint(4, most))) for most in (36, 16)]
            row = {"text": sides[0], "pair": sides[1], "label": chance.choice("abc")}
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_sentences(path: Path, words: list[str], n: int) -> None:
    """Two sides of one comparable corpus, every fiftieth sentence with a partner."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as stream:
        for side in ("source", "target"):
            for number in range(n // 2):
                text = " ".join(chance.choices(words, k=chance.randint(8, 36)))
                gold = f"target{number}" if side == "source" and number % 50 == 0 else ""
                row = {"id": f"{side}{number}", "side": side, "text": text, "gold": gold}
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def words_of(folder: str) -> list[str]:
    """Whole words of a tokenizer, the same ones every time."""
    from transformers import AutoTokenizer

    vocabulary = AutoTokenizer.from_pretrained(folder).get_vocab()
    return sorted(piece[1:] for piece in vocabulary if piece[0] == "▁" and len(piece) > 2 and piece[1:].isalpha())[::3]


def task_of(path: str, mining: bool = False) -> Any:
    """The generated rows as a task."""
    from xharness.spec.task import Data, Source, Task

    source = (Source(file=path),)
    if mining:
        options = {"kind": "mine"}
        return Task(name="mining", title="", adapter="retrieval", metric="f1_bucc", options=options,
                    data=Data(dev=source, test=source), languages=("de",))  # fmt: skip
    return Task(name="pairs", title="", adapter="classification", metric="accuracy", labels=("a", "b", "c"),
                data=Data(train=source, test=source), languages=("en",))  # fmt: skip


def encode(folder: str, path: str, out: str, mining: bool) -> None:
    """The step of a run."""
    from xharness.spec.device import Device
    from xharness.spec.suite import Checkpoint
    from xharness.steps import StepContext, perform
    from xharness.steps.encode import Encode

    work = Encode(
        checkpoint=Checkpoint(name="it", path=folder), identity="", tokenizer="", task=task_of(path, mining),
        splits=("test",) if mining else ("train",), train=not mining, limits=(None,), max_length=LENGTH,
        doc_stride=64, device=Device(threads=WORKERS),
    )  # fmt: skip
    Path(out).mkdir()
    made = perform(work, StepContext(Path, Path(out), Path(out), lambda message: None))
    print(json.dumps({"tokens": made["tokens"]}))


def mapped(folder: str, path: str, cache: str) -> None:
    """The peer."""
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = datasets.load_dataset("json", data_files=path, split="train", cache_dir=cache)

    def tokenised(batch: Any) -> Any:
        found = tokenizer(batch["text"], batch["pair"], truncation=True, max_length=LENGTH, return_attention_mask=False)
        return {"input_ids": found["input_ids"]}

    made = rows.map(tokenised, batched=True, num_proc=WORKERS, remove_columns=["text", "pair"])
    print(json.dumps({"tokens": sum(len(ids) for ids in made[:1000]["input_ids"])}))


def train(folder: str, encoded: str, out: str) -> None:
    """A training on what is encoded, up to its first step."""
    import xharness.training.progress
    from xharness.spec.device import Device
    from xharness.spec.recipe import Recipe
    from xharness.spec.suite import Checkpoint
    from xharness.steps import StepContext, perform
    from xharness.steps import tuning as machinery
    from xharness.steps.tune import Trained, Tune

    xharness.training.progress.INTERVAL = 0
    loaded: list[float] = []
    load = machinery.load_encoder

    def timed(origin: Any) -> Any:
        model = load(origin)
        loaded.append(time.perf_counter())
        return model

    machinery.load_encoder = timed
    recipe = Recipe(epochs=2, batch_size=32, max_length=LENGTH)
    trained = Trained(task=task_of("unread.jsonl"), train=encoded)
    work = Tune(checkpoint=Checkpoint(name="it", path=folder), identity="", tasks=(trained,), recipe=recipe,
                device=Device(threads=WORKERS))  # fmt: skip

    def report(message: dict[str, Any]) -> None:
        if message["done"] >= 1:
            raise FirstStep

    Path(out).mkdir()
    try:
        perform(work, StepContext(Path, Path(out), Path(out) / "scratch", report))
    except FirstStep:
        print(json.dumps({"first": time.perf_counter() - loaded[0]}))


@dataclass(frozen=True)
class Measured:
    """One process."""

    seconds: float
    memory: int
    """Peak, of it and of its largest child."""
    said: dict[str, float]


def measured(*words: str) -> Measured:
    """Run one of the parts in a process of its own; its children's memory is sampled."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, __file__, "--part", *words], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "false" if words[0] == "mapped" else "true",
             "RAYON_NUM_THREADS": str(WORKERS), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words[0]} ended with {process.returncode}")
    return Measured(time.perf_counter() - began, usage.ru_maxrss * 1024, json.loads(said.splitlines()[-1]))


def line(name: str, found: Measured, beside: Measured | None = None, more: str = "") -> None:
    """Print one."""
    ratio = f"  {found.seconds / beside.seconds:5.2f} x the peer" if beside else ""
    print(f"{name:44} {found.seconds:7.1f} s  {found.memory / 2**30:5.2f} GiB{ratio}{more}", flush=True)


def main() -> None:
    """The table."""
    folder, pairs, sentences = sys.argv[1], *(int(n) for n in (*sys.argv[2:], "400000", "0")[:2])
    if len(sys.argv) == 3:
        sentences = 0
    words = words_of(folder)
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        few, many, mining = (str(here / name) for name in ("few.jsonl", "many.jsonl", "mining.jsonl"))
        write_pairs(Path(few), words, 100)
        write_pairs(Path(many), words, pairs)
        measured("encode", folder, few, str(here / "few"))
        peer = measured("mapped", folder, many, str(here / "cache"))
        line(f"datasets.map, {pairs:,} pairs, first time", peer)
        ours = measured("encode", folder, many, str(here / "many"))
        line(f"encode step, {pairs:,} pairs, first time", ours, peer)
        again = measured("mapped", folder, many, str(here / "cache"))
        line("datasets.map again (from its cache)", again)
        small = measured("train", folder, str(here / "few"), str(here / "out0"))
        line("training on 100 pairs, to its first step", small)
        for seed in (1, 2):
            found = measured("train", folder, str(here / "many"), str(here / f"out{seed}"))
            beyond = (found.memory - small.memory) / 2**30
            more = f"  first step {found.said['first']:.1f} s after the model is loaded, {beyond:+.2f} GiB"
            line(f"training on {pairs:,} pairs, seed {seed}", found, more=more)
        if sentences:
            write_sentences(Path(mining), words, sentences)
            line(f"encode step, {sentences:,} sentences", measured("mining", folder, mining, str(here / "mining")))


if __name__ == "__main__":
    if sys.argv[1] == "--part":
        part, rest = sys.argv[2], sys.argv[3:]
        if part in ("encode", "mining"):
            encode(*rest, mining=part == "mining")
        else:
            {"mapped": mapped, "train": train}[part](*rest)
    else:
        main()
