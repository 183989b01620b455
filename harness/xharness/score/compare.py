"""The difference of two rows, by target and language: interval, p-value, correction, and the words to put under it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from xharness.errors import UsageError
from xharness.metrics import metric
from xharness.metrics.base import Array
from xharness.score.averages import average
from xharness.score.matching import Scored, Side, matched
from xharness.score.scheme import Scheme
from xharness.score.statistics import (
    RESAMPLES,
    Sample,
    bootstrap,
    gains_over_first,
    holm,
    interval,
    observed,
    out_of_reach,
    p_value,
)

OVERALL = "average"
PARTLY = "a member is judged by another evaluator: no interval"
JUDGED = "judged by another evaluator: no interval"
"""What is said of a target whose single examples are not known."""


@dataclass(frozen=True)
class Settings:
    """How a comparison is made."""

    resamples: int = RESAMPLES
    seed: int = 0
    level: float = 0.95
    parallel: bool | None = None
    """Draw a target's languages together (True), each by itself (False), or as their examples tell (None)."""


@dataclass(frozen=True)
class Difference:
    """One line of a comparison; scores are 0 to 100, and None where something is missing."""

    kind: str
    """`language`, `target`, `group` or `average`."""
    name: str
    """The target, `group:NAME`, or `average`."""
    language: str = ""
    left: float | None = None
    right: float | None = None
    difference: float | None = None
    """Right minus left."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: float | None = None
    """The p-value after Holm's correction over the lines of this kind."""
    n: int = 0
    """Examples, over all languages."""
    have: int = 1
    want: int = 1
    note: str = ""

    def significant(self, level: float = 0.95) -> bool:
        """Whether the corrected p-value is below 1 - level; groups and the average have no correction."""
        p = self.p if self.adjusted is None else self.adjusted
        return p is not None and p < 1 - level


@dataclass(frozen=True)
class Comparison:
    """Two rows compared."""

    left: str
    right: str
    lines: tuple[Difference, ...]
    settings: Settings
    words: tuple[str, ...]
    """Sentences to put under the table."""

    def of(self, name: str, language: str = "") -> Difference:
        """One line; KeyError where there is none."""
        for line in self.lines:
            if (line.name, line.language) == (name, language):
                return line
        raise KeyError((name, language))

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "lines": [asdict(line) for line in self.lines], "words": list(self.words)}


@dataclass(frozen=True)
class _Drawn:
    """One target's resampled scores: means over languages, [resamples, systems]."""

    sample: Sample
    means: Array


def compare(left: Side, right: Side, scheme: Scheme, settings: Settings = Settings()) -> Comparison:
    """What `right` gains over `left` on every target that both have, in the order of the scheme.

    A target's line needs all its languages on both sides, an average all its targets; otherwise it says what there is.
    DataError where the rows were not tested on the same examples.
    """
    shared = [t for t in _order(scheme, left, right) if t in left.targets and t in right.targets]
    if not shared:
        raise UsageError(f"{left.name} and {right.name} have no target in common.")
    lines: list[Difference] = []
    drawn: dict[str, _Drawn] = {}
    for target in shared:
        pair = left.targets[target], right.targets[target]
        if not any(metric(scored.metric).by_example for scored in pair):
            lines += _without_outcomes(target, pair)
            continue
        sample = matched(target, [(left.name, pair[0]), (right.name, pair[1])], settings.parallel)
        scores = bootstrap(sample, settings.resamples, settings.seed)
        lines += _of_languages(sample, scores, settings)
        line = _of_target(target, pair, sample, scores, settings)
        lines.append(line)
        if line.difference is not None:
            drawn[target] = _Drawn(sample, scores.mean(axis=1))
    lines += _averages(scheme, lines, drawn, settings)
    lines = corrected(lines)
    only = [t for side, other in ((left, right), (right, left)) for t in side.targets if t not in other.targets]
    return Comparison(left.name, right.name, tuple(lines), settings, _words(left, right, lines, drawn, settings, only))


def _order(scheme: Scheme, left: Side, right: Side) -> list[str]:
    return list(dict.fromkeys((*scheme.tasks, *left.targets, *right.targets)))


def _without_outcomes(target: str, pair: tuple[Scored, Scored]) -> Iterator[Difference]:
    """Scores of another evaluator's: differences, and nothing of how far chance reaches."""
    wanted = list(dict.fromkeys((*pair[0].languages, *pair[1].languages)))
    found = {code: tuple(scored.mean(code) for scored in pair) for code in wanted}
    whole = {code: (a, b) for code, (a, b) in found.items() if a is not None and b is not None}
    for code, (before, after) in whole.items():
        yield Difference("language", target, code, before, after, after - before, note=JUDGED)
    have, want = len(whole), len(wanted)
    if have < want:
        yield Difference("target", target, have=have, want=want, note="languages are missing")
        return
    before, after = (sum(side) / want for side in zip(*whole.values(), strict=True))
    yield Difference("target", target, "", before, after, after - before, have=have, want=want, note=JUDGED)


def _line(
    kind: str, name: str, points: Array, draws: Array, settings: Settings, n: int, language: str = ""
) -> Difference:
    """A line from both systems' scores, [2], and the resampled differences, [resamples]."""
    low, high = interval(draws, settings.level)
    before, after = (float(point) for point in points)
    return Difference(kind, name, language, before, after, after - before, low, high, p_value(draws), n=n)


def _of_languages(sample: Sample, scores: Array, settings: Settings) -> list[Difference]:
    points = observed(sample)
    return [
        _line(
            "language", sample.target, points[i], scores[:, i, 1] - scores[:, i, 0], settings,
            len(sample.parts[language]), language,
        )
        for i, language in enumerate(sample.languages)
    ]  # fmt: skip


def _of_target(
    target: str, pair: tuple[Scored, Scored], sample: Sample, scores: Array, settings: Settings
) -> Difference:
    """The mean over the target's languages; absent where one is missing or the two sides average different ones."""
    wanted = set(pair[0].languages) | set(pair[1].languages)
    have = len(wanted & set(sample.languages))
    n = sum(len(parts) for parts in sample.parts.values())
    if set(pair[0].languages) != set(pair[1].languages):
        note = f"the rows average over {len(pair[0].languages)} and {len(pair[1].languages)} languages, not the same"
        return Difference("target", target, n=n, have=have, want=len(wanted), note=note)
    if have < len(wanted):
        return Difference("target", target, n=n, have=have, want=len(wanted), note="languages are missing")
    chosen = [i for i, language in enumerate(sample.languages) if language in wanted]
    draws = scores[:, chosen].mean(axis=1)
    line = _line("target", target, observed(sample)[chosen].mean(axis=0), draws[:, 1] - draws[:, 0], settings, n)
    return replace(line, have=have, want=have)


def coefficients(scheme: Scheme) -> dict[str, dict[str, float]]:
    """`group:NAME` and `average` -> target -> its weight there; they add up to 1 (averages.summarise, as weights)."""
    out: dict[str, dict[str, float]] = {}
    for name, group in scheme.group.items():
        total = sum(scheme.of(task).weight for task in group.tasks)
        out[f"group:{name}"] = {task: scheme.of(task).weight / total for task in group.tasks}
    if scheme.overall == "tasks":
        total = sum(scheme.of(task).weight for task in scheme.tasks)
        return {**out, OVERALL: {task: scheme.of(task).weight / total for task in scheme.tasks}}
    overall = dict.fromkeys(scheme.tasks, 0.0)
    for weights in out.values():
        for task, weight in weights.items():
            overall[task] += weight / len(out)
    return {**out, OVERALL: overall}


def _averages(
    scheme: Scheme, lines: Iterable[Difference], drawn: Mapping[str, _Drawn], settings: Settings
) -> list[Difference]:
    """Groups of several targets, and the average."""
    targets = {line.name: line for line in lines if line.kind == "target"}
    out = []
    for name, weights in coefficients(scheme).items():
        if name != OVERALL and len(weights) < 2:
            continue
        kind = "average" if name == OVERALL else "group"
        points = [average({t: getattr(line, side) for t, line in targets.items()}, weights, weights)
                  for side in ("left", "right")]  # fmt: skip
        have, want = points[0].have, points[0].want
        if any(point.value is None for point in points):
            out.append(Difference(kind, name, have=have, want=want))
            continue
        if any(t not in drawn for t in weights):
            before, after = (float(point.value) for point in points if point.value is not None)
            out.append(Difference(kind, name, "", before, after, after - before, have=have, want=want, note=PARTLY))
            continue
        draws = sum(
            (weight * (drawn[t].means[:, 1] - drawn[t].means[:, 0]) for t, weight in weights.items()),
            np.zeros(settings.resamples),
        )
        n = sum(targets[t].n for t in weights)
        line = _line(kind, name, np.asarray([point.value for point in points]), draws, settings, n)
        out.append(replace(line, have=have, want=want))
    return out


def corrected(lines: Sequence[Difference]) -> list[Difference]:
    """The lines with p-values corrected by Holm: targets over the targets, languages over all languages."""
    out = list(lines)
    for kind in ("language", "target"):
        places = [i for i, line in enumerate(out) if line.kind == kind]
        for place, adjusted in zip(places, holm([out[i].p for i in places]), strict=True):
            out[place] = replace(out[place], adjusted=adjusted)
    return out


def corrected_together(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Several comparisons of one table, corrected over all of their lines."""
    sizes = [len(found.lines) for found in comparisons]
    lines = corrected([line for found in comparisons for line in found.lines])
    tested = {kind: sum(line.kind == kind and line.p is not None for line in lines) for kind in ("target", "language")}
    out = []
    for found, size in zip(comparisons, sizes, strict=True):
        mine, lines = lines[:size], lines[size:]
        more = f"P-values are corrected over all {len(comparisons)} comparisons of the table."
        beyond = [
            f"With {found.settings.resamples:,} resamples none of all {tests} {kind}s can be significant after "
            "correction."
            for kind, tests in tested.items()
            if out_of_reach(tests, found.settings.resamples, found.settings.level)
        ]
        words = (*found.words, more, *beyond) if len(comparisons) > 1 else found.words
        out.append(replace(found, lines=tuple(mine), words=words))
    return out


def _words(
    left: Side,
    right: Side,
    lines: Sequence[Difference],
    drawn: Mapping[str, _Drawn],
    settings: Settings,
    only: Sequence[str],
) -> tuple[str, ...]:
    """What a reader must know about the numbers."""
    targets = [line for line in lines if line.kind == "target" and line.note != JUDGED]
    cells = sum(line.kind == "language" and line.note != JUDGED for line in lines)
    words = [
        f"{right.name} minus {left.name}. Paired bootstrap over examples ({sum(t.n for t in targets):,}), "
        f"{settings.resamples:,} resamples, seed {settings.seed}; {settings.level:.0%} percentile intervals, two-sided "
        f"p-values, corrected by Holm's rule over {len(targets)} targets, those of languages over all {cells}. "
        "Groups and the average are single tests, without correction."
    ]
    together = [t for t, found in drawn.items() if any(len(group) > 1 for group in found.sample.together)]
    if together:
        words.append(f"Drawn together over their parallel languages: {', '.join(together)}.")
    words += _seed_words(left, right, [line.name for line in targets])
    for kind, tests in (("targets", len(targets)), ("languages", cells)):
        if out_of_reach(tests, settings.resamples, settings.level):
            words.append(
                f"With {settings.resamples:,} resamples none of {tests} {kind} can be significant after correction."
            )
    if only:
        words.append(f"On one side only, and not compared: {', '.join(only)}.")
    return tuple(words)


def _seed_words(left: Side, right: Side, targets: Sequence[str]) -> list[str]:
    """How seeds enter the intervals."""
    pairs = {(left.targets[t].seeds, right.targets[t].seeds) for t in targets}
    single = any(len(seeds) == 1 for pair in pairs for seeds in pair)
    words = []
    if any(len(seeds) > 1 for pair in pairs for seeds in pair):
        counts = " and ".join(sorted({f"{len(a)} against {len(b)}" if a != b else str(len(a)) for a, b in pairs}))
        how = "the same for both rows" if all(a == b for a, b in pairs) else "by each row for itself"
        words.append(f"Seeds ({counts}) are resampled with the examples, {how}.")
    if single:
        words.append("Where a row has one seed, the intervals hold for that training run: seeds are not in them.")
    return words


def significant_against_none(
    rows: Mapping[tuple[str, str], Side], settings: Settings = Settings(), none: str = "none"
) -> frozenset[tuple[str, str, str]]:
    """(checkpoint, intermediate, target) whose difference from the row without an intermediate is significant.

    Corrected by Holm over the whole table; the p-values are those of `compare` for each row.
    Cells without outcomes, languages that are missing or other seeds' examples are left out, not guessed.
    """
    places: list[tuple[str, str, str]] = []
    values: list[float | None] = []
    for checkpoint in dict.fromkeys(c for c, _ in rows):
        plain = rows.get((checkpoint, none))
        for target, base in plain.targets.items() if plain else ():
            named = [(i, s.targets[target]) for (c, i), s in rows.items()
                     if c == checkpoint and i != none and target in s.targets
                     and _whole(s.targets[target]) and s.targets[target].languages == base.languages]  # fmt: skip
            if not named or not _whole(base) or not metric(base.metric).by_example:
                continue
            sample = matched(target, [(none, base), *named], settings.parallel)
            chosen = [i for i, language in enumerate(sample.languages) if language in base.languages]
            gains = gains_over_first(sample, settings.resamples, settings.seed)[:, chosen].mean(axis=1)
            places += [(checkpoint, intermediate, target) for intermediate, _ in named]
            values += [p_value(gains[:, i]) for i in range(len(named))]
    adjusted = holm(values)
    return frozenset(
        place for place, p in zip(places, adjusted, strict=True) if p is not None and p < 1 - settings.level
    )


def _whole(scored: Scored) -> bool:
    """Whether every language has a score under every seed."""
    return bool(scored.files) and all(scored.mean(language) is not None for language in scored.languages)
