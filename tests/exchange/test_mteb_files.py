"""Rows as mteb's result files: read back by mteb's own code, with the figures of mteb's own evaluator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_run import command

from xharness.data.encoded import EncodedRetrieval
from xharness.mteb.codes import language_of, ours, subsets_by_language
from xharness.steps.embedding import Embeddings
from xharness.store.runs import latest_run, read_run
from xharness.store.steps import Store

SUBSETS = {"ar": "ara-eng", "de": "deu-eng", "hi": "hin-eng", "es": "spa-eng", "ru": "rus-eng", "sw": "swh-eng",
           "zh": "cmn-eng", "tr": "tur-eng"}  # fmt: skip


def records_of(store: Path) -> tuple[dict[str, Any], list[Any]]:
    folder = latest_run(store)
    assert folder is not None
    return read_run(folder)


@pytest.fixture(scope="module")
def exported(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    code, said = command("export", "mteb", folder, "--store", store)
    assert code == 0, said
    assert "4 result files of 2 models" in said
    assert "not comparable" in said
    return folder


def test_mtebs_cache_reads_every_row_with_our_figures(store: Path, exported: Path) -> None:
    import mteb

    found = mteb.ResultCache(exported).load_results(tasks=["Tatoeba", "BUCC"], include_remote=False)
    assert {r.model_name for r in found.model_results} == {
        "xharness-not-comparable/small--none--0",
        "xharness-not-comparable/small--none--1",
    }
    _, records = records_of(store)
    for result in found.model_results:
        by_task = {task.task_name: task for task in result.task_results}
        assert set(by_task) == {"Tatoeba", "BUCC"}
        read = {entry["hf_subset"]: entry for entry in by_task["Tatoeba"].scores["test"]}
        ours_are = {r.language: r.value for r in records if r.metric == "f1_tatoeba_mteb" and r.seed == 0}
        assert set(read) == {SUBSETS[language] for language in ours_are}
        for language, value in ours_are.items():
            entry = read[SUBSETS[language]]
            assert entry["main_score"] == entry["f1"] == pytest.approx(value / 100, abs=1e-6)
            assert entry["recall"] == entry["accuracy"]
        assert {entry["hf_subset"] for entry in by_task["BUCC"].scores["test"]} == {"de-en", "ru-en", "zh-en"}


def test_data_that_are_not_mtebs_do_not_have_its_revision(exported: Path) -> None:
    import mteb

    for path in exported.glob("results/*/*/*.json"):
        if path.stem != "model_meta":
            held = json.loads(path.read_text())
            assert held["dataset_revision"].startswith("data-")
            assert held["dataset_revision"] != mteb.get_task(held["task_name"]).metadata.revision


def test_mtebs_evaluator_finds_the_same_on_the_same_pairs_and_embeddings(store: Path) -> None:
    _, records = records_of(store)
    expected = {r.language: r.value / 100 for r in records if r.metric == "f1_tatoeba_mteb"}
    key = next(r.key for r in records if r.target == "tatoeba")
    held = Store(store)
    made_of = held.manifest(key)["ingredients"]  # type: ignore[index]
    encoded = EncodedRetrieval(held.path(made_of["encoded"]), ("source", "target", "text"))
    vectors = Embeddings(held.path(made_of["embeddings"]))
    assert len(expected) == 8
    for language, value in expected.items():
        rows = encoded.splits(language)["test"]
        sides = [vectors(np.asarray(rows.sentences(column))) for column in ("source", "target")]
        assert evaluated(*sides) == pytest.approx(value, abs=1e-9), language


def evaluated(foreign: Any, english: Any) -> float:
    """mteb's F1 of pairs that are given by their embeddings, by all of its evaluation."""
    import mteb
    import torch
    from datasets import Dataset
    from mteb.timing import TimingStack

    task = mteb.get_task("Tatoeba")
    pairs = Dataset.from_dict(
        {side: [f"{side} {i}" for i in range(len(foreign))] for side in ("sentence1", "sentence2")}
    )
    rows = {f"sentence1 {i}": row for i, row in enumerate(foreign)}
    rows |= {f"sentence2 {i}": row for i, row in enumerate(english)}

    class Encoder:
        def encode(self, inputs: Any, **_: Any) -> Any:
            return np.stack([rows[text] for batch in inputs for text in batch["text"]])

        def similarity(self, queries: Any, corpus: Any) -> Any:
            return mteb.similarity_functions.cos_sim(torch.as_tensor(queries), torch.as_tensor(corpus))

    found = task._evaluate_subset(
        Encoder(), pairs, hf_split="test", hf_subset="deu-eng", encode_kwargs={"batch_size": 16}, timer=TimingStack()
    )
    return float(found["main_score"])


def test_a_row_that_the_run_lacks_is_refused(store: Path, tmp_path: Path) -> None:
    code, said = command("export", "mteb", tmp_path / "none", "--intermediate", "mnli", "--store", store)
    assert code == 4
    assert "--intermediate mnli: the run has no such row" in said
    assert not (tmp_path / "none").exists()


def test_languages_stand_under_our_codes() -> None:
    assert [ours(code) for code in ("deu-Latn", "cmn-Hans", "pes-Arab", "swh-Latn", "ast-Latn")] == [
        "de", "zh", "fa", "sw", "ast",
    ]  # fmt: skip
    assert language_of(["eng-Latn"]) == "en"
    assert language_of(["fra-Latn", "deu-Latn"]) == "fr-de"
    two = {"a": ["cmn-Hans", "eng-Latn"], "b": ["cmn-Hant", "eng-Latn"], "c": ["deu-Latn", "eng-Latn"]}
    assert subsets_by_language(two) == {"a": "a", "b": "b", "de": "c"}
