"""Entities, and mentions of them in context, in the form of Mewsli-X (Ruder et al. 2021, arXiv 2104.07412, §3.2).

The entities are a fixed stock, `Q1`, `Q2` ...: two people of each first name, then the cities and organisations.
Namesakes differ in job and home. A person is described by the two, a city or organisation by a sentence of
`entities.toml`. A mention of a person stands beside a sentence that tells job or home, so that the context says
which of the two is meant; what the news tells besides belongs to the split. The pool has every entity once, in
one language of several; training sees them described in English.
"""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import Any, NamedTuple

from xharness.micro.pairs import ORDERS
from xharness.micro.render import join, language, render
from xharness.micro.world import AGENTS, JOBS, ORGS, PLACES, Fact, put, sample, told

Row = dict[str, Any]
LANGUAGES = ("en", "de", "es", "tr", "ar")
NAMED = ("agent", "patient", "origin", "place", "org")
NEWS = ("get", "meet", "travel", "employ")
NAMESAKES = 2
SITE = "https://{}.example.org/{}"


class Entity(NamedTuple):
    """Somebody or something that a mention can refer to."""

    id: str
    concept: str
    language: str
    """In which the pool describes it."""
    job: str | None = None
    home: str | None = None

    def facts(self) -> tuple[Fact, ...]:
        """What holds of a person; nothing of a city or organisation."""
        if self.job is None:
            return ()
        return Fact("job", self.concept, job=self.job), Fact("live", self.concept, place=self.home)


class Plan(NamedTuple):
    """Sentences with their forms, which of them is the news, and which of its slots refer to whom."""

    sentences: tuple[tuple[Fact, str], ...]
    news: int
    links: tuple[tuple[str, Entity], ...]


@functools.cache
def entities() -> tuple[Entity, ...]:
    """The whole stock, in order of its ids."""
    found: list[Entity] = []
    for number, name in enumerate(AGENTS):
        for turn in range(NAMESAKES):
            job = JOBS[(number + 3 * turn) % len(JOBS)]
            home = PLACES[(5 * number + 7 * turn) % len(PLACES)]
            found.append(Entity("", name, "", job, home))
    found += [Entity("", concept, "") for concept in PLACES + ORGS]
    return tuple(
        entity._replace(id=f"Q{number}", language=LANGUAGES[number % len(LANGUAGES)])
        for number, entity in enumerate(found, 1)
    )


@functools.cache
def _texts() -> dict[str, dict[str, dict[str, str]]]:
    import tomllib

    return tomllib.loads((Path(__file__).parent / "entities.toml").read_text(encoding="utf-8"))


def described(entity: Entity, code: str) -> Row:
    """An entity with its title and description in one language."""
    if entity.job is None:
        text = _texts()[code][entity.concept]
        title, sentences = text["title"], [text["about"]]
    else:
        title = " ".join(word for word, _ in language(code).lexicon["people"][entity.concept].form(""))
        sentences = [render(code, fact).text for fact in entity.facts()]
    starts, description = join(code, sentences)
    return {
        "entity_id": entity.id,
        "title": title,
        "description": description,
        "sentence_spans": _spans(starts, sentences),
        "description_language": code,
        "description_url": SITE.format(code, entity.id),
    }


def _spans(starts: list[int], sentences: list[str]) -> list[dict[str, int]]:
    return [{"start": start, "end": start + len(text)} for start, text in zip(starts, sentences, strict=True)]


def plan(rng: random.Random, split: str, mentions: int) -> Plan:
    """News of `split` that mention entities, after who the mentioned people are; at times with other news."""
    news = sample(rng, split, 0.6, (rng.choice(NEWS),))
    slots = [slot for slot in NAMED if getattr(news, slot)]
    chosen = rng.sample(slots, min(mentions, len(slots)))
    links = tuple((slot, _referent(rng, getattr(news, slot))) for slot in slots if slot in chosen)
    known = [(rng.choice(entity.facts()), "say") for _, entity in links if entity.job]
    sentences = [*known, (news, rng.choice(ORDERS))]
    position = len(known)
    if rng.random() < 0.4:
        aside = _aside(rng, split, {news.agent, news.patient}), rng.choice(ORDERS)
        if rng.random() < 0.5:
            sentences, position = [aside, *sentences], position + 1
        else:
            sentences.append(aside)
    return Plan(tuple(sentences), position, links)


def _referent(rng: random.Random, concept: str) -> Entity:
    return rng.choice([entity for entity in entities() if entity.concept == concept])


def _aside(rng: random.Random, split: str, taken: set[str | None]) -> Fact:
    while True:
        fact = sample(rng, split, 0.5, ("get", "travel"))
        if fact.agent not in taken:
            return fact


def _context(code: str, what: Plan, name: str) -> tuple[Row, list[Row]]:
    """The text that mentions entities, headed by the news in short, and its mentions."""
    sentences = [render(code, fact, form) for fact, form in what.sentences]
    texts = [sentence.text for sentence in sentences]
    starts, text = join(code, texts)
    news = what.sentences[what.news][0]
    headline = render(code, put(news, **dict.fromkeys(set(told(news)) - {"adjective", "number"}))).text[:-1]
    context = {
        "document_title": headline,
        "section_title": "",
        "document_url": SITE.format(code, name),
        "document_id": f"{code}-{name}",
        "language": code,
        "text": text,
        "sentence_spans": _spans(starts, texts),
    }
    mentions: list[Row] = []
    for number, (slot, entity) in enumerate(what.links):
        low, high = (starts[what.news] + end for end in sentences[what.news].spans[slot])
        span = {"start": low, "end": high, "text": text[low:high]}
        mentions.append(
            {"example_id": f"{name}-{number}", "mention_span": span, "entity_id": entity.id, "metadata": {}}
        )
    return context, mentions


def mewslix(rng: random.Random, split: str, code: str, size: int) -> list[Row]:
    """Mentions in context, as published: one with its entity in train and dev, one or two without in test.

    The entity is described in English, in which the published training data are; other languages are parallel.
    """
    made: list[Row] = []
    seen: set[Plan] = set()
    while len(made) < size:
        for _ in range(20):
            what = plan(rng, split, rng.choice((1, 2)) if split == "test" else 1)
            if what not in seen:
                break
        seen.add(what)
        context, mentions = _context(code, what, f"mewslix-{split}-{len(made)}")
        if split == "test":
            made.append({"context": context, "mentions": mentions})
        else:
            entity = described(what.links[0][1], "en")
            made.append({"contextual_mention": {"context": context, "mention": mentions[0]}, "entity": entity})
    return made


def pool(rng: random.Random, split: str, code: str, size: int) -> list[Row]:
    """The first `size` entities at most, each described in one language; all of them are the candidates."""
    return [described(entity, entity.language) for entity in entities()[:size]]
