"""Passages with questions: spans to find (question answering) and endings or answers to choose."""

from __future__ import annotations

import random
from typing import Any

from xharness.micro.pairs import ORDERS, asks
from xharness.micro.render import join, language, render
from xharness.micro.world import (
    CLASS_OF,
    CLASSES,
    COMPLEMENT,
    GET,
    MASS,
    MEET,
    NOUNS,
    OBJECTS,
    Fact,
    put,
    sample,
    told,
    values,
)

Row = dict[str, Any]
ASKED = {"object": ("noun", "adjective", "number")}


def story(rng: random.Random, split: str, sentences: int) -> list[Fact]:
    """Facts that can be told together: each agent acts once in each way, one in five agents acts twice."""
    facts: list[Fact] = []
    while len(facts) < sentences:
        fact = sample(rng, split, 0.6)
        if facts and rng.random() < 0.2:
            fact = put(fact, agent=rng.choice(facts).agent)
        deeds = {(f.agent, f.frame, f.verb) for f in facts}
        if fact.agent == fact.patient or (fact.agent, fact.frame, fact.verb) in deeds:
            continue
        facts.append(fact)
    return facts


def answers(question: Fact, ask: str, fact: Fact) -> bool:
    """Whether `fact` answers the question: it agrees in everything the question tells."""
    hidden = ASKED.get(ask, (ask,))
    return all(
        asked is None or slot in hidden or asked == held
        for slot, asked, held in zip(Fact._fields, question, fact, strict=True)
    )


def ask_about(rng: random.Random, facts: list[Fact], slots: frozenset[str]) -> tuple[int, str, Fact] | None:
    """A fact to ask about, what to ask, and the question; None when the passage does not answer it uniquely."""
    index = rng.randrange(len(facts))
    fact = facts[index]
    able = [slot for slot in asks(fact) if slot in slots]
    if not able:
        return None
    ask = rng.choice(able)
    hidden = ASKED.get(ask, (ask,))
    drop = [slot for slot in told(fact) if slot not in hidden and slot != "number" and rng.random() < 0.4]
    question = put(fact, **dict.fromkeys(drop))
    if sum(answers(question, ask, other) for other in facts) != 1:
        return None
    return index, ask, question


def _unanswerable(rng: random.Random, facts: list[Fact], ask: str, question: Fact) -> Fact | None:
    """The question with one thing changed, to something from the passage where possible, so that nothing answers it."""
    hidden = ASKED.get(ask, (ask,))
    slots = [s for s in ("agent", COMPLEMENT[question.frame], *told(question)) if s not in hidden]
    if not slots:
        return None
    slot = rng.choice(slots)
    nearby = [getattr(fact, slot) for fact in facts]
    taken = {getattr(question, slot), question.patient, question.agent}
    allowed = [value for value in values(question, slot) if value not in taken]
    near = [value for value in allowed if value in nearby]
    changed = put(question, **{slot: rng.choice(near or allowed)})
    if slot == "noun":
        changed = put(changed, adjective=None, number=None)
    return None if any(answers(changed, ask, fact) for fact in facts) else changed


SQUAD = frozenset({"agent", "object", "patient", "number", "place", "means", "time", "job", "org"})
TYDI = SQUAD - {"agent", "object", "patient"}


def qa(
    rng: random.Random, split: str, code: str, sentences: tuple[int, int], slots: frozenset[str], answerable: bool
) -> tuple[object, Row]:
    """A passage, a question, and the span of the passage that answers it, if any does."""
    while True:
        facts = story(rng, split, rng.randint(*sentences))
        orders = [rng.choice(ORDERS) for _ in facts]
        found = ask_about(rng, facts, slots)
        if not found:
            continue
        index, ask, question = found
        if not answerable:
            changed = _unanswerable(rng, facts, ask, question)
            if not changed:
                continue
            question = changed
        break
    told_as = [render(code, fact, order) for fact, order in zip(facts, orders, strict=True)]
    starts, context = join(code, [sentence.text for sentence in told_as])
    low, high = told_as[index].spans[ask]
    gold = {"text": [told_as[index].text[low:high]], "answer_start": [starts[index] + low]}
    row = {
        "context": context,
        "question": render(code, question, f"ask_{ask}").text,
        "answers": gold if answerable else {"text": [], "answer_start": []},
    }
    return (tuple(facts), ask, question), row


def phrase(code: str, fact: Fact, slot: str) -> str:
    """The words that fill `slot` when the fact is told."""
    sentence = render(code, fact)
    low, high = sentence.spans[slot]
    return sentence.text[low:high]


def cosmosqa(rng: random.Random, split: str, code: str) -> tuple[object, Row]:
    """A passage, a question, and four answers of one kind, the wrong ones from the passage where possible."""
    slots = SQUAD - {"object", "number"}
    while True:
        facts = story(rng, split, rng.randint(3, 4))
        found = ask_about(rng, facts, slots)
        if found:
            break
    index, ask, question = found
    fact = facts[index]
    taken = {getattr(fact, ask), fact.agent, fact.patient, fact.place, fact.origin}
    pool = [value for value in values(fact, ask) if value not in taken]
    near = [value for value in pool if any(value in other for other in facts)]
    far = [value for value in pool if value not in near]
    wrong = (rng.sample(near, len(near)) + rng.sample(far, min(3, len(far))))[:3]
    options = [getattr(fact, ask), *wrong]
    order = rng.sample(range(4), 4)
    choices = [phrase(code, put(fact, **{ask: options[i]}), ask) for i in order]
    row = {
        "context": join(code, [render(code, f).text for f in facts])[1],
        "question": render(code, question, f"ask_{ask}").text,
        "choices": choices,
        "answer": order.index(0),
    }
    return (tuple(facts), ask, question), row


def _deeds(rng: random.Random, split: str) -> tuple[Fact, Fact, str, str, str]:
    """Two agents with something each, a third thing, the slot it fills, and what may be done with all three."""
    while True:
        one = sample(rng, split, 0.5, ("get", "meet"))
        two = sample(rng, split, 0.5, (one.frame,))
        slot = COMPLEMENT[one.frame]
        followers = [verb for verb in (GET if one.frame == "get" else MEET) if verb != one.verb]
        verb = rng.choice(followers)
        if one.frame == "get":
            pool = [n for n in OBJECTS[verb] if CLASS_OF[n] == CLASS_OF[one.noun or ""] and n != CLASS_OF[n]]
        else:
            pool = list(values(one, "patient"))
        held = {getattr(one, slot), getattr(two, slot), one.agent, two.agent}
        pool_rest = [value for value in pool if value not in held]
        clash = one.agent == two.agent or getattr(one, slot) == getattr(two, slot)
        crossed = one.patient == two.agent if one.patient else False
        if not clash and not crossed and getattr(one, slot) in pool and pool_rest:
            return one, two, rng.choice(pool_rest), slot, verb


def hellaswag(rng: random.Random, split: str, code: str) -> tuple[object, Row]:
    """Two people act; one ending goes on with the right person and the right thing, three mix them up."""
    one, two, third, slot, verb = _deeds(rng, split)
    facts = [one, two] if rng.random() < 0.5 else [two, one]
    ending = Fact(one.frame, one.agent, verb, **{slot: getattr(one, slot)})
    options = [
        ending,
        put(ending, **{slot: third}),
        put(ending, agent=two.agent),
        put(ending, agent=two.agent, **{slot: third}),
    ]
    order = rng.sample(range(4), 4)
    row = {
        "context": join(code, [render(code, fact).text for fact in facts])[1],
        "question": "",
        "choices": [render(code, options[i], "then").text for i in order],
        "answer": order.index(0),
    }
    return (one, two, third, verb), row


# Commonsense is asked in English only: what one does with a thing, what kind it is, and where it is sold.
USES = {"drink": "drink", "eat": "meal", "read": "readable", "ride in": "vehicle", "wear": "clothing", "feed": "animal"}
SHOPS = {
    "bakery": ("bread",),
    "market": CLASSES["fruit"],
    "bookshop": ("book", "magazine", "newspaper"),
    "café": ("tea", "coffee", "juice"),
    "flower shop": CLASSES["flower"],
    "garage": ("car",),
    "hardware store": CLASSES["tool"],
    "furniture shop": CLASSES["furniture"],
    "clothes shop": CLASSES["clothing"],
}
KINDS = {
    "fruit": "a fruit",
    "animal": "an animal",
    "tool": "a tool",
    "flower": "a flower",
    "vehicle": "a vehicle",
    "furniture": "a piece of furniture",
    "clothing": "a piece of clothing",
    "drink": "a drink",
}


def commonsenseqa(rng: random.Random, split: str, code: str) -> tuple[object, Row]:
    """A question about the way of the micro-world, with five choices of which one makes sense."""
    person = phrase(code, sample(rng, split, 0, ("job",)), "agent")
    kind = rng.randrange(3)
    if kind == 0:
        use = rng.choice(tuple(USES))
        nouns = [noun for noun in NOUNS if noun not in CLASSES]
        right = rng.choice([noun for noun in nouns if CLASS_OF[noun] == USES[use]])
        others = [noun for noun in nouns if CLASS_OF[noun] != USES[use]]
        if use in {"eat", "feed"}:
            others = [noun for noun in others if CLASS_OF[noun] not in {"fruit", "drink", "flower"}]
        question, options = f"What can {person} {use}?", [_a(right), *(_a(n) for n in rng.sample(others, 4))]
    elif kind == 1:
        noun = rng.choice([n for name in KINDS for n in CLASSES[name]])
        others = [text for name, text in KINDS.items() if name != CLASS_OF[noun]]
        question = f"{person} sees {_a(noun)}. What is that?"
        options = [KINDS[CLASS_OF[noun]], *rng.sample(others, 4)]
    else:
        shop = rng.choice(tuple(SHOPS))
        others = [f"a {name}" for name in SHOPS if name != shop]
        question = f"{person} wants to buy {_a(rng.choice(SHOPS[shop]))}. Where should {person} go?"
        options = [f"a {shop}", *rng.sample(others, 4)]
    order = rng.sample(range(5), 5)
    row = {"context": "", "question": question, "choices": [options[i] for i in order], "answer": order.index(0)}
    return (question, tuple(options)), row


def _a(noun: str) -> str:
    lexeme = language("en").lexicon["nouns"][noun]
    words = lexeme.form("a" if noun not in MASS else "") + (lexeme.form("sg") if noun not in MASS else ())
    return " ".join(word for word, _ in words)
