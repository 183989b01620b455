"""What a cell is made of, and, where it would run again, which ingredient has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xharness.plan.cost import missing_steps
from xharness.plan.plan import Plan, Step
from xharness.store.steps import Store

ABSENT = "(absent)"
FEW, LONG = 6, 140
"""Entries of a list, and characters of a value, that one line shows."""
Flat = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One ingredient that is not what it was."""

    ingredient: str
    """Its path: `tasks.mnli.recipe.max_length`."""
    before: Any
    """In the stored step; `(absent)` where it had none."""
    now: Any

    def __str__(self) -> str:
        return f"{self.ingredient}: {_short(self.before)} -> {_short(self.now)}"


@dataclass(frozen=True)
class Nearest:
    """The stored step most like one that is not stored."""

    key: str
    label: str
    run: str
    stored: float
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Explained:
    """One step under a cell."""

    key: str
    kind: str
    label: str
    needs: tuple[str, ...]
    ingredients: Mapping[str, Any]
    path: str
    """Where its output lies, or would lie."""
    state: str
    """`stored`, `dropped`, `damaged` or `absent`."""
    would_run: bool
    """Whether a run would make it now."""
    run: str = ""
    """The run that made it."""
    stored: float = 0.0
    seconds: float = 0.0
    faults: tuple[str, ...] = ()
    nearest: Nearest | None = None
    """Where it is absent: what comes nearest to it in the store."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def explain(plan: Plan, store: Store, cell: str) -> list[Explained]:
    """The steps under one cell of a plan, in order."""
    missing, _ = missing_steps(plan, store)
    manifests = [m for key in store.keys() if (m := store.manifest(key)) is not None]  # noqa: SIM118
    return [_explained(step, store, missing, manifests) for step in plan.under(cell)]


def _explained(step: Step, store: Store, missing: frozenset[str], manifests: Sequence[Mapping[str, Any]]) -> Explained:
    manifest = store.manifest(step.key)
    common: dict[str, Any] = {
        "key": step.key,
        "kind": step.work.KIND,
        "label": step.work.label,
        "needs": step.needs,
        "ingredients": step.ingredients,
        "path": str(store.path(step.key)),
        "would_run": step.key in missing,
    }
    if manifest is None:
        return Explained(**common, state="absent", nearest=nearest_stored(step, manifests))
    faults = tuple(store.faults(step.key, manifest))
    return Explained(
        **common,
        state="damaged" if faults else "dropped" if manifest.get("dropped") else "stored",
        run=str(manifest.get("run", "")),
        stored=float(manifest.get("stored", 0.0)),
        seconds=float(manifest.get("seconds", 0.0)),
        faults=faults,
    )


def nearest_stored(step: Step, manifests: Sequence[Mapping[str, Any]]) -> Nearest | None:
    """The stored step of the same kind and family with the fewest other ingredients.

    Of several the one of the same label, which is what the step was before; then the newest.
    """
    best: tuple[tuple[int, bool, float], Mapping[str, Any], tuple[Change, ...]] | None = None
    mine, ours = flatten(step.ingredients), family(step.work.KIND, step.ingredients)
    for manifest in manifests:
        theirs = manifest.get("ingredients", {})
        if family(str(manifest.get("kind")), theirs) != ours:
            continue
        changes = changed(flatten(theirs), mine)
        stored = float(manifest.get("stored", 0.0))
        rank = len(changes), manifest.get("label") != step.work.label, -stored
        if best is None or rank < best[0]:
            best = rank, manifest, changes
    if best is None:
        return None
    (_, _, age), manifest, changes = best
    return Nearest(manifest["key"], str(manifest.get("label", "")), str(manifest.get("run", "")), -age, changes)


def family(kind: str, ingredients: Mapping[str, Any]) -> tuple[str, ...]:
    """The kind of a step, and names of the tasks that it trains on, or of the one that it evaluates.

    What is encoded does not depend on a task's name; there the splits tell what is alike.
    """
    if kind == "encode":
        return kind, *map(str, ingredients.get("splits", ()))
    tasks = ingredients.get("tasks") or [ingredients]
    return kind, *(str(t.get("task", {}).get("name", "")) for t in tasks)


def changed(before: Flat, now: Flat) -> tuple[Change, ...]:
    """Every ingredient that is another, in the order of their paths."""
    return tuple(
        Change(name, before.get(name, ABSENT), now.get(name, ABSENT))
        for name in sorted(before.keys() | now.keys())
        if before.get(name, ABSENT) != now.get(name, ABSENT)
    )


def flatten(value: Any, path: str = "") -> Flat:
    """Nested ingredients as one level, `recipe.epochs` -> 2; the tasks of a tuning go by their names."""
    if isinstance(value, Mapping):
        pairs = [(str(k), v) for k, v in value.items()]
    elif isinstance(value, (list, tuple)) and value:
        pairs = [(_name_of(v) or str(i), v) for i, v in enumerate(value)]
    else:
        return {path: value}
    out: Flat = {}
    for name, inner in pairs:
        out |= flatten(inner, f"{path}.{name}" if path else name)
    return out


def _name_of(entry: Any) -> str:
    task = entry.get("task") if isinstance(entry, Mapping) else None
    return str(task.get("name", "")) if isinstance(task, Mapping) else ""


def readable(ingredients: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Ingredients a table a line: `recipe: epochs 2, learning_rate 0.001`."""
    plain = {k: v for k, v in ingredients.items() if v is not None and not _is_nested(v)}
    if plain:
        values = ", ".join(f"{k} {_short(v)}" for k, v in plain.items())
        yield f"{path}: {values}" if path else values
    for key, value in ingredients.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            yield from readable(value, name)
        elif _is_nested(value):
            for index, entry in enumerate(value):
                yield from readable(entry, f"{name}.{_name_of(entry) or index}")


def _is_nested(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value)


def _short(value: Any) -> str:
    """A value on one line; what is long keeps its beginning and its end, where fingerprints differ."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        few = [_short(v) for v in value[:FEW]]
        return f"[{', '.join(few)}{f', … {len(value)} in all' if len(value) > FEW else ''}]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONG else f"{text[: LONG - 45]} … {text[-40:]}"
