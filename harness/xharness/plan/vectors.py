"""Steps that no cell needs: embeddings of texts that a suite's analyses ask for."""

from __future__ import annotations

from collections.abc import Iterable

from xharness.analysis import Texts
from xharness.errors import HarnessError
from xharness.plan.plan import Plan, Step
from xharness.plan.planner import Planner
from xharness.steps.embed_texts import EmbedTexts
from xharness.store.steps import content_key


def add_vectors(plan: Plan, planner: Planner, asked: Iterable[Texts]) -> None:
    """Add a step for every checkpoint of the plan's cells; what cannot be planned is left out, and so not there."""
    checkpoints = dict.fromkeys(cell.checkpoint for cell in plan.cells if cell.name not in plan.blocked)
    for texts in asked:
        for name in checkpoints:
            try:
                work = _work(planner, name, texts)
            except HarnessError:  # The analysis says what it did without.
                continue
            made_of = work.ingredients()
            step = Step(content_key(work.KIND, made_of), work, (), made_of, work.KIND)
            plan.steps.setdefault(step.key, step)
            plan.vectors[name, texts] = step.key


def _work(planner: Planner, checkpoint: str, texts: Texts) -> EmbedTexts:
    loaded = planner.loaded
    task = loaded.tasks[texts.task].model_copy(update={"languages": (texts.language,)})
    limit = getattr(loaded.limit_of(texts.task), texts.split, None)
    return EmbedTexts(
        **planner.origin(checkpoint, task),
        task=task,
        split=texts.split,
        unit=texts.unit,
        limit=limit,
        most=texts.most,
        max_length=loaded.recipe_of(texts.task).max_length,
        fingerprints=planner.asked.fingerprints(task, (texts.split,)),
        label=f"embed the texts of {texts.task}, {texts.split}, {texts.language}, with {checkpoint}",
    )
