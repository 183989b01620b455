"""Corpora as bags of words, and how far two of them are apart: by words, by vocabulary, by a classifier.

All three are distances: 0 says that the corpora are alike.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = tuple[str, ...]
Vectors = NDArray[np.float32]
ALONE = ("CJK UNIFIED", "CJK COMPATIBILITY", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts written without spaces between words: each of their characters counts as a word."""
PIECE = 40
"""Words of a piece that the classifier tells apart: all of one length, so that it cannot go by length."""
FOLDS = 5
DIMENSIONS = 50
"""Of the pieces' vectors."""
_HELD = 20_000
"""Texts of a corpus that are held: a random part of larger ones."""


@dataclass(frozen=True)
class Corpus:
    """The distinct texts of some examples, as words, in random order: a context of five questions is one text."""

    name: str
    texts: tuple[Words, ...]

    @cached_property
    def size(self) -> int:
        """Words in all texts."""
        return sum(map(len, self.texts))

    def cut(self, words: int) -> Corpus:
        """Its first texts, up to so many words."""
        kept, left = [], words
        for text in self.texts:
            if left <= 0:
                break
            kept.append(text[:left])
            left -= len(text)
        return Corpus(self.name, tuple(kept))

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each word is there."""
        return Counter(word for text in self.texts for word in text)


def words_of(text: str) -> Words:
    """Runs of letters, marks and digits, compatibility forms and case folded; characters of scripts without spaces
    one by one. No word list, so the same for every language."""
    words: list[str] = []
    run: list[str] = []
    for character in unicodedata.normalize("NFKC", text).casefold():
        kind = _kind(character)
        if kind != "inside" and run:
            words.append("".join(run))
            run = []
        if kind == "inside":
            run.append(character)
        elif kind == "alone":
            words.append(character)
    return (*words, "".join(run)) if run else tuple(words)


@lru_cache(maxsize=1 << 14)
def _kind(character: str) -> str:
    """Of a character: `inside` a word, a word `alone`, or `between` words."""
    if unicodedata.category(character)[0] not in "LMN":
        return "between"
    name = unicodedata.name(character, "")
    return "alone" if name.startswith(ALONE) and unicodedata.category(character)[0] == "L" else "inside"


def corpus_of(name: str, texts: Iterable[str], seed: int = 0) -> Corpus:
    """A corpus from texts: each distinct one once, in random order; of very many a random part."""
    rng, held, seen = random.Random(seed), list[str](), set[int]()
    for text in texts:
        mark = hash(text)
        if not text.strip() or mark in seen:
            continue
        seen.add(mark)
        if len(held) < _HELD:
            held.append(text)
        elif (place := rng.randrange(len(seen))) < _HELD:
            held[place] = text
    rng.shuffle(held)
    return Corpus(name, tuple(words for text in held if (words := words_of(text))))


def divergence(left: Corpus, right: Corpus) -> float:
    """Jensen–Shannon divergence of the two distributions of words, base 2: 0 the same, 1 no word in common.

    Lin 1991, IEEE Transactions on Information Theory 37(1), §IV.
    """
    ours, theirs = left.counts, right.counts
    words = sorted({*ours, *theirs})
    p, q = (np.array([counts[word] for word in words], dtype=float) / counts.total() for counts in (ours, theirs))
    return float(max(0.0, _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2))


def _entropy(shares: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    held = shares[shares > 0]
    return float(-(held * np.log2(held)).sum())


def unknown_share(left: Corpus, right: Corpus) -> float:
    """The share of the words of `right`, each time it stands there, that `left` does not have; 0 to 1."""
    known = set(left.counts)
    counts = right.counts
    return sum(n for word, n in counts.items() if word not in known) / counts.total()


def a_distance(left: Corpus, right: Corpus, pieces: int = 400, seed: int = 0) -> float | None:
    """Proxy A-distance, 2(1 - 2e), of the error e of a classifier that tells the corpora's pieces apart; 0 to 2.

    Ben-David, Blitzer, Crammer & Pereira 2007, NIPS 19, §5. The vectors: pieces of 40 words, their TF-IDF (sublinear)
    reduced to 50 dimensions (or half of a smaller vocabulary) by SVD, made of the training folds alone; no encoder has
    a part in it. The classifier is a logistic regression, e its error under cross-validation in five blocks of
    neighbouring pieces, so that no text is on both sides. As many pieces of either corpus, at the most `pieces`. An e
    above one half counts as one half. None where a corpus has fewer than 20 pieces.
    """
    ours, theirs = _pieces(left), _pieces(right)
    n = min(len(ours), len(theirs), pieces)
    if n < 4 * FOLDS:
        return None
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    held = len({word for piece in (*ours[:n], *theirs[:n]) for word in piece})
    reduced = TruncatedSVD(min(DIMENSIONS, max(1, held // 2)), random_state=seed)
    return _told_apart([*ours[:n], *theirs[:n]], TfidfVectorizer(analyzer=_as_they_are, sublinear_tf=True), reduced)


def embedded_a_distance(left: Vectors, right: Vectors, pieces: int = 400, seed: int = 0) -> float | None:
    """The same of an encoder's mean embeddings of pieces of one length [pieces, hidden], in the order of the texts.

    Standardised and reduced to 50 dimensions by PCA, made of the training folds alone.
    """
    n = min(len(left), len(right), pieces)
    if n < 4 * FOLDS:
        return None
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    reduced = PCA(min(DIMENSIONS, left.shape[1], n), svd_solver="full", random_state=seed)
    return _told_apart(np.concatenate([left[:n], right[:n]]), StandardScaler(), reduced)


def _told_apart(pieces: Any, *vectors: Any) -> float:
    """2(1 - 2e) of a classifier of the first half of the pieces against the second."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline

    judge = make_pipeline(*vectors, LogisticRegression(C=10.0, max_iter=1000))
    truth = np.repeat([0, 1], len(pieces) // 2)
    right_share = cross_val_score(judge, pieces, truth, cv=StratifiedKFold(FOLDS))
    return float(max(0.0, 2 * (1 - 2 * (1 - right_share.mean()))))


def _as_they_are(piece: Words) -> Words:
    return piece


def _pieces(corpus: Corpus) -> list[Words]:
    words = [word for text in corpus.texts for word in text]
    return [tuple(words[start : start + PIECE]) for start in range(0, len(words) - PIECE + 1, PIECE)]
