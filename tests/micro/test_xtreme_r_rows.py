"""Miniatures of XTREME-R's further tasks: answer retrieval, entity linking, causes and effects."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest

from xharness import micro
from xharness.data.sources import parts_of
from xharness.micro import DATASETS, LANGUAGES, linking, retrieval
from xharness.micro.causes import SOCIAL, Scene
from xharness.micro.render import language
from xharness.spec.task import Data, Source, Task

Row = dict[str, Any]
SPLITS = ("train", "dev", "test")


def ends(spans: list[dict[str, int]]) -> list[list[int]]:
    return [[span["start"], span["end"]] for span in spans]


def assert_covers(text: str, breaks: list[list[int]]) -> None:
    """Sentences in order, trimmed, with nothing but a space between and around them."""
    assert breaks[0][0] == 0
    assert breaks[-1][1] == len(text)
    assert all(text[end:start] in {"", " "} for (_, end), (start, _) in pairwise(breaks))
    for start, end in breaks:
        assert text[start:end] == text[start:end].strip()
        assert text[end - 1] in ".。।"
        assert not set(text[start : end - 1]) & set(".。।?")


@pytest.mark.parametrize("name", ["lareqa", "copa", "mewslix", "socialiqa"])
@pytest.mark.parametrize("split", SPLITS)
def test_rows_differ_from_one_another(name: str, split: str) -> None:
    rows = micro.rows(name, split, "en", 300)
    assert len({repr({key: value for key, value in row.items() if key != "id"}) for row in rows}) == 300


def test_sentence_breaks_cover_the_context_and_one_sentence_holds_the_answer() -> None:
    for code in DATASETS["lareqa"].languages:
        for row in micro.rows("lareqa", "test", code, 100):
            assert_covers(row["context"], row["sentence_breaks"])
            assert len(row["answers"]["text"]) == len(row["answers"]["answer_start"]) == 1
            text, start = row["answers"]["text"][0], row["answers"]["answer_start"][0]
            assert text
            assert row["context"][start : start + len(text)] == text
            assert sum(low <= start and start + len(text) <= high for low, high in row["sentence_breaks"]) == 1


def test_a_passage_has_two_questions_that_other_sentences_answer() -> None:
    rows = micro.rows("lareqa", "test", "en", 101)
    assert [row["id"] for row in rows[:2]] == ["lareqa-test-0", "lareqa-test-1"]
    assert len(rows) == 101
    for one, two in zip(rows[0:100:2], rows[1:100:2], strict=True):
        assert one["context"] == two["context"]
        holds = [
            next(i for i, (low, high) in enumerate(row["sentence_breaks"]) if low <= start < high)
            for row in (one, two)
            for start in row["answers"]["answer_start"]
        ]
        assert len(set(holds)) == 2


def test_the_sentence_that_answers_is_the_same_in_every_language() -> None:
    sides = [micro.rows("lareqa", "dev", code, 40) for code in DATASETS["lareqa"].languages]
    for rows in zip(*sides, strict=True):
        starts = [row["answers"]["answer_start"][0] for row in rows]
        found = [[low <= s < high for low, high in row["sentence_breaks"]] for row, s in zip(rows, starts, strict=True)]
        assert all(one == found[0] for one in found)


@pytest.mark.parametrize("split", SPLITS)
def test_one_sentence_of_the_whole_pool_answers_a_question(split: str) -> None:
    plans = retrieval.plans(random.Random(7), split, 150)
    facts = [fact for passage in plans for fact in passage.facts]
    for passage in plans:
        for index, ask, question in passage.questions:
            assert retrieval.replies(question, ask, passage.facts[index])
            assert sum(retrieval.replies(question, ask, fact) for fact in facts) == 1


def assert_context(context: Row, code: str) -> None:
    assert set(context) == {
        "document_title",
        "section_title",
        "document_url",
        "document_id",
        "language",
        "text",
        "sentence_spans",
    }
    assert context["language"] == code
    assert context["document_title"]
    assert_covers(context["text"], ends(context["sentence_spans"]))


def assert_mention(mention: Row, text: str) -> None:
    assert set(mention) == {"example_id", "mention_span", "entity_id", "metadata"}
    assert mention["metadata"] == {}
    span = mention["mention_span"]
    assert span["text"]
    assert text[span["start"] : span["end"]] == span["text"] == span["text"].strip()


def assert_entity(entity: Row) -> None:
    assert set(entity) - {"id"} == {
        "entity_id",
        "title",
        "description",
        "sentence_spans",
        "description_language",
        "description_url",
    }
    assert_covers(entity["description"], ends(entity["sentence_spans"]))
    assert len(entity["sentence_spans"]) <= 2
    assert entity["description"].count(entity["title"]) >= 1 or entity["title"] in {"Rotes Kreuz", "Vereinte Nationen"}


def pool() -> dict[str, Row]:
    return {entity["entity_id"]: entity for entity in micro.rows("mewslix_entities", "test", "en", 1000)}


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_mention_to_train_on_has_its_entity(split: str) -> None:
    known = pool()
    for row in micro.rows("mewslix", split, "en", 300):
        assert set(row) == {"id", "contextual_mention", "entity"}
        assert set(row["contextual_mention"]) == {"context", "mention"}
        context, mention = row["contextual_mention"]["context"], row["contextual_mention"]["mention"]
        assert_context(context, "en")
        assert_mention(mention, context["text"])
        assert_entity(row["entity"])
        assert mention["entity_id"] == row["entity"]["entity_id"] in known
        assert row["entity"]["description_language"] == "en"


@pytest.mark.parametrize("code", linking.LANGUAGES)
def test_a_mention_of_the_test_set_is_in_the_pool_and_parallel(code: str) -> None:
    known = pool()
    english = micro.rows("mewslix", "test", "en", 300)
    for row, other in zip(micro.rows("mewslix", "test", code, 300), english, strict=True):
        assert row["id"] == other["id"]
        assert_context(row["context"], code)
        assert len(row["mentions"]) in {1, 2}
        assert len({mention["entity_id"] for mention in row["mentions"]}) == len(row["mentions"])
        pairs = [
            [(mention["example_id"], mention["entity_id"]) for mention in side["mentions"]] for side in (row, other)
        ]
        assert pairs[0] == pairs[1]
        for mention in row["mentions"]:
            assert_mention(mention, row["context"]["text"])
            assert mention["entity_id"] in known


def test_example_ids_are_given_once() -> None:
    found = [mention["example_id"] for row in micro.rows("mewslix", "test", "de", 200) for mention in row["mentions"]]
    assert len(set(found)) == len(found)


def test_the_pool_is_one_finite_list_whatever_is_asked_for() -> None:
    whole = micro.rows("mewslix_entities", "test", "en", 1000, seed=3)
    assert whole == micro.rows("mewslix_entities", "test", "en", 100, seed=4)
    assert [row["entity_id"] for row in whole] == [f"Q{number}" for number in range(1, 69)]
    assert Counter(row["description_language"] for row in whole).keys() == set(linking.LANGUAGES)
    for row in whole:
        assert_entity(row)


def test_every_entity_is_described_in_every_language_and_unlike_any_other() -> None:
    for code in linking.LANGUAGES:
        described = [linking.described(entity, code) for entity in linking.entities()]
        for row in described:
            assert_entity(row)
        assert len({row["description"] for row in described}) == len(described)


def test_a_context_tells_namesakes_apart() -> None:
    entities = {entity.id: entity for entity in linking.entities()}
    by_name: dict[str, list[linking.Entity]] = defaultdict(list)
    for entity in entities.values():
        by_name[entity.concept].append(entity)
    assert all(len({(e.job) for e in same}) == len({e.home for e in same}) == len(same) for same in by_name.values())
    mentioned: set[str] = set()
    for row in micro.rows("mewslix", "test", "en", 400):
        for mention in row["mentions"]:
            entity = entities[mention["entity_id"]]
            mentioned.add(entity.id)
            description = linking.described(entity, "en")
            sentences = [description["description"][low:high] for low, high in ends(description["sentence_spans"])]
            own = [sentence for sentence in sentences if sentence in row["context"]["text"]]
            assert bool(own) == (entity.job is not None)
    assert mentioned == set(entities)


@pytest.mark.parametrize(("name", "split"), [("copa", "train"), ("copa", "dev"), ("copa", "test"), ("xcopa", "test")])
def test_two_rows_have_the_same_choices_and_opposite_labels(name: str, split: str) -> None:
    rows = micro.rows(name, split, "en", 400)
    for one, two in zip(rows[::2], rows[1::2], strict=True):
        assert (one["choice1"], one["choice2"]) == (two["choice1"], two["choice2"])
        assert one["choice1"] != one["choice2"]
        assert {one["label"], two["label"]} == {0, 1}
        assert (one["premise"], one["question"]) != (two["premise"], two["question"])
    right = Counter(row[f"choice{row['label'] + 1}"] for row in rows)
    assert right == Counter(row[f"choice{2 - row['label']}"] for row in rows)
    assert Counter(row["label"] for row in rows) == {0: 200, 1: 200}
    assert 130 < sum(row["question"] == "cause" for row in rows) < 270


def test_causes_are_parallel_over_languages() -> None:
    sides = [micro.rows("xcopa", "test", code, 200) for code in LANGUAGES]
    for rows in zip(*sides, strict=True):
        assert len({(row["id"], row["question"], row["label"]) for row in rows}) == 1
        assert all(row["choice1"] != row["choice2"] for row in rows)


def test_the_question_decides_between_the_way_there_and_the_way_back() -> None:
    rows = [row for row in micro.rows("copa", "train", "en", 600) if " from " in row["choice1"]]
    assert len(rows) > 60
    for row in rows:
        city = row["premise"].rstrip(".").split(" in ")[1].split()[0]
        right = row[f"choice{row['label'] + 1}"]
        assert (f"to {city}" in right) == (row["question"] == "cause")
        assert (f"from {city}" in right) == (row["question"] == "effect")


def test_the_answers_alone_do_not_tell_which_fits_the_deed() -> None:
    seen: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for row in micro.rows("socialiqa", "train", "en", 2000):
        seen.update(row["choices"])
        right[row["choices"][row["answer"]]] += 1
    assert set(seen) == {answer for answers in SOCIAL.values() for answer in answers}
    score = {choice: math.log((right[choice] + 1) / (seen[choice] + 3)) for choice in seen}
    test = micro.rows("socialiqa", "test", "en", 600)
    hits = sum(max(range(3), key=lambda i: score[row["choices"][i]]) == row["answer"] for row in test)
    assert hits / len(test) < 1 / 3 + 0.06


def tells(context: str, person: str, scene: Scene) -> bool:
    """Whether the context tells of the scene, with the person in the part the scene asks about."""
    words = context.rstrip(".").split()
    verb = "travelled" if scene.verb == "travel" else language("en").lexicon["verbs"][scene.verb].form("past")[0][0]
    if verb not in words or (scene.nouns and not set(scene.nouns) & set(words)):
        return False
    return words.index(verb) + (1 if scene.who == "patient" else -1) == words.index(person)


def test_of_the_answers_the_right_one_alone_fits_the_deed() -> None:
    for split in SPLITS:
        for row in micro.rows("socialiqa", split, "en", 300):
            wording = next(wording for wording in SOCIAL if row["question"].startswith(wording.split("{}")[0]))
            before, after = wording.split("{}")
            person = row["question"].removeprefix(before).removesuffix(after)
            fitting = [tells(row["context"], person, SOCIAL[wording][choice]) for choice in row["choices"]]
            assert fitting == [index == row["answer"] for index in range(3)]


@pytest.mark.parametrize("name", ["socialiqa", "copa", "xcopa", "lareqa", "mewslix", "mewslix_entities"])
def test_a_task_reads_the_rows_as_they_are(name: str) -> None:
    source = Source(builtin=name, split="test", size=30, seed=2)
    task = Task(name="mine", title="m", adapter="classification", metric="accuracy", data=Data(test=(source,)))
    code = DATASETS[name].languages[-1]
    (part,) = parts_of(task, "test", code)
    assert [row for _, row in part.rows()] == micro.rows(name, "test", code, 30, 2)
