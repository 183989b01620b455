"""Sentence pairs whose label is true by construction: inference, duplicate questions, word-swap paraphrases.

Conventions of the inference data. Agent and verb name an event; the other slots describe it, each with one
value. So a hypothesis that tells less than the premise is entailed, one that tells another value of a slot
(another colour, weekday, city, animal ...) or the opposite is contradicted, and one that tells something more,
or speaks of another agent or deed, is neutral. Negation turns more and less around.

The hypothesis is drawn first and without regard to the label, then the premise is made to fit: the hypothesis
alone says nothing about the label.
"""

from __future__ import annotations

import random
from typing import Any

from xharness.micro.render import Sentence, conjoin, join, render
from xharness.micro.world import (
    AGENTS,
    CLASS_OF,
    CLASSES,
    COMPLEMENT,
    HYPERNYMS,
    OBJECTS,
    Fact,
    add_modifiers,
    put,
    question_split,
    rivals,
    sample,
    sample_core,
    split_of,
    told,
    values,
)

Row = dict[str, Any]
ORDERS = ("say", "front")
NLI_LABELS = ("entailment", "neutral", "contradiction")
ADD = 0.6


def _wider(rng: random.Random, fact: Fact, chance: float) -> Fact:
    """The fact with its noun named by its class, with probability `chance`."""
    name = CLASS_OF.get(fact.noun or "")
    if name in HYPERNYMS and name in OBJECTS[fact.verb or ""] and rng.random() < chance:
        return put(fact, noun=name)
    return fact


def _narrower(rng: random.Random, fact: Fact) -> Fact:
    """The fact with a class name replaced by a member of the class."""
    if fact.noun in HYPERNYMS:
        return put(fact, noun=rng.choice(CLASSES[fact.noun]))
    return fact


def _drop(rng: random.Random, fact: Fact, chance: float) -> Fact:
    return put(fact, **{slot: None for slot in told(fact) if rng.random() < chance})


def hypothesis(rng: random.Random, split: str) -> Fact:
    """A fact of `split` to be judged; one in four is negated, some name a class."""
    while True:
        fact = _wider(rng, sample(rng, split), 0.25)
        if rng.random() < 0.25:
            fact = put(fact, negated=True, number=None)
        if split_of(fact) == split:
            return fact


def _entailing(rng: random.Random, fact: Fact) -> Fact:
    if fact.negated:
        return _wider(rng, _drop(rng, fact, 0.5), 0.4)
    return add_modifiers(rng, _narrower(rng, fact), ADD)


def _contradicting(rng: random.Random, fact: Fact) -> Fact:
    if fact.negated:
        return add_modifiers(rng, _narrower(rng, put(fact, negated=False)), ADD)
    slots = [slot for slot in (*told(fact), COMPLEMENT[fact.frame]) if rivals(fact, slot)]
    if not slots or rng.random() < 1 / 3:
        return _wider(rng, _drop(rng, put(fact, negated=True, number=None), 0.5), 0.4)
    slot = rng.choice(slots)
    return add_modifiers(rng, _narrower(rng, put(fact, **{slot: rng.choice(rivals(fact, slot))})), ADD)


def _less(rng: random.Random, fact: Fact) -> Fact | None:
    """A premise that leaves open something the hypothesis tells; None when it tells too little."""
    if fact.negated:
        more = add_modifiers(rng, _narrower(rng, fact), 0.8)
        return None if more == fact else more
    slots = [*told(fact), *(["noun"] if _wider(rng, fact, 1) != fact else [])]
    if not slots:
        return None
    slot = rng.choice(slots)
    less = _wider(rng, fact, 1) if slot == "noun" else put(fact, **{slot: None})
    more = add_modifiers(rng, less, ADD)
    return more if slot == "noun" else put(more, **{slot: None})


def _aside(rng: random.Random, fact: Fact, split: str) -> Fact:
    """A fact about the same agent that has nothing to do with the given one."""
    while True:
        other = put(sample(rng, split), agent=fact.agent)
        if (other.frame, other.verb) != (fact.frame, fact.verb) and other.patient != fact.agent:
            return put(other, negated=fact.negated, number=None if fact.negated else other.number)


def _neutral(rng: random.Random, fact: Fact, split: str) -> Fact:
    kind = rng.random()
    if kind < 0.6 and (less := _less(rng, fact)):
        return less
    if kind < 0.8:
        return _aside(rng, fact, split)
    return add_modifiers(rng, put(_drop(rng, fact, 0.3), agent=_other_agent(rng, fact)), ADD / 2)


def _other_agent(rng: random.Random, *facts: Fact) -> str:
    taken = {fact.agent for fact in facts} | {fact.patient for fact in facts}
    return rng.choice([agent for agent in AGENTS if agent not in taken])


def premise(rng: random.Random, fact: Fact, label: str, split: str) -> Fact:
    """A fact that stands in the relation `label` to the hypothesis."""
    if label == "entailment":
        return _entailing(rng, fact)
    return _contradicting(rng, fact) if label == "contradiction" else _neutral(rng, fact, split)


def _bystander(rng: random.Random, fact: Fact, split: str) -> Fact:
    """A fact about somebody else, as often as not the same deed."""
    other = put(fact, negated=False) if rng.random() < 0.5 else sample_core(rng, split)
    return add_modifiers(rng, put(_drop(rng, other, 0.7), agent=_other_agent(rng, fact, other)), 0.5)


def nli(rng: random.Random, split: str, code: str, label: str, extra: tuple[int, int, int]) -> tuple[object, Row]:
    """One inference pair; `extra` is in how many of ten a clause is added, and the range of added sentences."""
    fact = hypothesis(rng, split)
    given = premise(rng, fact, label, split)
    first = render(code, given, rng.choice(ORDERS))
    clause, low, high = extra
    if rng.random() * 10 < clause:
        first = _and(rng, code, first, render(code, _bystander(rng, fact, split), rng.choice(ORDERS)))
    texts = [first.text]
    for _ in range(rng.randint(low, high)):
        other = render(code, _bystander(rng, fact, split), rng.choice(ORDERS)).text
        texts.insert(rng.randint(0, len(texts)), other)
    second = render(code, fact, rng.choice(ORDERS)).text
    return (given, fact), {"text": join(code, texts)[1], "pair": second, "label": label}


def _and(rng: random.Random, code: str, one: Sentence, two: Sentence) -> Sentence:
    return conjoin(code, one, two) if rng.random() < 0.5 else conjoin(code, two, one)


def asks(fact: Fact) -> list[str]:
    """The slots a question about this fact can ask for."""
    slots = ["agent", "object" if fact.frame == "get" else COMPLEMENT[fact.frame]]
    return slots + [slot for slot in ("number", "place", "means", "time") if getattr(fact, slot) and slot not in slots]


def qqp(rng: random.Random, split: str, code: str, label: str) -> tuple[object, Row]:
    """Two questions: the same one in other words, or one that differs in a detail or in what it asks."""
    while True:
        fact = sample(rng, split, 0.6)
        ask = rng.choice(asks(fact))
        if question_split(fact, ask) == split:
            break
    other, other_ask = fact, ask
    if label == "not_duplicate":
        hidden = {"object": ("noun", "adjective", "number")}.get(ask, (ask,))
        slots = [s for s in ("agent", COMPLEMENT[fact.frame], *told(fact)) if s not in hidden]
        if ask == "number":
            slots = [slot for slot in slots if slot != "adjective"]
        different = [slot for slot in asks(fact) if slot != ask and not {slot, ask} <= {"object", "number"}]
        if rng.random() < 0.3 and different:
            other_ask = rng.choice(different)
        elif slots:
            slot = rng.choice(slots)
            other = put(fact, **{slot: _another(rng, fact, slot)})
            other = put(other, adjective=None) if slot == "noun" else other
            fact = put(fact, adjective=None) if slot == "noun" else fact
    forms = ["ask", "again"] if "number" not in {ask, other_ask} else ["ask", "ask"]
    if label == "duplicate" and ask == "number":
        ask = other_ask = "agent"
        forms = ["ask", "again"]
    rng.shuffle(forms)
    texts = [render(code, fact, f"{forms[0]}_{ask}").text, render(code, other, f"{forms[1]}_{other_ask}").text]
    return (fact, other, ask, other_ask, *forms), {"text": texts[0], "pair": texts[1], "label": label}


def _another(rng: random.Random, fact: Fact, slot: str) -> str:
    taken = (fact.agent, fact.patient, getattr(fact, slot))
    return rng.choice([value for value in values(fact, slot) if value not in taken])


def paws(rng: random.Random, split: str, code: str, label: str) -> tuple[object, Row]:
    """Two sentences of the same words: told in another order, or with two of their parts exchanged."""
    same = label == "paraphrase"
    time = rng.choice(values(Fact("meet", ""), "time"))
    orders = list(ORDERS)
    rng.shuffle(orders)
    if rng.random() < 0.5:
        fact = put(sample(rng, split, 0.5, ("meet", "travel")), time=time)
        pair = ("agent", "patient") if fact.frame == "meet" else ("origin", "place")
        if fact.frame == "travel" and fact.origin is None:
            fact = put(fact, origin=rng.choice(values(fact, "origin")))
        first, second = (getattr(fact, slot) for slot in pair)
        other = fact if same else put(fact, **{pair[0]: second, pair[1]: first})
        return (fact, same), {
            "text": render(code, fact, orders[0]).text,
            "pair": render(code, other, orders[1]).text,
            "label": label,
        }
    one, two = _two_clauses(rng, split)
    swapped = _exchange(rng, one, two)
    left = [one, two] if rng.random() < 0.5 else [two, one]
    right = list((one, two) if same else swapped)
    if same or rng.random() < 0.5:
        right = right[::-1] if right[0].agent == left[0].agent else right
    else:
        right = right[::-1] if right[0].agent != left[0].agent else right
    texts = [conjoin(code, render(code, side[0]), render(code, side[1])).text for side in (left, right)]
    return (one, two, same), {"text": texts[0], "pair": texts[1], "label": label}


def _two_clauses(rng: random.Random, split: str) -> tuple[Fact, Fact]:
    """Two deeds by two agents that differ in everything they have in common."""
    while True:
        one = sample(rng, split, 0.6, ("get",))
        two = sample(rng, split, 0.6, ("get",))
        shared = [slot for slot in told(one) if getattr(two, slot)]
        clash = one.agent == two.agent or one.noun == two.noun
        if not clash and all(getattr(one, slot) != getattr(two, slot) for slot in shared):
            return one, two


def _exchange(rng: random.Random, one: Fact, two: Fact) -> tuple[Fact, Fact]:
    """The same two clauses with their agents, places or times exchanged."""
    slots = ["agent", *(slot for slot in ("place", "time") if getattr(one, slot) and getattr(two, slot))]
    slot = rng.choice(slots)
    return put(one, **{slot: getattr(two, slot)}), put(two, **{slot: getattr(one, slot)})
