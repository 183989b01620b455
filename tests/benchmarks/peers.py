"""Speed beside what users would use: `python tests/benchmarks/peers.py CHECKPOINT [PART ...]`.

CHECKPOINT is a folder or a repository on the Hub; PART one of evaluation, training, tatoeba, mining, bf16, grid (all).
Every line is a ratio of two ways measured one after the other in this run, and both must have the same result:

evaluation  zero-shot XNLI and PAN-X, rows to predictions, beside XTREME's loop (padding to 128) and a loop that pads to
            the longest of its batch, each in batches of 32 in the data's order; equal predictions
training    the same rows, recipe and seed through transformers' Trainer, to the dev score (parity.py compares scores)
tatoeba     embeddings and search beside mteb's evaluator over an encoder in batches of 32 by length; equal F1
mining      faiss's exact search both ways and the margin, as LASER's mine_bitexts.py does it; equal neighbours
bf16        the same evaluation and tuning in bf16 beside fp32, on a processor that has it; how many predictions differ
grid        a grid's steps beside each cell by itself: seconds of the stored steps of a run, STORE in XHARNESS_STORE

Data are those of the profile `sample`, from the Hub (HF_ENDPOINT). A ratio over 1 is how many times as fast ours is.
EXPECTED has those of a quiet machine with two cores: what falls a fifth below is told, and the exit code is 1.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

EXPECTED = {
    "XNLI, beside padding to 128": 2.4,
    "XNLI, beside padding to the batch": 1.7,
    "PAN-X, beside padding to 128": 4.8,
    "PAN-X, beside padding to the batch": 1.9,
    "tuning on MNLI, beside Trainer": 1.3,
    "tuning on PAN-X, beside Trainer": 1.6,
    "Tatoeba, beside mteb by length": 2.8,
    "mining 30,000 x 30,000, beside faiss": 1.2,
}
"""multilingual-e5-small on two cores of an AMD EPYC with AVX2, torch 2.13. Another processor has other ratios: on one
with AVX-512 the loops' were 3.0, 1.6, 6.4 and 2.3, mteb's 1.4, faiss's 3.4. Beside Trainer: on one with AMX."""
TOLD = 0.8
"""Of what is expected: below it a line is told."""
BATCH = 32
Line = tuple[str, float, float]
"""What was done, seconds of ours, seconds of the peer's."""


def timed(what: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the seconds that it took."""
    began = time.perf_counter()
    return what(), time.perf_counter() - began


def suite() -> Any:
    """XTREME at the size of `sample`."""
    from xharness.spec.load import load_suite

    return load_suite("xtreme", "sample")


def checkpoint_of(given: str) -> Any:
    """A folder or a repository."""
    from xharness.spec.suite import Checkpoint

    return Checkpoint(name="it", **({"path": given} if Path(given).is_dir() else {"hub": given}))  # type: ignore[arg-type]


def device() -> Any:
    """All cores, for both sides."""
    from xharness.spec.device import Device

    return Device(threads=torch.get_num_threads())


def evaluation(given: str) -> Iterator[Line]:
    """A target's languages, rows to predictions, by a head that is little trained."""
    from tuning import run

    for name, tuned_on, title in TARGETS:
        tune, work, target, limit = _zero_shot(given, name, tuned_on, train=32)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            run(tune, folder, "tuned")
            ours, seconds = timed(lambda: run(work, folder, "ours"))  # noqa: B023
            said = _predicted(folder / "ours")
            for words, to in (("padding to 128", 128), ("padding to the batch", 0)):
                other, theirs = timed(lambda: _looped(folder, work, target, limit, to))  # noqa: B023
                assert ours["examples"] == len(other)
                differ = sum(a != b for a, b in zip(said, other, strict=True))
                assert differ <= len(other) / 1000, f"{title}: {differ} of {len(other)} predictions differ"
                yield f"{title}, beside {words}", seconds, theirs


TARGETS = (("xnli", "mnli", "XNLI"), ("panx", "panx", "PAN-X"))
"""(target, what is tuned for it, title)."""


def _zero_shot(given: str, name: str, tuned_on: str, train: int) -> tuple[Any, Any, Any, Any]:
    """(a tuning on so many examples, the evaluation of `tuned` after it, the target, its limit)."""
    from tuning import ENCODES, evaluation, tuning

    checkpoint, grid = checkpoint_of(given), suite()
    target, limit = grid.tasks[name], grid.limit_of(name)
    limit = limit.model_copy(update={"train": train, "dev": 8, "tokens": None})
    recipe = grid.recipe_of(name).model_copy(update={"epochs": 1.0, "evaluations": 0, "select": "last"})
    tune = tuning(checkpoint, grid.tasks[tuned_on], recipe=recipe, limit=limit, device=device())
    work = evaluation(checkpoint, target, "tuned", tuned_on, recipe, device=device())
    made = ENCODES[work.encoded]
    ENCODES[work.encoded] = made.model_copy(update={"limits": (limit.test,), "device": device()})
    return tune, work, target, limit


def _predicted(folder: Path) -> list[str]:
    from pyarrow import parquet

    found: list[str] = parquet.read_table(folder / "outcomes.parquet")["prediction"].to_pylist()
    return found


def _looped(folder: Path, work: Any, target: Any, limit: Any, to: int) -> list[str]:
    """Reading, tokens and predictions as an evaluation script makes them: in the data's order, by batches of 32."""
    import json

    from xharness.adapter import tunable_adapter
    from xharness.data.examples import examples
    from xharness.spec.recipe import Recipe
    from xharness.training.checkpoints import load_tokenizer
    from xharness.training.network import load_tuned
    from xharness.training.origins import origin_of

    origin = origin_of(work.checkpoint, work.identity)
    network, task = load_tuned(folder / "tuned", work.tuned_on, target, {}, origin)
    network.eval()
    tokenizer, adapter = load_tokenizer(origin), tunable_adapter(task.adapter)
    said: list[str] = []
    for language in target.languages:
        rows = examples(target, "test", language, limit)
        features = adapter.encode(task, rows, tokenizer, Recipe(max_length=128), False)
        outputs: list[Any] = []
        with torch.inference_mode():
            for first in range(0, len(features), BATCH):
                batch = features[first : first + BATCH]
                outputs += _forward(network, work.tuned_on, batch, tokenizer.pad_token_id, to)
        found = adapter.decode(task, rows, features, iter(outputs))
        said += [json.dumps(one, ensure_ascii=False) for one in found]
    return said


def _forward(network: Any, head: str, features: Sequence[Any], padding: int, to: int) -> list[Any]:
    width = max(to, *(len(feature.ids) for feature in features))
    ids = torch.full((len(features), width), padding)
    mask = torch.zeros((len(features), width), dtype=torch.long)
    for row, feature in enumerate(features):
        ids[row, : len(feature.ids)] = torch.as_tensor(np.asarray(feature.ids), dtype=torch.long)
        mask[row, : len(feature.ids)] = 1
    found = network.outputs(head, {"input_ids": ids, "attention_mask": mask}, features).float().numpy()
    wide = found.ndim == 3
    return [row[: len(feature.ids)] if wide else row for row, feature in zip(found, features, strict=True)]


def training(given: str) -> Iterator[Line]:
    """A tune step, reading, encoding and dev included, beside the same rows through Trainer."""
    from parity import TASKS, ours, rows_of, theirs

    grid, checkpoint = suite(), checkpoint_of(given)
    for family, title in (("glue", "MNLI"), ("ner", "PAN-X")):
        task = grid.tasks[TASKS[family]].model_copy(update={"languages": ("en",)})
        limit = grid.limit_of(task.name).model_copy(update={"tokens": None, "train": 400, "dev": 100})
        recipe = grid.recipe_of(task.name).model_copy(update={"epochs": 1.0, "evaluations": 0, "select": "last"})
        rows_of(task, limit)  # Fetched before either side reads them.
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            _, mine = timed(lambda: ours(checkpoint, task, recipe, limit, 0, folder))  # noqa: B023
            _, other = timed(lambda: theirs(family, given, task, recipe, rows_of(task, limit), 0, folder / "loop"))  # noqa: B023
        yield f"tuning on {title}, beside Trainer", mine, other


def tatoeba(given: str) -> Iterator[Line]:
    """Embeddings and search of four languages, beside mteb's evaluator over batches by length."""
    from tuning import ENCODES, encoding, run
    from xharness.data.examples import examples
    from xharness.metrics import metric
    from xharness.steps.embed import Embed
    from xharness.steps.mine import Mine

    grid, checkpoint = suite(), checkpoint_of(given)
    task = grid.tasks["tatoeba"].model_copy(update={"languages": ("de", "sw", "zh", "fi")})
    limit, recipe = grid.limit_of("tatoeba"), grid.recipe_of("tatoeba")
    rows = {language: examples(task, "test", language, limit) for language in task.languages}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        name = encoding(checkpoint, task, "test", recipe=recipe, limit=limit)
        about = {"checkpoint": checkpoint, "identity": "test", "target": task, "encoded": name, "device": device()}

        def mined() -> None:
            run(ENCODES[name], folder, name)
            run(Embed(**about), folder, "embedded")  # type: ignore[arg-type]
            run(Mine(**about, embeddings="embedded"), folder, "ours")  # type: ignore[arg-type]

        _, mine = timed(mined)
        scores = _scores(folder / "ours", f"{metric('f1_tatoeba_mteb').name}")
    found, other = timed(lambda: _by_mteb(given, checkpoint, rows))
    for language, score in found.items():
        assert abs(score - scores[language]) < 1.0, f"Tatoeba {language}: {scores[language]:.2f} and {score:.2f}"
    yield "Tatoeba, beside mteb by length", mine, other


def bf16(given: str) -> Iterator[Line]:
    """Evaluation and tuning in bf16, beside our own in fp32."""
    from tuning import ENCODES, run

    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        print("bf16: this processor computes it in software, many times slower", file=sys.stderr)
        return
    for name, tuned_on, title in TARGETS:
        tune, work, _, _ = _zero_shot(given, name, tuned_on, train=400)
        seconds: dict[tuple[str, str], float] = {}
        said: dict[str, list[str]] = {}
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for key in (tune.tasks[0].train, tune.tasks[0].dev, work.encoded):
                run(ENCODES[str(key)], folder, str(key))  # So that only what differs is timed.
            # Both evaluations read the model that fp32 has trained.
            for precision, model in (("fp32", "tuned"), ("bf16", "rounded")):
                how = tune.recipe.model_copy(update={"precision": precision})
                tuned = tune.model_copy(update={"recipe": how})
                _, seconds[precision, "tuning"] = timed(lambda: run(tuned, folder, model))  # noqa: B023
                asked = work.model_copy(update={"precision": precision})
                _, seconds[precision, "zero-shot"] = timed(lambda: run(asked, folder, f"said {precision}"))  # noqa: B023
                said[precision] = _predicted(folder / f"said {precision}")
        differ = sum(a != b for a, b in zip(said["fp32"], said["bf16"], strict=True)) / len(said["fp32"])
        for what in ("zero-shot", "tuning"):
            told = f" ({differ:.1%} of predictions differ)" if what == "zero-shot" else ""
            yield f"{what} {title} in bf16, beside fp32{told}", seconds["bf16", what], seconds["fp32", what]


def _scores(folder: Path, name: str) -> dict[str, float]:
    import json

    held = json.loads((folder / "scores.json").read_text())["languages"]
    return {language: entry["values"][name] for language, entry in held.items()}


def _by_mteb(given: str, checkpoint: Any, rows: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """mteb's F1 over an encoder as sentence-transformers is one: sorted by length, batches of 32."""
    import mteb
    from datasets import Dataset
    from mteb.timing import TimingStack
    from transformers import AutoModel, AutoTokenizer

    how = checkpoint.retrieval
    tokenizer, model = AutoTokenizer.from_pretrained(given), AutoModel.from_pretrained(given, dtype="float32").eval()
    depth = model.config.num_hidden_layers
    layer = round(2 * depth / 3) if how.layer is None else how.layer

    class Encoder:
        def encode(self, inputs: Any, **_: Any) -> Any:
            texts = [text for batch in inputs for text in batch["text"]]
            order = np.argsort([-len(text) for text in texts], kind="stable")
            out = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
            with torch.inference_mode():
                for first in range(0, len(texts), BATCH):
                    places = order[first : first + BATCH]
                    fed = tokenizer([texts[p] for p in places], padding=True, truncation=True, max_length=128,
                                    return_tensors="pt")  # fmt: skip
                    states = model(**fed, output_hidden_states=True).hidden_states[layer]
                    mask = fed["attention_mask"].unsqueeze(-1)
                    out[places] = ((states * mask).sum(1) / mask.sum(1)).numpy()
            return out

        def similarity(self, queries: Any, corpus: Any) -> Any:
            return mteb.similarity_functions.cos_sim(torch.as_tensor(queries), torch.as_tensor(corpus))

    task: Any = mteb.get_task("Tatoeba")
    found = {}
    for language, pairs in rows.items():
        sides = {"sentence1": [p["source"].strip() for p in pairs], "sentence2": [p["target"].strip() for p in pairs]}
        made = task._evaluate_subset(
            Encoder(), Dataset.from_dict(sides), hf_split="test", hf_subset="deu-eng",
            encode_kwargs={"batch_size": BATCH}, timer=TimingStack(),
        )  # fmt: skip
        found[language] = 100 * float(made["main_score"])
    return found


def mining(given: str) -> Iterator[Line]:
    """The k nearest both ways, beside faiss's flat index both ways."""
    import faiss

    from xharness.search import neighbours, normalised

    n, k = 30_000, 4
    chance = np.random.default_rng(0)
    x = normalised(chance.normal(size=(n, 384)).astype(np.float32))
    y = normalised(x + 0.8 * chance.normal(size=(n, 384)).astype(np.float32))

    def flat() -> list[Any]:
        found = []
        for queries, base in ((x, y), (y, x)):
            index = faiss.IndexFlatIP(x.shape[1])
            index.add(base)
            found.append(index.search(queries, k))
        return found

    ours, mine = timed(lambda: neighbours(x, y, k))
    theirs, other = timed(flat)
    for found, (similarity, _) in zip(ours, theirs, strict=True):
        assert np.allclose(found.similarity, similarity, atol=1e-5)
    yield f"mining {n:,} x {n:,}, beside faiss", mine, other


def grid(given: str) -> Iterator[Line]:
    """What a stored run's steps took, beside what its cells take one by one, each from nothing."""
    from xharness.store.runs import latest_run, read_facts
    from xharness.store.steps import Store

    store = Store(Path(os.environ.get("XHARNESS_STORE", ".xharness")))
    folder = latest_run(store.root)
    facts = read_facts(folder) if folder is not None else None
    if facts is None:
        print(f"grid: {store.root} has no run", file=sys.stderr)
        return
    once: dict[str, float] = {}
    alone = 0.0
    for cell in facts["cells"]:
        for key in _below(store, cell["key"]) if cell.get("key") else ():
            once[key] = float((store.manifest(key) or {}).get("seconds", 0.0))
            alone += once[key]
    yield f"{len(facts['cells'])} cells, beside each by itself", sum(once.values()), alone


def _below(store: Any, key: str) -> set[str]:
    """A step and all that it rests on."""
    found, stack = set[str](), [key]
    while stack:
        if (one := stack.pop()) not in found:
            found.add(one)
            stack += (store.manifest(one) or {}).get("needs", ())
    return found


PARTS: dict[str, Callable[[str], Iterator[Line]]] = {
    "evaluation": evaluation, "training": training, "tatoeba": tatoeba, "mining": mining, "bf16": bf16, "grid": grid,
}  # fmt: skip


def main() -> int:
    """A line each."""
    fell = []
    if not sys.argv[1:] or sys.argv[1].startswith("-") or not set(sys.argv[2:]) <= set(PARTS):
        print(__doc__, file=sys.stderr)
        return 2
    for part in sys.argv[2:] or PARTS:
        for name, ours, theirs in PARTS[part](sys.argv[1]):
            ratio, expected = theirs / ours, EXPECTED.get(name)
            told = expected is not None and ratio < TOLD * expected
            fell += [name] if told else []
            beside = f"   expected {expected:.1f} x" if expected else ""
            print(
                f"{name:68} {ours:7.1f} s {theirs:7.1f} s   {ratio:5.2f} x{beside}{'   FELL' if told else ''}",
                flush=True,
            )
    return 1 if fell else 0


if __name__ == "__main__":
    raise SystemExit(main())
