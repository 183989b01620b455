"""From facts to words: reads a language file, fills its templates, and knows where every slot ended up.

A template is words and slots separated by spaces:

    word/UPOS         a literal word with its tag
    {slot}            the first form of the lexeme in that slot; nothing when the fact does not tell the slot
    {slot:key}        its form `key`; `{slot:no-agent.g}` asks for `no-f` when the agent's `g` is `f`
    {@name:key}       an agreeing function word of the language's [words]
    {slot:key/UPOS}   another tag than the slot's own
    [ ... ]           left out as a whole when one of its slots is not told
    word+/UPOS        a clitic, written together with the next word

A lexeme is a table of forms, or one string that serves every key. A form may carry tags of its own on
single words (`in/ADP Berlin`); such words are outside the entity and outside the slot's span.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any, NamedTuple

from xharness.micro.world import GENDER, MASS, Fact

Word = tuple[str, str | None]
Form = tuple[Word, ...]

UPOS = {
    "agent": "PROPN",
    "patient": "PROPN",
    "place": "PROPN",
    "origin": "PROPN",
    "org": "PROPN",
    "verb": "VERB",
    "adjective": "ADJ",
    "number": "NUM",
}
ENTITY = {"agent": "PER", "patient": "PER", "place": "LOC", "origin": "LOC", "org": "ORG"}
# Which table of a language file a slot looks its lexeme up in.
TABLES = {
    "agent": "people",
    "patient": "people",
    "place": "places",
    "origin": "places",
    "org": "orgs",
    "verb": "verbs",
    "noun": "nouns",
    "adjective": "adjectives",
    "number": "numbers",
    "means": "means",
    "time": "times",
    "job": "jobs",
}
CLOSING = frozenset(".,?!;:،؟।。，？")
OPENING = frozenset("¿¡")
OUTSIDE = frozenset({"ADP", "DET"})
_ITEM = re.compile(r"\[|\]|\{(@?)(\w+)(?::([\w.\-]+))?(?:/(\w+))?\}|(\S+?)(\+?)/(\w+)(?=\s|\]|$)")


class Lexeme(NamedTuple):
    """The forms of one word by key; `only` is set when one form serves every key."""

    forms: dict[str, Form]
    features: dict[str, str]
    only: Form | None

    def form(self, key: str) -> Form:
        """The form for `key`; the first one for the empty key, and `f` where there is no `no-f` of its own."""
        if self.only is not None:
            return self.only
        if not key:
            return next(iter(self.forms.values()))
        return self.forms[key] if key in self.forms else self.forms[key.partition("-")[2]]


class Item(NamedTuple):
    """One step of a compiled template: a literal word, a slot, or an optional group of steps."""

    word: str = ""
    upos: str | None = None
    clitic: bool = False
    slot: str = ""
    key: tuple[tuple[str, str], ...] = ()
    function: bool = False
    group: tuple[Item, ...] = ()


class Sentence(NamedTuple):
    """A rendered sentence: words with tags, its text, and the character span of each slot."""

    tokens: list[str]
    upos: list[str]
    entities: list[str]
    text: str
    spans: dict[str, tuple[int, int]]
    inner: str
    """The first word as it is written inside a sentence."""


class Language(NamedTuple):
    """A language file, compiled."""

    code: str
    spaced: bool
    suffix_mark: str
    lexicon: dict[str, dict[str, Lexeme]]
    templates: dict[str, tuple[Item, ...]]


def _form(text: str) -> Form:
    words = (word.rpartition("/") for word in text.split())
    return tuple((head, tag) if slash else (tag, None) for head, slash, tag in words)


def _lexeme(entry: str | dict[str, str], gender: str | None) -> Lexeme:
    if isinstance(entry, str):
        return Lexeme({}, {"g": gender} if gender else {}, _form(entry))
    features = dict(entry) | ({"g": gender} if gender else {})
    return Lexeme({key: _form(text) for key, text in entry.items()}, features, None)


def _compile(template: str) -> tuple[Item, ...]:
    if rest := _ITEM.sub("", template).strip():
        raise ValueError(f"template {template!r}: cannot read {rest!r}")
    stack: list[list[Item]] = [[]]
    for match in _ITEM.finditer(template):
        if match[0] == "[":
            stack.append([])
        elif match[0] == "]":
            group = tuple(stack.pop())
            stack[-1].append(Item(group=group))
        elif match[2]:
            parts = (part.partition(".") for part in (match[3] or "").split("-") if part)
            key = tuple((head, tail) for head, _, tail in parts)
            stack[-1].append(Item(slot=match[2], key=key, upos=match[4], function=bool(match[1])))
        else:
            stack[-1].append(Item(word=match[5], clitic=bool(match[6]), upos=match[7]))
    return tuple(stack[0])


@functools.cache
def language(code: str) -> Language:
    """The compiled language file `languages/<code>.toml`."""
    import tomllib

    path = Path(__file__).parent / "languages" / f"{code}.toml"
    data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    lexicon = {
        table: {name: _lexeme(entry, GENDER.get(name) if table == "people" else None) for name, entry in rows.items()}
        for table, rows in data["lexicon"].items()
    }
    templates = {
        f"{frame}.{name}": _compile(text) for frame, rows in data["templates"].items() for name, text in rows.items()
    }
    return Language(code, data["spaced"], data.get("suffix_mark", ""), lexicon, templates)


class _Writer:
    """Collects the words of one sentence while its template is walked."""

    def __init__(self, lang: Language, fact: Fact) -> None:
        self.lang, self.fact = lang, fact
        self.tokens: list[str] = []
        self.upos: list[str] = []
        self.entities: list[str] = []
        self.slots: dict[str, tuple[int, int]] = {}
        self.clitic = ""

    def add(self, word: str, upos: str, entity: str = "O") -> None:
        self.tokens.append(self.clitic + word)
        self.upos.append(upos)
        self.entities.append(entity)
        self.clitic = ""

    def lexeme(self, item: Item) -> Lexeme | None:
        if item.function:
            return self.lang.lexicon["words"][item.slot]
        value = getattr(self.fact, item.slot)
        return None if value is None else self.lang.lexicon[TABLES[item.slot]][value]

    def feature(self, slot: str, name: str) -> str:
        if slot == "object":
            plural = "-p" if self.fact.number else ""
            return self.feature("noun", name) + plural
        value = getattr(self.fact, slot)
        return self.lang.lexicon[TABLES[slot]][value].features[name]

    def untold(self, items: tuple[Item, ...]) -> bool:
        return any(item.slot and not item.function and getattr(self.fact, item.slot) is None for item in items)

    def walk(self, items: tuple[Item, ...]) -> None:
        for item in items:
            if item.group:
                if not self.untold(item.group):
                    self.walk(item.group)
            elif item.word and item.clitic:
                self.clitic = item.word
            elif item.word:
                self.add(item.word, item.upos or "X")
            elif item.slot == "object":
                self.noun_phrase()
            else:
                self.slot(item)

    def slot(self, item: Item) -> None:
        lexeme = self.lexeme(item)
        if lexeme is None:
            return
        key = "-".join(self.feature(head, tail) if tail else head for head, tail in item.key)
        default = item.upos or UPOS.get(item.slot, "NOUN")
        entity = ENTITY.get(item.slot)
        start, inside = len(self.tokens), False
        for word, upos in lexeme.form(key):
            if entity and upos is None:
                self.add(word, default, f"I-{entity}" if inside else f"B-{entity}")
                inside = True
            else:
                self.add(word, upos or default)
        if not item.function and not item.upos:
            self.slots[item.slot] = (start, len(self.tokens))

    def noun_phrase(self) -> None:
        fact = self.fact
        kind = "count" if fact.number else "adjective" if fact.adjective else "mass" if fact.noun in MASS else "plain"
        templates = self.lang.templates
        negative = templates.get(f"np.deny_{kind}") if fact.negated else None
        start = len(self.tokens)
        self.walk(negative or templates[f"np.{kind}"])
        self.slots["object"] = (start, len(self.tokens))

    def capitalise(self) -> None:
        first = 1 if self.tokens[0] in OPENING else 0
        word = self.tokens[first]
        head = "İ" if self.lang.code == "tr" and word[0] == "i" else word[0].upper()
        self.tokens[first] = head + word[1:]

    def sentence(self) -> Sentence:
        inner = self.tokens[0]
        self.capitalise()
        starts, text = layout(self.tokens, self.lang.spaced)
        spans = {}
        for slot, (low, high) in self.slots.items():
            inside = [index for index in range(low, high) if self.upos[index] not in OUTSIDE]
            last = self.tokens[inside[-1]]
            mark = last.find(self.lang.suffix_mark) if self.lang.suffix_mark and slot in ENTITY else -1
            spans[slot] = (starts[inside[0]], starts[inside[-1]] + (mark if mark > 0 else len(last)))
        return Sentence(self.tokens, self.upos, self.entities, text, spans, inner)


def layout(tokens: list[str], spaced: bool) -> tuple[list[int], str]:
    """Where each token begins in the text they make, and that text."""
    starts, text, glue = [], "", True
    for token in tokens:
        if spaced and not glue and token not in CLOSING:
            text += " "
        starts.append(len(text))
        text += token
        glue = token in OPENING
    return starts, text


def render(code: str, fact: Fact, template: str = "say") -> Sentence:
    """The fact as a sentence of language `code`: `say`, `front` (time first), or a question `ask_<slot>`.

    A negated fact is denied whichever statement is asked for; `front` without a time is `say`.
    """
    lang = language(code)
    if template in {"say", "front"}:
        template = "deny" if fact.negated else "front" if template == "front" and fact.time else "say"
    writer = _Writer(lang, fact)
    writer.walk(lang.templates[f"{fact.frame}.{template}"])
    return writer.sentence()


def join(code: str, texts: list[str]) -> tuple[list[int], str]:
    """Where each sentence begins in the paragraph they make, and that paragraph."""
    glue = " " if language(code).spaced else ""
    starts, position = [], 0
    for text in texts:
        starts.append(position)
        position += len(text) + len(glue)
    return starts, glue.join(texts)


def conjoin(code: str, first: Sentence, second: Sentence) -> Sentence:
    """Two statements as one sentence, with the language's `and` between them; it has no spans."""
    lang = language(code)
    writer = _Writer(lang, Fact("get", ""))
    writer.walk(lang.templates["and.clauses"])
    tokens = first.tokens[:-1] + writer.tokens
    upos = first.upos[:-1] + writer.upos
    entities = first.entities[:-1] + writer.entities
    tokens += [writer.clitic + second.inner, *second.tokens[1:]]
    upos, entities = upos + second.upos, entities + second.entities
    return Sentence(tokens, upos, entities, layout(tokens, lang.spaced)[1], {}, first.inner)
