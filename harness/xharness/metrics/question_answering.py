"""F1 and exact match of extracted answers, by the rules of SQuAD v1.1, SQuAD v2.0 and MLQA.

XQuAD and TyDiQA use SQuAD's English normalisation in every language, MLQA its own rule per language. Applying the
latter to all would raise the numbers and make them incomparable.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from xharness.errors import DataError
from xharness.metrics.base import Array, Metric, ratio, require_pairs, rows

Normalise = Callable[[str], str]

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ENGLISH = r"\b(?:a|an|the)\b"


class _Punctuation(dict[int, int | None]):
    """A table for str.translate that drops ASCII punctuation and all of Unicode's category P, filled as it is read."""

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        drop = character in string.punctuation or unicodedata.category(character).startswith("P")
        self[code] = None if drop else code
        return self[code]


_UNICODE_PUNCTUATION = _Punctuation()
_MLQA_ARTICLES: Mapping[str, re.Pattern[str] | None] = {
    "en": re.compile(_ENGLISH),
    "es": re.compile(r"\b(?:un|una|unos|unas|el|la|los|las)\b"),
    "de": re.compile(r"\b(?:ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "vi": re.compile(r"\b(?:của|là|cái|chiếc|những)\b"),
    # The public rule's other branch for Arabic asks for the text's start after a character and never matches;
    # what is left removes the two letters wherever they stand, also inside a word.
    "ar": re.compile("ال"),
    "hi": None,
    "zh": None,
}
_HAN = re.compile("([\u4e00-\u9fa5])")


def normalise_squad(text: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces: evaluate-v1.1.py, `normalize_answer`."""
    return " ".join(re.sub(_ENGLISH, " ", text.lower().translate(_ASCII_PUNCTUATION)).split())


def normalise_mlqa(text: str, language: str) -> str:
    """MLQA's rule for the answer's language: mlqa_evaluation_v1.py, `normalize_answer`; DataError outside its seven."""
    if language not in _MLQA_ARTICLES:
        raise DataError(f"MLQA has no rule for language '{language}', only for {', '.join(sorted(_MLQA_ARTICLES))}.")
    articles = _MLQA_ARTICLES[language]
    text = text.lower().translate(_UNICODE_PUNCTUATION)
    if articles:
        text = articles.sub(" ", text)
    if language == "zh":
        text = _HAN.sub(r" \1 ", text)
    return " ".join(text.split())


def overlap(predicted: str, gold: str) -> float:
    """F1 (0 to 1) of two normalised answers as bags of words; 0 when no word is shared, also when both are empty."""
    ours, theirs = predicted.split(), gold.split()
    shared = (Counter(ours) & Counter(theirs)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(ours), shared / len(theirs)
    return 2 * precision * recall / (precision + recall)


def _best(normalise: Normalise, prediction: str, answers: Sequence[str]) -> tuple[float, float]:
    """Best F1 and best exact match over the gold answers, each for itself."""
    ours = normalise(prediction)
    theirs = [normalise(answer) for answer in answers]
    return max(overlap(ours, gold) for gold in theirs), float(ours in theirs)


def _answer_outcomes(
    normaliser: Callable[[str], Normalise],
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    language: str = "en",
) -> Array:
    """[questions, (f1, exact_match, n)]."""
    require_pairs(predictions, references)
    normalise = normaliser(language)
    table = []
    for number, (prediction, answers) in enumerate(zip(predictions, references, strict=True)):
        if not answers or isinstance(answers, str):
            raise DataError(f"question {number} has no list of gold answers; for unanswerable ones use squad_v2.")
        table.append((*_best(normalise, prediction, answers), 1.0))
    return rows(table, 3)


def _answer_values(sums: Array) -> Mapping[str, Array]:
    n = sums[..., 2]
    return {"f1": 100 * ratio(sums[..., 0], n), "exact_match": 100 * ratio(sums[..., 1], n)}


def _v2_scores(prediction: str, answers: Sequence[str]) -> tuple[float, float]:
    golds = [gold for gold in map(normalise_squad, answers) if gold] or [""]
    ours = normalise_squad(prediction)
    exact = float(ours in golds)
    # Unlike v1.1, two empty answers overlap fully; a lone empty one not at all.
    return max(overlap(ours, gold) if ours and gold else float(ours == gold) for gold in golds), exact


def _v2_outcomes(predictions: Sequence[str], references: Sequence[Sequence[str]], language: str = "en") -> Array:
    """[questions, (f1, exact_match, n, and the same three of the answerable ones)]."""
    require_pairs(predictions, references)
    table = []
    for prediction, answers in zip(predictions, references, strict=True):
        f1, exact = _v2_scores(prediction, answers)
        answerable = float(len(answers) > 0)
        table.append((f1, exact, 1.0, f1 * answerable, exact * answerable, answerable))
    return rows(table, 6)


def _v2_values(sums: Array) -> Mapping[str, Array]:
    everything, answerable = sums[..., :3], sums[..., 3:]
    values = dict(_answer_values(everything))
    for name, part in (("has_answer", answerable), ("no_answer", everything - answerable)):
        values |= {f"{name}_{value}": np.asarray(found) for value, found in _answer_values(part).items()}
    return values


_PARTS = ("f1", "exact_match", "n")

SQUAD = Metric(
    name="squad",
    source="SQuAD evaluate-v1.1.py, English normalisation in every language, best gold answer; so XTREME scores XQuAD and TyDiQA (evaluate.py, squad_em_f1).",  # noqa: E501
    parts=_PARTS,
    outcomes=partial(_answer_outcomes, lambda language: normalise_squad),
    values=_answer_values,
    headline=("f1", "exact_match"),
)

MLQA = Metric(
    name="mlqa",
    source="facebookresearch/MLQA mlqa_evaluation_v1.py; arXiv 1910.07475 §4.",
    parts=_PARTS,
    outcomes=partial(_answer_outcomes, lambda language: partial(normalise_mlqa, language=language)),
    values=_answer_values,
    headline=("f1", "exact_match"),
)

SQUAD_V2 = Metric(
    name="squad_v2",
    source="SQuAD evaluate-v2.0.py without its search for a threshold; arXiv 1806.03822.",
    parts=(*_PARTS, *(f"has_answer_{part}" for part in _PARTS)),
    outcomes=_v2_outcomes,
    values=_v2_values,
    headline=("f1", "exact_match"),
)
