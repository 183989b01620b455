"""Single sentences: tagged for parts of speech, names or supertags, or set beside their translation."""

from __future__ import annotations

import random
from typing import Any

from xharness.micro.ccg import supertags
from xharness.micro.pairs import ORDERS, asks
from xharness.micro.render import Sentence, conjoin, render
from xharness.micro.world import FRAMES, Fact, put, question_split, sample

Row = dict[str, Any]
Plan = tuple[Fact, str] | tuple[Fact, str, Fact, str]


def plan(rng: random.Random, split: str, questions: float = 0.2, clauses: float = 0.15, employ: float = 0) -> Plan:
    """What a sentence says and in which form: a statement, a denial, a question, or two statements joined.

    With probability `employ` it is about an organisation, which is rare otherwise.
    """
    fact = sample(rng, split, 0.6, ("employ",) if rng.random() < employ else FRAMES)
    draw = rng.random()
    if draw < questions:
        ask = rng.choice(asks(fact))
        return (fact, f"ask_{ask}") if question_split(fact, ask) == split else plan(rng, split, questions, clauses)
    if draw < questions + clauses:
        return fact, rng.choice(ORDERS), other_than(rng, fact, split), rng.choice(ORDERS)
    if draw > 0.85:
        return put(fact, negated=True, number=None), "say"
    return fact, rng.choice(ORDERS)


def other_than(rng: random.Random, fact: Fact, split: str) -> Fact:
    """A fact about another agent."""
    while True:
        other = sample(rng, split, 0.4)
        if other.agent != fact.agent:
            return other


def sentence(code: str, plan: Plan) -> Sentence:
    """The plan in words."""
    first = render(code, plan[0], plan[1])
    return first if len(plan) == 2 else conjoin(code, first, render(code, plan[2], plan[3]))


def udpos(rng: random.Random, split: str, code: str) -> tuple[object, Row]:
    """Words and their universal part-of-speech tags."""
    what = plan(rng, split)
    words = sentence(code, what)
    return what, {"tokens": words.tokens, "tags": words.upos}


def panx(rng: random.Random, split: str, code: str) -> tuple[object, Row]:
    """Words and the persons, places and organisations among them."""
    what = plan(rng, split, questions=0.1, employ=0.2)
    words = sentence(code, what)
    return what, {"tokens": words.tokens, "tags": words.entities}


def ccg(rng: random.Random, split: str, code: str) -> tuple[object, Row]:
    """English words and their combinatory categories."""
    what = plan(rng, split)
    words = sentence(code, what)
    return what, {"tokens": words.tokens, "tags": supertags(words.tokens, words.upos)}


def bitext(rng: random.Random, split: str, code: str) -> tuple[object, Row]:
    """A sentence and its English translation."""
    what = plan(rng, split, clauses=0)
    return what, {"source": sentence(code, what).text, "target": sentence("en", what).text}


def text(rng: random.Random, split: str, code: str) -> tuple[object, Row]:
    """A sentence, for language modelling."""
    what = plan(rng, split)
    return what, {"text": sentence(code, what).text}


def mining(rng: random.Random, split: str, code: str, size: int) -> list[Row]:
    """`size` sentences, half of them English; one in four on each side has its translation on the other."""
    half, seen = size // 2, set[Plan]()
    shared = half // 4
    plans: list[Plan] = []
    while len(plans) < 2 * half - shared:
        what = plan(rng, split)
        if what not in seen:
            seen.add(what)
            plans.append(what)
    sides = {"source": plans[:half], "target": plans[:shared] + plans[half:]}
    places = {side: rng.sample(range(half), half) for side in sides}
    rows: list[Row] = []
    for side, language in (("source", code), ("target", "en")):
        other = "target" if side == "source" else "source"
        ordered: list[Row] = [{}] * half
        for index, what in enumerate(sides[side]):
            gold = f"{other}-{places[other][index]}" if index < shared else ""
            spot = places[side][index]
            ordered[spot] = {"id": f"{side}-{spot}", "side": side, "text": sentence(language, what).text, "gold": gold}
        rows += ordered
    return rows
