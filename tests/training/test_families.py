from __future__ import annotations

import json
import random

import pytest

from tiny import NEGATIVE, POSITIVE, make_encoder, sentence, write_rows
from tuning import QUICK, evaluation, run, tuning
from xharness.spec.task import Data, Task

CHANCE = random.Random(4)


def hidden_word(kind):
    """A few words, one of them of a kind, and its place."""
    words = sentence(CHANCE, CHANCE.randint(3, 8)).split()
    place = CHANCE.randrange(len(words) + 1)
    words.insert(place, CHANCE.choice(kind))
    return words, place


def answer_row(unanswerable=False):
    if unanswerable and CHANCE.random() < 0.5:
        context = sentence(CHANCE, 6)
        return {"context": context, "question": "what", "answers": {"text": [], "answer_start": []}}
    words, place = hidden_word(POSITIVE)
    start = len(" ".join([*words[:place], ""]))
    answers = {"text": [words[place]], "answer_start": [start]}
    return {"context": " ".join(words), "question": "what", "answers": answers}


def tagged_row():
    words, place = hidden_word(POSITIVE)
    return {"tokens": words, "tags": ["B-PER" if i == place else "O" for i in range(len(words))]}


def choice_row():
    answer = CHANCE.randrange(3)
    choices = [" ".join(hidden_word(POSITIVE if i == answer else NEGATIVE)[0]) for i in range(3)]
    return {"context": sentence(CHANCE), "choices": choices, "answer": "ABC"[answer]}


FAMILIES = {
    "question_answering": (answer_row, "squad", ()),
    "tagging": (tagged_row, "f1_entity", ("O", "B-PER")),
    "multiple_choice": (choice_row, "accuracy", ()),
}


def task_of(folder, family, metric, labels, row):
    data = {
        split: (write_rows(folder / f"{family}.{split}.jsonl", [row() for _ in range(n)]),)
        for split, n in (("train", 240), ("dev", 30), ("test", 60))
    }
    return Task(name=family, title="", adapter=family, metric=metric, labels=labels, data=Data(**data))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_what_can_be_learned(tmp_path, family):
    row, metric, labels = FAMILIES[family]
    checkpoint = make_encoder(tmp_path / "checkpoint")
    task = task_of(tmp_path, family, metric, labels, row)
    summary = run(tuning(checkpoint, task, recipe=QUICK.model_copy(update={"epochs": 4})), tmp_path, "tuned")
    assert summary["dev"] > 85
    run(evaluation(checkpoint, task, "tuned", family), tmp_path, "scores")
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores["languages"]["en"]["score"] > 85
    assert not scores["languages"]["en"]["degenerate"]


def test_a_question_without_an_answer_is_learned_too(tmp_path):
    checkpoint = make_encoder(tmp_path / "checkpoint")
    task = task_of(tmp_path, "question_answering", "squad_v2", (), lambda: answer_row(unanswerable=True))
    summary = run(tuning(checkpoint, task, recipe=QUICK.model_copy(update={"epochs": 4})), tmp_path, "tuned")
    assert summary["dev"] > 85


def test_a_collapsed_model_is_marked(tmp_path):
    checkpoint = make_encoder(tmp_path / "checkpoint")
    row, metric, labels = FAMILIES["tagging"]
    task = task_of(tmp_path, "tagging", metric, labels, row)
    blank = [{**held, "tags": ["O"] * len(held["tags"])} for held in (tagged_row() for _ in range(80))]
    train = (write_rows(tmp_path / "blank.jsonl", blank),)
    task = task.model_copy(update={"data": task.data.model_copy(update={"train": train})})
    run(tuning(checkpoint, task), tmp_path, "tuned")
    run(evaluation(checkpoint, task, "tuned", "tagging"), tmp_path, "scores")
    entry = json.loads((tmp_path / "scores" / "scores.json").read_text())["languages"]["en"]
    assert entry["degenerate"]
    assert entry["score"] == 0


def test_a_language_without_data_is_recorded_and_the_others_are_scored(tmp_path):
    from tiny import sentiment

    checkpoint = make_encoder(tmp_path / "checkpoint")
    task = sentiment(tmp_path / "data", n=16, languages=("en",))
    run(tuning(checkpoint, task), tmp_path, "tuned")
    wider = task.model_copy(update={"languages": ("en", "sw")})
    run(evaluation(checkpoint, wider, "tuned", "sentiment"), tmp_path, "scores")
    languages = json.loads((tmp_path / "scores" / "scores.json").read_text())["languages"]
    assert languages["en"]["n"] == 60
    assert "sentiment.test.sw.jsonl" in languages["sw"]["error"]
