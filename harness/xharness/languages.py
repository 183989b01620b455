"""What is known of the 50 languages of XTREME and XTREME-R: name, family, script, pretraining data.

`languages.csv` beside this file has the facts. Families and scripts follow the usual classification, branches named
for Indo-European (XTREME counts 12 families and two isolates). Sizes are those of CC-100, the corpus XLM-R was
trained on: arXiv 1911.02116, appendix, table 6; an empty field is a language that is not in it.

`syntax_distance` is how far a language's syntax is from English: 1 - cosine of URIEL's syntax_knn vectors, of the
feature files of lang2vec 1.1.2 (Littell et al. 2017, E17-2002). These are not URIEL's own precomputed distances,
which are on another scale: for ranks only.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

SIZES = ((100.0, "100 GiB and more"), (10.0, "10 to 100 GiB"), (1.0, "1 to 10 GiB"), (0.0, "below 1 GiB"))
"""Lower bound and name of each bucket of CC-100 data, largest first."""
UNSEEN = "not in CC-100"


@dataclass(frozen=True)
class Language:
    """One language."""

    iso1: str
    iso3: str
    name: str
    family: str
    script: str
    """ISO 15924."""
    cc100_mtokens: float | None
    """Million tokens in CC-100."""
    cc100_gib: float | None
    """GiB in CC-100; None where the language is not in it."""
    xtreme: bool
    """Among the 40 of XTREME; the others came with XTREME-R."""
    syntax_distance: float | None = None
    """From English, 0 to 1; to be ranked and no more."""

    @property
    def top_family(self) -> str:
        """The family as a whole, where `family` is a branch of Indo-European."""
        return "Indo-European" if self.family.startswith("IE: ") else self.family

    @property
    def size(self) -> str:
        """The bucket of its CC-100 data.

        By bytes: the published token counts are far too low for scripts without spaces (Japanese has 69 GiB and
        fewer tokens than Tagalog with 3).
        """
        if self.cc100_gib is None:
            return UNSEEN
        return next(name for bound, name in SIZES if self.cc100_gib >= bound)


@cache
def languages() -> Mapping[str, Language]:
    """ISO 639-1 code -> language."""
    with Path(__file__).with_name("languages.csv").open(encoding="utf-8", newline="") as stream:
        found = [_language(row) for row in csv.DictReader(stream)]
    return MappingProxyType({language.iso1: language for language in found})


def _language(row: Mapping[str, str]) -> Language:
    return Language(
        iso1=row["iso1"],
        iso3=row["iso3"],
        name=row["name"],
        family=row["family"],
        script=row["script"],
        cc100_mtokens=float(row["cc100_mtokens"]) if row["cc100_mtokens"] else None,
        cc100_gib=float(row["cc100_gib"]) if row["cc100_gib"] else None,
        xtreme=row["xtreme"] == "1",
        syntax_distance=float(row["syntax_distance"]) if row["syntax_distance"] else None,
    )
