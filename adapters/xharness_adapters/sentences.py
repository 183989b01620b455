"""Sentences of a paragraph: those that the data say, or a rule's for English text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Span = tuple[int, int]
"""First character and the one behind the last."""
_END = re.compile(r"""[.!?]+["'”’)\]]*\s+(?=["'“‘(\[]?[A-Z0-9])""")
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Za-z]|Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Gen|Col|Lt|Sgt|Capt|Rev|Hon|Gov|Sen|Rep|Mt|Ft|No|Vol|Nos|vs|etc|cf|ca|"
    r"al|approx|Inc|Ltd|Co|Corp|Bros|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)|\b(?:[A-Za-z]\.)+[A-Za-z])\.$"
)


def english_sentences(text: str) -> list[Span]:
    """Sentences of an English paragraph, by rule: a full stop, question or exclamation mark, space, a capital or digit.

    Not behind an initial or a common abbreviation. XTREME-R's LAReQA training splits SQuAD's paragraphs by rule, too
    (google-research/xtreme third_party/processors/lareqa.py); its rule is another, so a few sentences differ.
    """
    found: list[Span] = []
    begin = 0
    for match in _END.finditer(text):
        stop = match.start() + len(match[0].rstrip())
        if _ABBREVIATION.search(text[begin : match.start() + 1]) and match[0].lstrip()[:1] == ".":
            continue
        found.append((begin, stop))
        begin = match.end()
    if text[begin:].strip():
        found.append((begin, len(text)))
    return [_stripped(text, span) for span in found if text[span[0] : span[1]].strip()]


def sentences_of(example: Mapping[str, Any]) -> list[Span]:
    """The sentences of a row's `context`: its `sentence_breaks` where it has them, else by the rule for English."""
    breaks = example.get("sentence_breaks")
    return english_sentences(example["context"]) if breaks is None else [(int(a), int(b)) for a, b in breaks]


def breaks_problem(context: str, breaks: Any) -> str | None:
    """What is wrong with the sentences that the data say."""
    if not isinstance(breaks, Sequence) or isinstance(breaks, str) or not len(breaks):
        return f"sentence_breaks must be a list of [start, end], found {str(breaks)[:80]}."
    for pair in breaks:
        whole = isinstance(pair, Sequence) and len(pair) == 2 and all(isinstance(place, int) for place in pair)
        if not whole:
            return f"sentence_breaks must be pairs of whole numbers, found {str(pair)[:80]}."
        if not 0 <= pair[0] < pair[1] <= len(context):
            return f"the sentence {list(pair)} lies outside the context of {len(context)} characters."
    return None


def sentence_at(spans: Sequence[Span], place: int) -> int | None:
    """The number of the sentence that holds a character; None where none does."""
    return next((number for number, (begin, end) in enumerate(spans) if begin <= place < end), None)


def _stripped(text: str, span: Span) -> Span:
    held = text[span[0] : span[1]]
    return span[0] + len(held) - len(held.lstrip()), span[0] + len(held.rstrip())
