"""How far the texts of intermediates are from those of targets, in the languages that both have."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xharness.analyses.corpora import Corpus, a_distance, corpus_of, divergence, unknown_share
from xharness.data.texts import texts_of
from xharness.errors import HarnessError, listed
from xharness.spec.stage import ENGLISH
from xharness.spec.task import Split
from xharness.study import Study

DISTANCES = ("JS divergence", "OOV share", "A-distance")
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


def distances_of(
    study: Study, intermediates: Sequence[str], targets: Sequence[str], words: int, pieces: int
) -> Distances:
    """The distances of every intermediate from every target, on corpora of as many words each.

    The texts of an intermediate are those of its train splits; of a target those of its test split, in the languages
    that the intermediate has too. A target without such a language (XCOPA has no English) is stood for by the English
    train split that it is tuned on.
    """
    library = _Library(study)
    trained = {name: _trained(study, name) for name in intermediates}
    pairs: dict[Pair, list[Place]] = {}
    for name in intermediates:
        for target in targets:
            pairs[name, target] = _places(study, target, list(trained[name]))
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
                found.append(_measured(ours.cut(sizes[place[2]]), theirs.cut(words), pieces))
        values[name, target] = {
            kind: statistics.fmean(one[kind] for one in found)
            for kind in DISTANCES
            if found and all(kind in one for one in found)
        }
    texts = {pair: _described(places) for pair, places in pairs.items()}
    return Distances(values, texts, (*library.problems, *_notes(study, library, pairs, sizes)))


def _trained(study: Study, intermediate: str) -> dict[str, list[Place]]:
    """Language -> the train splits of an intermediate's stages in it."""
    facts = next(facts for facts in study.run["rows"].values() if facts["intermediate"] == intermediate)
    places: dict[str, list[Place]] = {}
    for stage in facts["stages"]:
        for language in stage["languages"]:
            for task in stage["tasks"]:
                if (task, "train", language) not in places.setdefault(language, []):
                    places[language].append((task, "train", language))
    return places


def _places(study: Study, target: str, spoken: Sequence[str]) -> list[Place]:
    """Where a target's texts are taken from, for an intermediate of these languages."""
    shared = [language for language in study.languages[target] if language in spoken]
    if shared:
        return [(target, "test", language) for language in shared]
    tuned_on = study.run["tasks"][target]["tuned_on"]
    return [(tuned_on, "train", ENGLISH)] if ENGLISH in spoken and tuned_on in study.loaded.tasks else []


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
