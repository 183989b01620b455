"""Selection expressions, with pytest's grammar.

    expression: or_expr? EOF
    or_expr:    and_expr ('or' and_expr)*
    and_expr:   not_expr ('and' not_expr)*
    not_expr:   'not' not_expr | '(' or_expr ')' | name
    name:       any run of characters without white space or parentheses

An empty expression is false, as in pytest.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from xharness.errors import UsageError

Matcher = Callable[[str], bool]
Evaluator = Callable[[Matcher], bool]

_TOKEN = re.compile(r"\s*(\(|\)|[^\s()]+)")
DEEPEST = 50
"""Greatest depth of parentheses: each level takes some frames of Python's stack."""
_WORDS = {"and", "or", "not", "(", ")"}


class _Parser:
    def __init__(self, text: str, option: str) -> None:
        self.text, self.option = text, option
        self.tokens = [(m.start(1), m[1]) for m in _TOKEN.finditer(text)]
        self.at = self.open = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def fail(self, expected: str) -> UsageError:
        column = self.tokens[self.at][0] + 1 if self.at < len(self.tokens) else len(self.text) + 1
        found = f"'{self.peek()}'" if self.peek() else "the end"
        return UsageError(f"{self.option} '{self.text}': at column {column}: expected {expected}, found {found}.")

    def either(self) -> Evaluator:
        arms = [self.both()]
        while self.peek() == "or":
            self.at += 1
            arms.append(self.both())
        return arms[0] if len(arms) == 1 else lambda matches: any(arm(matches) for arm in arms)

    def both(self) -> Evaluator:
        arms = [self.negation()]
        while self.peek() == "and":
            self.at += 1
            arms.append(self.negation())
        return arms[0] if len(arms) == 1 else lambda matches: all(arm(matches) for arm in arms)

    def negation(self) -> Evaluator:
        negated = False
        while self.peek() == "not":
            negated = not negated
            self.at += 1
        inner = self.atom()
        return (lambda matches: not inner(matches)) if negated else inner

    def atom(self) -> Evaluator:
        token = self.peek()
        if token == "(":
            self.open += 1
            if self.open > DEEPEST:
                raise self.fail(f"at most {DEEPEST} parentheses inside each other")
            self.at += 1
            inner = self.either()
            if self.peek() != ")":
                raise self.fail("')'")
            self.at += 1
            self.open -= 1
            return inner
        if not token or token in _WORDS:
            raise self.fail("a name, 'not' or '('")
        self.at += 1
        return lambda matches: matches(token)


def compile_expression(text: str, option: str = "-k") -> Evaluator:
    """The expression as a function of a matcher; UsageError with the column of the first syntax error."""
    parser = _Parser(text, option)
    if not parser.tokens:
        return lambda matches: False
    if len(parser.tokens) > 2000:
        raise UsageError(f"{option}: the expression has more than 2000 words.")
    evaluator = parser.either()
    if parser.peek():
        raise parser.fail("'and', 'or' or the end")
    return evaluator
