"""Embeddings of texts that analyses ask for: steps of the plan, the same as the model's own, read by the analysis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xharness.analyses.corpora import embedded_a_distance
from xharness.analysis import Texts
from xharness.data.text_vectors import read_vectors, write_vectors
from xharness.data.texts import PIECE, pieces_in
from xharness.spec.load import load_suite
from xharness.store.runs import read_run
from xharness.store.steps import Store
from xharness.study import Study

ROOT = Path(__file__).parents[2]
SUITE = """
extends = "{suite}"
title = "topics"
[grid]
intermediates = ["none", "squad_v1"]
targets = ["tydiqa"]
[[analysis]]
name = "topics"
kind = "slices"
options = {{ by = ["topic"], k = 2, resamples = 100, rounds = 100, least = 2 }}
[[analysis]]
name = "alignment"
kind = "alignment"
options = {{ words = 1000, pieces = 40, resamples = 100 }}
[profile.micro]
limit = {{ train = 40, dev = 8, test = 24 }}
recipe = {{ epochs = 1 }}
"""


def called(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "xharness", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A suite and the store of its run."""
    folder = tmp_path_factory.mktemp("topics")
    suite = folder / "topics.toml"
    suite.write_text(SUITE.format(suite=os.path.relpath(ROOT / "suites" / "xtreme.toml", folder)))
    said = called("run", str(suite), "-p", "micro", "--store", str(folder / "store"), "-n", "1")
    assert said.returncode == 0, said.stdout + said.stderr
    return suite, folder / "store"


def study_of(ran: tuple[Path, Path]) -> Study:
    suite, store = ran
    (folder,) = (store / "runs").iterdir()
    facts, records = read_run(folder)
    return Study(load_suite(str(suite), "micro"), facts, records, Store(store).path)


def test_the_embeddings_are_those_that_the_model_gives_to_the_texts_themselves(ran):
    import torch

    from xharness.training.checkpoints import load_tokenizer
    from xharness.training.origins import folder_origin

    study = study_of(ran)
    found = study.vectors("tiny", Texts("tydiqa", "test", "en", "text", 20_000))
    texts = [example["context"] for example in study.examples("tydiqa", "en").values()]
    vectors = found.of(texts)
    from transformers import AutoModel

    folder = ROOT / "harness" / "xharness" / "micro" / "encoder"
    tokenizer = load_tokenizer(folder_origin("tiny", folder))
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        for text, ours in list(zip(texts, vectors, strict=True))[:3]:
            given = tokenizer([text], return_tensors="pt", truncation=True, max_length=128)
            states = model(**given, output_hidden_states=True).hidden_states[found.about["layer"]][0]
            assert ours == pytest.approx(states.mean(0).numpy(), abs=5e-3)
    assert found.of(["a text that was not embedded"]) is None


def test_the_topics_are_clusters_of_the_embeddings_and_a_run_without_them_says_so(ran):
    from xharness.analyses.slices import Options, Slices

    study = study_of(ran)
    answer = Slices().answer(study, Options(by=("topic",), k=2, resamples=100, rounds=100, least=2))
    (row,) = answer.tables[0].rows
    assert row[answer.tables[0].columns.index("slices")] == 2
    without = Study(study.loaded, {**study.run, "vectors": []}, study.records, study.folder)
    with pytest.raises(Exception, match=r"run it again, or set topics"):
        Slices().answer(without, Options(by=("topic",), k=2))
    assert Slices().answer(without, Options(by=("topic",), topics="words", k=2, resamples=100, rounds=100)).sentences


def test_an_alignment_measures_the_distance_of_embeddings_and_says_whose(ran):
    _, store = ran
    (page,) = store.glob("runs/*/analyses/alignment.md")
    said = page.read_text()
    assert "A-distance of embeddings: tiny as it came" in said
    assert "has no embeddings" not in said


def test_a_second_run_embeds_nothing_again_and_a_collection_keeps_what_it_needs(ran):
    suite, store = ran
    assert called("store", "gc", "--store", str(store), "--yes").returncode == 0
    said = called("run", str(suite), "-p", "micro", "--store", str(store), "-n", "1")
    assert "0 steps made" in said.stdout


def test_embeddings_are_read_as_they_were_written(tmp_path):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_vectors(tmp_path, vectors, ["a", "b", "c"], {"layer": 1})
    found = read_vectors(tmp_path)
    assert found.of(["c", "a"]).tolist() == [[4, 5], [0, 1]]
    assert found.of(["a", "d"]) is None
    assert found.about == {"layer": 1}


def test_pieces_are_of_one_length_and_leave_out_what_is_left_at_the_end(tmp_path):
    rows = [{"id": str(i), "language": "en", "text": f"{i} " * 150} for i in range(3)]
    task = load_suite(str(ROOT / "suites" / "xtreme.toml"), "micro").tasks["xnli"]
    pieces = pieces_in(task, "test", [*rows, *rows])
    assert {len(piece) for piece in pieces} == {PIECE}
    assert len(pieces) == sum(len(f"{i} " * 150) for i in range(3)) // PIECE
    assert pieces == pieces_in(task, "test", rows[::-1])


def test_embeddings_of_one_place_are_not_told_apart_and_those_of_two_are():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(60, 16)), rng.normal(size=(60, 16))
    assert embedded_a_distance(one, other) < 0.5
    assert embedded_a_distance(one, other + 3) == pytest.approx(2)
    assert embedded_a_distance(one[:19], other) is None


def test_a_plan_shows_the_step(ran):
    suite, store = ran
    said = called("plan", str(suite), "-p", "micro", "--store", str(store), "--json")
    kinds = {json.loads(line)["kind"] for line in said.stdout.splitlines()}
    assert "texts" in kinds
