"""What is wrong with the stages of a suite: its intermediates, and what it says of targets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from xharness.errors import Problem, nearest
from xharness.spec.names import NAME, NONE, Path, language_problems, layer_problems, twice, unknown
from xharness.spec.parse import Document
from xharness.spec.rows import intermediates_of, rows_of
from xharness.spec.stage import Stage, Target
from xharness.spec.suite import Suite
from xharness.spec.sweep import sweep_problems


def stage_problems(suite: Suite, document: Document, tasks: Collection[str] | None) -> Iterator[Problem]:
    """Everything in the stages of a suite that leads nowhere; `tasks` are the names there are, None if not known."""
    for key in ("mixture", "intermediate"):
        for name, said in intermediates_of(suite).items():
            if name not in getattr(suite, key):
                continue
            path: Path = (key, name)
            yield from _name(name, path, suite, document, tasks)
            for number, stage in enumerate(said.chain):
                inside = (*path, "stages", number) if said.stages else path
                alone = said.stages and isinstance(said.stages[number], str)
                yield from _stage(stage, document, inside, inside if alone else (*inside, "tasks"), suite, tasks)
            if all(len(stage.tasks) > 1 for stage in said.chain):
                yield from _lengths(suite.recipe.get(name, {}), said.chain[0].tasks, ("recipe", name), document)
                for profile, size in suite.profile.items():
                    inside = ("profile", profile, "task", name)
                    yield from _lengths(size.task.get(name, {}), said.chain[0].tasks, inside, document)
    for name, target in suite.target.items():
        path = ("target", name)
        yield from unknown(document, path, [name], tasks, "task")
        yield from _stage(target, document, path, (*path, "tasks"), suite, tasks, own=name)
        if len(target.size) > 1:
            yield document.problem((*path, "size"), "a target has one size; several make rows of an intermediate.")


def _lengths(recipe: Mapping[str, object], members: Sequence[str], path: Path, document: Document) -> Iterator[Problem]:
    """Lengths in the recipe of several tasks, whose data are encoded before it is known who trains on them."""
    if key := next((key for key in ("max_length", "doc_stride") if key in recipe), None):
        what = f"each of several tasks is read at its own {key}; this one would count for none of them."
        yield document.problem((*path, key), what, f"Say it of a task: [recipe.{members[0]}].")


def sized_rows(suite: Suite) -> set[str]:
    """Names of the rows that are an intermediate at one of its sizes."""
    said = intermediates_of(suite)
    return {row.name for name in said for row in rows_of(name, said)}


def _name(name: str, path: Path, suite: Suite, document: Document, tasks: Collection[str] | None) -> Iterator[Problem]:
    if name == NONE:
        yield document.problem(path, "'none' is the row without an intermediate; choose another name.")
    elif name in (tasks or ()):
        yield document.problem(path, f"there is a task called '{name}' already; choose another name.")
    elif path[0] == "mixture" and name in suite.intermediate:
        yield document.problem(path, f"there is an [intermediate.{name}] too; choose another name.")
    elif not NAME.fullmatch(name):
        yield document.problem(path, f"the name of a {path[0]} has letters, digits, and the signs _ . + - only.")


def _stage(
    stage: Stage | Target,
    document: Document,
    path: Path,
    named: Path,
    suite: Suite,
    tasks: Collection[str] | None,
    own: str = "",
) -> Iterator[Problem]:
    """`named` is where its tasks stand; `own` is the target whose stage it is."""
    for member in stage.tasks:
        if member == NONE or member in suite.mixture or member in suite.intermediate:
            what = f"'{member}' is no task; a {'mixture' if path[0] == 'mixture' else 'stage'} is made of tasks."
            yield document.problem(named, what, value=member)
        else:
            yield from unknown(document, named, [member], tasks, "task")
    members = (*((own,) if own else ()), *stage.tasks)
    yield from twice(document, (*path, "size"), stage.size)
    if len(members) > 1:
        yield from _lengths(stage.recipe, members, (*path, "recipe"), document)
    yield from twice(document, named, members)
    if stage.select_on:
        yield from unknown(document, (*path, "select_on"), [stage.select_on], tasks, "task")
    for name in stage.sampling.weights:
        if name not in members:
            what = f"'{name}' is not trained in this stage."
            yield document.problem((*path, "sampling", "weights", name), what, nearest(name, members))
    if stage.sampling.weights and (lacking := [name for name in members if name not in stage.sampling.weights]):
        what = f"there is no weight for '{lacking[0]}', which is trained in this stage."
        yield document.problem((*path, "sampling", "weights"), what, "Give every task one.")
    if stage.amount == "matched" and len(stage.languages) < 2:
        what = "'matched' is of several languages; name them in `languages`."
        yield document.problem((*path, "amount"), what)
    if stage.share_head and len(members) < 2:
        yield document.problem((*path, "share_head"), "there is one task only, and nobody to share a head with.")
    yield from language_problems(stage.languages or None, document, (*path, "languages"), False)
    yield from layer_problems(stage.own_recipe, document, (*path, "recipe"))
    yield from sweep_problems(stage.sweep, document, (*path, "sweep"), stage.own_recipe)
