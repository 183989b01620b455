"""Questions whose answer is a sentence of a pool, after LAReQA (Roy et al. 2020, arXiv 2004.05484, XQuAD-R)."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any, NamedTuple

from xharness.micro.pairs import ORDERS
from xharness.micro.passages import SQUAD, answers, ask_about, story
from xharness.micro.render import join, render
from xharness.micro.world import CLASS_OF, COMPLEMENT, HYPERNYMS, Fact, put

Row = dict[str, Any]
Question = tuple[int, str, Fact]
Key = tuple[str, str | None, str, str]
SENTENCES = (3, 5)
A_PASSAGE = 2
"""Questions a passage has, each about another of its sentences."""
TRIES = 300


class Passage(NamedTuple):
    """What is told, in which order of words, and what is asked about it."""

    facts: tuple[Fact, ...]
    orders: tuple[str, ...]
    questions: tuple[Question, ...]


class _Pool:
    """What was told and asked so far, each fact and question under the words that a pair of them shares."""

    def __init__(self) -> None:
        self.facts: dict[Key, list[Fact]] = defaultdict(list)
        self.asked: dict[Key, list[tuple[str, Fact]]] = defaultdict(list)

    def fits(self, passage: Passage) -> bool:
        """Whether no sentence of another passage answers a question of this one, nor the other way round."""
        for _, ask, question in passage.questions:
            if any(replies(question, ask, fact) for fact in self.facts[_told(question, ask)]):
                return False
        return not any(
            replies(question, ask, fact)
            for fact in passage.facts
            for key in _keys(fact)
            for ask, question in self.asked[key]
        )

    def add(self, passage: Passage) -> None:
        """Remember a passage and its questions."""
        for fact in passage.facts:
            for key in _keys(fact):
                self.facts[key].append(fact)
        for _, ask, question in passage.questions:
            self.asked[_told(question, ask)].append((ask, question))


def _told(question: Fact, ask: str) -> Key:
    """The deed with the agent, which every question tells but one for the agent; that one tells what it is done to."""
    slot = COMPLEMENT[question.frame] if ask == "agent" else "agent"
    return question.frame, question.verb, slot, getattr(question, slot)


def _keys(fact: Fact) -> list[Key]:
    """What a question that the fact answers is found under."""
    slot = COMPLEMENT[fact.frame]
    done_to = {getattr(fact, slot), CLASS_OF.get(fact.noun or "", getattr(fact, slot))}
    deed = fact.frame, fact.verb
    return [(*deed, "agent", fact.agent), *((*deed, slot, value) for value in sorted(done_to))]


def replies(question: Fact, ask: str, fact: Fact) -> bool:
    """Whether a fact answers a question, also one that names the class of its noun."""
    name = CLASS_OF.get(fact.noun or "")
    wider = put(fact, noun=name) if name in HYPERNYMS else fact
    return answers(question, ask, fact) or answers(question, ask, wider)


def plans(rng: random.Random, split: str, count: int) -> list[Passage]:
    """`count` passages; what is asked of one, no sentence of another answers, while the world has facts enough."""
    found: list[Passage] = []
    pool = _Pool()
    while len(found) < count:
        for _ in range(TRIES):
            passage = _passage(rng, split)
            if pool.fits(passage):
                break
        pool.add(passage)
        found.append(passage)
    return found


def _passage(rng: random.Random, split: str) -> Passage:
    """A passage with its questions, each of which one of its sentences answers and no other."""
    while True:
        facts = story(rng, split, rng.randint(*SENTENCES))
        orders = tuple(rng.choice(ORDERS) for _ in facts)
        drawn = [ask_about(rng, facts, SQUAD) for _ in range(A_PASSAGE)]
        questions = tuple(question for question in drawn if question)
        if len({index for index, _, _ in questions}) < A_PASSAGE:
            continue
        if all(sum(replies(q, ask, fact) for fact in facts) == 1 for _, ask, q in questions):
            return Passage(tuple(facts), orders, questions)


def lareqa(rng: random.Random, split: str, code: str, size: int) -> list[Row]:
    """`size` questions, two a passage, each answered by one sentence; `sentence_breaks` says where sentences stand."""
    made: list[Row] = []
    for passage in plans(rng, split, -(-size // A_PASSAGE)):
        told = [render(code, fact, order) for fact, order in zip(passage.facts, passage.orders, strict=True)]
        starts, context = join(code, [sentence.text for sentence in told])
        breaks = [[start, start + len(sentence.text)] for start, sentence in zip(starts, told, strict=True)]
        for index, ask, question in passage.questions:
            low, high = told[index].spans[ask]
            gold = {"text": [told[index].text[low:high]], "answer_start": [starts[index] + low]}
            row = {"context": context, "question": render(code, question, f"ask_{ask}").text, "answers": gold}
            made.append(row | {"sentence_breaks": [list(pair) for pair in breaks]})
    return made[:size]
