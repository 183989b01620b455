"""Selection expressions have pytest's grammar: the tables are those of its own test of it."""

from __future__ import annotations

import pytest

from xharness.collect.expression import compile_expression
from xharness.errors import UsageError

TRUE = {"true": True, "false": False}


def evaluate(text: str, words: set[str] | None = None) -> bool:
    return compile_expression(text)(lambda word: word in words if words is not None else TRUE[word])


@pytest.mark.parametrize("text", ["", " ", "\n", "\t \n"])
def test_an_empty_expression_is_false(text: str) -> None:
    assert not evaluate(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("false", False),
        ("not true", False),
        ("not false", True),
        ("not not true", True),
        ("not not false", False),
        ("true and true", True),
        ("true and false", False),
        ("false and true", False),
        ("true and true and true", True),
        ("true and true and false", False),
        ("true and true and not true", False),
        ("false or false", False),
        ("false or true", True),
        ("true or true", True),
        ("true or true or false", True),
        ("true and true or false", True),
        ("not true or true", True),
        ("(not true) or true", True),
        ("not (true or true)", False),
        ("true and true or false and false", True),
        ("true and (true or false) and false", False),
        ("true and (true or (not (not false))) and false", False),
        ("not true and not false or true", True),
        ("false or true and not false", True),
    ],
)
def test_not_binds_tighter_than_and_and_and_tighter_than_or(text: str, expected: bool) -> None:
    assert evaluate(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("               true           ", True),
        ("               ((((((true))))))           ", True),
        ("     (         ((\t  (((true)))))  \t   \t)", True),
        ("(     true     and   (((false))))", False),
        ("not not not not true", True),
        ("not not not not not true", False),
        ("true and(true)", True),
        ("not(false)", True),
        ("(true)or(false)", True),
    ],
)
def test_white_space_and_parentheses_mean_nothing_by_themselves(text: str, expected: bool) -> None:
    assert evaluate(text) is expected


@pytest.mark.parametrize(
    ("text", "column", "expected", "found"),
    [
        ("(", 2, "a name", "the end"),
        (" (", 3, "a name", "the end"),
        (")", 1, "a name", "')'"),
        (") ", 1, "a name", "')'"),
        ("not", 4, "a name", "the end"),
        ("not not", 8, "a name", "the end"),
        ("(not)", 5, "a name", "')'"),
        ("and", 1, "a name", "'and'"),
        ("true and", 9, "a name", "the end"),
        ("true or or", 9, "a name", "'or'"),
        ("(true", 6, "')'", "the end"),
        ("true true", 6, "'and', 'or' or the end", "'true'"),
        ("true not false", 6, "'and', 'or' or the end", "'not'"),
        ("true)", 5, "'and', 'or' or the end", "')'"),
        ("(true and false", 16, "')'", "the end"),
        ("true (false)", 6, "'and', 'or' or the end", "'('"),
    ],
)
def test_what_is_no_expression_is_told_with_its_column(text: str, column: int, expected: str, found: str) -> None:
    with pytest.raises(UsageError) as told:
        compile_expression(text, "-k")
    message = str(told.value)
    assert f"-k '{text}': at column {column}: expected" in message
    assert expected in message
    assert f"found {found}." in message


@pytest.mark.parametrize(
    "word",
    [
        ".", "...", ":::", "a:::c", "a+-b", "אבגד", "aaאבגדcc", "a[bcd]", "1234", "1234abcd", "1234and", "1234or",
        "notandor", "not_and_or", "not[and]or", "1234+5678", "123.232", "True", "False", "None", "if", "else",
        "squad_v1->xquad[tiny-0]", "xlmr-large", "a\\b", "a/b", "'quoted'", '"x"', "=", "!", "a=b",
    ],
)  # fmt: skip
def test_a_name_is_whatever_has_neither_white_space_nor_parentheses(word: str) -> None:
    assert evaluate(word, {word})
    assert not evaluate(word, set())
    assert not evaluate(f"not {word}", {word})


def test_an_expression_of_thousands_of_words_is_refused_with_a_sentence() -> None:
    for text in ("(" * 5000 + "true" + ")" * 5000, "not " * 5000 + "true", " or ".join(["true"] * 5000)):
        with pytest.raises(UsageError, match="-k: the expression has more than 2000 words"):
            evaluate(text)
