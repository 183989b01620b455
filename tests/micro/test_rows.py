"""The data sets: same rows on every run, parallel over languages, true to their labels, with nothing given away."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from xharness import micro
from xharness.micro import DATASETS, LANGUAGES

Row = dict[str, Any]
COLUMNS = {
    "classification": {"id", "text", "pair", "label"},
    "tagging": {"id", "tokens", "tags"},
    "qa": {"id", "context", "question", "answers"},
    "choice": {"id", "context", "question", "choices", "answer"},
    "bitext": {"id", "source", "target"},
    "mining": {"id", "side", "text", "gold"},
    "text": {"id", "text"},
    "cause": {"id", "premise", "question", "choice1", "choice2", "label"},
    "answer": {"id", "context", "question", "answers", "sentence_breaks"},
    "mention": {"id", "context", "mentions"},
    "entity": {
        "id",
        "entity_id",
        "title",
        "description",
        "sentence_spans",
        "description_language",
        "description_url",
    },
}
# What older data sets held when this version was made: whoever changes them changes VERSION too.
HELD = "5fff6bb9aaa943796e516677d4ccb486de7ac70fcccd6d26e13b95dd70371c10"
MULTILINGUAL = [name for name, dataset in DATASETS.items() if len(dataset.languages) > 1]
PAIRS = ("mnli", "snli", "anli", "xnli", "qqp", "pawsx")


def family(name: str) -> list[str]:
    return [dataset for dataset in DATASETS if DATASETS[dataset].family == name]


def digest() -> str:
    parts = [micro.rows(name, "test", DATASETS[name].languages[-1], 8, 3) for name in DATASETS]
    return json.dumps([parts, micro.corpus("hi", 5, 1), micro.parallel("zh", "ar", 5, 1)], ensure_ascii=False)


@pytest.mark.parametrize("name", DATASETS)
def test_rows_have_the_columns_of_their_family(name: str) -> None:
    dataset = DATASETS[name]
    for language in dataset.languages:
        rows = micro.rows(name, "test", language, 12)
        assert len(rows) == 12
        assert len({row["id"] for row in rows}) == 12
        assert all(set(row) == COLUMNS[dataset.family] for row in rows)


def test_the_same_arguments_give_the_same_rows_in_a_fresh_process() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_rows; print(test_rows.digest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, encoding="utf-8", check=True
    )
    assert run.stdout.strip() == digest()


def test_rows_of_a_version_stay_as_they_are() -> None:
    assert micro.VERSION == 1
    names = list(DATASETS)[: list(DATASETS).index("socialiqa")]
    rows = [micro.rows(name, "test", DATASETS[name].languages[-1], 40, 3) for name in names]
    assert hashlib.sha256(json.dumps(rows).encode()).hexdigest() == HELD


def test_another_seed_or_dataset_of_a_family_gives_other_rows() -> None:
    texts = [
        {row["text"] for row in micro.rows(name, "train", "en", 100, seed)}
        for name, seed in (("mnli", 0), ("mnli", 1), ("xnli", 0))
    ]
    assert all(len(one & two) < 30 for one in texts for two in texts if one is not two)


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "bucc"])
def test_fewer_rows_are_the_beginning_of_more(name: str) -> None:
    language = DATASETS[name].languages[0]
    assert micro.rows(name, "test", language, 50)[:20] == micro.rows(name, "test", language, 20)


@pytest.mark.parametrize("name", MULTILINGUAL)
def test_languages_are_parallel_by_id_and_label(name: str) -> None:
    sides = [micro.rows(name, "test", language, 60) for language in DATASETS[name].languages]
    for rows in zip(*sides, strict=True):
        for key in ("id", "label", "target", "gold", "side"):
            assert len({row.get(key) for row in rows}) == 1
        if "answers" in rows[0]:
            assert len({len(row["answers"]["text"]) for row in rows}) == 1


@pytest.mark.parametrize("name", family("qa"))
def test_every_answer_stands_where_it_is_said_to_stand(name: str) -> None:
    for language in DATASETS[name].languages:
        for row in micro.rows(name, "test", language, 150):
            for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
                assert text
                assert row["context"][start : start + len(text)] == text


def test_a_third_of_squad_v2_has_no_answer_and_all_else_has_one() -> None:
    for name in family("qa"):
        empty = sum(not row["answers"]["text"] for row in micro.rows(name, "train", "en", 300))
        assert empty == (100 if name == "squad_v2" else 0)


def test_the_first_word_of_a_question_does_not_tell_whether_it_has_an_answer() -> None:
    found: dict[str, list[bool]] = defaultdict(list)
    for row in micro.rows("squad_v2", "train", "en", 1500):
        found[row["question"].split()[0]].append(bool(row["answers"]["text"]))
    assert all(0.55 < sum(answered) / len(answered) < 0.78 for answered in found.values() if len(answered) > 100)


@pytest.mark.parametrize("name", family("tagging"))
def test_a_word_has_one_tag_and_every_tag_is_the_datasets(name: str) -> None:
    for language in DATASETS[name].languages:
        for row in micro.rows(name, "test", language, 100):
            assert len(row["tokens"]) == len(row["tags"]) > 0
            assert set(row["tags"]) <= set(DATASETS[name].labels)


def test_every_supertag_occurs() -> None:
    rows = micro.rows("ccg", "train", "en", 2000)
    assert {tag for row in rows for tag in row["tags"]} == set(DATASETS["ccg"].labels)


@pytest.mark.parametrize("name", PAIRS)
def test_labels_are_dealt_evenly(name: str) -> None:
    labels = DATASETS[name].labels
    counts = Counter(row["label"] for row in micro.rows(name, "train", "en", 120 * len(labels)))
    assert counts == dict.fromkeys(labels, 120)


@pytest.mark.parametrize("name", family("choice"))
def test_the_right_choice_is_one_of_several_different_ones_at_any_place(name: str) -> None:
    rows = micro.rows(name, "train", "en", 400)
    places = Counter(row["answer"] for row in rows)
    assert set(places) == set(range(len(rows[0]["choices"])))
    assert min(places.values()) > 400 / len(places) * 0.6
    assert all(len(set(row["choices"])) == len(row["choices"]) for row in rows)


@pytest.mark.parametrize("name", [name for name in DATASETS if "train" in DATASETS[name].splits])
def test_nothing_evaluated_was_trained_on(name: str) -> None:
    def seen(split: str) -> set[str]:
        rows = micro.rows(name, split, "en", 400)
        return {json.dumps({key: row[key] for key in row if key != "id"}, sort_keys=True) for row in rows}

    train, dev, test = map(seen, ("train", "dev", "test"))
    assert not train & dev
    assert not train & test
    assert not dev & test


@pytest.mark.parametrize("name", ["squad_v1", "squad_v2", "tydiqa", "cosmosqa", "hellaswag"])
def test_no_passage_is_in_two_splits(name: str) -> None:
    train, test = ({row["context"] for row in micro.rows(name, split, "en", 400)} for split in ("train", "test"))
    assert not train & test


def words(text: str) -> set[str]:
    found = re.findall(r"\w+|[^\w\s]", text.lower())
    return {*found, *(" ".join(two) for two in itertools.pairwise(found)), f"length {len(found)}"}


def naive_bayes(train: Iterable[tuple[set[str], str]], test: list[tuple[set[str], str]]) -> float:
    """Accuracy of naive Bayes with add-a-half smoothing."""
    labels: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for features, label in train:
        labels[label] += 1
        counts[label].update(features)

    def score(features: set[str], label: str) -> float:
        return sum(math.log((counts[label][feature] + 0.5) / (labels[label] + 1)) for feature in features)

    right = sum(max(sorted(labels), key=lambda label: score(features, label)) == gold for features, gold in test)
    return right / len(test)


def baseline(name: str, features: Callable[[Row], set[str]]) -> float:
    sides = [
        [(features(row), row["label"]) for row in micro.rows(name, s, "en", n)]
        for s, n in (("train", 3000), ("test", 900))
    ]
    return naive_bayes(*sides)


@pytest.mark.parametrize("name", PAIRS)
def test_the_second_text_alone_does_not_tell_the_label(name: str) -> None:
    assert baseline(name, lambda row: words(row["pair"])) < 1 / len(DATASETS[name].labels) + 0.06


def test_word_swaps_cannot_be_told_by_their_words() -> None:
    rows = micro.rows("pawsx", "test", "en", 300)
    bags = [[Counter(re.findall(r"\w+", row[side].lower())) for side in ("text", "pair")] for row in rows]
    assert sum(one == two for one, two in bags) > 0.9 * len(rows)

    def shared(row: Row) -> set[str]:
        one, two = (set(re.findall(r"\w+", row[side].lower())) for side in ("text", "pair"))
        return {f"only first {len(one - two)}", f"only second {len(two - one)}", f"length {len(one)}"}

    assert baseline("pawsx", shared) < 0.57
    assert baseline("pawsx", lambda row: words(row["text"]) | {f"b {word}" for word in words(row["pair"])}) < 0.57


@pytest.mark.parametrize("name", ["hellaswag", "cosmosqa"])
def test_the_choices_alone_do_not_tell_the_answer(name: str) -> None:
    train, test = micro.rows(name, "train", "en", 2000), micro.rows(name, "test", "en", 600)
    seen: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for row in train:
        for index, choice in enumerate(row["choices"]):
            seen.update(words(choice))
            right.update(words(choice) if index == row["answer"] else ())

    def score(choice: str) -> float:
        return sum(math.log((right[word] + 1) / (seen[word] + 4)) for word in words(choice))

    hits = sum(max(range(4), key=lambda i: score(row["choices"][i])) == row["answer"] for row in test)
    assert hits / len(test) < 0.32


def test_a_quarter_of_each_side_has_its_translation_on_the_other() -> None:
    for language in DATASETS["bucc"].languages:
        rows = micro.rows("bucc", "test", language, 400)
        sides = {side: {row["id"]: row for row in rows if row["side"] == side} for side in ("source", "target")}
        assert [len(side) for side in sides.values()] == [200, 200]
        partners = {row["id"]: row["gold"] for row in rows if row["gold"]}
        assert len(partners) == 100
        assert all(partners[partner] == own for own, partner in partners.items())


def test_bitext_sentences_differ_from_one_another() -> None:
    for language in DATASETS["tatoeba"].languages:
        rows = micro.rows("tatoeba", "test", language, 1000)
        assert len({row["source"] for row in rows}) > 950
        assert len({row["target"] for row in rows}) > 950


def test_running_text_is_parallel_over_languages() -> None:
    assert micro.corpus("en", 30, 4) == [two for _, two in micro.parallel("sw", "en", 30, 4)]
    assert all(len(set(micro.corpus(language, 100))) > 80 for language in LANGUAGES)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean xnli"):
        micro.rows("xnly", "train", "en", 1)
    with pytest.raises(ValueError, match="no tydiqa language 'de'"):
        micro.rows("tydiqa", "test", "de", 1)
    with pytest.raises(ValueError, match="no bucc split 'train'"):
        micro.rows("bucc", "train", "de", 1)
