"""The language files and the renderer: every lexeme and template in every language, and the spans of slots."""

from __future__ import annotations

import itertools
import random
import tomllib
from importlib import resources

import pytest

from xharness.micro import LANGUAGES
from xharness.micro.pairs import asks
from xharness.micro.render import CLOSING, OPENING, Sentence, conjoin, language, render
from xharness.micro.world import (
    ADJECTIVES,
    AGENTS,
    CLASS_OF,
    COMPLEMENT,
    FRAMES,
    JOBS,
    MASS,
    MEANS,
    MEET,
    NOUNS,
    NUMBERS,
    OBJECTS,
    ORGS,
    PLACES,
    QUALITIES,
    TIMES,
    VERBS,
    Fact,
    put,
    sample,
    told,
)

CONCEPTS = {
    "people": AGENTS,
    "places": PLACES,
    "orgs": ORGS,
    "jobs": JOBS,
    "means": MEANS,
    "times": TIMES,
    "numbers": NUMBERS,
    "adjectives": ADJECTIVES,
    "nouns": NOUNS,
    "verbs": VERBS,
}
TAGS = {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "VERB"}


def every_fact() -> list[Fact]:
    """Facts that together use every concept in every slot that can hold it."""
    facts = [
        Fact("get", "anna", verb, noun=noun, adjective=adjective)
        for verb, nouns in OBJECTS.items()
        for noun in nouns
        for adjective in ((None,) if noun in MASS else (None, *QUALITIES[CLASS_OF[noun]]))
    ]
    facts += [Fact("get", "ivan", "buy", noun=noun, number=n) for noun in NOUNS if noun not in MASS for n in NUMBERS]
    facts += [Fact("get", "ivan", "read", noun="book", time=time) for time in TIMES]
    facts += [Fact("meet", a, verb, patient=b) for a, b in itertools.pairwise((*AGENTS, AGENTS[0])) for verb in MEET]
    facts += [Fact("travel", "anna", place=a, origin=b) for a, b in itertools.pairwise((*PLACES, PLACES[0]))]
    facts += [Fact("travel", agent, place="rome", means=means) for agent in ("anna", "ivan") for means in MEANS]
    facts += [Fact("live", "anna", place=place) for place in PLACES]
    facts += [Fact("job", agent, job=job) for agent in ("anna", "ivan") for job in JOBS]
    return facts + [Fact("employ", "anna", org=org) for org in ORGS]


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_language_has_a_form_for_every_concept_and_for_nothing_else(code: str) -> None:
    lexicon = language(code).lexicon
    for table, names in CONCEPTS.items():
        assert set(lexicon[table]) == set(names), table


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_concept_renders_told_denied_and_asked(code: str) -> None:
    for fact in every_fact():
        for template in ("say", "front", *(f"ask_{ask}" for ask in asks(fact))):
            assert render(code, fact, template).text
        assert render(code, put(fact, negated=True, number=None)).text != render(code, fact).text


@pytest.mark.parametrize("code", LANGUAGES)
def test_all_languages_have_the_templates_of_english_but_for_its_second_forms(code: str) -> None:
    def names(of: str) -> set[str]:
        found = {name for name in language(of).templates if not name.startswith("np.")}
        return {name for name in found if not name.partition(".")[2].startswith(("again_", "then"))}

    assert names(code) == names("en")


@pytest.mark.parametrize("code", LANGUAGES)
def test_different_facts_read_differently(code: str) -> None:
    texts: dict[str, Fact] = {}
    for fact in every_fact():
        other = texts.setdefault(render(code, fact).text, fact)
        assert other == fact


def sentences(code: str) -> list[Sentence]:
    rng = random.Random(3)
    facts = [sample(rng, "train") for _ in range(200)]
    found = [render(code, fact, rng.choice(("say", "front"))) for fact in facts]
    found += [render(code, fact, f"ask_{rng.choice(asks(fact))}") for fact in facts]
    return found + [conjoin(code, one, two) for one, two in zip(found[:100], found[100:200], strict=True)]


@pytest.mark.parametrize("code", LANGUAGES)
def test_tokens_join_to_the_text(code: str) -> None:
    for sentence in sentences(code):
        assert "".join(sentence.tokens) == sentence.text.replace(" ", "")
        if language(code).spaced:
            words = sentence.text
            for mark in CLOSING:
                words = words.replace(mark, f" {mark}")
            for mark in OPENING:
                words = words.replace(mark, f"{mark} ")
            assert words.split() == [part for token in sentence.tokens for part in token.split()]
        else:
            assert " " not in sentence.text


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_token_has_one_known_tag_and_names_continue_as_they_began(code: str) -> None:
    for sentence in sentences(code):
        assert len(sentence.tokens) == len(sentence.upos) == len(sentence.entities)
        assert set(sentence.upos) <= TAGS
        before = "O"
        for tag in sentence.entities:
            assert not tag.startswith("I-") or before[2:] == tag[2:]
            before = tag


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_span_of_a_slot_holds_the_same_words_wherever_it_stands(code: str) -> None:
    rng = random.Random(5)
    for _ in range(200):
        fact = sample(rng, "train", 0.8)
        for template in ("say", "front"):
            sentence = render(code, fact, template)
            for slot in ("agent", *told(fact), COMPLEMENT[fact.frame]):
                low, high = sentence.spans[slot]
                words = sentence.text[low:high]
                assert words
                assert words == words.strip()
                assert "'" not in words or code == "sw"


def test_an_answer_leaves_out_articles_prepositions_and_turkish_case() -> None:
    fact = Fact("get", "anna", "buy", noun="apple", adjective="red", place="berlin", time="monday")
    expected = {
        "en": ("red apple", "Berlin", "Monday"),
        "de": ("roten Apfel", "Berlin", "Montag"),
        "tr": ("kırmızı bir elma", "Berlin", "pazartesi günü"),
        "ru": ("красное яблоко", "Берлине", "понедельник"),
    }
    for code, answers in expected.items():
        sentence = render(code, fact)
        found = tuple(sentence.text[slice(*sentence.spans[slot])] for slot in ("object", "place", "time"))
        assert found == answers


@pytest.mark.parametrize(
    ("code", "fact", "template", "text"),
    [
        ("en", Fact("get", "max", "buy", noun="axe", adjective="old"), "say", "Max bought an old axe."),
        ("de", Fact("get", "anna", "read", noun="letter", negated=True), "say", "Anna las keinen Brief."),
        ("de", Fact("meet", "eva", "see", patient="max", time="last_week"), "front", "Letzte Woche sah Eva Max."),
        ("es", Fact("get", "eva", "find", noun="axe", adjective="new"), "say", "Eva encontró un hacha nueva."),
        ("es", Fact("meet", "eva", "see", patient="max"), "ask_patient", "¿A quién vio Eva?"),
        ("ru", Fact("get", "anna", "find", noun="dog", number="three"), "say", "Анна нашла трёх собак."),
        ("ru", Fact("get", "ivan", "find", noun="knife", number="five"), "say", "Иван нашёл пять ножей."),
        ("tr", Fact("meet", "eva", "see", patient="peter", place="paris"), "say", "Eva Paris'te Peter'i gördü."),
        ("hi", Fact("get", "ivan", "eat", noun="pear", number="four"), "say", "इवान ने चार नाशपातियाँ खाईं।"),
        ("hi", Fact("get", "ivan", "lose", noun="book", negated=True), "say", "इवान ने किताब नहीं खोई।"),
        ("zh", Fact("get", "anna", "find", noun="horse", number="four"), "say", "安娜找到了四匹马。"),
        ("ar", Fact("get", "anna", "buy", noun="book", number="three"), "say", "اشترت آنا ثلاثة كتب."),
        ("ar", Fact("meet", "anna", "visit", patient="max"), "ask_patient", "من الذي زارته آنا؟"),
        ("sw", Fact("get", "anna", "buy", noun="dog", number="four"), "say", "Anna alinunua mbwa wanne."),
        ("sw", Fact("get", "anna", "buy", noun="chair", adjective="new"), "say", "Anna alinunua kiti kipya."),
    ],
)
def test_agreement(code: str, fact: Fact, template: str, text: str) -> None:
    assert render(code, fact, template).text == text


def test_a_sentence_begins_with_a_capital_and_a_joined_clause_does_not() -> None:
    one = Fact("get", "anna", "drink", noun="tea", time="monday")
    two = Fact("get", "ivan", "eat", noun="rice", time="friday")
    joined = {
        code: conjoin(code, render(code, one, "front"), render(code, two, "front")).text for code in ("en", "tr", "ar")
    }
    assert joined["en"] == "On Monday Anna drank tea and on Friday Ivan ate rice."
    assert joined["tr"] == "Pazartesi günü Anna çay içti ve cuma günü Ivan pilav yedi."
    assert joined["ar"] == "يوم الاثنين شربت آنا شايًا ويوم الجمعة أكل إيفان أرزًا."


def test_a_template_that_cannot_be_read_is_refused() -> None:
    from xharness.micro.render import _compile

    with pytest.raises(ValueError, match="cannot read"):
        _compile("{agent} untagged ./PUNCT")


def test_language_files_are_few_forms_by_hand() -> None:
    for code in LANGUAGES:
        text = (resources.files("xharness.micro") / "languages" / f"{code}.toml").read_text(encoding="utf-8")
        assert tomllib.loads(text)["code"] == code
        assert len(text.splitlines()) < 400
    assert set(FRAMES) <= set(tomllib.loads(text)["templates"])
