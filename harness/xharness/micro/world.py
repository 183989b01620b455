"""The micro-world: who and what exists, which facts can hold, and which split a fact belongs to.

Nothing here knows a language: concepts are English identifiers, a fact is a tuple of them, and every
language file (`languages/*.toml`) has a form for each. A fact's *core* (frame, agent, verb and what it is
done to) decides its split, so that what is evaluated was never trained on, in any data set.
"""

from __future__ import annotations

import random
import zlib
from typing import NamedTuple

WOMEN = ("anna", "maria", "sofia", "laura", "elena", "julia", "nina", "sara", "olga", "eva", "clara", "diana")
MEN = ("ivan", "peter", "thomas", "david", "daniel", "martin", "robert", "victor", "leon", "max", "oscar", "omar")
AGENTS = WOMEN + MEN
GENDER = {**dict.fromkeys(WOMEN, "f"), **dict.fromkeys(MEN, "m")}
PLACES = (
    "berlin", "madrid", "moscow", "istanbul", "delhi", "beijing",
    "cairo", "nairobi", "london", "paris", "rome", "tokyo",
)  # fmt: skip
ORGS = ("google", "toyota", "samsung", "siemens", "nokia", "microsoft", "red_cross", "united_nations")
JOBS = ("doctor", "teacher", "engineer", "singer", "farmer", "driver", "lawyer", "journalist")
MEANS = ("train", "plane", "bus", "ship", "car")
NUMBERS = ("three", "four", "five", "six", "seven")

# Times that exclude one another stand in one tuple.
TIME_KINDS = (
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    ("yesterday", "last_week", "last_month", "last_year"),
    ("summer", "winter"),
    ("morning", "evening"),
)
TIMES = tuple(time for kind in TIME_KINDS for time in kind)

COLOURS = ("red", "green", "blue", "white", "black", "yellow")
SIZES, AGES, PRICES = ("big", "small"), ("old", "new"), ("cheap", "expensive")
ADJECTIVE_KINDS = (COLOURS, SIZES, AGES, PRICES)
ADJECTIVES = tuple(adjective for kind in ADJECTIVE_KINDS for adjective in kind)

CLASSES = {
    "fruit": ("apple", "orange", "banana", "pear", "lemon", "mango"),
    "animal": ("dog", "cat", "horse", "cow"),
    "tool": ("hammer", "knife", "axe"),
    "flower": ("rose", "tulip"),
    "readable": ("book", "newspaper", "letter", "magazine"),
    "vehicle": ("car", "bicycle", "boat"),
    "furniture": ("table", "chair", "bed"),
    "clothing": ("shirt", "hat", "coat"),
    "drink": ("tea", "coffee", "milk", "water", "juice"),
    "meal": ("bread", "rice", "meat", "cheese", "fish"),
}
MASS = frozenset(CLASSES["drink"] + CLASSES["meal"])
# The classes whose name is itself a countable noun in every language.
HYPERNYMS = ("fruit", "animal", "tool", "flower")
CLASS_OF = {noun: name for name, nouns in CLASSES.items() for noun in nouns} | {name: name for name in HYPERNYMS}
NOUNS = tuple(CLASS_OF)
QUALITIES = {
    "fruit": ("red", "green", "yellow", *SIZES),
    "animal": ("white", "black", *SIZES),
    "tool": SIZES + AGES + PRICES,
    "flower": ("red", "white", "yellow", *SIZES),
    "readable": SIZES + AGES,
    "vehicle": COLOURS + AGES + PRICES,
    "furniture": COLOURS + SIZES + AGES + PRICES,
    "clothing": COLOURS + AGES + PRICES,
}
TRADE = tuple(CLASSES)
KEEP = ("animal", "tool", "readable", "vehicle", "clothing")
GET = {
    "buy": TRADE,
    "sell": TRADE,
    "find": KEEP,
    "lose": KEEP,
    "eat": ("fruit", "meal"),
    "drink": ("drink",),
    "read": ("readable",),
    "write": ("readable",),
    "wash": ("fruit", "clothing"),
    "repair": ("vehicle", "furniture"),
}
MEET = ("see", "visit", "rescue", "hug")
VERBS = tuple(GET) + MEET
FRAMES = ("get", "meet", "travel", "live", "job", "employ")

OBJECTS = {
    verb: tuple(noun for noun in NOUNS if CLASS_OF[noun] in classes) for verb, classes in GET.items()
} | {"write": ("letter", "book")}  # fmt: skip


class Fact(NamedTuple):
    """Something that holds in the micro-world; a slot that is None is not told."""

    frame: str
    agent: str
    verb: str | None = None
    noun: str | None = None
    adjective: str | None = None
    number: str | None = None
    patient: str | None = None
    origin: str | None = None
    place: str | None = None
    means: str | None = None
    time: str | None = None
    job: str | None = None
    org: str | None = None
    negated: bool = False


MODIFIERS = {
    "get": ("adjective", "number", "place", "time"),
    "meet": ("place", "time"),
    "travel": ("origin", "means", "time"),
    "live": (),
    "job": (),
    "employ": (),
}
# What the verb is done to: the slot that a core cannot lack.
COMPLEMENT = {"get": "noun", "meet": "patient", "travel": "place", "live": "place", "job": "job", "employ": "org"}
FRAME_WEIGHTS = (9, 4, 4, 1, 1, 1)


def split_of(fact: Fact) -> str:
    """The only split that may tell this fact: train (70 %), dev (10 %) or test (20 %)."""
    core = f"{fact.frame} {fact.agent} {fact.verb} {getattr(fact, COMPLEMENT[fact.frame])}"
    bucket = zlib.crc32(core.encode()) % 10
    return "train" if bucket < 7 else "dev" if bucket == 7 else "test"


def question_split(fact: Fact, ask: str) -> str:
    """The only split that may ask this about the fact where no passage stands beside the question."""
    slot = "noun" if ask == "object" else ask
    hidden = slot in {"agent", COMPLEMENT[fact.frame]}
    return split_of(put(fact, **{slot: "?"}) if hidden else fact)


def sample_core(rng: random.Random, split: str, frames: tuple[str, ...] = FRAMES) -> Fact:
    """A fact of `split` without modifiers, of one of `frames`."""
    weights = [FRAME_WEIGHTS[FRAMES.index(frame)] for frame in frames]
    frame = rng.choices(frames, weights)[0]
    while True:
        agent = rng.choice(AGENTS)
        if frame == "get":
            verb = rng.choice(tuple(GET))
            fact = Fact(frame, agent, verb, noun=rng.choice(OBJECTS[verb]))
        elif frame == "meet":
            patient = rng.choice([person for person in AGENTS if person != agent])
            fact = Fact(frame, agent, rng.choice(MEET), patient=patient)
        elif frame in {"travel", "live"}:
            fact = Fact(frame, agent, place=rng.choice(PLACES))
        elif frame == "job":
            fact = Fact(frame, agent, job=rng.choice(JOBS))
        else:
            fact = Fact(frame, agent, org=rng.choice(ORGS))
        if split_of(fact) == split:
            return fact


def values(fact: Fact, slot: str) -> tuple[str, ...]:
    """What `slot` of this fact could hold, whether or not it holds something."""
    if slot == "adjective":
        return () if fact.noun in MASS else QUALITIES[CLASS_OF[fact.noun or ""]]
    if slot == "number":
        return () if fact.noun in MASS else NUMBERS
    if slot == "origin":
        return tuple(place for place in PLACES if place != fact.place)
    if slot == "place":
        return tuple(place for place in PLACES if place != fact.origin)
    if slot == "patient":
        return tuple(person for person in AGENTS if person != fact.agent)
    if slot == "noun":
        return OBJECTS[fact.verb or ""]
    return {"time": TIMES, "means": MEANS, "job": JOBS, "org": ORGS, "agent": AGENTS}[slot]


def rivals(fact: Fact, slot: str) -> tuple[str, ...]:
    """The values that exclude the one `slot` holds: another colour, another weekday, another city."""
    held = getattr(fact, slot)
    allowed = values(fact, slot)
    if slot in {"adjective", "time"}:
        kinds = ADJECTIVE_KINDS if slot == "adjective" else TIME_KINDS
        allowed = tuple(value for value in allowed if any({value, held} <= set(kind) for kind in kinds))
    if slot == "noun":
        same = CLASS_OF[held]
        allowed = () if held in HYPERNYMS else tuple(n for n in allowed if CLASS_OF[n] == same and n not in HYPERNYMS)
    return tuple(value for value in allowed if value != held)


def put(fact: Fact, **slots: str | bool | None) -> Fact:
    """The fact with some slots changed."""
    return fact._replace(**slots)  # type: ignore[arg-type]


def add_modifiers(rng: random.Random, fact: Fact, chance: float) -> Fact:
    """The fact with each untold modifier told with probability `chance`; never both adjective and number."""
    for slot in MODIFIERS[fact.frame]:
        if getattr(fact, slot) is not None or rng.random() >= chance:
            continue
        if slot in {"adjective", "number"}:
            if fact.adjective or fact.number or fact.noun in MASS or (slot == "adjective" and rng.random() < 1 / 3):
                continue
            if slot == "number" and fact.negated:
                continue
        fact = put(fact, **{slot: rng.choice(values(fact, slot))})
    return fact


def sample(rng: random.Random, split: str, chance: float = 0.5, frames: tuple[str, ...] = FRAMES) -> Fact:
    """A fact of `split` with each modifier told with probability `chance`."""
    return add_modifiers(rng, sample_core(rng, split, frames), chance)


def told(fact: Fact) -> tuple[str, ...]:
    """The modifiers this fact tells."""
    return tuple(slot for slot in MODIFIERS[fact.frame] if getattr(fact, slot) is not None)
