"""Questions with candidates that answer them, from the rows of three kinds of data.

plain      {query, candidate}: a pair; {query, keys} and {candidate, keys}: a candidate answers the queries that it
           shares a key with
squad      {context, question, answers}: the sentence that holds the first answer, and its paragraph behind it;
           sentences are `sentence_breaks` (XQuAD-R) or found by rule
mewsli_x   mentions and entities, see `mewsli_x`
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from xharness.adapter import Example
from xharness_adapters import mewsli_x
from xharness_adapters.question_answering import spans
from xharness_adapters.sentences import breaks_problem, sentence_at, sentences_of

Rows = Literal["plain", "squad", "mewsli_x"]
COLUMNS: Mapping[str, bool] = dict.fromkeys(
    (
        "query", "candidate", "negatives", "keys",  # plain
        "question", "context", "answers", "sentence_breaks",  # squad
        "contextual_mention", "mentions", "entity", "entity_id", "description", "description_language",  # mewsli_x
        "sentence_spans",
    ),
    False,
)  # fmt: skip
BETWEEN = "\t"
"""Between the keys of a row."""


def keys_of(example: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a plain row."""
    held = example.get("keys")
    if held is None or held == "":
        return ()
    several = held.split(BETWEEN) if isinstance(held, str) else held
    return tuple(map(str, several)) if isinstance(several, Sequence) else (str(held),)


def paragraph_problem(example: Example, answered: bool) -> str | None:
    """What is wrong with a row of squad; `answered`: its answer must lie in a sentence."""
    context, question = example.get("context"), example.get("question")
    if not isinstance(context, str) or not context.strip():
        return "the context is empty."
    if not isinstance(question, str) or not question.strip():
        return "the question is empty."
    if example.get("sentence_breaks") is not None and (problem := breaks_problem(context, example["sentence_breaks"])):
        return problem
    answers = spans(example)
    if not answers:
        return "the question has no answer, so no sentence answers it." if answered else None
    text, start = answers[0]
    if not 0 <= start <= len(context) - len(text):
        return f"the answer '{text[:40]}' at {start} lies outside the context of {len(context)} characters."
    if answered and sentence_at(sentences_of(example), start) is None:
        return f"the answer '{text[:40]}' at {start} lies in no sentence of the context."
    return None


def paragraph(example: Example) -> tuple[list[str], set[int]]:
    """A row of squad: its sentences, each followed by the paragraph, and the numbers of those that answer.

    Nothing stands between the two, and line ends are left out: google-research/xtreme
    third_party/processors/lareqa.py. Every sentence that reads as the answer's answers too: its utils_lareqa.py.
    """
    context, sentences, answers = example["context"], sentences_of(example), spans(example)
    texts = [context[begin:end] for begin, end in sentences]
    place = sentence_at(sentences, answers[0][1]) if answers else None
    right = set() if place is None else {number for number, text in enumerate(texts) if text == texts[place]}
    return [f"{text}{context}".replace("\n", "") for text in texts], right


def training_pairs(kind: Rows, example: Example) -> Iterator[Example]:
    """{id, language, query, candidate, negatives} of a row; none where its answer lies in no sentence."""
    named = {"id": example["id"], "language": example["language"]}
    if kind == "plain":
        yield named | {name: example.get(name) for name in ("query", "candidate", "negatives")}
    elif kind == "squad":
        answers = spans(example)
        # As XTREME-R: an answer that is not found again where it should stand is left out.
        stands = bool(answers) and example["context"][answers[0][1] :].startswith(answers[0][0])
        texts, right = paragraph(example)
        if stands and right:
            yield named | {"query": example["question"].strip(), "candidate": texts[min(right)]}
    else:
        for context, mention in mewsli_x.mentions_of(example):
            texts = [mewsli_x.mention_text(context, mention), mewsli_x.entity_text(example["entity"])]
            yield named | {"query": texts[0], "candidate": texts[1]}


def ranked_rows(kind: Rows, example: Example) -> Iterator[Example]:
    """{id, language, query, keys} and {id, language, candidate, keys} of a row."""
    named = {"id": example["id"], "language": example["language"]}
    if kind == "plain":
        yield named | {name: example.get(name) for name in ("query", "candidate")} | _keyed(keys_of(example))
    elif kind == "squad":
        question = example["id"]
        yield named | {"query": example["question"].strip()} | _keyed([question])
        texts, right = paragraph(example)
        # Rows come one a question; a paragraph is known by its text, so that its sentences are the same ones each time.
        which = hashlib.blake2b(example["context"].encode(), digest_size=8).hexdigest()
        for number, text in enumerate(texts):
            yield named | {"id": f"{which}-{number}", "candidate": text} | _keyed([question] * (number in right))
    elif example.get("description") is not None:
        language = str(example.get("description_language") or example["language"])
        entity = str(example["entity_id"])
        text = mewsli_x.entity_text(example)
        yield {"id": entity, "language": language, "candidate": text} | _keyed([entity])
    else:
        for context, mention in mewsli_x.mentions_of(example):
            text = mewsli_x.mention_text(context, mention)
            yield named | {"id": str(mention["example_id"]), "query": text} | _keyed([str(mention["entity_id"])])


def _keyed(keys: Sequence[str]) -> Example:
    return {"keys": BETWEEN.join(keys)}
