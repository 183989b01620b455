"""How far the texts of intermediates are from those of targets, in the languages that both have."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xharness.analyses.corpora import (
    Corpus,
    Vectors,
    a_distance,
    corpus_of,
    divergence,
    embedded_a_distance,
    unknown_share,
)
from xharness.analysis import Texts
from xharness.data.texts import PIECE, texts_of
from xharness.errors import HarnessError, listed
from xharness.spec.load import NONE, Loaded
from xharness.spec.rows import rows_of
from xharness.spec.stage import ENGLISH
from xharness.spec.task import Split
from xharness.study import Study

DISTANCES = ("JS divergence", "OOV share", "A-distance", "A-distance of embeddings")
FEW = 5_000
"""Words below which a corpus says little of its domain."""

Pair = tuple[str, str]
"""Intermediate and target."""
Place = tuple[str, Split, str]
"""Task, split and language that texts are taken from."""


@dataclass(frozen=True)
class Distances:
    """What was measured."""

    values: Mapping[Pair, Mapping[str, float]]
    """(intermediate, target) -> distance -> value, the mean over the languages."""
    texts: Mapping[Pair, str]
    """Which texts of the target, in which languages."""
    notes: tuple[str, ...]


class _Library:
    """Corpora by name, each read once; what could not be read is told."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.held: dict[str, Corpus | None] = {}
        self.problems: list[str] = []

    def corpus(self, places: Iterable[Place]) -> Corpus | None:
        """The texts of all places as one corpus; None where one cannot be read."""
        places = list(places)
        name = " and ".join(f"{task} {split} [{language}]" for task, split, language in places)
        if name not in self.held:
            loaded = self.study.loaded
            try:
                texts = [
                    text
                    for task, split, language in places
                    for text in texts_of(loaded.tasks[task], split, language, loaded.limit_of(task))
                ]
                self.held[name] = corpus_of(name, texts)
            except HarnessError as error:
                self.held[name] = None
                self.problems.append(f"no distance from the texts of {name}: {error}")
        found = self.held[name]
        return found if found is not None and found.size else None


def texts_asked(loaded: Loaded, targets: Sequence[str], pieces: int) -> Iterator[Texts]:
    """The texts whose embeddings the distances take: of every row and every target, in the languages of both."""
    rows = {rows_of(row, loaded.said)[0].intermediate: row for row in loaded.intermediates if row != NONE}
    for row in rows.values():
        trained = _trained(loaded, row)
        for target in targets:
            there = _places(loaded, target, list(trained), loaded.tasks[target].languages)
            for place in there:
                yield from (_pieces(held, pieces) for held in (place, *trained[place[2]]))


def _pieces(place: Place, pieces: int) -> Texts:
    return Texts(*place, unit="piece", most=pieces)


class _Vectors:
    """The first checkpoint's embeddings of pieces of texts, each read once."""

    def __init__(self, study: Study, pieces: int) -> None:
        self.study, self.pieces = study, pieces
        self.checkpoint = study.checkpoints[0]
        self.held: dict[Place, Vectors | None] = {}
        self.lacking: dict[Place, None] = {}

    def of(self, places: Sequence[Place]) -> Vectors | None:
        """[pieces, hidden] of all places, as many of each; None where one has none."""
        found = [self._of(place) for place in places]
        share = max(1, self.pieces // max(1, len(places)))
        known = [vectors[:share] for vectors in found if vectors is not None]
        return np.concatenate(known) if known and len(known) == len(places) else None

    def _of(self, place: Place) -> Vectors | None:
        if place not in self.held:
            found = self.study.vectors(self.checkpoint, _pieces(place, self.pieces))
            self.held[place] = None if found is None else found.vectors
            if found is None:
                self.lacking[place] = None
        return self.held[place]

    def notes(self) -> Iterator[str]:
        """Whose embeddings they are, and what has none."""
        if any(found is not None for found in self.held.values()):
            yield f"A-distance of embeddings: {self.checkpoint} as it came, pieces of {PIECE} characters"
        if self.lacking:
            said = listed([f"{task} {split} [{language}]" for task, split, language in self.lacking])
            yield f"the run has no embeddings of {said}: it was made before they were asked for, or they failed"


def distances_of(
    study: Study, intermediates: Sequence[str], targets: Sequence[str], words: int, pieces: int
) -> Distances:
    """The distances of every intermediate from every target, on corpora of as many words each.

    The texts of an intermediate are those of its train splits; of a target those of its test split, in the languages
    that the intermediate has too. A target without such a language (XCOPA has no English) is stood for by the English
    train split that it is tuned on.
    """
    library, vectors = _Library(study), _Vectors(study, pieces)
    rows = {str(facts["intermediate"]): row for row, facts in study.run["rows"].items()}
    trained = {name: _trained(study.loaded, rows[name]) for name in intermediates}
    pairs: dict[Pair, list[Place]] = {}
    for name in intermediates:
        for target in targets:
            pairs[name, target] = _places(study.loaded, target, list(trained[name]), study.languages[target])
    sizes = {
        language: min([words, *_sizes(library, trained, language)])
        for language in dict.fromkeys(place[2] for places in pairs.values() for place in places)
    }
    values: dict[Pair, dict[str, float]] = {}
    for (name, target), places in pairs.items():
        found: list[dict[str, float]] = []
        for place in places:
            ours, theirs = library.corpus(trained[name][place[2]]), library.corpus([place])
            if ours is not None and theirs is not None:
                held = _measured(ours.cut(sizes[place[2]]), theirs.cut(words), pieces)
                mine, its = vectors.of(trained[name][place[2]]), vectors.of([place])
                apart = None if mine is None or its is None else embedded_a_distance(mine, its, pieces)
                found.append(held if apart is None else {**held, DISTANCES[3]: apart})
        values[name, target] = {
            kind: statistics.fmean(one[kind] for one in found)
            for kind in DISTANCES
            if found and all(kind in one for one in found)
        }
    texts = {pair: _described(places) for pair, places in pairs.items()}
    return Distances(values, texts, (*library.problems, *vectors.notes(), *_notes(study, library, pairs, sizes)))


def _trained(loaded: Loaded, row: str) -> dict[str, list[Place]]:
    """Language -> the train splits of a row's stages in it."""
    places: dict[str, list[Place]] = {}
    for stage in loaded.stages(row):
        for language in stage.languages or (ENGLISH,):
            for task in stage.tasks:
                if (task, "train", language) not in places.setdefault(language, []):
                    places[language].append((task, "train", language))
    return places


def _places(loaded: Loaded, target: str, spoken: Sequence[str], languages: Sequence[str]) -> list[Place]:
    """Where a target's texts are taken from, for an intermediate of the languages `spoken`."""
    shared = [language for language in languages if language in spoken]
    if shared:
        return [(target, "test", language) for language in shared]
    tuned_on = loaded.tasks[target].tune_on or target
    return [(tuned_on, "train", ENGLISH)] if ENGLISH in spoken and tuned_on in loaded.tasks else []


def _sizes(library: _Library, trained: Mapping[str, Mapping[str, list[Place]]], language: str) -> list[int]:
    corpora = [library.corpus(places[language]) for places in trained.values() if language in places]
    return [corpus.size for corpus in corpora if corpus is not None]


def _measured(ours: Corpus, theirs: Corpus, pieces: int) -> dict[str, float]:
    found = {DISTANCES[0]: divergence(ours, theirs), DISTANCES[1]: unknown_share(ours, theirs)}
    apart = a_distance(ours, theirs, pieces)
    return found if apart is None else {**found, DISTANCES[2]: apart}


def _described(places: Sequence[Place]) -> str:
    if not places:
        return "no text in a language that both have"
    task, split, _ = places[0]
    return f"{task} {split}, {', '.join(language for *_, language in places)}"


def _notes(
    study: Study, library: _Library, pairs: Mapping[Pair, Sequence[Place]], sizes: Mapping[str, int]
) -> list[str]:
    notes = [
        f"corpora of intermediates are cut to as many words each, each distinct text once: "
        f"{listed([f'{size:,} in {language}' for language, size in sizes.items()])}"
    ]
    others = {t: places[0][0] for (_, t), places in pairs.items() if places and places[0][1] == "train"}
    notes += [
        f"{study.title(target)} has no test texts in a language of the intermediates; the train texts of {task}, "
        f"on which it is tuned, stand for it"
        for target, task in others.items()
    ]
    places = {place for found in pairs.values() for place in found}
    theirs = {f"{task} [{language}]": library.corpus([(task, split, language)]) for task, split, language in places}
    small = {name: held.size for name, held in theirs.items() if held is not None and held.size < FEW}
    small |= {f"the intermediates [{language}]": size for language, size in sizes.items() if size < FEW}
    if small:
        told = listed([f"{name} ({size:,})" for name, size in sorted(small.items())])
        notes.append(f"few words, which makes any distance larger and less certain: {told}")
    return notes
