"""mteb's languages as ours: it writes ISO 639-3 with a script (`deu-Latn`), a board mostly ISO 639-1 (`de`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xharness.languages import languages

MEMBERS = {"cmn": "zh", "pes": "fa", "swh": "sw", "arb": "ar", "ekk": "et", "zsm": "ms", "azj": "az"}
"""ISO 639-3 codes of single languages that we call by the macrolanguage they are the standard of."""
ENGLISH = "en"


def ours(code: str) -> str:
    """Our code of one of mteb's; the three letters themselves of a language without one."""
    three = code.partition("-")[0]
    known = {language.iso3: language.iso1 for language in languages().values()}
    return MEMBERS.get(three) or known.get(three, three)


def language_of(spoken: Sequence[str]) -> str:
    """The language that a subset stands under: the one beside English of two, else all of them, joined by `-`."""
    codes = list(dict.fromkeys(ours(code) for code in spoken))
    foreign = [code for code in codes if code != ENGLISH]
    return foreign[0] if len(foreign) == 1 else "-".join(codes)


def subsets_by_language(subsets: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Language -> subset of mteb's `hf_subsets_to_langscripts`; a language of several subsets keeps their names."""
    named = {subset: language_of(spoken) for subset, spoken in subsets.items()}
    often = list(named.values())
    return {(name if often.count(name) == 1 else subset): subset for subset, name in named.items()}
