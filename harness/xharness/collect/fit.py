"""Checks that a suite's tasks fit their adapters, metrics and each other. It needs neither data nor torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from xharness.adapter import (
    Adapter,
    Embedder,
    JudgedElsewhere,
    PooledRetrieval,
    installed_adapters,
    load_adapter,
)
from xharness.collect.analyses import analysis_problems
from xharness.collect.choosers import choosers
from xharness.collect.patterns import check_patterns
from xharness.collect.sweeps import sweep_problems
from xharness.collect.task_files import adapter_of, data_told, file_of, place_in
from xharness.errors import Problem, UsageError, listed, nearest
from xharness.metrics import Metric, known_metrics, metric
from xharness.plugins import load_plugins
from xharness.spec.load import Loaded
from xharness.spec.parse import Document, KeyPath, validate
from xharness.spec.rows import AT
from xharness.spec.stage import ENGLISH, Training
from xharness.spec.suite import BUILT_IN, Checkpoint
from xharness.spec.task import SPLITS, Task

OWN_METRIC = "One of your own: `xharness new metric NAME`, and its file under `plugins` of the suite."
"""The way out."""
FREE_COLUMNS = ("id", "side", "gold", "language")
"""Columns that a row may have under every adapter."""


def check_known(loaded: Loaded, extra: Sequence[Checkpoint] = ()) -> None:
    """UsageError with all problems that can be found without data: plug-ins, tasks, patterns that match no cell.

    Problems that merely follow from those found when the suite was read are left out.
    """
    problems: list[Problem] = []
    for check in (load_own_plugins, check_fit, lambda given: check_patterns(given, extra)):
        try:
            check(replace(loaded, problems=(*loaded.problems, *problems)))
        except UsageError as error:
            problems += error.problems
    if problems:
        raise UsageError(*dict.fromkeys(problems))


def check_fit(loaded: Loaded) -> None:
    """UsageError with all problems of tasks that can be found before data or checkpoints are read.

    The suite's plug-ins must be loaded first, since they may define adapters.
    """
    problems = [*_scheme(loaded), *_baselines(loaded), *_builtins(loaded)]
    for name, task in loaded.tasks.items():
        problems += _task(name, task, loaded)
        problems += choosers(name, task, loaded)
    problems += _roles(loaded)
    problems += analysis_problems(loaded)
    problems += sweep_problems(loaded)
    if problems:
        raise UsageError(*dict.fromkeys(problems))


def load_own_plugins(loaded: Loaded) -> None:
    """Load the suite's plug-ins; UsageError with the line of one that cannot be loaded."""
    here = loaded.path.resolve().parent
    problems: list[Problem] = []
    for given in loaded.suite.plugins:
        try:
            load_plugins([str((here / given).resolve()) if "\0" not in given else given])
        except UsageError as error:
            for problem in error.problems:
                what = f"'{given}': {problem.what}"
                problems.append(loaded.document.problem(("plugins",), what, problem.hint, given))
    if problems:
        raise UsageError(*problems)


def _scheme(loaded: Loaded) -> Iterator[Problem]:
    from xharness.score.scheme import load_scheme

    if loaded.suite.scheme:
        yield from _named("scheme", loaded.suite.scheme, load_scheme, loaded)


def _baselines(loaded: Loaded) -> Iterator[Problem]:
    from xharness.baselines.files import load_baselines

    for given in loaded.suite.baselines:
        yield from _named("baselines", given, load_baselines, loaded)


def _named(key: str, given: str, load: Callable[[str, Path], object], loaded: Loaded) -> Iterator[Problem]:
    """Problems of a file that the suite names; if it is missing, the place is the line in the suite."""
    try:
        load(given, loaded.path.resolve().parent)
    except UsageError as error:
        for problem in error.problems:
            missing = problem.where == given
            what = f"'{given}' {problem.what}"
            yield loaded.document.problem((key,), what, problem.hint, given) if missing else problem


def _builtins(loaded: Loaded) -> Iterator[Problem]:
    for index, checkpoint in enumerate(loaded.suite.checkpoint):
        if checkpoint.builtin is not None and checkpoint.builtin not in BUILT_IN:
            what = f"there is no built-in checkpoint called '{checkpoint.builtin}'."
            yield loaded.document.problem(("checkpoint", index, "builtin"), what, nearest(checkpoint.builtin, BUILT_IN))


def _task(name: str, task: Task, loaded: Loaded) -> Iterator[Problem]:
    file, profile = file_of(loaded, name), loaded.profile_name
    adapter = adapter_of(task)
    if adapter is None:
        close = meant_adapter(task)
        # It may be the adapter of a plug-in that could not be loaded.
        if not loaded.told(file, "adapter") and (close or not loaded.told(loaded.document, "plugins")):
            what = f"there is no adapter called '{task.adapter}'."
            yield file.problem(("adapter",), what, nearest(task.adapter, installed_adapters()), task.adapter)
        if close is None:
            yield from _metrics(task, None, file, loaded)
            return
        adapter = load_adapter(close)
    yield from _options(task, adapter, file, profile)
    yield from _metrics(task, adapter, file, loaded)
    if task.data.pool and not isinstance(adapter, PooledRetrieval):
        what = f"the {adapter.name} adapter reads no pool of candidates."
        yield file.problem(place_in(file, profile, "data", "pool"), what, "Leave it out, or use the ranking adapter.")
    allowed = {*adapter.columns, *FREE_COLUMNS}
    sources = [(s, i, source) for s in SPLITS for i, source in enumerate(getattr(task.data, s))]
    named: list[tuple[KeyPath, str]] = [(place_in(file, profile, "columns", column), column) for column in task.columns]
    for split, index, source in sources:
        path = place_in(file, profile, "data", split)
        named += [((*path, index, "columns", column), column) for column in source.columns or {}]
        if source.side is not None and source.side not in ("source", "target", "gold"):
            yield file.problem((*path, index, "side"), f"must be source, target or gold, found '{source.side}'.")
        if source.builtin is not None:
            yield from _generator(source.builtin, source.split or "train", file, (*path, index))
    for path, column in named:
        if column not in allowed:
            what = f"the {adapter.name} adapter has no column '{column}'."
            yield file.problem(path, what, nearest(column, adapter.columns))


def _options(task: Task, adapter: Adapter, file: Document, profile: str) -> Iterator[Problem]:
    places = {key: (file, place_in(file, profile, "options", key)[:-1]) for key in task.options}
    try:
        validate(adapter.options, task.options, file, ("options",), places)
    except UsageError as error:
        yield from error.problems


def meant_adapter(task: Task) -> str | None:
    """The adapter with the name nearest to one that does not exist, so that the rest of the task is checked too."""
    return next(iter(difflib.get_close_matches(task.adapter, installed_adapters(), n=1)), None)


def _metrics(task: Task, adapter: Adapter | None, file: Document, loaded: Loaded) -> Iterator[Problem]:
    """Metrics that do not exist, or that do not fit the adapter if that is known."""
    known = _fitting(adapter) if adapter is not None else known_metrics()
    given = [("metric", task.metric)] if not loaded.told(file, "metric") else []
    for key, name in [*given, *(("also", also) for also in task.also)]:
        try:
            rule = metric(name)
        except UsageError:
            # It may be the metric of a plug-in that could not be loaded.
            if adapter is not None or not loaded.told(loaded.document, "plugins"):
                what = f"there is no metric called '{name}'."
                yield file.problem((key,), what, f"{nearest(name, known)} {OWN_METRIC}", name)
            continue
        if adapter is not None and re.sub(r"_at_\d+$", "_at_K", name) not in known:
            what = f"the metric '{name}' does not fit the {adapter.name} adapter."
            yield file.problem((key,), what, f"Allowed: {listed(known, name)}.", name)
        elif why := _unfit(rule, task):
            yield file.problem((key,), f"the metric '{name}' does not fit the task: {why}.", value=name)


def _unfit(rule: Metric, task: Task) -> str | None:
    """Why a metric does not fit a task; a metric of the user's own that cannot say it is told of, too."""
    try:
        return rule.fits(task)
    except Exception as error:
        return f"its `fits` ended with {type(error).__name__}: {error}"


def _fitting(adapter: Adapter) -> tuple[str, ...]:
    """Metrics that read an adapter's predictions: those it names, and those that name it."""
    named = (name for name in known_metrics() if not name.endswith("_at_K"))
    others = (name for name in named if adapter.name in metric(name).adapters)
    return tuple(dict.fromkeys((*(re.sub(r"_at_\d+$", "_at_K", name) for name in adapter.metrics), *others)))


def _generator(builtin: str, split: str, file: Document, path: KeyPath) -> Iterator[Problem]:
    from xharness import micro

    if builtin not in micro.DATASETS:
        what = f"the built-in generator has no data set '{builtin}'."
        yield file.problem((*path, "builtin"), what, nearest(builtin, micro.DATASETS), builtin)
    elif split not in (splits := micro.DATASETS[builtin].splits):
        what = f"the built-in data set '{builtin}' has no split '{split}'."
        yield file.problem((*path, "split"), what, nearest(split, splits), split)


def _roles(loaded: Loaded) -> Iterator[Problem]:
    """Intermediates and what targets are tuned on must train and have train data; targets must have test data."""
    profile = loaded.profile_name
    for row in loaded.intermediates:
        for number, stage in enumerate(loaded.stages(row)):
            yield from _fits_together(stage, stage.tasks, stage_path(loaded, row, number), loaded)
    for name in loaded.targets:
        if name in loaded.tasks and (said := loaded.suite.target.get(name)) is not None:
            trained = (loaded.tasks[name].tune_on or name, *said.tasks)
            yield from _fits_together(said, trained, ("target", name), loaded)
    for name, path in _intermediate_tasks(loaded):
        task, file = loaded.tasks[name], file_of(loaded, name)
        adapter = adapter_of(task)
        if adapter is not None and not adapter.trains:
            what = f"'{name}' is a {task.adapter} task, which trains nothing; it cannot be an intermediate."
            yield loaded.document.problem(path, what, value=name)
        elif not task.data.train and not data_told(loaded, name, "train"):
            what = f"'{name}' has no train data in the profile '{profile}', and is used as an intermediate."
            yield file.problem(place_in(file, profile, "data"), what)
    for name in loaded.targets:
        if name not in loaded.tasks:
            continue
        task, file = loaded.tasks[name], file_of(loaded, name)
        own = isinstance(adapter_of(task), JudgedElsewhere)
        if not task.data.test and not own and not data_told(loaded, name, "test"):
            what = f"'{name}' has no test data in the profile '{profile}', and is used as a target."
            yield file.problem(place_in(file, profile, "data"), what)
        adapter = adapter_of(task)
        if adapter is not None:
            yield from _before(task, file, loaded)
        if adapter is not None and (adapter.trains or task.tune_on):
            yield from _tuning(name, task, file, loaded)


def stage_path(loaded: Loaded, row: str, number: int) -> KeyPath:
    """Where a stage stands in the suite; of a task by itself, where the grid names it."""
    name = row if row in loaded.said else row.rpartition(AT)[0]
    if name not in loaded.said:
        return ("grid", "intermediates")
    if name in loaded.suite.mixture:
        return ("mixture", name)
    inside: KeyPath = ("stages", number) if loaded.said[name].stages else ()
    return ("intermediate", name, *inside)


def _intermediate_tasks(loaded: Loaded) -> Iterator[tuple[str, KeyPath]]:
    """(task, where it is named) of everything that is trained as an intermediate."""
    seen: set[tuple[str, KeyPath]] = set()
    for row in loaded.intermediates:
        for number, stage in enumerate(loaded.stages(row)):
            for name in stage.tasks:
                held = (name, stage_path(loaded, row, number))
                if name in loaded.tasks and held not in seen:
                    seen.add(held)
                    yield held


def _fits_together(stage: Training, trained: Sequence[str], path: KeyPath, loaded: Loaded) -> Iterator[Problem]:
    """Tasks that share a head have one adapter and the same labels; data in a language are there in that language."""
    tasks = [loaded.tasks[name] for name in trained if name in loaded.tasks]
    for task in tasks[1:] if stage.share_head else ():
        if task.adapter != tasks[0].adapter:
            what = f"'{task.name}' is a {task.adapter} task, '{tasks[0].name}' a {tasks[0].adapter} task."
            yield loaded.document.problem((*path, "share_head"), what, "One head is for one adapter.")
        elif task.labels != tasks[0].labels:
            # A label is an output by its place: in another order the one head would be taught both.
            hint = "Both must have the same, in the same order."
            yield loaded.document.problem((*path, "share_head"), _labels_differ(tasks[0], task), hint)
    for task in tasks:
        for language in stage.languages:
            if language != ENGLISH and not _speaks(task, language):
                what = f"the train data of '{task.name}' are the same for every language: no source has {{lang}}."
                hint = "Name a task that has data in it."
                yield loaded.document.problem((*path, "languages"), what, hint, language)


def _speaks(task: Task, language: str) -> bool:
    """Whether a task has train data of its own in a language, as far as its sources tell."""
    told = (
        str(value)
        for source in task.data.train
        for value in (source.config, source.split, source.file, *source.where.values(), source.builtin)
    )
    return (
        task.languages == (language,)
        or any("{lang}" in text for text in told)
        or any(source.builtin for source in task.data.train)
    )


def _before(task: Task, file: Document, loaded: Loaded) -> Iterator[Problem]:
    """What is trained before a target's own tuning trains, and has train data; and there is such a tuning."""
    if task.tune_first and not task.tune_on and not load_adapter(task.adapter).trains:
        what = f"'{task.name}' is tuned on nothing, so that nothing can come before it."
        yield file.problem(
            place_in(file, loaded.profile_name, "tune_first"), what, "Name a dual_encoder task as tune_on."
        )
    for name in task.tune_first:
        before = loaded.tasks.get(name)
        adapter = adapter_of(before) if before is not None else None
        if before is None or adapter is None:
            continue
        path = place_in(file, loaded.profile_name, "tune_first")
        if not adapter.trains:
            what = f"'{name}' is a {before.adapter} task, which trains nothing."
            yield file.problem(path, what, value=name)
        elif not before.data.train and not data_told(loaded, name, "train"):
            what = f"'{name}' has no train data in the profile '{loaded.profile_name}' to train '{task.name}' on first."
            yield file.problem(path, what, value=name)


def _tuning(name: str, task: Task, file: Document, loaded: Loaded) -> Iterator[Problem]:
    """What a target is tuned on: train data, the same adapter, the same labels."""
    source = loaded.tasks.get(task.tune_on) if task.tune_on else task
    if source is None:
        return
    path = (
        place_in(file, loaded.profile_name, "tune_on") if task.tune_on else place_in(file, loaded.profile_name, "data")
    )
    tuned = adapter_of(source)
    if not source.data.train and (tuned is None or tuned.trains) and not data_told(loaded, source.name, "train"):
        what = (
            f"'{source.name}' has no train data in the profile '{loaded.profile_name}' to tune the target '{name}' on."
        )
        yield file.problem(path, what, "Name a task that has some as tune_on." if source is task else "")
    adapter = adapter_of(task)
    if tuned is None or adapter is None:
        return
    if not adapter.trains:
        if not isinstance(adapter, PooledRetrieval):
            what = f"'{name}' is a {task.adapter} task, which compares embeddings of the encoder as it is."
            yield file.problem(path, what, "Leave tune_on out, or use the ranking adapter.")
        elif not isinstance(tuned, Embedder):
            what = f"'{source.name}' is a {source.adapter} task: its head makes no embeddings, which '{name}' ranks by."
            yield file.problem(path, what, "Name a dual_encoder task, or leave it out for the encoder as it is.")
        return
    if source.adapter != task.adapter:
        what = f"'{source.name}' is a {source.adapter} task, '{name}' a {task.adapter} task: its head would not fit."
        yield file.problem(path, what)
    elif any(loaded.told(file_of(loaded, t.name), "labels") for t in (source, task)):
        return
    elif source.labels != task.labels and task.adapter != "multiple_choice":
        yield file.problem(path, _labels_differ(source, task), "Both must have the same, in the same order.")


def _labels_differ(source: Task, task: Task) -> str:
    """How the labels of two tasks differ: those that only one has, or else their order."""
    sides = ((source, task), (task, source))
    own = [(a.name, [label for label in a.labels if label not in b.labels]) for a, b in sides]
    said = [f"only '{name}' has {listed(labels)}" for name, labels in own if labels]
    if not said:
        return f"'{source.name}' has the labels of '{task.name}' in another order."
    return f"'{source.name}' has other labels than '{task.name}': {'; '.join(said)}."
