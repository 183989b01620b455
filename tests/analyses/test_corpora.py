"""Distances of corpora, against values worked out by hand."""

import random

import pytest

from xharness.analyses.corpora import Corpus, a_distance, corpus_of, divergence, unknown_share, words_of


def corpus(*texts: str) -> Corpus:
    return Corpus("tiny", tuple(tuple(text.split()) for text in texts))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't STOP, 2nd try.", ("don", "t", "stop", "2nd", "try")),
        ("Straße ﬁn", ("strasse", "fin")),
        ("हिन्दी में", ("हिन्दी", "में")),
        ("天气很好 ok", ("天", "气", "很", "好", "ok")),
        ("ไทย", ("ไ", "ท", "ย")),
        ("… — !", ()),
    ],
)
def test_words_are_runs_of_letters_marks_and_digits_and_single_characters_where_there_are_no_spaces(text, words):
    assert words_of(text) == words


def test_corpora_with_the_same_shares_of_words_do_not_diverge_whatever_their_size():
    assert divergence(corpus("a b"), corpus("a b", "b a")) == 0


def test_corpora_without_a_common_word_diverge_by_one():
    assert divergence(corpus("a b c"), corpus("d")) == pytest.approx(1)


def test_the_divergence_is_that_worked_out_by_hand():
    # p = (1/2, 1/2, 0), q = (1/2, 0, 1/2), m = (1/2, 1/4, 1/4): H(m) = 1.5, H(p) = H(q) = 1, so 1.5 - 1 = 0.5.
    assert divergence(corpus("a b"), corpus("a c")) == pytest.approx(0.5)
    # p = (1), q = (3/4, 1/4), m = (7/8, 1/8): H(m) = 0.543564, H(q) = 0.811278, less half of it 0.137925.
    assert divergence(corpus("a"), corpus("a a a b")) == pytest.approx(0.137925, abs=1e-6)


def test_unknown_words_count_each_time_they_stand_there():
    # Of a b b c c c only a is known: five of six.
    assert unknown_share(corpus("a x y"), corpus("a b b", "c c c")) == pytest.approx(5 / 6)
    assert unknown_share(corpus("a b"), corpus("b a a")) == 0
    assert unknown_share(corpus("a a a a"), corpus("b")) == 1


def test_the_a_distance_is_two_for_corpora_that_share_no_word():
    left = corpus(*(f"red green blue tall small {i % 7}" for i in range(400)))
    right = corpus(*(f"runs sings sleeps jumps eats x{i % 7}" for i in range(400)))
    assert a_distance(left, right) == pytest.approx(2)


def test_the_a_distance_is_near_nought_for_halves_of_one_corpus():
    chance = random.Random(3)
    halves = [corpus(*(" ".join(chance.choice("abcdefghijklmnop") for _ in range(40)) for _ in range(120)))] * 2
    other = corpus(*(" ".join(chance.choice("abcdefghijklmnop") for _ in range(40)) for _ in range(120)))
    assert a_distance(halves[0], other) < 0.5


def test_there_is_no_a_distance_of_a_few_words():
    assert a_distance(corpus("a b c " * 40), corpus("a b c " * 40)) is None


def test_a_text_that_stands_there_five_times_is_one_text():
    found = corpus_of("contexts", ["the same context"] * 5 + ["another", "  "])
    assert sorted(found.texts) == [("another",), ("the", "same", "context")]
    assert found.cut(2).size == 2
