"""The scheme: how a benchmark's tasks are grouped, weighted and averaged, as data in TOML.

title = "XTREME"
overall = "tasks"                 # plain or weighted mean over tasks; "groups" is the mean over groups

[group.retrieval]
title = "Retrieval"
tasks = ["bucc2018", "tatoeba"]

[task.tatoeba]
metric = "accuracy_tatoeba"
languages = ["ar", "he"]          # all that the task's average needs
weight = 1.0
file = "tsv"                      # what its files in a submission folder are
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from xharness.errors import Problem, UsageError, nearest
from xharness.spec.base import Spec
from xharness.spec.load import shipped_suites
from xharness.spec.parse import Document, read_document, validate

Layout = Literal["labels", "tags", "pairs", "answers", "ranking", "choices"]
"""What a submission file holds: one label a line; one tag a line and a blank line between sentences; one
`source<TAB>target` pair a line; SQuAD json against an id -> text map; a query's id -> ranked ids; one json object a
line."""


class SchemeTask(Spec):
    """One task of a scheme."""

    metric: str = ""
    """Needed to score a submission folder; a run's targets bring their own."""
    languages: tuple[str, ...] = ()
    """Languages of the task's average; a run averages over those of its target in the current profile."""
    weight: float = Field(default=1.0, gt=0)
    """In the overall average."""
    layout: Layout = "labels"
    """What a submission file of the task holds."""
    file: Literal["tsv", "json", "jsonl"] = "tsv"
    """Suffix of a submission file."""
    labels: tuple[str | int, ...] = ()
    """All labels or tags that can occur; empty means any."""
    spelling: dict[str, str | int] = Field(default_factory=dict)
    """Our label to the submission's, where they differ."""


class SchemeGroup(Spec):
    """Tasks that are averaged together."""

    title: str
    tasks: tuple[str, ...] = Field(min_length=1)


class Scheme(Spec):
    """How the scores of tasks become the averages of groups and the overall one."""

    title: str
    note: str = ""
    overall: Literal["tasks", "groups"] = "tasks"
    """Mean over tasks, as in XTREME, or over groups."""
    group: dict[str, SchemeGroup]
    task: dict[str, SchemeTask] = Field(default_factory=dict)
    citation: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that counts, in the order of the groups."""
        return tuple(dict.fromkeys(name for group in self.group.values() for name in group.tasks))

    def of(self, task: str) -> SchemeTask:
        """The settings of a task; the defaults if the scheme has none."""
        return self.task.get(task, SchemeTask())


def load_scheme(given: str, beside: Path | None = None) -> Scheme:
    """A scheme by the name of a shipped one (`xtreme`) or by its TOML file, also relative to the folder `beside`."""
    candidates = [Path(given), *([beside / given] if beside else [])]
    path = next((p for p in candidates if p.suffix == ".toml" and p.is_file()), None)
    if path is None:
        shipped = {p.stem: p for p in sorted((shipped_suites() / "schemes").glob("*.toml"))}
        if given not in shipped:
            raise UsageError(
                Problem(given, "is neither a scheme's TOML file nor a shipped scheme.", nearest(given, shipped))
            )
        path = shipped[given]
    document = read_document(path)
    scheme = validate(Scheme, document.values, document)
    _check(scheme, document)
    return scheme


def scheme_of(run: Mapping[str, Any]) -> Scheme:
    """The scheme of a stored run; for a suite that names none, its own targets in their own groups."""
    if run["scheme"]:
        return load_scheme(run["scheme"], Path(run["suite"]).parent)
    groups: dict[str, list[str]] = {}
    for target in run["targets"]:
        groups.setdefault(run["tasks"][target]["group"], []).append(target)
    return Scheme(
        title="mean over the suite's targets",
        group={n: SchemeGroup(title=n.capitalize(), tasks=tuple(targets)) for n, targets in groups.items()},
    )


def _check(scheme: Scheme, document: Document) -> None:
    """Every task with settings is in a group, every metric exists."""
    from xharness.metrics import metric

    problems = [
        document.problem(("task", name), "is in no group, so it would count nowhere.", nearest(name, scheme.tasks))
        for name in scheme.task
        if name not in scheme.tasks
    ]
    for name, task in scheme.task.items():
        try:
            if task.metric:
                metric(task.metric)
        except UsageError as error:
            problems.append(document.problem(("task", name, "metric"), error.problems[0].what, value=task.metric))
    if problems:
        raise UsageError(*problems)
