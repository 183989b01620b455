"""Pairs and rankings from the rows of SQuAD and plain files: texts, keys, what is skipped, what is refused."""

from __future__ import annotations

import pytest

from xharness_adapters.pairs import keys_of, paragraph, paragraph_problem, ranked_rows, training_pairs

CONTEXT = "Anna sings.\nBen sleeps. Anna sings. Who knows?"
BREAKS = [[0, 11], [12, 23], [24, 35], [36, 46]]


def question(text="sleeps", start=16, context=CONTEXT, **more):
    answers = {"text": [text], "answer_start": [start]}
    return {
        "id": "q1", "language": "en", "context": context, "question": " Who? ", "answers": answers,
        "sentence_breaks": BREAKS, **more,
    }  # fmt: skip


def sentence(number, context=CONTEXT):
    """A candidate: nothing stands between sentence and paragraph, and the line end is gone."""
    begin, end = BREAKS[number]
    return context[begin:end] + context.replace("\n", "")


def test_a_candidate_is_a_sentence_with_its_paragraph_right_behind_it_and_without_line_ends():
    texts, right = paragraph(question())
    assert texts == [sentence(number) for number in range(4)]
    assert texts[1] == "Ben sleeps.Anna sings.Ben sleeps. Anna sings. Who knows?"
    assert right == {1}


def test_every_sentence_that_reads_as_the_answers_does_is_right():
    for start in (5, 29):
        assert paragraph(question("sings", start))[1] == {0, 2}


def test_only_the_first_answer_counts():
    answers = {"text": ["sleeps", "knows"], "answer_start": [16, 40]}
    assert paragraph(question(answers=answers))[1] == {1}


def test_sentences_are_found_by_rule_where_the_data_say_none():
    texts, right = paragraph(question(sentence_breaks=None))
    assert (len(texts), right) == (4, {1})


def test_a_row_of_squad_is_one_question_and_all_sentences_of_its_paragraph():
    query, *candidates = ranked_rows("squad", question("sings", 5))
    assert query == {"id": "q1", "language": "en", "query": "Who?", "keys": "q1"}
    assert [row["candidate"] for row in candidates] == [sentence(number) for number in range(4)]
    assert [row["keys"] for row in candidates] == ["q1", "", "q1", ""]
    assert len({row["id"] for row in candidates}) == 4


def test_two_questions_of_a_paragraph_have_the_same_candidates_and_other_paragraphs_others():
    (_, *first), (_, *second) = (ranked_rows("squad", row) for row in (question(), question(id="q2")))
    assert [(row["id"], row["candidate"]) for row in first] == [(row["id"], row["candidate"]) for row in second]
    assert [row["keys"] for row in second] == ["", "q2", "", ""]
    (_, *others) = ranked_rows("squad", question(context=CONTEXT.replace("Ben", "Tom")))
    assert not {row["id"] for row in others} & {row["id"] for row in first}


def test_a_training_pair_is_the_question_and_the_sentence_with_its_answer():
    (found,) = training_pairs("squad", question())
    assert found == {"id": "q1", "language": "en", "query": "Who?", "candidate": sentence(1)}


@pytest.mark.parametrize(
    "row",
    [
        question(answers={"text": [], "answer_start": []}),
        question("sleeps", 17),
        question("sings.\nBen", 5, sentence_breaks=[[12, 23]]),
        question("\n", 11),
    ],
    ids=["no answer", "not where it should stand", "begins in no sentence", "between two sentences"],
)
def test_a_training_row_whose_answer_is_not_found_in_a_sentence_is_skipped(row):
    assert paragraph_problem(row, answered=False) is None
    assert list(training_pairs("squad", row)) == []


def test_an_answer_that_runs_over_two_sentences_lies_where_it_begins():
    (found,) = training_pairs("squad", question("sleeps. Anna", 16))
    assert found["candidate"] == sentence(1)


COMPLAINTS = {
    "no context": (question(context=" "), "the context is empty."),
    "a context that is a number": (question(context=3), "the context is empty."),
    "no question": (question(question=" "), "the question is empty."),
    "breaks outside": (
        question(sentence_breaks=[[0, 99]]),
        "the sentence [0, 99] lies outside the context of 46 characters.",
    ),
    "an answer outside": (
        question("sleeps", 45),
        "the answer 'sleeps' at 45 lies outside the context of 46 characters.",
    ),
    "an answer before it": (
        question("sleeps", -1),
        "the answer 'sleeps' at -1 lies outside the context of 46 characters.",
    ),
}


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("what", COMPLAINTS)
def test_a_row_of_squad_that_cannot_be_read_is_told(what, answered):
    row, says = COMPLAINTS[what]
    assert paragraph_problem(row, answered) == says


def test_of_a_ranking_every_question_must_be_answered_by_a_sentence():
    none = question(answers={"text": [], "answer_start": []})
    assert paragraph_problem(none, answered=True) == "the question has no answer, so no sentence answers it."
    between = question("\n", 11)
    assert paragraph_problem(between, answered=True) == "the answer '\n' at 11 lies in no sentence of the context."
    assert paragraph_problem(question(), answered=True) is None


def test_rows_of_mewsli_x_are_mentions_entities_or_pairs():
    span = {"start": 0, "end": 4, "text": "Anna"}
    context = {"text": "Anna sings.", "sentence_spans": [{"start": 0, "end": 11}]}
    mention = {"example_id": 7, "mention_span": span, "entity_id": "Q1"}
    entity = {"entity_id": "Q1", "description": "A singer.", "description_language": "de"}
    named = {"id": "1", "language": "en"}
    line = named | {"context": context, "mentions": [mention, mention | {"example_id": 8}]}
    assert list(ranked_rows("mewsli_x", line)) == [
        {"id": number, "language": "en", "query": "Anna: { Anna } sings.", "keys": "Q1"} for number in ("7", "8")
    ]
    assert list(ranked_rows("mewsli_x", named | entity)) == [
        {"id": "Q1", "language": "de", "candidate": "A singer.", "keys": "Q1"}
    ]
    pair = named | {"contextual_mention": {"context": context, "mention": mention}, "entity": entity}
    assert list(training_pairs("mewsli_x", pair)) == [
        named | {"query": "Anna: { Anna } sings.", "candidate": "A singer."}
    ]


def test_plain_rows_are_taken_as_they_are():
    row = {"id": "1", "language": "de", "query": "a", "candidate": "b", "negatives": ["c"], "keys": ["x"]}
    named = {"id": "1", "language": "de"}
    assert list(training_pairs("plain", row)) == [named | {"query": "a", "candidate": "b", "negatives": ["c"]}]
    assert list(ranked_rows("plain", named | {"query": "a", "keys": ["x", "y"]})) == [
        named | {"query": "a", "candidate": None, "keys": "x\ty"}
    ]


@pytest.mark.parametrize(
    ("keys", "found"),
    [(None, ()), ("", ()), ("x", ("x",)), ("x\ty", ("x", "y")), (["x", 7], ("x", "7")), (7, ("7",)), (0, ("0",))],
)
def test_keys_may_be_one_several_or_none(keys, found):
    assert keys_of({"keys": keys}) == found
