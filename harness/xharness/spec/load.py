"""A suite on disk to a suite ready to collect: `extends` followed, tasks found, the profile applied."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from xharness.errors import Problem, UsageError, nearest
from xharness.spec.checks import profiles_of, suite_problems, task_problems
from xharness.spec.extends import KEY, chain, read_extended
from xharness.spec.mteb_tasks import mteb_task, named_by_mteb
from xharness.spec.names import NONE
from xharness.spec.parse import Document, KeyPath, read_document, told, validate, validate_rest
from xharness.spec.recipe import Recipe
from xharness.spec.rows import AT, intermediates_of, rows_of, stages_of
from xharness.spec.shipped import find_suite, shipped_suites
from xharness.spec.stage import Intermediate, Stage, Target
from xharness.spec.suite import Profile, Suite
from xharness.spec.sweep import Values, combinations, target_sweep
from xharness.spec.task import SPLITS, Data, Limit, Source, Task

__all__ = ["NONE", "Loaded", "find_suite", "load_suite", "load_task", "read_suite", "shipped_suites"]

Table = tuple[Mapping[str, Any], Document, KeyPath]
"""Settings of a recipe, and where they stand."""
Name = TypeVar("Name")


@dataclass(frozen=True)
class Try:
    """One recipe of a stage, and what in it is a value of a sweep."""

    recipe: Recipe
    values: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """A suite with its profile applied and every task it needs."""

    path: Path
    suite: Suite
    document: Document
    profile_name: str
    profile: Profile
    tasks: dict[str, Task] = field(default_factory=dict)
    """Name -> task, the profile's changes applied, local files absolute."""
    files: dict[str, Document] = field(default_factory=dict)
    """Name -> the task's file."""
    known: frozenset[str] = frozenset()
    """Names of all tasks that there are."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with these files; `load_suite` has none. Tasks that are named may be missing then."""

    def told(self, document: Document, *path: str | int) -> bool:
        """Whether it is said already that a key is wrong."""
        return told(self.problems, document, *path)

    @property
    def knows_profile(self) -> bool:
        """Whether the profile asked for exists and can be used."""
        return not self.told(self.document, "default_profile") and (
            bool(self.profile_name) or not self.document.values.get("profile")
        )

    @cached_property
    def said(self) -> dict[str, Intermediate]:
        """Name -> the intermediates that are more than a task."""
        return intermediates_of(self.suite)

    @property
    def intermediates(self) -> tuple[str, ...]:
        """The rows of this profile: its intermediates, one with several sizes as a row for each."""
        named = self.profile.intermediates or self.suite.grid.intermediates
        return tuple(dict.fromkeys(row.name for name in named for row in rows_of(name, self.said)))

    def stages(self, row: str) -> tuple[Stage, ...]:
        """The stages of a row; none of `none`."""
        return () if row == NONE else stages_of(row, self.said)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets of this profile."""
        return self.profile.targets or self.suite.grid.targets

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of this profile."""
        return self.profile.seeds or self.suite.grid.seeds

    def recipe_of(self, name: str) -> Recipe:
        """The recipe of a task."""
        return self._recipe(name, self._task_tables(name))

    def target_recipe(self, name: str, swept: Sequence[Table] = ()) -> Recipe:
        """The recipe that a target is tuned with: the task's, what the suite says of the target, a value of a sweep."""
        said = self.suite.target.get(name)
        own = [] if said is None else [(said.own_recipe, self.document, ("target", name, "recipe"))]
        return self._recipe(name, [*self._task_tables(name), *own, *swept])

    def stage_recipe(self, row: str, number: int, swept: Sequence[Table] = ()) -> Recipe:
        """The recipe of one stage of a row, from 0, with a value of a sweep."""
        name = row if row in self.said else row.rpartition(AT)[0]
        if name not in self.said:
            return self.recipe_of(row)
        return self._recipe(name, [*self._stage_tables(name, number), *swept])

    def target_sweep(self, name: str) -> tuple[Values, KeyPath]:
        """(what is swept in a target's own tuning, where the suite says that)."""
        names = dict.fromkeys((name, self.tasks[name].tune_on or name))
        return target_sweep(self.suite, self.profile, self.profile_name, names)

    def target_tries(self, name: str) -> tuple[Try, ...]:
        """The recipes that a target is tuned with, of which one is chosen; one where nothing is swept."""
        sweep, path = self.target_sweep(name)
        return self._tries(partial(self.target_recipe, name), sweep, path)

    def stage_tries(self, row: str, number: int) -> tuple[Try, ...]:
        """The same of one stage of a row."""
        return self._tries(partial(self.stage_recipe, row, number), self.stages(row)[number].sweep, ())

    def _tries(self, recipe: Callable[[Sequence[Table]], Recipe], sweep: Values, path: KeyPath) -> tuple[Try, ...]:
        tried = combinations(sweep) or ({},)
        return tuple(Try(recipe([(values, self.document, path)] if values else ()), values) for values in tried)

    def _recipe(self, name: str, tables: Iterable[Table]) -> Recipe:
        """Tables put together, the later over the earlier."""
        merged: dict[str, Any] = {}
        places: dict[str, tuple[Document, KeyPath]] = {}
        for values, document, path in tables:
            if "epochs" in values and "steps" not in values:
                # Steps are in place of epochs, but not of those that are said later.
                merged.pop("steps", None)
                places.pop("steps", None)
            merged |= values
            # Later tables last, so that a rule between keys is told at the one that broke it.
            places = {k: v for k, v in places.items() if k not in values} | dict.fromkeys(values, (document, path))
        return validate(Recipe, merged, self.document, ("recipe", name), places)

    def _task_tables(self, name: str) -> Iterator[Table]:
        """What a task's recipe is put together from, and where each part stands."""
        suite, profile, document = self.suite, self.profile, self.document
        if name in self.tasks:
            file = self.files.get(name, document)
            yield self.tasks[name].recipe, file, ("recipe",)
            inside = ("profile", self.profile_name, "recipe")
            yield dict(file.table(*inside)), file, inside
        yield suite.recipe.get(name, {}), document, ("recipe", name)
        yield profile.recipe, document, ("profile", self.profile_name, "recipe")
        yield profile.task.get(name, {}), document, ("profile", self.profile_name, "task", name)

    def _stage_tables(self, name: str, number: int) -> Iterator[Table]:
        """What the recipe of a stage is put together from."""
        suite, profile, document = self.suite, self.profile, self.document
        said = self.said[name]
        stage = said.chain[number]
        place: KeyPath = ("mixture" if name in suite.mixture else "intermediate", name)
        place = (*place, "stages", number, "recipe") if said.stages else (*place, "recipe")
        if len(stage.tasks) == 1:
            yield from self._task_tables(stage.tasks[0])
        else:
            yield self._widest(stage.tasks), document, place
        yield stage.own_recipe, document, place
        yield suite.recipe.get(name, {}), document, ("recipe", name)
        if len(stage.tasks) > 1:
            yield profile.recipe, document, ("profile", self.profile_name, "recipe")
        yield profile.task.get(name, {}), document, ("profile", self.profile_name, "task", name)

    def _widest(self, tasks: tuple[str, ...]) -> dict[str, Any]:
        """The base of a stage with several tasks: the recipe of its first, with the longest of the lengths."""
        recipes = [self.recipe_of(name) for name in tasks if name in self.tasks]
        if not recipes:
            return {}
        first = recipes[0].model_dump(exclude_unset=True)
        first.pop("patience", None)  # Nothing is chosen on dev unless the stage says so.
        return {**first, "max_length": max(r.max_length for r in recipes), "evaluations": 0, "select": "last"}

    def limit_of(self, name: str) -> Limit:
        """The caps of a task: its profile's, then the suite profile's where that is unset."""
        task, profile = self.tasks[name].limit, self.profile.limit
        merged = {**profile.model_dump(exclude_none=True), **task.model_dump(exclude_none=True)}
        return Limit(**merged)


def load_suite(given: str, profile: str | None = None) -> Loaded:
    """Read, extend, validate and resolve a suite; UsageError names every problem at once."""
    loaded = read_suite(given, profile)
    if loaded.problems:
        raise UsageError(*loaded.problems)
    return loaded


def read_suite(given: str, profile: str | None = None) -> Loaded:
    """The same with its problems, less what is wrong with it; UsageError where a file says nothing at all."""
    path = find_suite(given)
    document = read_extended(path)
    values = {k: v for k, v in document.values.items() if k != KEY}
    read, problems = validate_rest(Suite, values, document)
    if read is None:
        raise UsageError(*problems)
    suite = _checkpoints_beside(read, path.resolve().parent)
    found = profiles_of(suite, profile)
    name = str(profile or suite.default_profile)
    profiles = document.values.get("profile", {})
    if found is None and isinstance(profiles, dict) and name not in profiles:
        at = "profile" if profile else "default_profile"
        problem = document.problem((at,), f"there is no profile '{name}'.", nearest(name, suite.profile), name)
        problems.append(replace(problem, key=document.key(("default_profile",))))
    loaded = Loaded(path, suite, document, *(found or ("", Profile())))
    problems += _missing_places(loaded)
    catalogue = _catalogue(loaded)
    problems += suite_problems(suite, document, {*catalogue, *named_by_mteb(suite)}, problems)
    loaded = replace(loaded, suite=_sound(suite, catalogue), known=frozenset(catalogue))
    problems += _read_tasks(loaded, catalogue, problems)
    problems += _problems_of(loaded.recipe_of, loaded.tasks)
    problems += _problems_of(loaded.target_recipe, [name for name in loaded.suite.target if name in loaded.tasks])
    for row in loaded.intermediates:
        numbers = range(len(loaded.stages(row))) if row not in loaded.tasks else ()
        problems += _problems_of(lambda number, row=row: loaded.stage_recipe(row, number), numbers)  # type: ignore[misc]
    return replace(loaded, problems=tuple(dict.fromkeys(problems)))


def _sound(suite: Suite, catalogue: Collection[str]) -> Suite:
    """The suite without the intermediates whose names are taken, and without members that are no tasks."""

    def good(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in suite.mixture and name not in suite.intermediate)

    mixtures, intermediates = (
        {name: one for name, one in given.items() if name not in catalogue and name != NONE}
        for given in (suite.mixture, suite.intermediate)
    )
    return suite.model_copy(
        update={
            "mixture": {name: m.model_copy(update={"tasks": good(m.tasks)}) for name, m in mixtures.items()},
            "intermediate": intermediates,
        }
    )


def _checkpoints_beside(suite: Suite, folder: Path) -> Suite:
    """The suite with its local checkpoints' paths made absolute: relative ones lie beside the suite, as tasks do."""
    placed = tuple(
        c.model_copy(update={"path": str(folder / Path(c.path).expanduser())}) if c.path else c
        for c in suite.checkpoint
    )
    return suite.model_copy(update={"checkpoint": placed})


def _problems_of(check: Callable[[Name], object], names: Iterable[Name]) -> list[Problem]:
    """What a check says of every name."""
    problems: list[Problem] = []
    for name in names:
        try:
            check(name)
        except UsageError as error:
            problems.extend(error.problems)
    return problems


def _folders(loaded: Loaded) -> Iterator[Path]:
    """Where tasks are looked for, nearest first."""
    here = loaded.path.resolve().parent
    for given in loaded.suite.tasks:
        if "\0" not in given:
            yield (here / os.path.expanduser(given)).resolve()
    for folder in chain(loaded.document):
        yield folder / "tasks"
        yield folder.parent / "tasks"
    yield shipped_suites() / "tasks"


def _missing_places(loaded: Loaded) -> list[Problem]:
    """Files of tasks that the suite names and that are not there: whether a task exists cannot be told then."""
    return [
        loaded.document.problem(("tasks",), f"'{given}' does not exist.", "Task files lie beside the suite.", given)
        for given in loaded.suite.tasks
        if "\0" in given or not os.path.exists(loaded.path.resolve().parent / os.path.expanduser(given))
    ]


def _catalogue(loaded: Loaded) -> dict[str, Path]:
    """Task name -> file."""
    found: dict[str, Path] = {}
    for place in _folders(loaded):
        if place.is_file():
            found.setdefault(_name_in(place), place)
        elif place.is_dir():
            for file in sorted(place.glob("*.toml")):
                found.setdefault(file.stem, file)
    return found


def _name_in(file: Path) -> str:
    """A task's name in its file; the file's where it cannot be read, which is told when the task is."""
    try:
        return str(read_document(file).values.get("name", file.stem))
    except UsageError:
        return file.stem


def _read_tasks(loaded: Loaded, catalogue: Mapping[str, Path], before: Sequence[Problem]) -> list[Problem]:
    """Read every task that the grid, the mixtures and `tune_on` name and that exists; what is wrong with them all."""
    suite, document = loaded.suite, loaded.document
    wanted = [name for row in loaded.intermediates for stage in loaded.stages(row) for name in _named_by(stage)]
    for name in loaded.targets:
        wanted += [name, *(_named_by(suite.target[name]) if name in suite.target else ())]
    problems: list[Problem] = []
    while wanted:
        name = wanted.pop(0)
        if name not in loaded.files and (found := mteb_task(name)) is not None:
            # It has no file: what is wrong with it is told at the suite.
            loaded.files[name], loaded.tasks[name] = document, found
        if name in loaded.files or name not in catalogue:
            continue
        try:
            file = loaded.files[name] = read_document(catalogue[name])
        except UsageError as error:
            loaded.files.setdefault(name, loaded.document)
            problems.extend(error.problems)
            continue
        task, wrong = read_task(file, loaded.profile_name)
        if task is not None and task.name != name and not told(wrong, file, "name"):
            what = f"is '{task.name}', but the file is called {name}.toml; the two must agree."
            wrong.append(file.problem(("name",), what))
        problems += wrong
        if task is None:
            continue
        said = suite.target.get(name)
        also = tuple(dict.fromkeys((*task.also, *(said.also if said else ()))))
        loaded.tasks[name] = task.model_copy(update={"name": name, "also": also})
        for key, other in _tuned_on(task):
            if other in catalogue:
                wanted.append(other)
                continue
            own = ("profile", loaded.profile_name, key)
            path: KeyPath = own if file.positions.depth(own) == len(own) else (key,)
            if not told(before, loaded.document, "tasks"):
                what = f"there is no task called '{other}'."
                problems.append(file.problem(path, what, nearest(other, catalogue), other))
    return problems


def _tuned_on(task: Task) -> list[tuple[str, str]]:
    """(key, task) of the other tasks that a task is tuned on."""
    last = [("tune_on", task.tune_on)] if task.tune_on else []
    return [*(("tune_first", name) for name in task.tune_first), *last]


def _named_by(stage: Stage | Target) -> Iterator[str]:
    yield from stage.tasks
    if stage.select_on:
        yield stage.select_on


def load_task(document: Document, profile: str) -> Task:
    """A task file as the profile sees it, with the paths of local files made absolute; UsageError with all problems."""
    task, problems = read_task(document, profile)
    if task is None or problems:
        raise UsageError(*problems)
    return task


def read_task(document: Document, profile: str) -> tuple[Task | None, list[Problem]]:
    """The same without what is wrong with it, and what that is."""
    task, problems = validate_rest(Task, document.values, document)
    if task is None:
        return None, problems
    problems += task_problems(task, document, problems)
    own, change = task.recipe, task.profile.get(profile)
    folder = document.path.resolve().parent
    if change is not None:
        given = change.data or Data()
        data: dict[str, Any] = {s: getattr(given, s) or getattr(task.data, s) for s in SPLITS}
        values = {
            "languages": change.languages or task.languages,
            "data": task.data.model_copy(update=data),
            "columns": task.columns if change.columns is None else change.columns,
            "codes": task.codes if change.codes is None else change.codes,
            "options": {**task.options, **change.options},
            "recipe": {**task.recipe, **change.recipe},
            "limit": change.limit,
            "tune_on": change.tune_on or task.tune_on,
            "tune_first": task.tune_first if change.tune_first is None else change.tune_first,
        }
        task = task.model_copy(update=values)
    data_values: dict[str, Any] = {
        s: tuple(_absolute(source, folder) for source in getattr(task.data, s)) for s in SPLITS
    }
    theirs = change.recipe if change is not None else {}
    places: dict[str, tuple[Document, KeyPath]] = dict.fromkeys(own, (document, ("recipe",)))
    places = {k: v for k, v in places.items() if k not in theirs}
    places |= dict.fromkeys(theirs, (document, ("profile", profile, "recipe")))
    recipe = task.recipe
    problems += _problems_of(lambda key: validate(Recipe, recipe, document, (key,), places), ("recipe",))
    task = task.model_copy(update={"data": task.data.model_copy(update=data_values), "profile": {}})
    return task, list(dict.fromkeys(problems))


def _absolute(source: Source, folder: Path) -> Source:
    if source.file is None or source.file.startswith(("/", "~", "$")):
        return source
    return source.model_copy(update={"file": str(folder / source.file)})
