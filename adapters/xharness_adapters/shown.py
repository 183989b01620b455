"""What families share when they show a prediction: marks, probabilities, an answer within its text."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from xharness.adapter import Mark

AROUND = 160
"""Characters of a text that are shown before and after what is marked in it."""


def softmax(scores: Iterable[float]) -> list[float]:
    """Probabilities of scores."""
    given = np.asarray(list(scores), dtype=np.float64)
    raised = np.exp(given - given.max())
    return list((raised / raised.sum()).tolist())


def marked(said: bool, right: bool) -> Mark:
    """How a part of a text is marked."""
    return ("right" if right else "wrong") if said else "missed" if right else ""


def within(text: str, said: tuple[int, int] | None, gold: tuple[int, int] | None) -> tuple[tuple[str, Mark], ...]:
    """A text cut around two spans (first character, end), each part of it marked."""
    spans = [span for span in (said, gold) if span is not None]
    first = max(0, min((start for start, _ in spans), default=0) - AROUND)
    last = min(len(text), max((end for _, end in spans), default=2 * AROUND) + AROUND)
    bounds = sorted({first, last, *(min(max(place, first), last) for span in spans for place in span)})
    parts: list[tuple[str, Mark]] = [("… ", "")] if first else []
    for start, end in pairwise(bounds):
        inside = [span is not None and span[0] <= start and end <= span[1] for span in (said, gold)]
        parts.append((text[start:end], marked(*inside)))
    return (*parts, (" …", "")) if last < len(text) else tuple(parts)


def place_of(text: str, answer: str, near: int) -> tuple[int, int] | None:
    """Where an answer stands in a text: of several places the one nearest to a character; None for none."""
    if not answer:
        return None
    places, start = [], text.find(answer)
    while start >= 0:
        places.append(start)
        start = text.find(answer, start + 1)
    if not places:
        return None
    found = min(places, key=lambda place: abs(place - near))
    return found, found + len(answer)
