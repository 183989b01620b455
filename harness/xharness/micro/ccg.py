"""Combinatory categories of the generator's English, in the manner of CCGbank (Hockenmaier and Steedman 2007).

The grammar is small enough for the category of a word to follow from its tag, its neighbours, and what its
clause has had so far: an adverbial before the verb modifies the sentence, one after it the verb phrase.
"""

from __future__ import annotations

VP = r"(S\NP)\(S\NP)"
SUBJECT_QUESTION, OBJECT_QUESTION, ADVERB_QUESTION = r"S[wq]/(S[dcl]\NP)", "S[wq]/(S[q]/NP)", "S[wq]/S[q]"
FIXED = {"DET": "NP[nb]/N", "ADJ": "N/N", "NUM": "N/N", "PART": VP, "CCONJ": "conj", "PUNCT": "."}
DO = frozenset({"did", "does"})
INTRANSITIVE = frozenset({"travelled", "travel", "lives", "live", "works", "work"})


def supertags(tokens: list[str], upos: list[str]) -> list[str]:
    """One category a word of an English sentence."""
    words = [token.lower() for token in tokens]
    categories: list[str] = []
    seen: set[str] = set()
    for index, (word, tag) in enumerate(zip(words, upos, strict=True)):
        after = (words[index + 1], upos[index + 1]) if index + 1 < len(words) else ("", "")
        categories.append(_category(word, tag, after, seen))
        if tag == "CCONJ":
            seen.clear()
        seen |= {word, tag}
    return categories


def _category(word: str, tag: str, after: tuple[str, str], seen: set[str]) -> str:
    if word in {"who", "what", "where", "when", "how"}:
        return _question(word, after)
    if word in {"yesterday", "last"} or tag == "ADP":
        return _adverbial(word, fronted="VERB" not in seen and "AUX" not in seen)
    if tag == "AUX":
        return _auxiliary(word, seen)
    if tag == "VERB":
        base = "S[b]" if seen & DO else "S[dcl]"
        return rf"{base}\NP" if word in INTRANSITIVE else rf"({base}\NP)/NP"
    return FIXED.get(tag) or ("N/N" if tag == "PROPN" and after[1] == "PROPN" else "N")


def _question(word: str, after: tuple[str, str]) -> str:
    if word == "how" and after[1] == "ADJ":
        return "(S[wq]/(S[q]/NP))/N"
    if word in {"where", "when", "how"}:
        return ADVERB_QUESTION
    return OBJECT_QUESTION if after[0] in DO or (word, after[0]) == ("what", "is") else SUBJECT_QUESTION


def _adverbial(word: str, fronted: bool) -> str:
    if word == "of":
        return r"(NP\NP)/NP"
    modified = "S/S" if fronted else VP
    if word == "yesterday":
        return modified
    return f"({modified})/{'N' if word == 'last' else 'NP'}"


def _auxiliary(word: str, seen: set[str]) -> str:
    if word in DO:
        question = seen & {"what", "where", "when", "how"} or seen == {"who", "PRON"}
        return r"(S[q]/(S[b]\NP))/NP" if question else r"(S[dcl]\NP)/(S[b]\NP)"
    return "(S[q]/NP)/NP" if "what" in seen else r"(S[dcl]\NP)/NP"
