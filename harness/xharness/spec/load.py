"""A suite on disk to a suite ready to collect: `extends` followed, tasks found, the profile applied."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xharness.errors import Problem, UsageError, nearest
from xharness.spec.parse import Document, read_document, shown, validate
from xharness.spec.suite import Profile, Suite
from xharness.spec.task import Data, Limit, Recipe, Source, Task

NONE = "none"
"""The intermediate that trains nothing."""


def shipped_suites() -> Path:
    """The folder of suites that came with the package, or the repository's in a development install."""
    inside = Path(__file__).parents[1] / "suites"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "suites"


def find_suite(given: str) -> Path:
    """A suite by path, or by the name of a shipped one (`xtreme`)."""
    path = Path(given)
    if path.is_file():
        return path
    shipped = shipped_suites()
    names = {str(p.relative_to(shipped).with_suffix("")): p for p in sorted(shipped.glob("**/*.toml")) if _is_suite(p, shipped)}
    name = given.removesuffix(".toml").removeprefix("suites/")
    if name in names:
        return names[name]
    raise UsageError(Problem(given, "is neither a file nor a shipped suite.", nearest(name, names)))


def _is_suite(path: Path, root: Path) -> bool:
    return path.relative_to(root).parts[0] not in ("tasks", "baselines", "schemes")


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

    @property
    def intermediates(self) -> tuple[str, ...]:
        """Names of the intermediates of this profile."""
        return self.profile.intermediates or self.suite.grid.intermediates

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets of this profile."""
        return self.profile.targets or self.suite.grid.targets

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of this profile."""
        return self.profile.seeds or self.suite.grid.seeds

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """Task name -> recipe: task, task's profile, suite, suite's profile; the later wins."""
        return {name: self.recipe_of(name) for name in self.tasks}

    def recipe_of(self, name: str) -> Recipe:
        """The recipe of a task or of a mixture."""
        suite, profile = self.suite, self.profile
        base = self.tasks[name].recipe if name in self.tasks else {}
        if name in suite.mixture:
            base = {**self._widest(suite.mixture[name].tasks), **suite.mixture[name].recipe}
        merged = {**base, **suite.recipe.get(name, {}), **profile.recipe, **profile.task.get(name, {})}
        return validate(Recipe, merged, self.document, under=("recipe", name))

    def _widest(self, tasks: tuple[str, ...]) -> dict[str, Any]:
        """A mixture's own base: the recipe of its first task, with the longest of the lengths."""
        recipes = [self.recipe_of(name) for name in tasks]
        first = recipes[0].model_dump(exclude_unset=True)
        return first | {"max_length": max(r.max_length for r in recipes), "evaluations": 0, "select": "last"}

    def limit_of(self, name: str) -> Limit:
        """The caps of a task: its profile's, then the suite profile's where that is unset."""
        task, profile = self.tasks[name].limit, self.profile.limit
        merged = {**profile.model_dump(exclude_none=True), **task.model_dump(exclude_none=True)}
        return Limit(**merged)


def load_suite(given: str, profile: str | None = None) -> Loaded:
    """Read, extend, validate and resolve a suite; UsageError names every problem at once."""
    path = find_suite(given)
    document = _extended(path, ())
    values = {k: v for k, v in document.values.items() if k != "extends"}
    suite = validate(Suite, values, document)
    name = profile or suite.default_profile or next(iter(suite.profile), "")
    if name and name not in suite.profile:
        where = document.problem(("profile",), f"there is no profile '{name}'.", nearest(name, suite.profile))
        raise UsageError(where)
    loaded = Loaded(path, suite, document, name, suite.profile.get(name, Profile()))
    _check_names(loaded)
    loaded.tasks.update(_tasks(loaded))
    for wanted in (*loaded.tasks, *suite.mixture):
        loaded.recipe_of(wanted)
    return loaded


def _extended(path: Path, seen: tuple[Path, ...]) -> Document:
    """The document with what it extends merged below it."""
    document = read_document(path)
    parent = document.values.get("extends")
    if parent is None:
        return document
    if not isinstance(parent, str):
        raise UsageError(document.problem(("extends",), f"must be the path of a suite, found {parent!r}."))
    if path.resolve() in seen:
        raise UsageError(document.problem(("extends",), "the suites extend each other in a circle.", value=parent))
    beside = path.parent / parent
    if not beside.is_file():
        raise UsageError(document.problem(("extends",), f"'{parent}' does not exist beside {shown(path)}.", value=parent))
    base = _extended(beside, (*seen, path.resolve()))
    own = {k: v for k, v in document.values.items() if k != "extends"}
    return Document(path, merged(base.values, own), document.positions)


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge, named entries (`[[checkpoint]]`) replace their namesakes, marks and expectations add up, the rest replaces."""
    out = dict(base)
    for key, value in own.items():
        before = out.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            out[key] = merged(before, value)
        elif key == "checkpoint" and isinstance(value, list) and isinstance(before, list):
            named = {c.get("name"): c for c in before if isinstance(c, dict)}
            named |= {c.get("name"): c for c in value if isinstance(c, dict)}
            out[key] = list(named.values())
        elif key in ("mark", "expect") and isinstance(value, list) and isinstance(before, list):
            out[key] = [*before, *value]
        else:
            out[key] = value
    return out


def _check_names(loaded: Loaded) -> None:
    """Names that the grid and the profile use must exist."""
    suite, document, problems = loaded.suite, loaded.document, []
    checkpoints = {c.name for c in suite.checkpoint}
    if len(checkpoints) != len(suite.checkpoint):
        problems.append(document.problem(("checkpoint",), "two checkpoints have the same name."))
    if NONE in suite.mixture:
        problems.append(document.problem(("mixture", NONE), "'none' is the row without an intermediate; choose another name."))
    scopes: list[tuple[tuple[str, ...], tuple[str, ...] | None]] = [
        (("grid", "checkpoints"), suite.grid.checkpoints),
        *((("profile", name, "checkpoints"), p.checkpoints) for name, p in suite.profile.items()),
    ]
    for path, names in scopes:
        for name in names or ():
            if name not in checkpoints:
                problems.append(
                    document.problem(path, f"there is no [[checkpoint]] called '{name}'.", nearest(name, checkpoints), name)
                )
    if problems:
        raise UsageError(*problems)


def _folders(loaded: Loaded) -> Iterator[Path]:
    """Where tasks are looked for, nearest first."""
    here = loaded.path.resolve().parent
    for given in loaded.suite.tasks:
        yield (here / os.path.expanduser(given)).resolve()
    yield here / "tasks"
    yield here.parent / "tasks"
    yield shipped_suites() / "tasks"


def _catalogue(loaded: Loaded) -> dict[str, Path]:
    """Task name -> file."""
    found: dict[str, Path] = {}
    for place in _folders(loaded):
        if place.is_file():
            found.setdefault(str(read_document(place).values.get("name", place.stem)), place)
        elif place.is_dir():
            for file in sorted(place.glob("*.toml")):
                found.setdefault(file.stem, file)
    for given in loaded.suite.tasks:
        if not (loaded.path.parent / os.path.expanduser(given)).exists():
            raise UsageError(loaded.document.problem(("tasks",), f"'{given}' does not exist.", value=given))
    return found


def _tasks(loaded: Loaded) -> dict[str, Task]:
    """Every task that the grid, the mixtures and `tune_on` name."""
    catalogue = _catalogue(loaded)
    suite, document = loaded.suite, loaded.document
    tasks: dict[str, Task] = {}
    problems: list[Problem] = []
    wanted: list[tuple[str, tuple[str, ...], Document]] = []
    for kind, names in (("intermediates", loaded.intermediates), ("targets", loaded.targets)):
        in_profile = getattr(loaded.profile, kind) is not None
        path = ("profile", loaded.profile_name, kind) if in_profile else ("grid", kind)
        wanted += [(n, path, document) for n in names if n != NONE and n not in suite.mixture]
    used = {n for n in loaded.intermediates if n in suite.mixture}
    wanted += [(n, ("mixture", mix, "tasks"), document) for mix in used for n in suite.mixture[mix].tasks]
    while wanted:
        name, path, where = wanted.pop(0)
        if name in tasks:
            continue
        if name not in catalogue:
            known = {*catalogue, *suite.mixture, NONE} if "intermediates" in path else catalogue
            problems.append(where.problem(path, f"there is no task called '{name}'.", nearest(name, known), name))
            continue
        try:
            file = read_document(catalogue[name])
            tasks[name] = load_task(file, loaded.profile_name)
        except UsageError as error:
            problems.extend(error.problems)
            continue
        if tasks[name].tune_on:
            wanted.append((str(tasks[name].tune_on), ("tune_on",), file))
    if problems:
        raise UsageError(*dict.fromkeys(problems))
    return tasks


def load_task(document: Document, profile: str) -> Task:
    """A task file as the profile sees it, with the paths of local files made absolute."""
    task = validate(Task, document.values, document)
    change = task.profile.get(profile)
    folder = document.path.resolve().parent
    if change is not None:
        data = {s: getattr(change.data, s) or getattr(task.data, s) for s in ("train", "dev", "test")} if change.data else {}
        values = {
            "languages": change.languages or task.languages,
            "data": Data(**data) if data else task.data,
            "columns": task.columns if change.columns is None else change.columns,
            "codes": task.codes if change.codes is None else change.codes,
            "options": {**task.options, **change.options},
            "recipe": {**task.recipe, **change.recipe},
            "limit": change.limit,
            "tune_on": change.tune_on or task.tune_on,
        }
        task = task.model_copy(update=values)
    data_values = {s: tuple(_absolute(source, folder) for source in getattr(task.data, s)) for s in ("train", "dev", "test")}
    validate(Recipe, task.recipe, document, under=("recipe",))
    return task.model_copy(update={"data": Data(**data_values), "profile": {}})


def _absolute(source: Source, folder: Path) -> Source:
    if source.file is None or source.file.startswith(("/", "~", "$")):
        return source
    return source.model_copy(update={"file": str(folder / source.file)})
