"""One pool of candidates for the queries of all languages: what is found, what is right, what cannot be searched."""

from __future__ import annotations

import numpy as np
import pytest

import xharness_adapters.ranking
from xharness.adapter import retrieval_adapter
from xharness.data.columns import ColumnFile, ColumnWriter
from xharness.data.encoded import Rows
from xharness.errors import DataError
from xharness.metrics import metric
from xharness.spec.task import Data, Source, Task

LANGUAGES = ("en", "de", "zh")
TEXTS = ("query", "candidate")


def task(**more):
    return Task(name="it", title="", adapter="ranking", metric="map_at_20", languages=LANGUAGES).model_copy(update=more)


class Encoded:
    """Rows of queries and candidates as an encode step stores them, each with a vector of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.vectors = []
        self.splits = {}
        self.rows = {}

    def add(self, language, rows, split="test"):
        """More rows (what, id, keys, vector); the number of a vector that is there already will do, too."""
        held = self.rows.setdefault(language, [])
        for what, name, keys, vector in rows:
            number = vector if isinstance(vector, int) else len(self.vectors)
            if number == len(self.vectors):
                self.vectors.append(np.asarray(vector, dtype=np.float32))
            held.append({"id": name, "keys": "\t".join(keys) or None, **dict.fromkeys(TEXTS, -1), what: number})
        path = self.folder / f"{language}.{len(held)}.arrow"
        writer = ColumnWriter(path, "a test")
        for row in held:
            writer.add(row)
        writer.close()
        file = ColumnFile(path)
        self.splits.setdefault(language, {})[split] = Rows(file, range(file.rows), TEXTS)
        return self

    def searched(self, given):
        """Language -> (what its metrics compare or what is wrong, facts)."""
        adapter = retrieval_adapter("ranking")
        vectors = np.stack(self.vectors)
        found = adapter.retrieve_pooled(given, self.splits, lambda numbers: vectors[numbers])
        return {language: (inputs, facts) for language, inputs, facts in found}


def score(name, found, language):
    rule = metric(name)
    compared = found[language][0][name]
    return float(rule.score(rule.outcomes(compared.predictions, compared.references, language).sum(axis=0)))


QUESTIONS, SENTENCES = 8, 15
"""In each language; sentence 7 answers question 7 and so on, the last sentences nothing."""


@pytest.fixture
def parallel(tmp_path):
    """The same questions in three languages, answered in each; language by language another lean."""
    chance = np.random.default_rng(11)
    meant = chance.normal(size=(SENTENCES, 12))
    encoded = Encoded(tmp_path)
    for language in LANGUAGES:
        lean = 1.2 * chance.normal(size=12)
        rows = []
        for number in range(SENTENCES):
            noise = 1.1 * chance.normal(size=(2, 12))
            keys = [f"q{number}"] if number < QUESTIONS else []
            if keys:
                rows.append(("query", f"q{number}", keys, meant[number] + lean + noise[0]))
            rows.append(("candidate", f"s{number}", keys, meant[number] + lean + noise[1]))
        encoded.add(language, rows)
    return encoded


def restated(encoded, language, left_out=()):
    """AP@20 of each question as reference/xtreme-r.md has it: all candidates of all languages in one pool.

    `left_out` are languages whose right sentences are taken out first.
    """
    pool = [(other, name, place) for other in LANGUAGES for name, _, place in stored(encoded, other, "candidate")]
    whole = np.stack([encoded.vectors[place] for *_, place in pool]).astype(np.float64)
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    found = []
    for name, _, place in stored(encoded, language, "query"):
        asked = encoded.vectors[place].astype(np.float64)
        scores = whole @ asked / np.linalg.norm(asked)
        right = {(other, f"s{name[1:]}") for other in LANGUAGES}
        out = {one for one in right if one[0] in left_out}
        ranked = [pool[i][:2] for i in np.argsort(scores)[::-1] if pool[i][:2] not in out][:20]
        hits, total = 0, 0.0
        for rank, one in enumerate(ranked, 1):
            if one in right - out:
                hits += 1
                total += hits / rank
        found.append(total / min(len(right - out), 20))
    return found


def stored(encoded, language, what):
    rows = encoded.splits[language]["test"]
    places = rows.sentences(what).tolist()
    return [held for held in zip(rows.ids, rows.texts("keys"), places, strict=True) if held[2] >= 0]


def test_every_query_is_ranked_against_the_sentences_of_all_languages_as_xtreme_r_ranks_them(parallel):
    found = parallel.searched(task())
    for language in LANGUAGES:
        expected = restated(parallel, language)
        assert 0.05 < np.mean(expected) < 0.95
        compared = found[language][0]["map_at_20"]
        assert compared.ids == [f"q{n}" for n in range(QUESTIONS)]
        assert all(len(names) == 20 for names in compared.predictions)
        assert compared.references == [[f"{other}:s{n}" for other in LANGUAGES] for n in range(QUESTIONS)]
        outcomes = metric("map_at_20").outcomes(compared.predictions, compared.references, language)
        assert outcomes[:, 0] == pytest.approx(expected)
        assert score("map_at_20", found, language) == pytest.approx(100 * np.mean(expected))


def test_across_languages_the_right_answers_in_the_querys_own_are_taken_out(parallel):
    found = parallel.searched(task(also=("cross_map_at_20",)))
    for language in LANGUAGES:
        expected = restated(parallel, language, left_out=(language,))
        assert score("cross_map_at_20", found, language) == pytest.approx(100 * np.mean(expected))
        assert score("cross_map_at_20", found, language) < score("map_at_20", found, language)
        # They are gone, and those behind them have moved up.
        compared = found[language][0]["cross_map_at_20"]
        for name, ranked in zip(compared.ids, compared.predictions, strict=True):
            assert len(ranked) == 20
            assert f"{language}:s{name[1:]}" not in ranked


def test_a_query_that_only_its_own_language_answers_is_none_across_languages(tmp_path):
    encoded = Encoded(tmp_path)
    encoded.add("en", [("query", "a", ["x"], [1, 0]), ("query", "b", ["y"], [0, 1]), ("candidate", "s", ["x"], [1, 0])])
    encoded.add("de", [("query", "a", ["x"], [1, 0]), ("candidate", "s", ["y"], [1, 1])])
    found = encoded.searched(task(metric="recall_at_1", also=("cross_map_at_1",), languages=("en", "de")))
    assert found["en"][0]["recall_at_1"].ids == ["a", "b"]
    assert found["en"][0]["cross_map_at_1"].ids == ["b"]
    assert found["de"][0]["cross_map_at_1"].references == [["en:s"]]


def test_the_share_of_the_querys_language_is_counted_beside_its_share_of_the_pool(parallel):
    parallel.add("de", [("candidate", f"more{n}", [], np.eye(12)[n]) for n in range(5)])
    found = parallel.searched(task(also=("same_language_at_20",)))
    for language in LANGUAGES:
        inputs, facts = found[language]
        names = [name for ranked in inputs["same_language_at_20"].predictions for name in ranked]
        own = np.mean([name.startswith(f"{language}:") for name in names])
        assert score("same_language_at_20", found, language) == pytest.approx(100 * own)
        assert facts["pool"] == 3 * SENTENCES + 5
        assert facts["pool_share"] == pytest.approx(100 * (SENTENCES + 5 * (language == "de")) / (3 * SENTENCES + 5))
    assert score("same_language_at_20", found, "en") > 100 / 3


def test_a_pool_of_its_own_is_searched_with_the_candidates_of_the_test_rows(tmp_path):
    encoded = Encoded(tmp_path)
    encoded.add("en", [("query", "m1", ["Q2"], [0, 1]), ("candidate", "own", [], [0.1, 1])])
    encoded.add("de", [("query", "m1", ["Q1"], [1, 0])])
    encoded.add("pool", [("candidate", "Q1", ["Q1"], [1, 0.2]), ("candidate", "Q2", ["Q2"], [0.2, 1])], "pool")
    found = encoded.searched(task(metric="map_at_3", languages=("en", "de")))
    assert found["en"][0]["map_at_3"].predictions == [["en:own", "Q2", "Q1"]]
    assert found["en"][0]["map_at_3"].references == [["Q2"]]
    assert found["de"][0]["map_at_3"].predictions == [["Q1", "Q2", "en:own"]]
    assert score("map_at_3", found, "en") == 50


def test_the_length_of_a_vector_says_nothing(parallel):
    before = parallel.searched(task())
    parallel.vectors = [vector * (1 + number % 7) for number, vector in enumerate(parallel.vectors)]
    after = parallel.searched(task())
    for language in LANGUAGES:
        assert after[language][0] == before[language][0]


def test_the_pool_gives_the_same_ranking_in_blocks(parallel, monkeypatch):
    whole = parallel.searched(task())
    monkeypatch.setattr(xharness_adapters.ranking, "BLOCK", 7)
    assert parallel.searched(task()) == whole


def test_a_query_without_a_right_candidate_fails_its_language_alone_and_is_named(parallel):
    rows = [("query", "q99", ["q99"], np.ones(12)), ("query", "q98", [], np.ones(12))]
    parallel.rows["de"].clear()
    parallel.add("de", rows)
    found = parallel.searched(task())
    assert isinstance(found["de"][0], DataError)
    assert str(found["de"][0]) == (
        "task it, test [de]: the query q99 (with 1 more) of 2 has no right candidate in the pool."
    )
    assert found["en"][0]["map_at_20"].references[0] == ["en:s0", "zh:s0"]
    assert len(found["zh"][0]["map_at_20"].ids) == QUESTIONS


def test_a_language_without_queries_fails_alone_and_its_candidates_stay_in_the_pool(parallel):
    parallel.rows["de"].clear()
    parallel.add("de", [("candidate", "s0", ["q0"], np.ones(12))])
    found = parallel.searched(task())
    assert str(found["de"][0]) == "task it, test [de]: has no queries."
    assert found["en"][0]["map_at_20"].references[0] == ["en:s0", "de:s0", "zh:s0"]


def test_two_queries_of_one_name_fail_their_language(parallel):
    parallel.add("de", [("query", "q3", ["q3"], np.ones(12))])
    found = parallel.searched(task())
    assert str(found["de"][0]) == "task it, test [de]: 2 queries are called q3; each needs an id of its own."
    assert len(found["en"][0]["map_at_20"].ids) == QUESTIONS


def test_where_every_language_fails_all_are_told(tmp_path):
    encoded = Encoded(tmp_path)
    encoded.add("en", [("query", "a", ["x"], [1, 0]), ("candidate", "s", [], [1, 0])])
    encoded.add("de", [("query", "b", ["x"], [1, 0])])
    found = encoded.searched(task(metric="map_at_1", languages=("en", "de")))
    for (language, (problem, _)), name in zip(found.items(), "ab", strict=True):
        assert str(problem).startswith(f"task it, test [{language}]: the query {name} of 1 has no right candidate")


def test_more_places_than_the_pool_has_are_refused_with_the_metrics_name(parallel):
    with pytest.raises(DataError, match=r"task it: recall_at_46 ranks 46 candidates, and the pool has 45\."):
        parallel.searched(task(also=("recall_at_46",)))
    parallel.searched(task(also=("recall_at_45",)))


def test_a_task_without_candidates_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"task it: has no candidates\."):
        Encoded(tmp_path).add("en", [("query", "a", ["x"], [1, 0])]).searched(task())


def test_a_candidate_that_is_called_twice_counts_once_with_the_keys_of_both(tmp_path):
    encoded = Encoded(tmp_path)
    encoded.add(
        "en", [("query", "a", ["x"], [1, 0]), ("candidate", "s", ["x"], [1, 0]), ("candidate", "t", [], [0, 1])]
    )
    encoded.add("de", [("query", "b", ["y"], [0, 1]), ("candidate", "u", ["y"], [1, 1])])
    encoded.add("de", [("candidate", "u", ["z"], len(encoded.vectors) - 1), ("query", "c", ["z"], [0, 1])])
    found = encoded.searched(task(metric="recall_at_3", languages=("en", "de")))
    assert found["de"][1]["pool"] == 3
    assert found["de"][0]["recall_at_3"].references == [["de:u"], ["de:u"]]


def test_two_candidates_of_one_name_that_read_differently_are_refused(tmp_path):
    encoded = Encoded(tmp_path).add(
        "en", [("query", "a", ["x"], [1, 0]), ("candidate", "s", ["x"], [1, 0]), ("candidate", "s", [], [0, 1])]
    )
    with pytest.raises(DataError, match=r"task it: two candidates are called en:s and read differently\."):
        encoded.searched(task())


def test_candidates_of_one_name_in_two_languages_are_two(parallel):
    assert parallel.searched(task())["en"][1]["pool"] == 3 * SENTENCES


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_what_an_index_loses_is_measured_and_nothing_is_made_up(index, tmp_path):
    chance = np.random.default_rng(2)
    encoded = Encoded(tmp_path)
    meant = chance.normal(size=(100, 8))
    rows = [("candidate", f"s{n}", [f"q{n}"], meant[n]) for n in range(100)]
    rows += [("query", f"q{n}", [f"q{n}"], meant[n] + 0.2 * chance.normal(size=8)) for n in range(30)]
    encoded.add("en", rows)
    # Of a hundred in two lists, one of them looked into, not every query finds sixty.
    given = task(languages=("en",), also=("recall_at_60",))
    exact = encoded.searched(given)["en"]
    found = encoded.searched(given.model_copy(update={"options": {"index": index}}))["en"]
    assert "index_recall" not in exact[1]
    shares = []
    for one, other in zip(found[0]["recall_at_60"].predictions, exact[0]["recall_at_60"].predictions, strict=True):
        assert len(one) == len({*one}) <= 60
        shares.append(len({*one} & {*other}) / 60)
    assert found[1]["index_recall"] == pytest.approx(100 * np.mean(shares))
    assert (found[1]["index_recall"] < 100) == (index == "ivf")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"query": "a", "candidate": "b"}, "a row is a query or a candidate; this one has query and candidate."),
        ({"query": " "}, "a row is a query or a candidate; this one has neither text."),
        ({"query": "a"}, "the query has no keys, so no candidate answers it."),
        ({"query": "a", "keys": ""}, "the query has no keys, so no candidate answers it."),
        ({"query": "a", "keys": "x"}, None),
        ({"candidate": "b"}, None),
        ({"query": "", "candidate": "b", "keys": ["x"]}, None),
    ],
)
def test_a_plain_row_is_a_query_with_keys_or_a_candidate(row, says):
    assert retrieval_adapter("ranking").check(task(), row) == says


def test_a_metric_looks_as_deep_as_its_name_says():
    names = {"map_at_20": 20, "recall_at_5": 5, "cross_map_at_7": 7, "mine": 20}
    given = task(metric="map_at_20", also=tuple(names)[1:])
    assert xharness_adapters.ranking.depths(given) == names


def test_the_pool_is_a_split_where_it_has_data():
    adapter = retrieval_adapter("ranking")
    assert adapter.splits(task()) == ("test",)
    assert adapter.splits(task(data=Data(pool=(Source(file="a.jsonl"),)))) == ("test", "pool")
