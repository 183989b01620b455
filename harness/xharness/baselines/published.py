"""A run against published figures, or those against each other: differences without interval, and said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from xharness.baselines.files import Baselines, Figure, headline, load_baselines, score
from xharness.errors import UsageError, nearest
from xharness.score.averages import average
from xharness.score.compare import OVERALL, Comparison, Difference, Settings, coefficients
from xharness.score.matching import Side
from xharness.score.scheme import Scheme, load_scheme


@dataclass(frozen=True)
class Published:
    """One row of a file of baselines."""

    key: str
    baselines: Baselines

    @property
    def name(self) -> str:
        """As the row is titled."""
        return self.baselines.row[self.key].title

    def sources(self, tasks: Sequence[str]) -> list[str]:
        """Titles of what the figures of these tasks are taken from."""
        figures = [f for task, f in self.baselines.row[self.key].task.items() if task in tasks]
        keys = dict.fromkeys(key for f in figures for key in (f.source, f.language_source) if key)
        return [self.baselines.source[key].title for key in keys]


def published(key: str, file: str = "xtreme") -> Published:
    """The published row called `key`; UsageError with the nearest name where there is none."""
    baselines = load_baselines(file)
    if key not in baselines.row:
        raise UsageError(f"no published row of '{file}' is called '{key}'. {nearest(key, baselines.row)}")
    return Published(key, baselines)


@dataclass(frozen=True)
class _Point:
    """What one side has on one target."""

    value: float | None
    f1: float | None = None
    languages: tuple[str, ...] = ()
    by_language: Mapping[str, float] = field(default_factory=dict)
    partial: bool = False
    """Not over all the languages of the scheme, so that it counts in no average."""
    notes: tuple[str, ...] = ()
    metric: str = ""


def compare_published(left: Side | Published, right: Side | Published, scheme: Scheme) -> Comparison:
    """What `right` has more than `left`, of which at least one is published.

    UsageError where the run's profile is never ranked against published numbers.
    """
    for side in (left, right):
        if isinstance(side, Side) and not side.comparable:
            what = f"{side.name} is of a profile whose scores do not compare with published ones"
            raise UsageError(f"{what} (comparable = false in its suite).")
    shared = [t for t in dict.fromkeys((*scheme.tasks, *_targets(left), *_targets(right))) if _has(left, right, t)]
    if not shared:
        raise UsageError(f"{left.name} and {right.name} have no target in common.")
    lines: list[Difference] = []
    whole: dict[str, Difference] = {}
    for target in shared:
        pair = _same_languages(_point(left, right, target), _point(right, left, target))
        lines += _of_languages(target, *pair)
        line = _of_target(target, *pair)
        lines.append(line)
        if line.difference is not None and None not in (pair[0].value, pair[1].value) and not pair[0].partial:
            whole[target] = line
    lines += _averages(scheme, whole)
    return Comparison(left.name, right.name, tuple(lines), Settings(), _words(left, right, shared))


def _targets(side: Side | Published) -> Sequence[str]:
    return tuple(side.targets) if isinstance(side, Side) else ()


def _task(target: str, *sides: Side | Published) -> str:
    """The name under which a target is published."""
    for side in sides:
        if isinstance(side, Side) and target in side.targets:
            return side.targets[target].counts_as or target
    return target


def _has(left: Side | Published, right: Side | Published, target: str) -> bool:
    task = _task(target, left, right)
    return all(
        target in side.targets if isinstance(side, Side) else task in side.baselines.row[side.key].task
        for side in (left, right)
    )


def _point(side: Side | Published, other: Side | Published, target: str) -> _Point:
    if isinstance(side, Published):
        # The languages and metrics of a figure are those of its own file's scheme, whatever the run's is.
        task = _task(target, side, other)
        return _published_point(side.baselines.row[side.key].task[task], task, load_scheme(side.baselines.scheme))
    scored = side.targets[target]
    by_language = {code: value for code in scored.languages if (value := scored.mean(code)) is not None}
    f1 = average({code: scored.mean(code, "f1") for code in scored.languages}, scored.languages).value
    return _Point(average(by_language, scored.languages).value, f1, scored.languages, by_language, metric=scored.metric)


def _published_point(figure: Figure, task: str, scheme: Scheme) -> _Point:
    names = headline(task, scheme)
    tables = [figure.language.get(name, {}) for name in names]  # type: ignore[call-overload]
    codes = [code for code in tables[0] if all(code in table for table in tables)] if tables else []
    by_language = {code: sum(table[code] for table in tables) / len(tables) for code in codes}
    notes = [f"unverified: {figure}"] if figure.doubtful() else []
    return _Point(
        score(figure, task, scheme),
        figure.f1,
        figure.languages or scheme.of(task).languages,
        by_language,
        notes=tuple(notes),
        metric=scheme.of(task).metric,
    )


def _same_languages(left: _Point, right: _Point) -> tuple[_Point, _Point]:
    """Both over the same languages: the fewer, where the figures by language allow it; else without a value."""
    if left.metric != right.metric:
        note = f"scored by {left.metric} and by {right.metric}"
        return replace(left, value=None, f1=None, notes=(*left.notes, note)), replace(right, value=None, f1=None)
    ours, theirs = set(left.languages), set(right.languages)
    if ours == theirs:
        return left, right
    wanted = tuple(code for code in left.languages if code in theirs)
    values = [average(point.by_language, wanted).value for point in (left, right)]
    if set(wanted) in (ours, theirs) and None not in values:
        note = f"over {len(wanted)} languages"
        return (
            replace(left, value=values[0], f1=None, partial=True, notes=(*left.notes, note)),
            replace(right, value=values[1], f1=None, partial=True),
        )
    note = f"averages over other languages ({len(ours)} and {len(theirs)})"
    return replace(left, value=None, f1=None, notes=(*left.notes, note)), replace(right, value=None, f1=None)


def _of_languages(target: str, left: _Point, right: _Point) -> list[Difference]:
    if left.metric != right.metric:
        return []
    return [
        Difference("language", target, code, value, right.by_language[code], right.by_language[code] - value)
        for code, value in left.by_language.items()
        if code in right.by_language
    ]


def _of_target(target: str, left: _Point, right: _Point) -> Difference:
    notes = list(dict.fromkeys((*left.notes, *right.notes)))
    before, after = left.value, right.value
    if (before is None or after is None) and left.f1 is not None and right.f1 is not None:
        before, after = left.f1, right.f1
        notes.append("F1 only")
    if before is None or after is None:
        return Difference("target", target, left=before, right=after, have=0, note="; ".join(notes))
    return Difference("target", target, left=before, right=after, difference=after - before, note="; ".join(notes))


def _averages(scheme: Scheme, whole: Mapping[str, Difference]) -> list[Difference]:
    out = []
    for name, weights in coefficients(scheme).items():
        if name != OVERALL and len(weights) < 2:
            continue
        kind = "average" if name == OVERALL else "group"
        left, right = (average({t: getattr(x, side) for t, x in whole.items()}, weights, weights)
                       for side in ("left", "right"))  # fmt: skip
        line = Difference(kind, name, have=left.have, want=left.want)
        if left.value is not None and right.value is not None:
            notes = ["unverified"] if any("unverified" in whole[t].note for t in weights) else []
            gap = right.value - left.value
            line = replace(line, left=left.value, right=right.value, difference=gap, note="; ".join(notes))
        out.append(line)
    return out


def _words(left: Side | Published, right: Side | Published, shared: Sequence[str]) -> tuple[str, ...]:
    words = [
        f"{right.name} minus {left.name}. Published figures have no outcomes by example: these differences have no "
        "interval and no test, and the runs behind them differ in more than the model."
    ]
    tasks = [_task(target, left, right) for target in shared]
    for side in (left, right):
        if isinstance(side, Published):
            words.append(f"{side.name}: {'; '.join(side.sources(tasks))}.")
            if protocol := side.baselines.row[side.key].protocol:
                words.append(f"{side.name} does not follow the benchmark's protocol: {protocol}.")
    return tuple(words)
