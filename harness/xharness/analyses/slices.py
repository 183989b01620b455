"""Slices: what each row gains over `none` in parts of a target's test side, and whether that depends on the part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xharness.analyses.slicing.cases import Cases, Gain, cases_of, gain_of, interaction
from xharness.analyses.slicing.corpus import Embed, Held, distances, topics
from xharness.analyses.slicing.labels import FUNCTIONS, NONE, Labels, labels_of, values_of
from xharness.analyses.slicing.pages import Sliced, slice_figure, slice_table, tests_table, words_of
from xharness.analysis import Answer, Texts
from xharness.data.examples import examples
from xharness.data.texts import text_of
from xharness.errors import DataError, HarnessError, Problem, listed
from xharness.score.statistics import RESAMPLES, reach_words
from xharness.spec.load import Loaded
from xharness.spec.stage import ENGLISH
from xharness.spec.task import Limit
from xharness.study import Study

ARTICLE, TITLE, TOPIC = "article", "title", "topic"
BUILT_IN = (*FUNCTIONS, ARTICLE, TOPIC, "distance")
CONTEXTS = 20_000
"""Distinct contexts of a target that are embedded, at the most."""


class Options(BaseModel):
    """Settings of the slices."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    by: tuple[str, ...] = BUILT_IN
    """What makes the slices: question_word, answer_type, answer_length, context_length, overlap, article (the column
    `title`, the English version's where there is one), topic, distance, or any column of the data."""
    targets: tuple[str, ...] = ()
    """All of the run if not said."""
    without: tuple[str, ...] = ()
    """Patterns of targets that are left out: `mlqa_g_*`."""
    intermediates: tuple[str, ...] = ()
    """Rows that are compared with `none`; all if not said."""
    bins: int = Field(default=3, ge=2)
    """Bins of a number, with equally many examples of each language."""
    least: int = Field(default=20, ge=2)
    """Questions that a slice must have to be ranked and tested; one and its translations count once."""
    most: int = Field(default=12, ge=2)
    """Slices of a column; rarer values are put together."""
    labels: Literal["own", "english"] = "english"
    """Whether question word, answer type, lengths and overlap are those of an example's English version, where it has
    one, or its own. By its own one question lies in several slices, and a slice may be little more than a language:
    rules find other names in German, and none in Chinese."""
    k: int = Field(default=6, ge=2)
    """Topics."""
    topics: Literal["encoder", "words"] = "encoder"
    """What they are clusters of: the English contexts as the first checkpoint embeds them, or by their words."""
    seed: int = 0
    """Of topics and permutations."""
    corpus: int = Field(default=2000, ge=1)
    """Texts of the intermediate's train data that distance is measured from, at the most."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Of the bootstrap."""
    rounds: int = Field(default=2000, ge=100)
    """Of the permutation test."""


class Slices:
    """Gains by slice of the test side, and whether gain and slice have to do with one another."""

    name: ClassVar[str] = "slices"
    options: ClassVar[type[BaseModel]] = Options

    def texts(self, loaded: Loaded, options: Options) -> Iterator[Texts]:
        """The English contexts of the targets that are cut by topic."""
        if TOPIC in options.by and options.topics == "encoder":
            for target in targets_of(options, loaded.targets):
                if ENGLISH in loaded.tasks[target].languages:
                    yield contexts(target)

    def answer(self, study: Study, options: Options) -> Answer:
        """A table of tests, and for each kind of slice a table and a figure of gains."""
        targets, low = study.rising(targets_of(options, study.run["targets"]))
        told: dict[str, None] = dict.fromkeys(low)
        unsliced: dict[tuple[str, str], dict[str, None]] = {}
        found: list[Sliced] = []
        for target in targets:
            rows = [
                (checkpoint, row)
                for checkpoint in study.checkpoints
                for row in options.intermediates or study.intermediates(checkpoint)
            ]
            try:
                held = Slicer.of(study, target, options, unsliced)
                for checkpoint, row in rows:
                    found += _of_row(study, held, checkpoint, row, options, told)
            except HarnessError as error:
                told[f"{study.title(target)}: left out, {error}"] = None
        why = [f"not sliced by {by}: {listed(list(of))}, {said}" for (by, said), of in unsliced.items()]
        if not found:
            what = "no row has outcomes beside those of `none` on these targets, or none could be sliced."
            raise DataError(Problem("analysis slices", what, " ".join([*told, *why])))
        tables, figures = [tests_table(found)], []
        for by in options.by:
            if mine := [s for s in found if s.by == by]:
                tables.append(slice_table(by, mine, found))
                figures.append(slice_figure(by, mine))
        notes = (*study.absent(targets), *told, *why, *_notes(study, found, targets, options))
        said = (
            *words_of(found),
            *reach_words(sum(s.p is not None for s in found), options.rounds, 1, "rounds"),
            *reach_words(sum(len(s.ranked) for s in found), options.resamples),
        )
        return Answer(said, tuple(tables), tuple(figures), tuple(dict.fromkeys(notes)))


def targets_of(options: Options, every: Sequence[str]) -> list[str]:
    """The targets that are sliced."""
    given = options.targets or every
    return [t for t in given if not any(fnmatchcase(t, pattern) for pattern in options.without)]


def contexts(target: str) -> Texts:
    """The English contexts of a target's test split."""
    return Texts(target, "test", ENGLISH, "text", CONTEXTS)


@dataclass(frozen=True)
class Slicer:
    """A target's examples, and how they are sliced."""

    study: Study
    target: str
    options: Options
    examples: Held
    apart: frozenset[str]
    """Languages that are not parallel with English, by the rule of the bootstrap."""
    unsliced: dict[tuple[str, str], dict[str, None]]
    """(kind of slice, why it could not be made) -> titles of targets."""
    made: dict[str, Labels]
    """What was sliced by something that no row changes."""

    @classmethod
    def of(
        cls, study: Study, target: str, options: Options, unsliced: dict[tuple[str, str], dict[str, None]]
    ) -> Slicer:
        """Those of a target's languages."""
        held = {language: study.examples(target, language) for language in study.languages[target]}
        return cls(study, target, options, held, _apart(study, target), unsliced, {})

    def labels(self, by: str, row: str) -> Labels | None:
        """The slices of all examples; None where the data do not give them, which is told."""
        about = f"{by}:{row}" if by == "distance" else by
        if about not in self.made:
            try:
                self.made[about] = labels_of(self._values(by, row), self.options.bins, self.options.most)
                if self.made[about].slices == (NONE,):
                    raise DataError("no example has a value")
            except HarnessError as error:
                said = error.problems[0].what.rstrip(".")
                self.unsliced.setdefault((by, said), {})[self.study.title(self.target)] = None
                self.made[about] = Labels({}, ())
        return self.made[about] if self.made[about].slices else None

    def _values(self, by: str, row: str) -> dict[str, dict[str, Any]]:
        if by in FUNCTIONS:
            return values_of(self.examples, FUNCTIONS[by], self._english, self.apart)
        if by == TOPIC:
            made = topics(self.examples, self.options.k, self.options.seed, self._embedded(), self.apart)
            if not made:
                raise DataError(f"it has no more than {self.options.k} English contexts")
            return {language: {**dict.fromkeys(rows), **made[language]} for language, rows in self.examples.items()}
        if by == "distance":
            return dict(distances(self.examples, corpus_of(self.study, row, self.options.corpus), self.apart))
        column = TITLE if by == ARTICLE else by
        held = {code: self.study.examples(self.target, code, (column,)) for code in self.examples}
        return values_of(held, lambda example: example.get(column), by == ARTICLE or self._english, self.apart)

    @property
    def _english(self) -> bool:
        return self.options.labels == "english"

    def _embedded(self) -> Embed | None:
        """What has the encoder's embeddings of the contexts; None where words make the topics."""
        if self.options.topics == "words":
            return None
        held = self.study.vectors(self.study.checkpoints[0], contexts(self.target))
        if held is None:
            what = "the run has no embeddings of its contexts"
            raise DataError(Problem(self.target, f'{what}: run it again, or set topics = "words".'))
        return held.of


def _apart(study: Study, target: str) -> frozenset[str]:
    """The languages of a target that are not drawn together with English."""
    row = next((row for row, side in study.rows.items() if target in side.targets), None)
    together = study.sample(target, [row]).together if row else ()
    parallel = next((group for group in together if ENGLISH in group), ())
    return frozenset(study.languages[target]) - {ENGLISH, *parallel}


def corpus_of(study: Study, row: str, most: int) -> list[str]:
    """Texts that a row's stages trained on: contexts, or all that an example says; as many of each task."""
    found: list[str] = []
    stages = study.loaded.stages(row)
    trained = [(name, code) for stage in stages for name in stage.tasks for code in stage.languages or (ENGLISH,)]
    for name, language in trained:
        cap = study.loaded.limit_of(name).train
        limit = Limit(train=min(cap or most, most))
        rows = examples(study.loaded.tasks[name], "train", language, limit)
        found += list(dict.fromkeys(text_of(e) for e in rows))[: max(1, most // len(trained))]
    return found


def _of_row(
    study: Study, slicer: Slicer, checkpoint: str, row: str, options: Options, told: dict[str, None]
) -> Iterator[Sliced]:
    """A row's gains by everything that makes slices."""
    target = slicer.target
    sides = [study.rows.get((checkpoint, name)) for name in ("none", row)]
    if any(side is None or target not in side.targets for side in sides):
        return
    cases = cases_of(study, target, checkpoint, row)
    if lost := [code for code in study.languages[target] if code not in {code for code, _ in cases.places}]:
        told[f"{study.title(target)}: {row}[{checkpoint}] is compared without {listed(lost)}"] = None
    for by in options.by:
        labels = slicer.labels(by, row)
        if labels is not None:
            yield sliced(cases, labels, options, (checkpoint, row, study.title(target), by))


def sliced(cases: Cases, labels: Labels, options: Options, names: tuple[str, str, str, str]) -> Sliced:
    """The gains by slice, and the test whether they differ; `names` are checkpoint, row, target, kind of slice."""
    given = np.array([labels.of.get(place, NONE) for place in cases.places])
    gains: dict[str, Gain] = {}
    for name in labels.slices:
        inside = given == name
        if inside.any():
            gains[name] = gain_of(cases, inside, options.resamples)
    ranked = tuple(
        name for name, gain in gains.items() if gain.questions >= options.least and name not in (NONE, labels.mixed)
    )
    p = None
    if len(ranked) > 1:
        p = interaction(cases, given.tolist(), np.isin(given, ranked), options.rounds, options.seed)
    return Sliced(*names, gains, ranked, p, labels.about)


def _notes(study: Study, found: Sequence[Sliced], targets: Sequence[str], options: Options) -> Iterator[str]:
    small = sum(len(s.gains) - len(s.ranked) for s in found)
    if small:
        what = f"{small} slices have fewer than {options.least} questions, no value, or rare values together"
        yield f"{what}: shown, not ranked, not tested"
    alone = dict.fromkeys(f"{s.target} by {s.by}" for s in found if len(s.ranked) < 2)
    if alone:
        yield f"nothing to compare, for fewer than two slices can be ranked: {listed(list(alone))}"
    yield from study.seed_notes(targets)
    yield (
        "a slice's score is the mean over its examples in all languages; intervals: 95 %, paired bootstrap over "
        f"questions (all languages of one together) and seeds, {options.resamples} resamples; differences between "
        f"slices: permutation test, {options.rounds} rounds; Holm's correction over all tests of a column"
    )
