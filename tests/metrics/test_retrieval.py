"""Bitext retrieval and ranking: XTREME's figures, and mteb's by mteb's own evaluator on the same embeddings."""

import numpy as np
import pytest

from xharness.errors import DataError
from xharness.metrics import metric


def values(name, predictions, references):
    found = metric(name)
    return {k: float(v) for k, v in found.values(found.outcomes(predictions, references, "de").sum(axis=0)).items()}


class Encoder:
    """A stand-in for a model: a sentence is the number of its row."""

    def __init__(self, table):
        self.table = table

    def encode(self, loader, **_):
        return np.stack([self.table[text] for batch in loader for text in batch["text"]])

    def similarity(self, queries, corpus):
        return queries @ corpus.T


def mteb_figures(queries, corpus, gold):
    """What mteb reports for these embeddings, and the neighbours it found."""
    from mteb._evaluators import BitextMiningEvaluator
    from mteb.abstasks.text.bitext_mining import AbsTaskBitextMining
    from mteb.timing import TimingStack

    table = {f"q{i}": row for i, row in enumerate(queries)} | {f"c{i}": row for i, row in enumerate(corpus)}
    sentences = {
        "sentence1": [f"q{i}" for i in range(len(queries))],
        "sentence2": [f"c{i}" for i in range(len(corpus))],
    }
    pair = ("sentence1", "sentence2")
    evaluator = BitextMiningEvaluator(sentences, None, "test", "de-en", [pair], TimingStack())
    neighbours = evaluator(Encoder(table), encode_kwargs={"batch_size": 32})["sentence1-sentence2"]
    figures = AbsTaskBitextMining._compute_metrics(None, neighbours, gold)
    return figures, [found["corpus_id"] for found in neighbours]


@pytest.mark.parametrize(
    ("name", "candidates", "gold_of", "noise"),
    [
        ("f1_tatoeba_mteb", 200, lambda i: i, 2.0),
        ("f1_bucc_mteb", 500, lambda i: 499 - 2 * i, 3.0),
        ("f1_bucc_mteb", 60, lambda i: i % 60, 3.0),  # several queries with one gold sentence
    ],
)
def test_the_mteb_metrics_give_mtebs_own_figures(name, candidates, gold_of, noise):
    generator = np.random.default_rng(candidates)
    corpus = generator.normal(size=(candidates, 24))
    gold = [(i, gold_of(i)) for i in range(200)]
    queries = np.stack([corpus[j] for _, j in gold]) + noise * generator.normal(size=(200, 24))
    corpus /= np.linalg.norm(corpus, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    expected, retrieved = mteb_figures(queries, corpus, gold)
    found = values(name, retrieved, [j for _, j in gold])
    assert 5 < found["f1"] < 95
    assert found == pytest.approx({key: 100 * float(value) for key, value in expected.items()}, abs=1e-9)


def test_accuracy_tatoeba_is_the_share_of_right_sentences():
    assert values("accuracy_tatoeba", ["3", "1", "1"], ["3", "1", "2"])["accuracy"] == pytest.approx(200 / 3)


def test_f1_bucc_is_the_f1_of_the_extracted_pairs():
    # Three pairs extracted, two of them among the four gold ones: precision 2/3, recall 1/2, F1 4/7.
    extracted = [True, True, True, False, False]
    gold = [True, True, False, True, True]
    found = values("f1_bucc", extracted, gold)
    assert found == pytest.approx({"f1": 400 / 7, "precision": 200 / 3, "recall": 50})


def test_extracting_nothing_scores_0():
    assert values("f1_bucc", [False, False], [True, True]) == {"f1": 0, "precision": 0, "recall": 0}


def test_f1_bucc_refuses_what_is_neither_true_nor_false():
    with pytest.raises(DataError, match="pair 1: found '1'"):
        metric("f1_bucc").outcomes([True, "1"], [True, True], "de")


def test_average_precision_with_one_relevant_id_is_its_reciprocal_rank():
    ranked = [["a", "b", "c"], ["x", "y"], [], [str(i) for i in range(25)]]
    relevant = [["c"], ["z"], ["q"], ["20"]]  # the last stands at rank 21, past the cut
    assert metric("map_at_20").outcomes(ranked, relevant, "de")[:, 0].tolist() == [pytest.approx(1 / 3), 0, 0, 0]


def test_average_precision_equals_sklearns_on_whole_rankings():
    from sklearn.metrics import average_precision_score

    generator = np.random.default_rng(4)
    for _ in range(50):
        relevant = np.flatnonzero(generator.random(20) < 0.3).tolist() or [0]
        scores = generator.random(20)
        expected = average_precision_score(np.isin(np.arange(20), relevant), scores)
        ranked = np.argsort(-scores).tolist()
        assert values("map_at_20", [ranked], [relevant])["map@20"] == pytest.approx(100 * expected)


def test_an_id_ranked_twice_counts_once():
    assert values("map_at_20", [["a", "a", "b"]], [["a", "b"]])["map@20"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert values("recall_at_2", [["a", "a", "b"]], [["a", "b"]])["recall@2"] == 50


def test_recall_counts_the_relevant_ids_among_the_first_k():
    assert values("recall_at_2", [["a", "x", "b"], ["y", "c"]], [["a", "b"], ["c"]])["recall@2"] == 75


def test_reciprocal_rank_looks_at_the_first_relevant_id_alone():
    ranked = [["a", "b", "c"], ["x", "b", "a"], ["x", "y"], [*"xyzw", "a"]]
    relevant = [["a", "c"], ["a", "b"], ["a"], ["a"]]
    # Ranks 1, 2, none, and 5, which is behind the cut of 4.
    assert values("mrr_at_4", ranked, relevant) == {"mrr@4": pytest.approx(100 * (1 + 1 / 2) / 4)}
    assert values("mrr_at_5", ranked, relevant) == {"mrr@5": pytest.approx(100 * (1 + 1 / 2 + 1 / 5) / 4)}


def test_with_one_relevant_id_reciprocal_rank_is_average_precision():
    generator = np.random.default_rng(8)
    ranked = [generator.permutation(40).tolist() for _ in range(60)]
    relevant = [[int(generator.integers(40))] for _ in ranked]
    assert values("mrr_at_20", ranked, relevant)["mrr@20"] == pytest.approx(
        values("map_at_20", ranked, relevant)["map@20"], abs=1e-9
    )


def test_of_more_relevant_ids_than_places_the_places_are_what_can_be_had():
    ranked, relevant = [list(range(20))], [list(range(25))]
    assert values("map_at_20", ranked, relevant)["map@20"] == pytest.approx(100)
    assert values("map_at_5", [[0, 99, 1, 98, 2]], [list(range(9))])["map@5"] == pytest.approx(
        100 * (1 + 2 / 3 + 3 / 5) / 5
    )


def test_cross_map_is_map_of_what_the_adapter_has_left_in():
    ranked, relevant = [["de:a", "en:x", "zh:a"]], [["de:a", "zh:a"]]
    assert values("cross_map_at_20", ranked, relevant) == {"cross_map@20": pytest.approx(100 * (1 + 2 / 3) / 2)}
    assert values("cross_map_at_2", ranked, relevant) == {"cross_map@2": pytest.approx(50)}


def test_same_language_is_the_share_of_names_in_the_querys_language():
    # `values` scores queries in German.
    ranked = [["de:a", "en:a", "de:b", "zh:a"], ["en:a", "de:z"], [], ["dex:a", "ende:a"]]
    relevant = [["x"]] * 4
    found = values("same_language_at_4", ranked, relevant)
    assert found == {"same_language@4": pytest.approx(100 * (1 / 2 + 1 / 2) / 4)}
    assert values("same_language_at_1", ranked[:1], relevant[:1]) == {"same_language@1": pytest.approx(100)}


@pytest.mark.parametrize("name", ["map_at_20", "recall_at_5", "mrr_at_20", "cross_map_at_20"])
@pytest.mark.parametrize(
    ("ranked", "relevant"), [(["a"], []), ("a", ["a"]), (["a"], "a")], ids=["nothing right", "a text", "a right text"]
)
def test_a_ranking_needs_lists_and_something_to_find(name, ranked, relevant):
    with pytest.raises(DataError, match="query 1: a ranked list and a list of one or more relevant ids are needed"):
        metric(name).outcomes([["a"], ranked], [["a"], relevant], "de")
