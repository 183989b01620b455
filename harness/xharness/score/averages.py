"""Averages that are absent when a member is: over languages, tasks, groups, families, scripts and data sizes.

The rules are XTREME's (arXiv 2003.11080 §3; google-research/xtreme evaluate.py, evaluate()): a task is the plain mean
over its languages, English included; a group and the overall average are plain means over tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from xharness.languages import SIZES, UNSEEN, Language, languages
from xharness.score.scheme import Scheme

ENGLISH = "en"


@dataclass(frozen=True)
class Average:
    """A mean, or how much of it there is: shown as `71.3`, or as `— 7/9` when two of nine members are missing."""

    value: float | None
    """0 to 100 (a gap may be negative); None when a member is missing."""
    have: int
    want: int
    missing: tuple[str, ...] = ()
    """Names of the members that are not there."""

    def __format__(self, spec: str) -> str:
        return f"— {self.have}/{self.want}" if self.value is None else format(self.value, spec or "z.1f")

    def __str__(self) -> str:
        return format(self)


Scores = Mapping[str, float | None]
"""Member -> score; a member that is absent, None or not a number is missing."""


def average(scores: Scores, members: Iterable[str], weights: Mapping[str, float] | None = None) -> Average:
    """The mean of `members`, weighted where weights are given; absent when one of them is missing."""
    names = list(dict.fromkeys(members))
    missing = tuple(name for name in names if _missing(scores.get(name)))
    have = len(names) - len(missing)
    if missing or not names:
        return Average(None, have, len(names), missing)
    weight = {name: (weights or {}).get(name, 1.0) for name in names}
    total = sum(weight[name] * (scores[name] or 0.0) for name in names)
    return Average(total / sum(weight.values()), have, len(names))


def _missing(score: float | None) -> bool:
    return score is None or math.isnan(score)


@dataclass(frozen=True)
class Summary:
    """All averages of one row: of each task, each group, and overall."""

    tasks: Mapping[str, Average]
    groups: Mapping[str, Average]
    overall: Average


def summarise(scheme: Scheme, scores: Mapping[str, Scores], own: Mapping[str, Sequence[str]] | None = None) -> Summary:
    """The averages of a row from task -> language -> score.

    A task's average needs the languages that `own` gives for it (those of a run's target), else the scheme's.
    """
    needed = {name: scheme.of(name).languages for name in scheme.tasks} | dict(own or {})
    tasks = {name: average(scores.get(name, {}), needed[name]) for name in scheme.tasks}
    values = {name: found.value for name, found in tasks.items()}
    weights = {name: scheme.of(name).weight for name in scheme.tasks}
    groups = {name: average(values, group.tasks, weights) for name, group in scheme.group.items()}
    if scheme.overall == "tasks":
        overall = average(values, scheme.tasks, weights)
    else:
        overall = average({name: found.value for name, found in groups.items()}, scheme.group)
    return Summary(tasks, groups, overall)


def without_english(scores: Scores, members: Iterable[str]) -> Average:
    """The mean over the task's languages other than English: what was transferred."""
    return average(scores, [name for name in members if name != ENGLISH])


def transfer_gap(scores: Scores, members: Iterable[str]) -> Average:
    """English minus the mean of the other languages (XTREME, arXiv 2003.11080 §5, cross-lingual transfer gap).

    Absent for a task without English.
    """
    names = list(dict.fromkeys([ENGLISH, *members]))
    everything, others = average(scores, names), without_english(scores, names)
    english = scores.get(ENGLISH)
    if everything.value is None or others.value is None or english is None:
        return Average(None, everything.have, everything.want, everything.missing)
    return Average(english - others.value, everything.have, everything.want)


def by_transfer(scores: Scores, members: Iterable[str]) -> dict[str, Average]:
    """English, the mean of the other languages, and the gap between them; the mean alone without English."""
    names = list(members)
    others = {"others": without_english(scores, names)}
    if ENGLISH not in names:
        return others
    return {"English": average(scores, [ENGLISH]), **others, "gap": transfer_gap(scores, names)}


def by_family(scores: Scores, members: Iterable[str]) -> dict[str, Average]:
    """The mean over the task's languages of each family."""
    return _partition(scores, members, lambda language: language.family)


def by_script(scores: Scores, members: Iterable[str]) -> dict[str, Average]:
    """The mean over the task's languages of each script (ISO 15924)."""
    return _partition(scores, members, lambda language: language.script)


def by_wikipedia(scores: Scores, members: Iterable[str]) -> dict[str, Average]:
    """The mean over the task's languages of each bucket of CC-100 data, largest first."""
    found = _partition(scores, members, lambda language: language.size)
    return {name: found[name] for name in (*(name for _, name in SIZES), UNSEEN, UNKNOWN) if name in found}


UNKNOWN = "unknown"
"""Family, script and size of a language that the table does not have."""


def _partition(scores: Scores, members: Iterable[str], trait: Callable[[Language], str]) -> dict[str, Average]:
    parts: dict[str, list[str]] = {}
    for code in members:
        language = languages().get(code)
        parts.setdefault(trait(language) if language else UNKNOWN, []).append(code)
    return {name: average(scores, parts[name]) for name in sorted(parts)}
