"""Answers: agreement with the rules of the public scorers, re-stated here another way, on generated cases.

The restatements share no code and no regular expression with the metrics: words are found by walking over runs of
letters, shared words by striking them off a list, F1 by fractions.
"""

import random
import string
import sys
import unicodedata
from fractions import Fraction
from itertools import groupby

import pytest

from xharness.errors import DataError
from xharness.metrics import metric

CASES = 3000
ARTICLES = {
    "en": {"a", "an", "the"},
    "es": {"un", "una", "unos", "unas", "el", "la", "los", "las"},
    "de": {"ein", "eine", "einen", "einem", "eines", "einer", "der", "die", "das", "den", "dem", "des"},
    "vi": {"của", "là", "cái", "chiếc", "những"},
    "hi": set(),
    "zh": set(),
    "ar": set(),
}
PUNCTUATION = {c for c in map(chr, range(sys.maxunicode)) if unicodedata.category(c)[0] == "P"} | set(
    string.punctuation
)

# Each special rule has words of its own: articles of every language in both cases and inside words, ASCII and other
# punctuation (Arabic, Chinese, Devanagari, Spanish, symbols that only ASCII counts as punctuation), Han next to Latin,
# combining marks (which end a word for a regular expression), odd spaces, repeated words, nothing at all.
WORDS = """
the The a AN an theatre una Los el elefante las der Die das Eine einen deine là những cái Cái của cáinày
الكتاب ال والقلم سيارة القاهرة قال ، ؟ ؛ 中国 北京市 的 2008年 NBA球员 。 、 《史记》 भारत है । ॥ किताब tower tower Tower
3.14 $5 US$ -7 don't well-known (1990) ¿qué? «oui» „ja“ … – — x² € + = ~ ` ^ _ a_b ß İ Σίσυφος a\u0301 한국 ไทย
"""
VOCABULARY = ["", *WORDS.split(), *sorted(set().union(*ARTICLES.values()))]
JOINTS = ["", " ", " ", " ", "  ", "\t", "\n", "\u00a0", "\u3000", ",", "-"]


def make_text(generator):
    words = [generator.choice(VOCABULARY) for _ in range(generator.choice([0, 1, 1, 2, 2, 3, 4, 6]))]
    return "".join(word + generator.choice(JOINTS) for word in words)


def make_case(generator):
    golds = [make_text(generator) for _ in range(generator.randint(1, 4))]
    draw = generator.random()
    if draw < 0.25:
        guess = generator.choice(golds)
    elif draw < 0.4:
        guess = generator.choice(golds).upper()
    elif draw < 0.7:
        guess = f"{make_text(generator)} {generator.choice(golds)} {generator.choice(VOCABULARY)}"
    else:
        guess = make_text(generator)
    return guess, golds


def drop_words(text, articles):
    pieces = ("".join(run) for _, run in groupby(text, key=str.isalnum))
    return "".join(" " if piece in articles else piece for piece in pieces)


def tokens_squad(text):
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return drop_words(kept, ARTICLES["en"]).split()


def tokens_mlqa(text, language):
    kept = "".join(c for c in text.lower() if c not in PUNCTUATION)
    kept = " ".join(kept.split("ال")) if language == "ar" else drop_words(kept, ARTICLES[language])
    if language != "zh":
        return kept.split()
    found = [""]
    for character in kept:
        if 0x4E00 <= ord(character) <= 0x9FA5:
            found += [character, ""]
        elif character.isspace():
            found.append("")
        else:
            found[-1] += character
    return [token for token in found if token]


def f1(ours, theirs):
    left, shared = list(theirs), 0
    for token in ours:
        if token in left:
            left.remove(token)
            shared += 1
    return Fraction(2 * shared, len(ours) + len(theirs)) if shared else Fraction(0)


def best(tokens, guess, golds):
    ours, theirs = tokens(guess), [tokens(gold) for gold in golds]
    return float(max(f1(ours, gold) for gold in theirs)), float(any(ours == gold for gold in theirs))


def test_squad_follows_the_rules_of_v1_1_on_generated_answers():
    generator = random.Random(1)
    guesses, golds = zip(*(make_case(generator) for _ in range(CASES)), strict=True)
    table = metric("squad").outcomes(guesses, golds, "zh")
    for row, guess, gold in zip(table, guesses, golds, strict=True):
        assert tuple(row) == pytest.approx((*best(tokens_squad, guess, gold), 1.0), abs=1e-12), (guess, gold)


@pytest.mark.parametrize("language", sorted(ARTICLES))
def test_mlqa_follows_its_rules_for_the_language_on_generated_answers(language):
    generator = random.Random(ord(language[0]) * 100 + ord(language[1]))
    guesses, golds = zip(*(make_case(generator) for _ in range(CASES)), strict=True)
    table = metric("mlqa").outcomes(guesses, golds, language)
    for row, guess, gold in zip(table, guesses, golds, strict=True):
        expected = best(lambda text: tokens_mlqa(text, language), guess, gold)
        assert tuple(row) == pytest.approx((*expected, 1.0), abs=1e-12), (language, guess, gold)


def test_squad_v2_follows_its_rules_on_generated_answers():
    generator = random.Random(2)
    cases = []
    for _ in range(CASES):
        guess, golds = make_case(generator)
        cases.append((generator.choice([guess, guess, ""]), generator.choice([golds, golds, []])))
    table = metric("squad_v2").outcomes(*zip(*cases, strict=True), "en")
    for row, (guess, golds) in zip(table, cases, strict=True):
        wanted = [tokens for tokens in map(tokens_squad, golds) if tokens] or [[]]
        ours = tokens_squad(guess)
        overlap = float(max(f1(ours, gold) if ours and gold else Fraction(int(ours == gold)) for gold in wanted))
        exact, answerable = float(ours in wanted), float(bool(golds))
        expected = (overlap, exact, 1, overlap * answerable, exact * answerable, answerable)
        assert tuple(row) == pytest.approx(expected, abs=1e-12), (guess, golds)


def score(name, guess, golds, language="en"):
    f1_sum, exact, *_ = metric(name).outcomes([guess], [golds], language)[0]
    return round(float(f1_sum), 4), bool(exact)


@pytest.mark.parametrize(
    ("name", "language", "guess", "golds", "expected"),
    [
        ("squad", "en", "The  Tower!", ["tower"], (1, True)),
        ("squad", "de", "die Katze", ["Katze"], (0.6667, False)),  # no German articles in XQuAD
        ("squad", "zh", "北京。", ["北京"], (0, False)),  # nor Chinese punctuation
        ("squad", "en", "the", ["a"], (0, True)),  # v1.1: nothing equals nothing, but shares no word
        ("squad", "en", "red red house", ["red house house"], (0.6667, False)),
        ("squad", "en", "b", ["x y", "b c", "b"], (1, True)),
        ("squad", "en", "theatre", ["atre"], (0, False)),  # an article is a word
        ("squad", "en", "an_a", ["ana"], (1, True)),  # punctuation goes before articles are looked for
        ("mlqa", "de", "Die Katze", ["katze"], (1, True)),
        ("mlqa", "en", "Die Katze", ["katze"], (0.6667, False)),
        ("mlqa", "es", "¿los gatos?", ["gatos"], (1, True)),
        ("mlqa", "vi", "những con mèo", ["con mèo"], (1, True)),
        ("mlqa", "ar", "القاهرة،", ["قاهرة"], (1, True)),
        ("mlqa", "ar", "قال", ["ق"], (1, True)),  # the letters go wherever they stand
        ("mlqa", "hi", "भारत।", ["भारत"], (1, True)),
        ("mlqa", "hi", "the भारत", ["भारत"], (0.6667, False)),
        ("mlqa", "zh", "在北京。", ["北京"], (0.8, False)),  # three characters against two
        ("mlqa", "zh", "NBA 球员", ["NBA球员"], (1, True)),
        ("squad_v2", "en", "", [], (1, True)),
        ("squad_v2", "en", "x", [], (0, False)),
        ("squad_v2", "en", "", ["x"], (0, False)),
        ("squad_v2", "en", "", ["the"], (1, True)),  # a gold answer that is only an article counts as none
        ("squad_v2", "en", "the", [], (1, True)),
    ],
)
def test_special_rules_by_hand(name, language, guess, golds, expected):
    assert score(name, guess, golds, language) == expected


def test_squad_v2_tells_answerable_questions_from_the_others():
    found = metric("squad_v2")
    table = found.outcomes(["b", "x", "", "y"], [["b"], ["b"], [], []], "en")
    values = {name: float(value) for name, value in found.values(table.sum(axis=0)).items()}
    assert values["exact_match"] == 50
    assert values["has_answer_exact_match"] == 50
    assert values["no_answer_exact_match"] == 50
    assert float(found.score(table.sum(axis=0))) == 50


@pytest.mark.parametrize("name", ["squad", "mlqa"])
def test_the_score_is_the_mean_of_f1_and_exact_match(name):
    found = metric(name)
    sums = found.outcomes(["red house"], [["big red house"]], "en").sum(axis=0)
    assert float(found.score(sums)) == pytest.approx(40)


def test_a_question_without_a_gold_answer_is_an_error_outside_squad_v2():
    with pytest.raises(DataError, match="question 1 has no list of gold answers"):
        metric("squad").outcomes(["x", "y"], [["x"], []], "en")


def test_mlqa_refuses_a_language_it_has_no_rule_for():
    with pytest.raises(DataError, match="no rule for language 'th'"):
        metric("mlqa").outcomes(["x"], [["x"]], "th")
