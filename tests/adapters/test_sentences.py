"""Where the sentences of a paragraph begin and end."""

from __future__ import annotations

import pytest

from xharness_adapters.sentences import breaks_problem, english_sentences, sentence_at, sentences_of


def cut(text):
    return [text[begin:end] for begin, end in english_sentences(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Anna sings.", "Ben sleeps."],
        ["Who sings?", "Anna does!", "She sang in 1999.", "3 birds heard it."],
        ["He said “no.”", "“Why?”", "(She left.)", "It was late."],
        ["J. S. Bach wrote it.", "Dr. Smith met Mr. Jones in St. Paul.", "The U.S. Army left."],
        ["It cost 3.5 pounds.", "Version 2.0 costs more."],
        ["What?!", "No way..."],
        ["one without a full stop"],
        ["He came. then he went."],
    ],
)
def test_english_sentences_end_where_a_reader_would_end_them(sentences):
    assert cut(" ".join(sentences)) == sentences


def test_space_between_sentences_belongs_to_none_whatever_it_is():
    assert cut("  Anna sings. \n\n Ben sleeps.\t ") == ["Anna sings.", "Ben sleeps."]


@pytest.mark.parametrize("text", ["", "  \n "])
def test_a_text_without_words_has_no_sentence(text):
    assert english_sentences(text) == []


def test_what_the_data_say_goes_before_the_rule():
    row = {"context": "Anna sings. Ben sleeps."}
    assert sentences_of(row) == [(0, 11), (12, 23)]
    assert sentences_of(row | {"sentence_breaks": [[0, 23]]}) == [(0, 23)]
    assert sentences_of(row | {"sentence_breaks": None}) == [(0, 11), (12, 23)]


def test_a_sentence_holds_its_first_character_and_not_the_one_behind_its_last():
    spans = [(0, 11), (12, 23)]
    assert [sentence_at(spans, place) for place in (0, 10, 11, 12, 22, 23)] == [0, 0, None, 1, 1, None]


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        ("0 4", "sentence_breaks must be a list of [start, end], found 0 4."),
        (7, "sentence_breaks must be a list of [start, end], found 7."),
        ([], "sentence_breaks must be a list of [start, end], found []."),
        ([0, 4], "sentence_breaks must be pairs of whole numbers, found 0."),
        ([[0, 4], "56"], "sentence_breaks must be pairs of whole numbers, found 56."),
        ([[0, 4, 9]], "sentence_breaks must be pairs of whole numbers, found [0, 4, 9]."),
        ([[0, "4"]], "sentence_breaks must be pairs of whole numbers, found [0, '4']."),
        ([[0, 4.0]], "sentence_breaks must be pairs of whole numbers, found [0, 4.0]."),
        ([[0, 11], [8, 12]], "the sentence [8, 12] lies outside the context of 11 characters."),
        ([[-1, 4]], "the sentence [-1, 4] lies outside the context of 11 characters."),
        ([[4, 4]], "the sentence [4, 4] lies outside the context of 11 characters."),
    ],
)
def test_breaks_that_are_none_are_told(breaks, says):
    assert breaks_problem("Anna sings.", breaks) == says


def test_breaks_up_to_the_last_character_are_sound():
    assert breaks_problem("Anna sings.", [[0, 5], [5, 11]]) is None
