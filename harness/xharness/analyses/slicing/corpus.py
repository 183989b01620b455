"""Slices that look at all examples at once: topics of the contexts, and their distance from a training corpus.

Both compare words, so they read the English version of an example where the target has one, and give every language of
a parallel target the same value. What has no English version has no topic; its distance is that of its own words, which
shares with an English corpus little but names, and is compared within its language alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from xharness.adapter import Example
from xharness.analyses.slicing.words import words
from xharness.data.texts import text_of

ENGLISH = "en"
Held = Mapping[str, Mapping[str, Example]]
"""Language -> id -> example."""
Embed = Callable[[Sequence[str]], Any]
"""Texts -> their embeddings [texts, hidden], or None where some have none."""
FEATURES = 20_000
"""Words of a TF-IDF space, the most frequent ones."""


def english_of(held: Held, language: str, name: str, apart: Collection[str] = ()) -> Example | None:
    """The English version of an example; itself if it is English; none in the languages `apart` from English.

    Those are not parallel: an id that they share with English, such as a row's number, is of another example.
    """
    return held.get(ENGLISH, {}).get(name) if language in held and language not in apart else None


def topics(
    held: Held, k: int, seed: int, embed: Embed | None = None, apart: Collection[str] = ()
) -> dict[str, dict[str, str]]:
    """Language -> id -> topic of its context: a cluster of k-means, ten starts (Lloyd), named by its heaviest words.

    The vectors are the encoder's of the English contexts, of unit length; without `embed`, TF-IDF with logarithmic
    counts. Words of more than half of the contexts are left out of names and TF-IDF, as are English stop words.
    """
    texts = list(dict.fromkeys(text_of(e) for e in held.get(ENGLISH, {}).values()))
    if len(texts) <= k:
        return {}
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
    from sklearn.preprocessing import normalize

    space = _space(max_df=0.5, drop=ENGLISH_STOP_WORDS)
    counted = space.fit_transform(texts)
    given = embed(texts) if embed else None
    found = KMeans(n_clusters=k, n_init=10, random_state=seed).fit(counted if given is None else normalize(given))
    vocabulary, whole = space.get_feature_names_out(), np.asarray(counted.mean(axis=0)).ravel()
    names = []
    for number in range(k):
        # Against all contexts: what every cluster of an encoder's space has says nothing of one.
        heavy = np.asarray(counted[found.labels_ == number].mean(axis=0)).ravel() - (0 if given is None else whole)
        names.append(f"{number + 1}: {', '.join(vocabulary[i] for i in heavy.argsort()[::-1][:3])}")
    topic = {text: names[label] for text, label in zip(texts, found.labels_, strict=True)}
    return {
        language: {name: topic[text_of(e)] for name in rows if (e := english_of(held, language, name, apart))}
        for language, rows in held.items()
    }


def distances(held: Held, corpus: Sequence[str], apart: Collection[str] = ()) -> dict[str, dict[str, float]]:
    """Language -> id -> distance of its context from a corpus: 1 - the cosine of its TF-IDF vector and the corpus's.

    The weights are those of the corpus; its vector is the mean of its texts' unit vectors. 0 is a text of the corpus's
    very mixture of words, 1 one that shares no word with it. Words that the corpus does not have do not count.
    """
    import numpy as np

    space = _space(min_df=1)
    centre = np.asarray(space.fit_transform(corpus).mean(axis=0)).ravel()
    length = float(np.linalg.norm(centre)) or 1.0
    source = {
        language: {name: english_of(held, language, name, apart) or example for name, example in rows.items()}
        for language, rows in held.items()
    }
    texts = list(dict.fromkeys(text_of(e) for rows in source.values() for e in rows.values()))
    far = 1 - space.transform(texts) @ centre / length
    distance = dict(zip(texts, far.tolist(), strict=True))
    return {language: {name: distance[text_of(e)] for name, e in rows.items()} for language, rows in source.items()}


def _space(max_df: float = 1.0, min_df: int = 1, drop: frozenset[str] = frozenset()) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    def analyse(text: str) -> Iterator[str]:
        return (word for word in words(text, ENGLISH) if len(word) > 1 and not word.isdigit() and word not in drop)

    return TfidfVectorizer(analyzer=analyse, sublinear_tf=True, max_df=max_df, min_df=min_df, max_features=FEATURES)
