"""Mewsli-X's rows: the texts that XTREME-R makes of them, and what is told of broken ones."""

from __future__ import annotations

import copy

import pytest

from xharness_adapters.mewsli_x import entity_text, mention_text, mentions_of, row_problem

TEXT = "The verdict came. It was for Smith, who {then} left\nthe  county. Nobody came."
SENTENCES = [(0, 17), (18, 64), (65, 77)]


def spans(pairs):
    return [{"start": begin, "end": end} for begin, end in pairs]


def mention(text="Smith", start=29, **more):
    span = {"start": start, "end": start + len(text), "text": text}
    return {"example_id": "m1", "mention_span": span, "entity_id": "Q1"} | more


def context(text=TEXT, sentences=SENTENCES):
    return {"text": text, "sentence_spans": spans(sentences), "language": "en", "document_title": "It"}


ENTITY = {
    "entity_id": "Q1", "title": "Smith", "description": "Smith was a judge. He  lived\nlong. Source: none.",
    "sentence_spans": spans([(0, 18), (19, 34)]), "description_language": "en",
}  # fmt: skip
LINE = {"context": context(), "mentions": [mention()]}
PAIR = {"contextual_mention": {"context": context(), "mention": mention()}, "entity": ENTITY}


def test_a_query_is_the_mention_and_its_one_sentence_with_the_mention_in_braces():
    # XTREME-R's own example.
    text = "The verdict came back for Smith, who stepped down as AG of Fictitious County in February, 2012."
    found = mention_text(context(text, [(0, len(text))]), mention(start=26))
    assert found == (
        "Smith: The verdict came back for { Smith } , who stepped down as AG of Fictitious County in February, 2012."
    )


def test_braces_become_parentheses_and_line_ends_and_double_spaces_one_space():
    assert TEXT[29:34] == "Smith"
    assert mention_text(context(), mention()) == "Smith: It was for { Smith } , who (then) left the county."


@pytest.mark.parametrize(
    ("text", "start", "query"),
    [
        ("Smith left.", 0, "Smith: { Smith } left."),
        ("He is Smith", 6, "Smith: He is { Smith }"),
        ("Mr.Smith.", 3, "Smith: Mr. { Smith } ."),
    ],
)
def test_a_mention_at_the_edge_of_its_sentence_has_nothing_on_that_side(text, start, query):
    assert mention_text(context(text, [(0, len(text))]), mention(start=start)) == query


def test_a_mention_that_no_one_sentence_holds_has_the_whole_context():
    text = "He met John. Smith left."
    found = mention_text(context(text, [(0, 12), (13, 24)]), mention("John. Smith", 7))
    assert found == "John. Smith: He met { John. Smith } left."


def test_a_candidate_is_the_sentences_of_the_description_and_not_the_title():
    assert entity_text(ENTITY) == "Smith was a judge. He lived long."
    bare = {name: value for name, value in ENTITY.items() if name != "sentence_spans"}
    assert entity_text(bare) == entity_text(bare | {"sentence_spans": []})
    assert entity_text(bare) == "Smith was a judge. He lived long. Source: none."


def test_a_line_has_several_mentions_of_one_context_and_a_pair_has_one():
    line = {"context": context(), "mentions": [mention(), mention(example_id="m2")]}
    assert [(c["document_title"], m["example_id"]) for c, m in mentions_of(line)] == [("It", "m1"), ("It", "m2")]
    assert [(c["document_title"], m["example_id"]) for c, m in mentions_of(PAIR)] == [("It", "m1")]


@pytest.mark.parametrize("row", [LINE, PAIR, ENTITY], ids=["mentions", "pair", "entity"])
def test_sound_rows_of_all_three_kinds_are_not_complained_of(row):
    assert row_problem(row) is None


def changed(row, *path, value=None):
    """The row with one thing in it changed, or gone."""
    row = copy.deepcopy(row)
    held = row
    for key in path[:-1]:
        held = held[key]
    if value is None:
        del held[path[-1]]
    else:
        held[path[-1]] = value
    return row


SPAN = ("mentions", 0, "mention_span")
PROBLEMS = {
    "nothing known": ({"text": "a"}, "is neither an entity (entity_id, description), nor mentions (context, mentions)"),
    "mentions without a context": (changed(LINE, "context"), "is neither an entity"),
    "mentions that are a text": (changed(LINE, "mentions", value="Smith"), "is neither an entity"),
    "no mentions": (changed(LINE, "mentions", value=[]), "the context has no mentions."),
    "an entity without an id": (changed(ENTITY, "entity_id"), "an entity has no entity_id."),
    "an entity without a description": (changed(ENTITY, "description"), "the entity Q1 has no description."),
    "a blank description": (changed(ENTITY, "description", value=" "), "the entity Q1 has no description."),
    "a sentence outside": (
        changed(ENTITY, "sentence_spans", value=spans([(0, 9), (40, 99)])),
        "a sentence of the entity Q1, [40, 99], lies outside its description of 48.",
    ),
    "a pair without its entity": (changed(PAIR, "entity"), "a pair needs `contextual_mention` and `entity`."),
    "a pair whose entity is bare": (changed(PAIR, "entity", "description"), "the entity Q1 has no description."),
    "a mention without an id": (changed(LINE, "mentions", 0, "example_id"), "a mention has no example_id."),
    "a mention that is not labelled": (
        changed(LINE, "mentions", 0, "entity_id"),
        "the mention m1 has no entity_id: it is not labelled.",
    ),
    "a mention that is elsewhere": (
        changed(LINE, *SPAN, "text", value="Smyth"),
        "the mention m1 is not at 29 to 34, where the context has 'Smith'.",
    ),
    "a mention outside": (
        changed(LINE, *SPAN, "end", value=99),
        "the mention m1 is not at 29 to 99, where the context has ''.",
    ),
    "a mention from behind": (changed(LINE, *SPAN, "start", value=40), "the mention m1 is not at 40 to 34"),
    "the second mention of a line": (
        changed(LINE, "mentions", value=[mention(), mention("Smith", 30, example_id="m2")]),
        "the mention m2 is not at 30 to 35",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PROBLEMS)
def test_what_is_wrong_with_a_row_is_told_with_its_name(what):
    row, says = PROBLEMS[what]
    found = row_problem(row)
    assert found is not None
    assert found.startswith(says)
    assert found.endswith(".")
