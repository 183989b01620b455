"""From cells to steps, keyed by content: what two cells share is one step.

    none row:        tune(target) -> evaluate
    other rows:      tune(intermediate) -> tune(target) -> evaluate
    retrieval:       [tune(intermediate) ->] embed -> mine

XQuAD and MLQA name the same `tune_on`, so their tuning has one key; so have all targets' intermediate, and a
retrieval target under several seeds of an untouched encoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import xharness
from xharness.adapter import load_adapter
from xharness.collect.cells import Cell
from xharness.data import fingerprints as data
from xharness.data.hub import hub_commit
from xharness.errors import CheckpointError, DataError, HarnessError, Problem, nearest
from xharness.plan.plan import Plan, Step
from xharness.spec.device import Device
from xharness.spec.load import NONE, Loaded
from xharness.spec.suite import BUILT_IN, Checkpoint
from xharness.spec.task import Recipe, Split, Task
from xharness.steps import AnyWork
from xharness.steps.embed import Embed
from xharness.steps.evaluate import Evaluate
from xharness.steps.mine import Mine
from xharness.steps.tune import Trained, Tune
from xharness.store.steps import content_key

Made = TypeVar("Made")


class Planner:
    """Turns cells into steps; remembers identities and fingerprints, which cost a look at disk or Hub."""

    def __init__(
        self,
        loaded: Loaded,
        extra: Sequence[Checkpoint] = (),
        device: Device | None = None,
        stored: Callable[[str], bool] = lambda key: False,
    ) -> None:
        self.loaded = loaded
        self.stored = stored
        self.checkpoints = {c.name: c for c in (*loaded.suite.checkpoint, *extra)}
        self.device = device or Device()
        here = loaded.path.resolve().parent
        self.plugins = tuple(str((here / p).resolve()) for p in loaded.suite.plugins)
        self._failures: dict[object, HarnessError] = {}
        self._prints: dict[object, object] = {}

    def plan(self, cells: Sequence[Cell]) -> Plan:
        """All steps of the cells; a cell that cannot be planned is blocked, and says why."""
        plan = Plan(list(cells))
        for cell in cells:
            try:
                plan.ends[cell.name] = self._part(plan, cell) or self._cell(plan, cell)
            except HarnessError as error:
                plan.blocked[cell.name] = str(error)
        return plan

    def _part(self, plan: Plan, cell: Cell) -> str | None:
        """The key of the whole cell's end where a part is asked for and the store has the whole."""
        if not cell.languages:
            return None
        whole = self.plan([replace(cell, languages=None)])
        end = whole.ends.get(cell.name)
        if end is None or not self.stored(end):
            return None
        plan.steps |= whole.steps
        plan.dev |= whole.dev
        return end

    def _cell(self, plan: Plan, cell: Cell) -> str:
        checkpoint = self.checkpoints[cell.checkpoint]
        target = self.loaded.tasks[cell.target]
        if cell.languages:
            target = target.model_copy(update={"languages": cell.languages})
        identity = self._remember(("identity", checkpoint.name), lambda: identity_of(checkpoint))
        origin = {"checkpoint": checkpoint, "identity": identity, "device": self.device, "plugins": self.plugins}
        parent = self._intermediate(plan, cell, origin)
        if not load_adapter(target.adapter).trains:
            end, dev = self._retrieval(plan, cell, target, origin, parent)
        else:
            end, dev = self._trained(plan, cell, target, origin, parent)
        plan.dev[cell.name] = dev
        return end

    def _intermediate(self, plan: Plan, cell: Cell, origin: dict[str, Any]) -> str | None:
        if cell.intermediate == NONE:
            return None
        mixture = self.loaded.suite.mixture.get(cell.intermediate)
        names = mixture.tasks if mixture else (cell.intermediate,)
        recipe = self.loaded.recipe_of(cell.intermediate)
        work = Tune(
            **origin,
            tasks=tuple(self._training(name, recipe if not mixture else None) for name in names),
            recipe=recipe,
            cap=mixture.cap if mixture else None,
            seed=cell.seed,
            label=f"tune {cell.checkpoint} on {cell.intermediate}, seed {cell.seed}",
        )
        return self._add(plan, work, (), "intermediate")

    def _trained(
        self, plan: Plan, cell: Cell, target: Task, origin: dict[str, Any], parent: str | None
    ) -> tuple[str, str]:
        tuned_on = target.tune_on or target.name
        recipe = self.loaded.recipe_of(target.name)
        after = "" if parent is None else f" after {cell.intermediate}"
        tune = Tune(
            **origin,
            parent=parent,
            tasks=(self._training(tuned_on, recipe),),
            recipe=recipe,
            seed=cell.seed,
            label=f"tune {cell.checkpoint}{after} on {tuned_on}, seed {cell.seed}",
        )
        tuned = self._add(plan, tune, (parent,) if parent else (), "target")
        evaluate = Evaluate(
            **origin,
            parent=tuned,
            target=target,
            tuned_on=tuned_on,
            recipe=self.loaded.recipe_of(target.name),
            limit=self.loaded.limit_of(cell.target),
            fingerprints=self._fingerprints(target, ("test",)),
            label=f"evaluate {_named(cell)}",
        )
        return self._add(plan, evaluate, (tuned,), "evaluate"), tuned

    def _retrieval(
        self, plan: Plan, cell: Cell, target: Task, origin: dict[str, Any], parent: str | None
    ) -> tuple[str, str]:
        splits: tuple[Split, ...] = ("dev", "test") if target.data.dev else ("test",)
        common = {
            **origin,
            "target": target,
            "limit": self.loaded.limit_of(cell.target),
            "fingerprints": self._fingerprints(target, splits),
        }
        length = self.loaded.recipe_of(target.name).max_length
        after = "" if parent is None else f" after {cell.intermediate}"
        embed = Embed(
            **common, parent=parent, max_length=length, label=f"embed {target.name} with {cell.checkpoint}{after}"
        )
        embedded = self._add(plan, embed, (parent,) if parent else (), "embed")
        mine = Mine(**common, parent=parent, embeddings=embedded, label=f"mine {_named(cell)}")
        end = self._add(plan, mine, (embedded,), "mine")
        return end, end

    def _training(self, name: str, recipe: Recipe | None) -> Trained:
        task = self.loaded.tasks[name]
        return Trained(
            task=task.model_copy(update={"languages": ("en",)}),
            recipe=recipe or self.loaded.recipe_of(name),
            limit=self.loaded.limit_of(name),
            fingerprints=self._fingerprints(task.model_copy(update={"languages": ("en",)}), ("train", "dev")),
        )

    def _fingerprints(self, task: Task, splits: tuple[Split, ...]) -> tuple[str, ...]:
        """Fingerprints of the splits over all languages; one language that is missing fails later, on its own."""
        return self._remember((task.name, splits, task.languages), lambda: data.fingerprints(task, splits))

    def _remember(self, key: object, make: Callable[[], Made]) -> Made:
        if key in self._failures:
            raise self._failures[key]
        if key not in self._prints:
            try:
                self._prints[key] = make()
            except HarnessError as error:
                self._failures[key] = error
                raise
        return cast("Made", self._prints[key])

    def _add(self, plan: Plan, work: AnyWork, needs: tuple[str, ...], role: str) -> str:
        made_of = work.ingredients()
        key = content_key(work.KIND, made_of)
        known = plan.steps.get(key)
        if known is None:
            plan.steps[key] = Step(key, work, needs, made_of, role)
        elif role == "intermediate" and known.role != role:
            plan.steps[key] = Step(key, known.work, needs, made_of, role)
        return key


def _named(cell: Cell) -> str:
    return f"{cell.name} ({', '.join(cell.languages)} only)" if cell.languages else cell.name


def identity_of(checkpoint: Checkpoint) -> str:
    """A checkpoint by content: a hub commit, or the checksum of a folder's files; CheckpointError without one."""
    if checkpoint.hub:
        try:
            return f"hub:{checkpoint.hub}@{hub_commit('model', checkpoint.hub, checkpoint.revision)}"
        except DataError as error:
            raise CheckpointError(*error.problems) from None
    folder = builtin_folder(checkpoint.builtin) if checkpoint.builtin else Path(str(checkpoint.path)).expanduser()
    if not folder.is_dir():
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", f"the folder {folder} does not exist."))
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            Problem(
                f"checkpoint {checkpoint.name}",
                f"{folder} has no config.json.",
                "A checkpoint is a folder saved by transformers.",
            )
        )
    wanted = ("*.json", "*.safetensors", "*.bin", "*.model", "*.txt")
    files = sorted({f for pattern in wanted for f in folder.glob(pattern)})
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {data.file_sha256(file)}\n".encode())
    return f"files:{digest.hexdigest()}"


def builtin_folder(name: str) -> Path:
    """The folder of a built-in encoder."""
    folder = Path(xharness.__file__).parent / "micro" / "encoder"
    if name not in BUILT_IN:
        raise CheckpointError(f"no built-in checkpoint is called '{name}'. {nearest(name, BUILT_IN)}")
    return folder
