from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xharness.search
from tiny import make_encoder, write_rows
from tuning import ENCODES, encoding, run
from xharness.adapter import retrieval_adapter
from xharness.data.columns import ColumnFile, ColumnWriter
from xharness.data.encoded import EncodedRetrieval, Rows
from xharness.errors import DataError
from xharness.search import fit_threshold, mine, nearest, neighbours, normalised
from xharness.spec.task import Data, Source, Task
from xharness.steps.embed import Embed
from xharness.steps.mine import Mine


def vectors(n, m, seed=0, noise=0.3, hidden=12):
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(n, hidden))
    y = np.concatenate([x[: min(n, m)] + noise * chance.normal(size=(min(n, m), hidden)),
                        chance.normal(size=(max(0, m - n), hidden))])  # fmt: skip
    return normalised(x), normalised(y)


def mined_by_hand(x, y, k, margin):
    """The definition, pair by pair: Artetxe and Schwenk 2019 §3.1."""
    similarity = x.astype(np.float64) @ y.T.astype(np.float64)

    def mean(values):
        return np.sort(values)[::-1][:k].mean()

    def score(i, j):
        middle = (mean(similarity[i]) + mean(similarity[:, j])) / 2
        cosine = similarity[i, j]
        return {"ratio": cosine / middle, "distance": cosine - middle, "absolute": cosine}[margin]

    candidates = []
    for i in range(len(x)):
        near = np.argsort(-similarity[i])[:k]
        candidates.append(max((score(i, j), i, int(j)) for j in near))
    for j in range(len(y)):
        near = np.argsort(-similarity[:, j])[:k]
        candidates.append(max((score(i, j), int(i), j) for i in near))
    taken, used_x, used_y = [], set(), set()
    for value, i, j in sorted(candidates, key=lambda c: -c[0]):
        if i not in used_x and j not in used_y:
            used_x.add(i)
            used_y.add(j)
            taken.append((i, j, value))
    return taken


@pytest.mark.parametrize("margin", ["ratio", "distance", "absolute"])
@pytest.mark.parametrize(("n", "m"), [(40, 40), (30, 55), (1, 7), (3, 2)])
def test_mining_is_its_definition(n, m, margin):
    x, y = vectors(n, m)
    found = mine(x, y, 4, margin)
    expected = mined_by_hand(x, y, 4, margin)
    assert list(zip(found.source.tolist(), found.target.tolist(), strict=True)) == [(i, j) for i, j, _ in expected]
    np.testing.assert_allclose(found.score, [value for *_, value in expected], rtol=1e-5)
    assert np.all(np.diff(found.score) <= 0)


@pytest.mark.parametrize("tile", [(7, 11), (64, 5), (2048, 8192)])
def test_neighbours_in_tiles_are_those_of_faiss(monkeypatch, tile):
    import faiss

    monkeypatch.setattr(xharness.search, "TILE", tile)
    x, y = vectors(60, 90, hidden=16)
    for found, (queries, pool) in zip(neighbours(x, y, 4), ((x, y), (y, x)), strict=True):
        index = faiss.IndexFlatIP(16)
        index.add(pool)
        similarity, place = index.search(queries, 4)
        np.testing.assert_allclose(found.similarity, similarity, atol=1e-6)
        assert (found.index == place).mean() > 0.99


def test_of_equal_neighbours_the_first_is_taken():
    pool = normalised(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    assert nearest(normalised(np.array([[0.1, 1.0]])), pool).tolist() == [1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=30), st.integers(0, 5))
def test_no_threshold_does_better_than_the_fitted_one(pairs, missed):
    pairs = sorted(dict(pairs).items(), reverse=True)
    scores, correct = [s for s, _ in pairs], [c for _, c in pairs]
    gold = sum(correct) + missed

    def f1(threshold):
        taken = [c for s, c in pairs if s >= threshold]
        return 2 * sum(taken) / (len(taken) + gold) if taken and sum(taken) else 0.0

    threshold, best = fit_threshold(scores, correct, gold)
    assert best == pytest.approx(max([f1(s) for s in scores] or [0.0]))
    assert best == 0 or f1(threshold) == pytest.approx(best)


def test_the_threshold_lies_between_two_scores_and_behind_the_last_one_accepts_all():
    assert fit_threshold([0.9, 0.8, 0.4], [True, True, False], 2)[0] == pytest.approx(0.6)
    # Here XTREME's code reads behind the end of its list.
    assert fit_threshold([0.9, 0.8, 0.4], [True, True, True], 3) == (0.4, 1.0)
    assert fit_threshold([0.9, 0.8], [False, False], 3) == (float("inf"), 0.0)
    assert fit_threshold([], [], 3) == (float("inf"), 0.0)


SOURCES = ("eins", "zwei", "drei", "vier", "fünf", "eins")
TARGETS = ("one", "two", "three", "four", "five", "uno")
PLANE = {
    "eins": (1, 0.1, 0), "zwei": (0, 1, 0.1), "drei": (0.1, 0, 1), "vier": (1, 1, 0), "fünf": (0, 1, 1.2),
    "one": (1, 0, 0), "two": (0, 1, 0), "three": (0, 0, 1), "four": (1, 0.9, 0), "five": (0.5, 0.1, 0.9),
    "uno": (1, 0.1, 0.02),
}  # fmt: skip


PLACES = [*SOURCES[:5], *TARGETS]
"""Sentences by number, in the order in which an encode step meets those of a mining task."""


def vectors_of(numbers):
    return np.array([PLANE[PLACES[number]] for number in numbers], dtype=np.float32)


def rows_of(folder, rows):
    """Rows as an encode step stores them."""
    writer = ColumnWriter(folder / "rows.arrow", "a test")
    for row in rows:
        texts = {name: PLACES.index(row[name]) if name in row else -1 for name in ("source", "target", "text")}
        writer.add({"id": row["id"], "side": row.get("side"), "gold": row.get("gold") or None, **texts})
    writer.close()
    file = ColumnFile(folder / "rows.arrow")
    return Rows(file, range(file.rows), ("source", "target", "text"))


def task(kind, **more):
    metric = "accuracy_tatoeba" if kind == "nearest" else "f1_bucc"
    return Task(name="bitext", title="", adapter="retrieval", metric=metric, options={"kind": kind, **more})


def bitext():
    return [{"id": f"s{i}", "source": s, "target": t} for i, (s, t) in enumerate(zip(SOURCES, TARGETS, strict=True))]


def test_a_bitext_of_six_sentences_is_searched_both_ways(tmp_path):
    rows = rows_of(tmp_path, bitext())
    found, _ = retrieval_adapter("retrieval").retrieve(task("nearest"), {"test": rows}, vectors_of)
    ahead, back = found["accuracy_tatoeba"], found["accuracy_tatoeba_reverse"]
    assert ahead.references == [f"s{i}" for i in range(6)]
    # "five" lies nearest to "drei"; "uno" finds the first of the two "eins".
    assert ahead.predictions == ["s0", "s1", "s2", "s3", "s2", "s0"]
    assert back.predictions == ["s5", "s1", "s2", "s3", "s2", "s5"]
    assert found["f1_tatoeba_mteb"] == back


def pools():
    rows = [{"id": f"de-{i}", "side": "source", "text": text} for i, text in enumerate(SOURCES[:5])]
    rows += [{"id": f"en-{i}", "side": "target", "text": text} for i, text in enumerate(TARGETS[:5])]
    return rows


def test_gold_pairs_mean_the_same_in_all_three_forms(tmp_path):
    beside = [dict(row) for row in pools()]
    beside[0]["gold"], beside[6]["gold"], beside[2]["gold"] = "en-0", "de-1", ""
    forms = [
        beside,
        [*pools(), {"id": "de-0", "side": "gold", "gold": "en-0"}, {"id": "de-1", "side": "gold", "gold": "en-1"}],
        [*pools(), *({"id": str(i), "side": "gold", "source": f"de-{i}", "target": f"en-{i}"} for i in (0, 1))],
    ]
    checkpoint = make_encoder(tmp_path / "it")
    results = []
    for number, form in enumerate(forms):
        (tmp_path / f"{number}").mkdir()
        source = (write_rows(tmp_path / f"{number}" / "rows.jsonl", form),)
        target = task("mine").model_copy(update={"data": Data(dev=source, test=source), "languages": ("de",)})
        key = encoding(checkpoint, target, "dev", "test")
        run(ENCODES[key], tmp_path, key)
        splits = EncodedRetrieval(tmp_path / key, ("source", "target", "text")).splits("de")
        found, _ = retrieval_adapter("retrieval").retrieve(target, splits, vectors_of)
        results.append(found["f1_bucc"])
    assert results[0] == results[1] == results[2]
    assert set(results[0].ids[:2]) == {"de-0\ten-0", "de-1\ten-1"}
    assert results[0].references[:2] == [True, True]


def test_gold_that_names_no_sentence_is_an_error(tmp_path):
    rows = rows_of(tmp_path, [*pools(), {"id": "de-9", "side": "gold", "gold": "en-0"}])
    with pytest.raises(DataError, match="de-9 - en-0 names a sentence that is not there"):
        retrieval_adapter("retrieval").retrieve(task("mine"), {"dev": rows, "test": rows}, vectors_of)
    rows = rows_of(tmp_path, pools())
    with pytest.raises(DataError, match="has no gold rows"):
        retrieval_adapter("retrieval").retrieve(task("mine"), {"dev": rows, "test": rows}, vectors_of)


def test_the_threshold_comes_from_dev_and_never_from_test(tmp_path):
    (tmp_path / "none").mkdir()
    rows = rows_of(tmp_path, [*pools(), *({"id": f"de-{i}", "side": "gold", "gold": f"en-{i}"} for i in range(5))])
    none = rows_of(tmp_path / "none", [*pools(), {"id": "de-0", "side": "gold", "gold": "en-1"}])
    adapter = retrieval_adapter("retrieval")
    found, facts = adapter.retrieve(task("mine"), {"dev": none, "test": rows}, vectors_of)
    assert "threshold" not in facts
    assert not any(found["f1_bucc"].predictions)
    assert all(found["f1_bucc"].references)
    assert found["f1_bucc_mteb"].predictions[:4] == ["en-0", "en-1", "en-2", "en-3"]


def test_two_steps_mine_and_score_a_language_and_record_one_that_is_missing(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    for split in ("dev", "test"):
        texts = {"source": ("红 red", "dog cat", "river"), "target": ("red", "cat dog", "old river")}
        rows = [
            {"id": f"{side}{i}", "side": side, "text": text, "gold": f"target{i}" if side == "source" else ""}
            for side, held in texts.items()
            for i, text in enumerate(held)
        ]
        write_rows(tmp_path / f"{split}.zh.jsonl", rows)
    data = {s: (Source(file=str(tmp_path / f"{s}.{{lang}}.jsonl")),) for s in ("dev", "test")}
    target = task("mine").model_copy(
        update={"data": Data(**data), "languages": ("zh", "fr"), "also": ("f1_bucc_mteb",)}
    )
    key = encoding(checkpoint, target, "dev", "test")
    common = {"checkpoint": checkpoint, "identity": "test", "target": target, "encoded": key}
    assert run(Embed(**common), tmp_path, "embedded")["sentences"] == 6
    run(Mine(**common, embeddings="embedded"), tmp_path, "mined")
    scores = json.loads((tmp_path / "mined" / "scores.json").read_text())
    assert "does not exist" in scores["languages"]["fr"]["error"]
    assert scores["languages"]["zh"]["score"] == scores["languages"]["zh"]["values"]["f1"]
    table = pyarrow.parquet.read_table(tmp_path / "mined" / "outcomes.parquet").to_pydict()
    assert sum(table["f1_bucc/gold"]) == sum(table["f1_bucc_mteb/n"]) == 3
