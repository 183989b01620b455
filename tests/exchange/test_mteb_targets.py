"""Targets by the names of mteb's tasks: how they are read, and that its own evaluator judges our embeddings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from exchange_run import command
from scipy.stats import spearmanr

from xharness.adapter import Judgement
from xharness.errors import UsageError
from xharness.metrics import metric
from xharness.spec.load import load_suite, read_suite
from xharness.spec.mteb_tasks import mteb_task
from xharness.spec.task import Task
from xharness_adapters.mteb import RESULT, Mteb

ROOT = Path(__file__).parents[2]
WIDTH = 6


def suite(folder: Path, targets: str, intermediates: str = '["none"]') -> Path:
    """A suite's file over the shipped one."""
    file = folder / "judged.toml"
    grid = f"[grid]\nintermediates = {intermediates}\ntargets = {targets}\n"
    file.write_text(f'extends = "{ROOT}/suites/xtreme.toml"\ntitle = "J"\nexpect = []\n{grid}')
    return file


class Vectors:
    """Random embeddings, the same for the same text; a pair's two sides lie near each other."""

    def __init__(self, noise: float = 1.0) -> None:
        self.noise, self.asked = noise, []  # type: ignore[var-annotated]

    def __call__(self, texts: Any, candidates: bool = False) -> Any:
        self.asked += [(text, candidates) for text in texts]
        return np.stack([self.of(text) for text in texts])

    def of(self, text: str) -> Any:
        meaning, _, side = text.partition("|")
        seeds = [crc32(word.encode()) for word in (meaning, text)]
        near, own = (np.random.default_rng(seed).normal(size=WIDTH) for seed in seeds)
        return (near + self.noise * own * bool(side)).astype(np.float32)


def held(name: str, dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """mteb's task of that name has these data instead of those of the Hub."""
    import mteb

    asked = mteb.get_task

    def with_data(given: str, **more: Any) -> Any:
        task = asked(given, **more)
        if given == name:
            task.dataset, task.data_loaded = dataset, True
        return task

    monkeypatch.setattr(mteb, "get_task", with_data)


def task_of(name: str, *languages: str) -> Task:
    found = mteb_task(f"mteb:{name}")
    assert found is not None
    return found.model_copy(update={"languages": languages})


def test_a_target_is_read_by_its_name_with_all_its_languages(tmp_path: Path) -> None:
    loaded = load_suite(str(suite(tmp_path, '["mteb:Tatoeba", "mteb:MIRACLRetrieval", "xnli"]')))
    tatoeba = loaded.tasks["mteb:Tatoeba"]
    assert {"de", "sw", "zh", "fa"} <= {*tatoeba.languages}
    assert len(tatoeba.languages) == 112
    assert (tatoeba.metric, loaded.tasks["mteb:MIRACLRetrieval"].metric) == ("mteb_f1", "mteb_ndcg_at_10")
    code, said = command("list", suite(tmp_path, '["mteb:Tatoeba"]'), "-l", "de", "-c", "tiny")
    assert code == 0
    assert "none->mteb:Tatoeba[tiny-0]  1 language" in said


@pytest.mark.parametrize(
    ("targets", "intermediates", "why"),
    [
        ('["mteb:Tatoba"]', '["none"]', "there is no task called 'mteb:Tatoba'. Did you mean 'mteb:Tatoeba'?"),
        ('["mteb:AmazonCounterfactualClassification"]', '["none"]', "there is no task called 'mteb:Amazon"),
        ('["mteb:Tatoeba"]', '["none", "mteb:Tatoeba"]', "mteb:Tatoeba"),
    ],
)
def test_names_that_cannot_be_targets_are_told(tmp_path: Path, targets: str, intermediates: str, why: str) -> None:
    file = suite(tmp_path, targets, intermediates)
    code, said = command("check", file)
    assert code == 4
    assert why in " ".join(said.split())
    assert f"{file.name}:" in said


def test_its_evaluator_finds_of_bitext_what_our_metric_of_that_name_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = {"de": 30, "sw": 20}
    names = {"de": "deu-eng", "sw": "swh-eng"}
    pairs = {
        code: [(f"{code} {i}|foreign", f"{code} {i}|english") for i in range(size)] for code, size in sides.items()
    }
    data = {
        names[code]: DatasetDict(
            test=Dataset.from_dict({"sentence1": [a for a, _ in rows], "sentence2": [b for _, b in rows]})
        )
        for code, rows in pairs.items()
    }
    held("Tatoeba", data, monkeypatch)
    embed = Vectors()
    found = dict(Mteb().judge(task_of("Tatoeba", "sw", "de"), embed, tmp_path))
    assert [*found] == ["sw", "de"]
    rule = metric("f1_tatoeba_mteb")
    for code, rows in pairs.items():
        one, other = (np.stack([embed.of(row[side]) for row in rows]) for side in (0, 1))
        unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (one, other)]
        nearest = (unit[0] @ unit[1].T).argmax(axis=1).tolist()
        expected = rule.score(rule.outcomes(nearest, list(range(len(rows))), code).sum(axis=0))
        judged = found[code]
        assert isinstance(judged, Judgement)
        assert judged.score == pytest.approx(float(expected), abs=1e-9)
        assert 5 < judged.score < 99
        assert judged.n == sides[code]
        assert judged.values["accuracy"] == pytest.approx(100 * np.mean([i == j for i, j in enumerate(nearest)]))
    assert json.loads((tmp_path / RESULT).read_text())["task_name"] == "Tatoeba"


def test_similarity_is_the_rank_correlation_of_cosines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"a{i}|x", f"a{i // 2}|y", float(i % 6)) for i in range(24)]
    columns = {name: [row[i] for row in rows] for i, name in enumerate(("sentence1", "sentence2", "score"))}
    held("STSBenchmark", DatasetDict(test=Dataset.from_dict(columns)), monkeypatch)
    embed = Vectors()
    ((language, found),) = Mteb().judge(task_of("STSBenchmark", "en"), embed, tmp_path)
    assert isinstance(found, Judgement)
    cosines = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in ((embed.of(r[0]), embed.of(r[1])) for r in rows)
    ]
    assert language == "en"
    assert found.score == pytest.approx(100 * spearmanr(cosines, columns["score"]).statistic, abs=1e-4)
    assert found.n == 24


def test_passages_are_told_from_queries_and_ranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Dataset.from_dict(
        {"id": [f"d{i}" for i in range(12)], "text": [f"m{i}|d" for i in range(12)], "title": [""] * 12}
    )
    queries = Dataset.from_dict({"id": [f"q{i}" for i in range(4)], "text": [f"m{i}|q" for i in range(4)]})
    relevant = {f"q{i}": {f"d{i}": 1} for i in range(4)}
    data = {"default": {"test": {"corpus": corpus, "queries": queries, "relevant_docs": relevant, "top_ranked": None}}}
    held("SciFact", data, monkeypatch)
    embed = Vectors(noise=0.01)
    ((_, found),) = Mteb().judge(task_of("SciFact", "en"), embed, tmp_path)
    assert isinstance(found, Judgement)
    assert found.score == pytest.approx(100.0)
    assert found.n == 4
    assert {text for text, candidate in embed.asked if candidate} == {f"m{i}|d" for i in range(12)}
    assert {text for text, candidate in embed.asked if not candidate} == {f"m{i}|q" for i in range(4)}


def test_the_commit_of_the_data_and_mtebs_version_count() -> None:
    made = Mteb().made_of(task_of("Tatoeba", "de"))
    assert made["data"].startswith("mteb/tatoeba-bitext-mining@")
    assert made["mteb"]


def test_a_language_that_it_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mteb's BUCC has no language 'sw'"):
        Mteb().made_of(task_of("BUCC", "sw"))


def test_a_suite_without_such_targets_asks_nothing_of_mteb(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> Any:
        raise AssertionError("mteb was asked")

    monkeypatch.setattr("xharness.spec.mteb_tasks.mteb_tasks", never)
    assert read_suite(str(ROOT / "suites" / "xtreme.toml")).tasks
