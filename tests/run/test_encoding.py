"""Data are encoded once: what the step stores, who reads it, and what it holds in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny import make_encoder, make_tokenizer, sentiment, sentiment_rows, write_rows
from tuning import encoded, encoding, evaluation, run, tuning
from xharness.data.columns import BLOCK, ColumnFile, ColumnWriter
from xharness.errors import DataError, HarnessError
from xharness.spec.recipe import Recipe
from xharness.spec.task import Data, Limit, Source, Task

SUITE = """
title = "seeds"
[[checkpoint]]
name = "tiny"
path = "encoder"
[grid]
intermediates = ["none", "colours"]
targets = ["animals"]
seeds = {seeds}
"""
TASK = """
name = "{name}"
title = "{name}"
adapter = "classification"
metric = "accuracy"
languages = ["en", "de"]
labels = ["negative", "positive"]
[data]
train = {{ file = "../{name}.jsonl" }}
test = {{ file = "../{name}.jsonl" }}
[recipe]
epochs = 1
"""


def events(store: Path) -> list[list[dict]]:
    """Events of every run, the first run first."""
    runs = sorted((store / "runs").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    return [[json.loads(line) for line in (run / "events.jsonl").open()] for run in runs]


def test_a_second_seed_trains_without_a_single_tokenisation(tmp_path):
    make_encoder(tmp_path / "encoder")
    (tmp_path / "tasks").mkdir()
    for number, name in enumerate(("animals", "colours")):
        write_rows(tmp_path / f"{name}.jsonl", sentiment_rows(40, number))
        (tmp_path / "tasks" / f"{name}.toml").write_text(TASK.format(name=name))
    for seeds in ("[0]", "[0, 1]"):
        (tmp_path / "suite.toml").write_text(SUITE.format(seeds=seeds))
        command = [sys.executable, "-m", "xharness", "run", "suite.toml", "--store", "store", "--keep", "all"]
        ended = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    first, second = events(tmp_path / "store")
    kinds = [[e["key"].partition("-")[0] for e in run if e["event"] == "done"] for run in (first, second)]
    assert kinds[0].count("encode") == 3
    assert sorted(kinds[1]) == ["evaluate"] * 2 + ["tune"] * 3


def test_a_test_split_is_encoded_whatever_the_labels_of_the_head(tmp_path):
    checkpoint, task = make_encoder(tmp_path / "it"), sentiment(tmp_path / "data", n=30)
    held = encoded(checkpoint, task, tmp_path)
    assert held.references(held.spans["en"])[:2] == held.references(held.spans["de"])[:2]
    assert set(held.references(held.spans["en"])) == {"negative", "positive"}
    assert held.ids(held.spans["de"])[0] == "1"


def test_labels_that_only_the_train_split_names_are_those_of_dev_and_test(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    sources = {}
    for seed, (split, labels) in enumerate((("train", ("bad", "good")), ("dev", (0, 1)), ("test", (1, 0)))):
        rows = [{**row, "label": labels[row["label"]]} for row in sentiment_rows(200, seed)]
        sources[split] = (write_rows(tmp_path / f"{split}.jsonl", rows),)
    task = Task(
        name="it", title="", adapter="classification", metric="accuracy", data=Data(**sources), languages=("en",)
    )
    work = tuning(checkpoint, task)
    assert run(work, tmp_path, "tuned")["dev"] > 90
    test = evaluation(checkpoint, task, "tuned", "it")
    test = test.model_copy(update={"encoded": encoding(checkpoint, task, "test", labelled_by=work.tasks[0].train)})
    run(test, tmp_path, "scores")
    # The codes of the test set are swapped, so all is wrong.
    assert json.loads((tmp_path / "scores" / "scores.json").read_text())["languages"]["en"]["score"] < 10


def test_a_language_that_breaks_off_is_recorded_and_the_others_are_whole(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    for language, rows in (("en", 1500), ("de", 1500), ("sw", 3)):
        held = [{"text": f"tree {n}", "label": "good"} for n in range(rows)]
        if language == "de":
            held[1400]["label"] = "unknown"
        write_rows(tmp_path / f"{language}.jsonl", held)
    data = Data(test=(Source(file=str(tmp_path / "{lang}.jsonl")),))
    task = Task(name="it", title="", adapter="classification", metric="accuracy", labels=("good", "bad"), data=data,
                languages=("en", "de", "sw"))  # fmt: skip
    held = encoded(checkpoint, task, tmp_path)
    assert list(held.spans) == ["en", "sw"]
    assert "de.jsonl:1401" in held.failures["de"]
    assert [len(span) for span in held.spans.values()] == [1500, 3]
    assert held.ids(held.spans["sw"]) == ["1", "2", "3"]
    first = held.item(held.spans["sw"].start)[0]
    assert first.language == "sw"
    with pytest.raises(DataError, match=r"de\.jsonl:1401"):
        encoded(checkpoint, task.model_copy(update={"languages": ("de",)}), tmp_path)


def test_a_cap_chooses_before_anything_is_encoded(tmp_path):
    checkpoint, task = make_encoder(tmp_path / "it"), sentiment(tmp_path / "data", n=50, languages=("en",))
    held = encoded(checkpoint, task, tmp_path, split="train", train=True, limit=Limit(train=7))
    assert len(held) == len(held.features) == 7


def test_what_is_stored_is_what_the_tokenizer_gives(tmp_path):
    checkpoint, task = make_encoder(tmp_path / "it", bert=True), sentiment(tmp_path / "data", n=20, languages=("en",))
    tokenizer = make_tokenizer(tmp_path / "again", bert=True)
    held = encoded(checkpoint, task, tmp_path, recipe=Recipe(max_length=8))
    rows = sentiment_rows(60, 7)
    expected = tokenizer([row["text"] for row in rows], truncation=True, max_length=8)["input_ids"]
    assert [held.item(n)[0].ids.tolist() for n in range(len(held))] == expected
    assert held.features.lengths.tolist() == [len(ids) for ids in expected]
    used = held.features.used(len(tokenizer))
    assert set(np.flatnonzero(used)) == {i for ids in expected for i in ids}


value = st.one_of(
    st.none(), st.lists(st.integers(-5, 5), max_size=4).map(lambda v: np.array(v, dtype=np.int32)),
)  # fmt: skip


@given(rows=st.lists(st.tuples(value, st.one_of(st.none(), st.text(max_size=5)), st.integers(0, 9)), max_size=40))
def test_columns_come_back_as_they_went(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("columns") / "held.arrow"
    writer = ColumnWriter(file, "a test")
    for array, text, number in rows:
        writer.add({"array": array, "text": text, "number": number})
    writer.close()
    read = ColumnFile(file)
    assert read.rows == len(rows)
    for number, (array, text, count) in enumerate(rows):
        found = {
            name: read.columns[name][number] if name in read.columns else None for name in ("array", "text", "number")
        }
        assert (found["array"] is None) == (array is None)
        assert array is None or found["array"].tolist() == array.tolist()
        assert found["text"] == text
        assert found["number"] == count
    if "text" in read.columns:
        assert read.columns["text"].texts(0, len(rows)) == [text for _, text, _ in rows]


def test_a_column_may_begin_after_many_rows_without_a_value(tmp_path):
    writer = ColumnWriter(tmp_path / "held.arrow", "a test")
    for number in range(2 * BLOCK + 5):
        writer.add({"number": number, "gold": f"en-{number}" if number >= BLOCK + 3 else None, "pair": None})
    writer.close()
    read = ColumnFile(tmp_path / "held.arrow")
    assert read.rows == 2 * BLOCK + 5
    for number in (0, BLOCK - 1, BLOCK + 2, BLOCK + 3, 2 * BLOCK + 4):
        assert read.columns["number"][number] == number
        assert read.columns["gold"][number] == (f"en-{number}" if number >= BLOCK + 3 else None)
    assert read.columns["gold"].texts(BLOCK + 2, BLOCK + 4) == [None, f"en-{BLOCK + 3}"]
    assert read.columns["gold"].texts(BLOCK - 1, BLOCK + 1) == [None, None]


@pytest.mark.parametrize("values", [[1, "a"], [[1, 2], 3], [{"a": 1}], [[[1, 2], [3]]]])
def test_values_that_no_column_holds_are_told_with_their_maker(tmp_path, values):
    writer = ColumnWriter(tmp_path / "held.arrow", "the odd adapter")
    for one in values:
        writer.add({"note": one})
    with pytest.raises(HarnessError, match=r"the odd adapter: `note`"):
        writer.close()


def test_an_encode_step_takes_no_more_memory_for_more_rows(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    peaks = []
    code = """
import json, resource, sys, tracemalloc
sys.path[:0] = sys.argv[3:]
from tuning import ENCODES, encoding, run
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Data, Source, Task
from pathlib import Path
task = Task(name="it", title="", adapter="classification", metric="accuracy", labels=("good", "bad"),
            data=Data(train=(Source(file=sys.argv[2]),)), languages=("en",))
name = encoding(Checkpoint(name="tiny", path=sys.argv[1]), task, "train", train=True)
tracemalloc.start()
run(ENCODES[name], Path(sys.argv[1]).parent, name + Path(sys.argv[2]).stem)
print(tracemalloc.get_traced_memory()[1])
"""
    for rows in (20_000, 80_000):
        file = tmp_path / f"{rows}.jsonl"
        write_rows(file, [{"text": f"red tree {n}", "label": "good"} for n in range(rows)])
        told = subprocess.run(
            [sys.executable, "-c", code, checkpoint.path or "", str(file), str(Path(__file__).parent.parent)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(told.stdout.splitlines()[-1]))
    # Ids of eight bytes are kept of every row; a row as Python objects takes several hundred.
    assert peaks[1] - peaks[0] < 60_000 * 60
