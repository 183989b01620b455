"""What leads to what: causes and effects as in COPA, and people's reasons, wishes and feelings as in Social IQa.

In the micro-world, who buys bread eats it afterwards; who loses a hat buys a new one; who is rescued hugs the
rescuer; who visits somebody in a city went there before and goes home after. The rows of COPA come in mirrored
pairs (Kavumba et al. 2019, arXiv 1911.00225): two rows next to each other have the same two choices, and what
is right in one is wrong in the other, so that the choices alone say nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from xharness.micro.pairs import ORDERS
from xharness.micro.passages import phrase
from xharness.micro.render import render
from xharness.micro.world import AGENTS, CLASSES, GET, MEANS, MEET, PLACES, TIMES, TRADE, Fact, put, sample, split_of

Row = dict[str, Any]
QUESTIONS = ("cause", "effect")
KINDS = ("stay", "use", "loss", "mend", "thanks", "trip")


class Mirror(NamedTuple):
    """Two choices, and two premises with a question each: the first choice is right for the first one."""

    choices: tuple[Fact, Fact]
    premises: tuple[Fact, Fact]
    questions: tuple[str, str]


Chain = Callable[[str], tuple[Fact, Fact]]
"""What happened first and what came of it, with one thing, person or place in both."""

# What is done with a thing after it was bought.
USED = dict.fromkeys(CLASSES["fruit"] + CLASSES["meal"], "eat") | dict.fromkeys(CLASSES["drink"], "drink")
USED |= dict.fromkeys(("book", "newspaper", "magazine"), "read")
# What is bought anew after it was lost, and what is repaired after it was bought old.
REPLACED = (*CLASSES["clothing"], *CLASSES["tool"], "book", "bicycle")
MENDED = CLASSES["vehicle"] + CLASSES["furniture"]


def _chain(rng: random.Random, agent: str, kind: str) -> tuple[Chain, tuple[str, str]]:
    """A chain of two events that begins with `agent`, and two things that may stand in it."""
    others = [person for person in AGENTS if person != agent]
    stock = {"stay": PLACES, "use": tuple(USED), "loss": REPLACED, "mend": MENDED, "thanks": tuple(others)}[kind]
    one, two = rng.sample(stock, 2)
    friend, meet = rng.choice(others), rng.choice(("see", "visit"))
    got = Fact("get", agent)

    def chain(what: str) -> tuple[Fact, Fact]:
        if kind == "stay":
            return Fact("travel", agent, place=what), Fact("meet", agent, meet, patient=friend, place=what)
        if kind == "use":
            return put(got, verb="buy", noun=what), put(got, verb=USED[what], noun=what)
        if kind == "loss":
            return put(got, verb="lose", noun=what), put(got, verb="buy", noun=what, adjective="new")
        if kind == "mend":
            old = put(got, verb="buy", noun=what, adjective="old")
            return old, put(old, verb="repair")
        return Fact("meet", agent, "rescue", patient=what), Fact("meet", what, "hug", patient=agent)

    return chain, (one, two)


def _trip(rng: random.Random, agent: str) -> Mirror:
    """Somebody is visited in a city: the way there is the cause, the way back the effect."""
    place, home = rng.sample(PLACES, 2)
    patient = rng.choice([person for person in AGENTS if person != agent])
    visit = Fact("meet", agent, "visit", patient=patient, place=place)
    means = rng.choice((None, *MEANS))
    there = Fact("travel", agent, origin=home, place=place, means=means)
    return Mirror((there, put(there, origin=place, place=home)), (visit, visit), ("cause", "effect"))


def mirror(rng: random.Random, split: str) -> Mirror:
    """A mirrored pair whose premises belong to `split`; either premise may tell the time."""
    kind = rng.choice(KINDS)
    while True:
        agent = rng.choice(AGENTS)
        found = _trip(rng, agent) if kind == "trip" else _same_question(rng, *_chain(rng, agent, kind))
        if all(split_of(premise) == split for premise in found.premises):
            one, two = (put(p, time=rng.choice(TIMES)) if rng.random() < 0.5 else p for p in found.premises)
            return found._replace(premises=(one, two))


def _same_question(rng: random.Random, chain: Chain, things: tuple[str, str]) -> Mirror:
    """One thing leads to one event, the other to another."""
    (before, after), (other_before, other_after) = (chain(thing) for thing in things)
    asked = rng.choice(QUESTIONS)
    causes, effects = (before, other_before), (after, other_after)
    choices, premises = (effects, causes) if asked == "effect" else (causes, effects)
    return Mirror(choices, premises, (asked, asked))


def copa(rng: random.Random, split: str, code: str, size: int) -> list[Row]:
    """`size` premises, each with its cause or its effect and a choice that is neither, in mirrored pairs."""
    made: list[Row] = []
    seen: set[object] = set()
    while len(made) < size:
        for _ in range(20):
            found = mirror(rng, split)
            given = zip(found.premises, found.questions, strict=True)
            sides = {(premise, asked, frozenset(found.choices)) for premise, asked in given}
            if not sides & seen:
                break
        seen |= sides
        turned = rng.random() < 0.5
        choices = found.choices[::-1] if turned else found.choices
        one, two = (render(code, choice).text for choice in choices)
        pairs = list(zip(found.premises, found.questions, (int(turned), int(not turned)), strict=True))
        for premise, asked, label in pairs if rng.random() < 0.5 else pairs[::-1]:
            text = render(code, premise, rng.choice(ORDERS)).text
            made.append({"premise": text, "question": asked, "choice1": one, "choice2": two, "label": label})
    return made[:size]


class Scene(NamedTuple):
    """What makes an answer right: a deed, and, where it is done to things, to which."""

    verb: str
    nouns: tuple[str, ...] = ()
    who: str = "agent"
    """Whom the question is about."""


FOOD = CLASSES["fruit"] + CLASSES["meal"]
PRINT = ("book", "newspaper", "magazine")
THINGS = tuple(noun for name in TRADE for noun in CLASSES[name])
REASONS = {
    "to have something to eat": Scene("buy", FOOD),
    "to have something to drink": Scene("buy", CLASSES["drink"]),
    "to have something to read": Scene("buy", PRINT),
    "to have something to wear": Scene("buy", CLASSES["clothing"]),
    "to make the room look nicer": Scene("buy", CLASSES["flower"]),
    "to get around more easily": Scene("buy", ("car", "bicycle")),
    "to earn some money": Scene("sell", THINGS),
    "to make it clean": Scene("wash", CLASSES["clothing"] + CLASSES["fruit"]),
    "to be able to use it again": Scene("repair", CLASSES["vehicle"] + CLASSES["furniture"]),
    "to help someone in danger": Scene("rescue"),
    "to spend time with a friend": Scene("visit"),
    "to get to know another city": Scene("travel"),
}
WISHES = {
    "eat it": Scene("buy", FOOD),
    "drink it": Scene("buy", CLASSES["drink"]),
    "read it": Scene("buy", PRINT),
    "wear it": Scene("buy", CLASSES["clothing"]),
    "feed it": Scene("buy", CLASSES["animal"]),
    "put it in a vase": Scene("buy", CLASSES["flower"]),
    "put it in the living room": Scene("buy", CLASSES["furniture"]),
    "do some work with it": Scene("buy", CLASSES["tool"]),
    "look for it": Scene("lose", CLASSES["clothing"] + CLASSES["tool"] + PRINT),
    "send it to a friend": Scene("write", ("letter",)),
}
FEELINGS = {
    "sad about the loss": Scene("lose", CLASSES["animal"] + CLASSES["clothing"] + PRINT),
    "glad about the find": Scene("find", CLASSES["animal"] + CLASSES["clothing"] + PRINT),
    "no longer hungry": Scene("eat", FOOD),
    "no longer thirsty": Scene("drink", CLASSES["drink"]),
    "tired from the journey": Scene("travel"),
    "proud of the good deed": Scene("rescue"),
    "grateful for the help": Scene("rescue", who="patient"),
    "loved by a friend": Scene("hug", who="patient"),
}
SOCIAL = {
    "Why did {} do this?": REASONS,
    "What will {} want to do next?": WISHES,
    "How would {} feel afterwards?": FEELINGS,
}


def _happening(rng: random.Random, split: str, scene: Scene) -> Fact:
    """A fact of `split` that the scene tells of, about one thing where it is about things."""
    frame = "get" if scene.verb in GET else "meet" if scene.verb in MEET else "travel"
    while True:
        fact = sample(rng, split, 0.5, (frame,))
        if frame == "get":
            noun = rng.choice(scene.nouns)
            fact = put(fact, verb=scene.verb, noun=noun, number=None, adjective=None)
        elif frame == "meet":
            fact = put(fact, verb=scene.verb)
        if split_of(fact) == split:
            return fact


def socialiqa(rng: random.Random, split: str, code: str) -> tuple[object, Row]:
    """What somebody did, a question about why, what next or how that felt, and three answers of that kind.

    The answers are drawn first and which is right after them; the deed is made to fit.
    """
    wording = rng.choice(tuple(SOCIAL))
    choices = rng.sample(tuple(SOCIAL[wording]), 3)
    answer = rng.randrange(3)
    scene = SOCIAL[wording][choices[answer]]
    fact = _happening(rng, split, scene)
    row = {
        "context": render(code, fact, rng.choice(ORDERS)).text,
        "question": wording.format(phrase(code, fact, scene.who)),
        "choices": choices,
        "answer": answer,
    }
    return (fact, wording, tuple(choices)), row
