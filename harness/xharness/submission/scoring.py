"""XTREME's submission folders: scoring one without any model, and writing one from a run's predictions.

A folder holds `<task>/test-<language>.<suffix>`; the scheme says which tasks, languages, suffixes and layouts. Labels
lie in a folder of the same form. What each layout is, and that all values are from 0 to 100, follows
google-research/xtreme evaluate.py; unlike it, every fault of every file is reported at once, with its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xharness.errors import DataError, Problem, UsageError
from xharness.metrics import metric
from xharness.score.averages import Average, summarise
from xharness.score.scheme import Scheme, SchemeTask
from xharness.submission.layouts import Pair, read_pair, text_of

SHOWN = 12
"""Languages that one line names."""


@dataclass(frozen=True)
class Outcome:
    """One example as a run leaves it."""

    id: str
    """For mined pairs `source<TAB>target`."""
    prediction: Any
    reference: Any


def score_folder(predictions: Path, labels: Path, scheme: Scheme, partial: bool = False) -> dict[str, Any]:
    """Per task and language, per group, overall; every value from 0 to 100.

    {"tasks": {"xnli": {"accuracy": {"ar": ..}, "average": ..}}, "groups": {"qa": ..}, "average": ..,
    "missing": {"average": ["tatoeba"], ..}, "missing_languages": {"udpos": ["af"], ..}, "unanswered": {"mewslix":
    {"ta": 3}}, "ignored": [..]}. An average with a missing task or language is None, and `missing` and
    `missing_languages` say which; `unanswered` counts the queries without a ranking, which score nothing; `ignored` are
    folders and files of predictions that the scheme does not know.
    A task is scored when both folders have it; DataError names every malformed or mismatched file, and, unless what is
    there is to be scored (`partial`), the languages that are missing.
    """
    tasks = {name: _languages(labels / name, scheme.of(name)) for name in _shared(predictions, labels, scheme)}
    absent = {name: _absent(predictions, labels, name, tasks[name], scheme.of(name)) for name in tasks}
    problems = [] if partial else _told_absent(absent, tasks, scheme)
    values: dict[str, dict[str, dict[str, float]]] = {name: {} for name in tasks}
    heads: dict[str, dict[str, float | None]] = {name: {} for name in tasks}
    unanswered: dict[str, dict[str, int]] = {}
    for name, languages in tasks.items():
        for language in languages:
            if any(language in missing for missing in absent[name].values()):
                continue
            file = Path(name) / _file(scheme.of(name), language)
            try:
                pair = read_pair(predictions / file, labels / file, scheme.of(name))
                found, heads[name][language] = _score(scheme.of(name), language, pair)
            except DataError as error:
                problems.extend(p if p.where else Problem(str(predictions / file), p.what) for p in error.problems)
                continue
            if pair.unanswered:
                unanswered.setdefault(name, {})[language] = pair.unanswered
            for value, number in found.items():
                values[name].setdefault(value, {})[language] = number
    if problems:
        raise DataError(*problems)
    if not any(heads.values()):
        raise DataError(Problem(str(predictions), f"has no file that {labels} has too: nothing can be scored."))
    return {
        **_summary(scheme, heads, tasks, values),
        "unanswered": unanswered,
        "ignored": _ignored(predictions, tasks, scheme),
    }


def _ignored(predictions: Path, tasks: Mapping[str, Sequence[str]], scheme: Scheme) -> list[str]:
    """Folders and files of predictions that are of no task or language of the scheme."""
    found = [p.name for p in predictions.iterdir() if p.is_dir() and p.name not in scheme.tasks]
    for name, languages in tasks.items():
        known = {_file(scheme.of(name), language) for language in languages}
        found += [f"{name}/{p.name}" for p in (predictions / name).iterdir() if p.name not in known]
    return sorted(one for one in found if not Path(one).name.startswith("."))


def _summary(
    scheme: Scheme,
    heads: Mapping[str, Mapping[str, float | None]],
    tasks: Mapping[str, Sequence[str]],
    values: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> dict[str, Any]:
    summary = summarise(scheme, heads, tasks)
    missing = {name: list(found.missing) for name, found in summary.groups.items() if found.value is None}
    if summary.overall.value is None:
        missing["average"] = list(summary.overall.missing)
    return {
        "tasks": {name: {**values[name], "average": summary.tasks[name].value} for name in tasks},
        "groups": {name: found.value for name, found in summary.groups.items()},
        "average": summary.overall.value,
        "missing": missing,
        "missing_languages": {name: list(summary.tasks[name].missing) for name in tasks if summary.tasks[name].missing},
    }


def _file(task: SchemeTask, language: str) -> str:
    return f"test-{language}.{task.file}"


Absent = Mapping[Path, Sequence[str]]
"""A task's folder of predictions or of labels -> the languages that it lacks."""


def _absent(predictions: Path, labels: Path, name: str, languages: Sequence[str], task: SchemeTask) -> Absent:
    return {
        side / name: [one for one in languages if not (side / name / _file(task, one)).exists()]
        for side in (predictions, labels)
    }


def _told_absent(absent: Mapping[str, Absent], tasks: Mapping[str, Sequence[str]], scheme: Scheme) -> list[Problem]:
    """A line for each folder of a task that lacks languages; the last says how to do without them."""
    problems = []
    for name, sides in absent.items():
        folders: dict[tuple[str, ...], list[Path]] = {}
        for folder, missing in sides.items():
            folders.setdefault(tuple(missing), []).append(folder)
        for missing, lacking in folders.items():
            if not missing:
                continue
            n = len(missing)
            shown = ", ".join(missing[:SHOWN]) + (f" and {n - SHOWN} more" if n > SHOWN else "")
            what = f"{n} of {len(tasks[name])} languages {'is' if n == 1 else 'are'} missing: {shown}."
            others = sorted(p.name for folder in lacking for one in missing for p in folder.glob(f"test-{one}.*"))
            hint = f"There is {others[0]}, but files of {name} end in .{scheme.of(name).file}." if others else ""
            problems.append(Problem(" and ".join(map(str, lacking)), what, hint))
    if problems and not problems[-1].hint:
        problems[-1] = replace(problems[-1], hint="With --partial what is there is scored.")
    return problems


def _shared(predictions: Path, labels: Path, scheme: Scheme) -> list[str]:
    """The tasks of the scheme that both folders have; UsageError when there is none, or one names no metric."""
    for folder in (predictions, labels):
        if not folder.is_dir():
            raise UsageError(Problem(str(folder), "is not a folder."))
    tasks = [name for name in scheme.tasks if (predictions / name).is_dir() and (labels / name).is_dir()]
    if not tasks:
        what = f"has no task folder of the scheme '{scheme.title}' that {labels} has too."
        raise UsageError(Problem(str(predictions), what, f"Looked for: {', '.join(scheme.tasks)}."))
    unnamed = [name for name in tasks if not scheme.of(name).metric]
    if unnamed:
        raise UsageError(*(Problem(f"task.{name}", "the scheme gives it no metric.") for name in unnamed))
    return tasks


def _languages(folder: Path, task: SchemeTask) -> tuple[str, ...]:
    """The languages a task must have: the scheme's, or those of the label files where it names none."""
    found = (path.stem.removeprefix("test-") for path in sorted(folder.glob(f"test-*.{task.file}")))
    return task.languages or tuple(found)


def _score(task: SchemeTask, language: str, pair: Pair) -> tuple[dict[str, float], float]:
    """Every value of one language, and the mean of the headline ones."""
    labels = sorted({str(reference) for reference in pair.references if isinstance(reference, str)})
    scorer = metric(task.metric).of(labels)
    sums = np.sum(scorer.outcomes(pair.predictions, pair.references, language), axis=0)
    return {name: float(value) for name, value in scorer.values(sums).items()}, float(scorer.score(sums))


def task_average(scores: Mapping[str, Any], task: str) -> Average:
    """A task's average of what `score_folder` gave, as it is shown (`— 3/15`)."""
    values = scores["tasks"][task]
    have = max((len(found) for name, found in values.items() if name != "average"), default=0)
    missing = tuple(scores["missing_languages"].get(task, ()))
    return Average(values["average"], have, have + len(missing), missing)


def average_of(scores: Mapping[str, Any], scheme: Scheme, group: str | None = None) -> Average:
    """A group's average, or the overall one, of what `score_folder` gave, as it is shown (`— 7/9`)."""
    if group is None:
        members = scheme.tasks if scheme.overall == "tasks" else tuple(scheme.group)
        value, missing = scores["average"], tuple(scores["missing"].get("average", ()))
    else:
        members = scheme.group[group].tasks
        value, missing = scores["groups"][group], tuple(scores["missing"].get(group, ()))
    return Average(value, len(members) - len(missing), len(members), missing)


Outcomes = Mapping[str, Mapping[str, Iterable[Outcome]]]
"""Task -> language -> examples in order."""


def write_folder(outcomes: Outcomes, predictions: Path, scheme: Scheme, labels: Path | None = None) -> list[Path]:
    """Write a submission folder, and with `labels` the label folder that goes with it; the files written, in order.

    DataError names every example that the layout cannot hold (a label that the scheme does not list, a line break),
    before anything is written.
    """
    problems: list[Problem] = []
    pending: list[tuple[Path, str]] = []
    for name, languages in outcomes.items():
        if name not in scheme.tasks:
            problems.append(Problem(name, f"is no task of the scheme '{scheme.title}'."))
            continue
        task = scheme.of(name)
        for language, examples in languages.items():
            rows = list(examples)
            file = Path(name) / _file(task, language)
            sides = {predictions / file: [(row.id, row.prediction) for row in rows]}
            if labels is not None:
                sides[labels / file] = [(row.id, row.reference) for row in rows]
            for path, side in sides.items():
                try:
                    pending.append((path, text_of(side, task, gold=path != predictions / file)))
                except DataError as error:
                    problems.extend(Problem(str(path), problem.what) for problem in error.problems)
    if problems:
        raise DataError(*problems)
    for path, text in pending:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return [path for path, _ in pending]
