"""The data sets of the micro-world by name, and their rows."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from xharness.micro import causes, linking, pairs, passages, retrieval, sequences
from xharness.micro.render import join

VERSION = 1
LANGUAGES = ("en", "de", "es", "ru", "tr", "hi", "zh", "ar", "sw")
Row = dict[str, Any]
Builder = Callable[[random.Random, str, str], tuple[object, Row]]
TASK_SPLITS = ("train", "dev", "test")


class Dataset(NamedTuple):
    """What a data set offers."""

    family: str
    """Which columns its rows have; `rows` lists them by family."""
    languages: tuple[str, ...]
    labels: tuple[str, ...] = ()
    """The label or tag names in order; empty where there are none."""
    splits: tuple[str, ...] = TASK_SPLITS


ENGLISH = ("en",)
FOREIGN = LANGUAGES[1:]
MLQA = ("en", "de", "es", "hi", "zh", "ar")
UPOS = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "VERB")
BIO = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
CCG = (
    ".", "conj", "N", "N/N", "NP[nb]/N", r"(NP\NP)/NP", "S/S", "(S/S)/N", "(S/S)/NP",
    r"(S\NP)\(S\NP)", r"((S\NP)\(S\NP))/N", r"((S\NP)\(S\NP))/NP",
    r"S[b]\NP", r"(S[b]\NP)/NP", r"S[dcl]\NP", r"(S[dcl]\NP)/NP", r"(S[dcl]\NP)/(S[b]\NP)",
    "(S[q]/NP)/NP", r"(S[q]/(S[b]\NP))/NP", r"S[wq]/(S[dcl]\NP)", "S[wq]/(S[q]/NP)", "S[wq]/S[q]",
    "(S[wq]/(S[q]/NP))/N",
)  # fmt: skip
DUPLICATE = ("not_duplicate", "duplicate")
PARAPHRASE = ("different", "paraphrase")

DATASETS: dict[str, Dataset] = {
    "mnli": Dataset("classification", ENGLISH, pairs.NLI_LABELS),
    "snli": Dataset("classification", ENGLISH, pairs.NLI_LABELS),
    "anli": Dataset("classification", ENGLISH, pairs.NLI_LABELS),
    "xnli": Dataset("classification", LANGUAGES, pairs.NLI_LABELS),
    "qqp": Dataset("classification", ENGLISH, DUPLICATE),
    "pawsx": Dataset("classification", ("en", "de", "es", "zh"), PARAPHRASE),
    "squad_v1": Dataset("qa", ENGLISH),
    "squad_v2": Dataset("qa", ENGLISH),
    "xquad": Dataset("qa", ("en", "de", "es", "ru", "tr", "hi", "zh", "ar")),
    "mlqa": Dataset("qa", MLQA),
    "tydiqa": Dataset("qa", ("en", "ru", "ar", "sw")),
    "hellaswag": Dataset("choice", ENGLISH),
    "cosmosqa": Dataset("choice", ENGLISH),
    "commonsenseqa": Dataset("choice", ENGLISH),
    "udpos": Dataset("tagging", LANGUAGES[:-1], UPOS),
    "panx": Dataset("tagging", LANGUAGES, BIO),
    "ccg": Dataset("tagging", ENGLISH, CCG),
    "tatoeba": Dataset("bitext", FOREIGN, splits=("dev", "test")),
    "bucc": Dataset("mining", ("de", "ru", "zh"), splits=("dev", "test")),
    "text": Dataset("text", LANGUAGES),
    "socialiqa": Dataset("choice", ENGLISH),
    "copa": Dataset("cause", ENGLISH),
    "xcopa": Dataset("cause", LANGUAGES, splits=("dev", "test")),
    "lareqa": Dataset("answer", ("en", "de", "es", "ru", "tr", "hi", "zh", "ar")),
    "mewslix": Dataset("mention", linking.LANGUAGES),
    "mewslix_entities": Dataset("entity", ENGLISH, splits=("test",)),
    **{f"mlqa_g_{asked}": Dataset("qa", MLQA) for asked in MLQA},
}

# A clause is added in so many of ten premises; so many sentences stand around the premise.
NLI = {"mnli": (3, 0, 0), "xnli": (3, 0, 0), "snli": (0, 0, 0), "anli": (2, 1, 2)}
# Sentences a passage, and what its questions ask for.
QA = {
    "squad_v1": ((3, 5), passages.SQUAD),
    "squad_v2": ((3, 5), passages.SQUAD),
    "xquad": ((3, 5), passages.SQUAD),
    "mlqa": ((3, 4), passages.SQUAD),
    "tydiqa": ((2, 4), passages.TYDI),
}
PLAIN: dict[str, Builder] = {
    "hellaswag": passages.hellaswag,
    "cosmosqa": passages.cosmosqa,
    "commonsenseqa": passages.commonsenseqa,
    "socialiqa": causes.socialiqa,
    "udpos": sequences.udpos,
    "panx": sequences.panx,
    "ccg": sequences.ccg,
    "tatoeba": sequences.bitext,
    "text": sequences.text,
}
# What is made all at once, because its rows belong together.
SERIES: dict[str, Callable[[random.Random, str, str, int], list[Row]]] = {
    "bucc": sequences.mining,
    "copa": causes.copa,
    "xcopa": causes.copa,
    "lareqa": retrieval.lareqa,
    "mewslix": linking.mewslix,
    "mewslix_entities": linking.pool,
}


def _known(kind: str, name: str, allowed: tuple[str, ...]) -> None:
    if name not in allowed:
        import difflib

        near = difflib.get_close_matches(name, allowed, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"The micro data have no {kind} {name!r}; they have {', '.join(allowed)}.{hint}")


def _deck(rng: random.Random, cards: tuple[Any, ...], size: int) -> list[Any]:
    """`size` cards, equally many of each, in random order within each round."""
    deck: list[Any] = []
    while len(deck) < size:
        deck += rng.sample(cards, len(cards))
    return deck[:size]


def _builders(dataset: str, rng: random.Random, size: int) -> list[Builder]:
    """How each row is made: labels are dealt from a stream of their own, so that fewer rows are a beginning of more."""
    if dataset in NLI:
        deck = _deck(rng, pairs.NLI_LABELS, size)
        return [functools.partial(pairs.nli, label=label, extra=NLI[dataset]) for label in deck]
    if dataset in {"qqp", "pawsx"}:
        build = pairs.qqp if dataset == "qqp" else pairs.paws
        deck = _deck(rng, DATASETS[dataset].labels, size)
        return [functools.partial(build, label=label) for label in deck]
    if dataset in QA:
        sentences, slots = QA[dataset]
        deck = _deck(rng, (True, True, dataset != "squad_v2"), size)
        return [functools.partial(passages.qa, sentences=sentences, slots=slots, answerable=a) for a in deck]
    return [PLAIN[dataset]] * size


def rows(dataset: str, split: str, language: str, size: int, seed: int = 0) -> list[Row]:
    """`size` labelled rows; another language gives the parallel rows with the same ids and labels.

    The columns are those of the dataset's family: classification {id, text, pair, label}, tagging {id, tokens,
    tags}, qa {id, context, question, answers}, choice {id, context, question, choices, answer}, bitext {id,
    source, target} with English as the target, mining {id, side, text, gold}, text {id, text}, cause {id, premise,
    question, choice1, choice2, label}, answer {id, context, question, answers, sentence_breaks}. Mewsli-X has its
    published columns: mention {id, contextual_mention, entity}, or {id, context, mentions} in the test split; entity
    {id, entity_id, title, description, sentence_spans, description_language, description_url}, of which there are as
    many as the micro-world has and no more. `mlqa_g_de` is MLQA with its questions in German.
    """
    _known("dataset", dataset, tuple(DATASETS))
    _known(f"{dataset} split", split, DATASETS[dataset].splits)
    _known(f"{dataset} language", language, DATASETS[dataset].languages)
    if dataset.startswith("mlqa_g_"):
        asked = rows("mlqa", split, dataset.removeprefix("mlqa_g_"), size, seed)
        held = rows("mlqa", split, language, size, seed)
        return [{**row, "question": other["question"]} for row, other in zip(held, asked, strict=True)]
    stream = f"{VERSION} {dataset} {split} {seed}"
    rng = random.Random(stream)
    if dataset in SERIES:
        series = SERIES[dataset](rng, split, language, size)
        return [{"id": f"{dataset}-{split}-{index}", **row} for index, row in enumerate(series)]
    made: list[Row] = []
    seen: set[object] = set()
    for index, build in enumerate(_builders(dataset, random.Random(f"{stream} labels"), size)):
        for _ in range(20):
            plan, row = build(rng, split, language)
            if plan not in seen:
                break
        seen.add(plan)
        made.append({"id": f"{dataset}-{split}-{index}", **row})
    return made


def corpus(language: str, size: int, seed: int = 0) -> list[str]:
    """Running text for pretraining: sentences, questions and short passages, of training facts only."""
    return [join(language, texts)[1] for texts in _texts((language,), size, seed)[0]]


def parallel(language_a: str, language_b: str, size: int, seed: int = 0) -> list[tuple[str, str]]:
    """Pairs of translations for pretraining, of training facts only."""
    first, second = _texts((language_a, language_b), size, seed)
    return [(join(language_a, one)[1], join(language_b, two)[1]) for one, two in zip(first, second, strict=True)]


def _texts(languages: tuple[str, ...], size: int, seed: int) -> list[list[list[str]]]:
    for language in languages:
        _known("language", language, LANGUAGES)
    rng = random.Random(f"{VERSION} corpus {seed}")
    plans = [[sequences.plan(rng, "train") for _ in range(rng.choice((1, 1, 1, 2, 3)))] for _ in range(size)]
    return [[[sequences.sentence(code, plan).text for plan in texts] for texts in plans] for code in languages]
