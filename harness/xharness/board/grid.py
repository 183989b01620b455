"""What a stored run has: which cells under which seeds, in which languages, with which scores; and its scheme."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xharness.record import Record
from xharness.score.scheme import Scheme

Scores = dict[tuple[str, str], dict[int, dict[str, dict[str, float]]]]
"""(checkpoint, intermediate) -> seed -> target -> language -> score."""


def scores_of(run: Mapping[str, Any], records: Iterable[Record], metric: str | None = None) -> Scores:
    """The scores of a run under each target's own metric, or under a given one."""
    scores: Scores = {}
    for r in records:
        if r.metric == (metric or run["tasks"][r.target]["metric"]):
            row = scores.setdefault((r.checkpoint, r.intermediate), {}).setdefault(r.seed, {})
            row.setdefault(r.target, {})[r.language] = r.value
    return scores


def languages_of(run: Mapping[str, Any]) -> dict[str, list[str]]:
    """Target -> the languages that its average needs: those that some cell of the run covers."""
    chosen = run.get("languages_selected", {})
    taken: dict[str, set[str]] = {}
    for cell in run["cells"]:
        whole = run["tasks"][cell["target"]]["languages"]
        taken.setdefault(cell["target"], set()).update(chosen.get(cell["name"], whole))
    return {t: [k for k in run["tasks"][t]["languages"] if k in taken[t]] for t in run["targets"]}


Seeds = Mapping[str, tuple[int, ...]]
"""Target -> the seeds under which a row has a cell; a target that the grid leaves out has none."""


def seeds_of(run: Mapping[str, Any]) -> dict[tuple[str, str], Seeds]:
    """(checkpoint, intermediate) -> the cells of the row, by target."""
    found: dict[tuple[str, str], Any] = {}
    for cell in run["cells"]:
        row = found.setdefault((cell["checkpoint"], cell["intermediate"]), {})
        row[cell["target"]] = (*row.get(cell["target"], ()), cell["seed"])
    return found


def with_targets(scheme: Scheme, run: Mapping[str, Any]) -> Scheme:
    """The scheme, with groups for targets that it does not know; those groups alone if it knows none."""
    ours = {
        task["counts_as"]: name for name, task in run["tasks"].items() if task["counts_as"] and name in run["targets"]
    }
    groups = {
        n: g.model_copy(update={"tasks": tuple(ours.get(t, t) for t in g.tasks)}) for n, g in scheme.group.items()
    }
    scheme = scheme.model_copy(
        update={"group": groups, "task": {ours.get(name, name): task for name, task in scheme.task.items()}}
    )
    own: dict[str, list[str]] = {}
    known_tasks = set(scheme.tasks)
    for target in run["targets"]:
        if target not in known_tasks:
            own.setdefault(run["tasks"][target]["group"], []).append(target)
    for name, targets in own.items():
        known = next((k for k, g in groups.items() if name in (k, g.title.lower())), None)
        if known is None:
            kind = type(next(iter(groups.values())))
            groups[name] = kind(title=name.capitalize(), tasks=tuple(targets))
        else:
            groups[known] = groups[known].model_copy(update={"tasks": (*groups[known].tasks, *targets)})
    wanted = set(run["targets"])
    if not wanted & known_tasks:
        groups = {n: g for n, g in groups.items() if wanted & set(g.tasks)}
        groups = {
            n: g.model_copy(update={"tasks": tuple(t for t in g.tasks if t in wanted)}) for n, g in groups.items()
        }
    return scheme.model_copy(update={"group": groups})
