"""Words of a text in any script, and the measures of an example that count them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import groupby

from xharness.adapter import Example
from xharness.data.texts import text_of

UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my"})
"""Languages written without spaces between words: their characters count instead."""


def folded(text: str, language: str = "") -> str:
    """A text in one normal form and in small letters; Turkish has two letters i."""
    text = unicodedata.normalize("NFKC", text)
    if language == "tr":
        text = text.replace("İ", "i").replace("I", "ı")
    return unicodedata.normalize("NFC", text.casefold())


def runs(text: str) -> list[str]:
    """Runs of letters, marks and digits: words where there are spaces."""
    # A mark belongs to its letter, which `\w` of Python does not know: Hindi words would fall apart.
    return ["".join(held) for inside, held in groupby(text, lambda c: unicodedata.category(c)[0] in "LMN") if inside]


def words(text: str, language: str) -> list[str]:
    """The words of a text in small letters; its letters and digits one by one where words have no space between."""
    found = runs(folded(text, language))
    return list(_characters(found)) if language in UNSPACED else found


def _characters(found: list[str]) -> Iterator[str]:
    """Characters with their marks; Latin words and numbers stay whole."""
    for run in found:
        if run.isascii():
            yield run
            continue
        held = ""
        for character in run:
            if held and unicodedata.category(character)[0] != "M":
                yield held
                held = ""
            held += character
        yield held


def answer_of(example: Example) -> str | None:
    """The first gold answer of a question; None where there is none."""
    answers = example.get("answers")
    texts = answers.get("text") if isinstance(answers, dict) else [a.get("text") for a in answers or ()]
    return str(texts[0]) if texts else None


def answer_length(example: Example) -> float | None:
    """Words of the first gold answer (characters in scripts without spaces); None where there is none."""
    answer = answer_of(example)
    return None if answer is None else float(len(words(answer, example["language"])))


def context_length(example: Example) -> float | None:
    """Words of the context, or of all texts; characters in scripts without spaces."""
    return float(len(words(text_of(example), example["language"])))


def overlap(example: Example) -> float | None:
    """The share of the question's distinct words that its context has, too; None for a task without questions."""
    if not isinstance(question := example.get("question"), str):
        return None
    asked = set(words(question, example["language"]))
    held = set(words(text_of(example), example["language"]))
    return len(asked & held) / len(asked) if asked else None
