"""Mewsli-X's published format: mentions in their contexts, entities with their descriptions.

Ruder et al. 2021, arXiv 2104.07412; google-research/xtreme third_party/utils_mewslix.py for the texts that are made of
them. Those of the query: the mention, then its sentence with the mention in braces; of the candidate: the description.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any


def _plain(text: str) -> str:
    return re.sub(r" {2,}", " ", text.replace("\n", " ")).strip()


def mention_text(context: Mapping[str, Any], mention: Mapping[str, Any]) -> str:
    """`MENTION: LEFT { MENTION } RIGHT`, of the one sentence that holds the mention."""
    start, end = mention["mention_span"]["start"], mention["mention_span"]["end"]
    spans = [(s["start"], s["end"]) for s in context["sentence_spans"]]
    begin, stop = next((s for s in spans if s[0] <= start and end <= s[1]), (0, len(context["text"])))
    left, held, right = (
        text.replace("{", "(").replace("}", ")")
        for text in (context["text"][begin:start], context["text"][start:end], context["text"][end:stop])
    )
    return _plain(f"{held}: {left} {{ {held} }} {right}")


def entity_text(entity: Mapping[str, Any]) -> str:
    """The description's sentences joined by a space; the title is not used."""
    text, spans = entity["description"], entity.get("sentence_spans")
    return _plain(" ".join(text[s["start"] : s["end"]] for s in spans) if spans else text)


def mentions_of(row: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(context, mention) of a line of mentions, or of the contextual mention of a training pair."""
    if row.get("contextual_mention") is not None:
        yield row["contextual_mention"]["context"], row["contextual_mention"]["mention"]
        return
    for mention in row["mentions"]:
        yield row["context"], mention


def row_problem(row: Mapping[str, Any]) -> str | None:
    """What is wrong with a line of mentions, a pair or an entity."""
    if row.get("description") is not None or (row.get("entity_id") is not None and row.get("context") is None):
        return _entity_problem(row)
    if row.get("contextual_mention") is not None:
        if not isinstance(row.get("entity"), Mapping):
            return "a pair needs `contextual_mention` and `entity`."
        if problem := _entity_problem(row["entity"]):
            return problem
    elif not isinstance(row.get("context"), Mapping) or not isinstance(row.get("mentions"), list):
        return "is neither an entity (entity_id, description), nor mentions (context, mentions), nor a pair."
    elif not row["mentions"]:
        return "the context has no mentions."
    return next(filter(None, (_mention_problem(context, mention) for context, mention in mentions_of(row))), None)


def _entity_problem(entity: Mapping[str, Any]) -> str | None:
    name, description = entity.get("entity_id"), entity.get("description")
    if not name:
        return "an entity has no entity_id."
    if not isinstance(description, str) or not description.strip():
        return f"the entity {name} has no description."
    for span in entity.get("sentence_spans") or ():
        if not 0 <= span["start"] < span["end"] <= len(description):
            where = f"[{span['start']}, {span['end']}]"
            return f"a sentence of the entity {name}, {where}, lies outside its description of {len(description)}."
    return None


def _mention_problem(context: Mapping[str, Any], mention: Mapping[str, Any]) -> str | None:
    name, span, text = mention.get("example_id"), mention["mention_span"], context["text"]
    if not name:
        return "a mention has no example_id."
    if not mention.get("entity_id"):
        return f"the mention {name} has no entity_id: it is not labelled."
    found = text[span["start"] : span["end"]] if 0 <= span["start"] < span["end"] <= len(text) else ""
    if not found or found != span.get("text", found):
        return f"the mention {name} is not at {span['start']} to {span['end']}, where the context has '{found[:40]}'."
    return None
