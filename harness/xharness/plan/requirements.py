"""What a checkpoint must know or have for a task."""

from __future__ import annotations

from xharness.adapter import LanguageModelling, load_adapter, options_of
from xharness.errors import CheckpointError, Problem, listed
from xharness.plan.identity import Identity
from xharness.spec.stage import ENGLISH
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Task


def require_languages(checkpoint: Checkpoint, identity: Identity, task: Task) -> None:
    """CheckpointError where a checkpoint must be told a language of the task that it lacks."""
    said = {language: checkpoint.languages.get(language, language) for language in (ENGLISH, *task.languages)}
    lacking = [] if identity.languages is None else [k for k, v in said.items() if v not in identity.languages]
    if lacking:
        what = f"it must be told the language of a text, and does not know {listed(lacking)}."
        known = listed(sorted(identity.languages or ()), near=lacking[0])
        hint = f'Say in its table which one of {known} to use: languages = {{ {lacking[0]} = "…" }}.'
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", what, hint))


def require_language_head(checkpoint: Checkpoint, identity: Identity, task: Task) -> None:
    """CheckpointError for language modelling with a checkpoint that says it was saved without its head."""
    if not isinstance(load_adapter(task.adapter), LanguageModelling):
        return
    kinds = [str(kind) for kind in identity.config.get("architectures") or ()]
    fresh = getattr(options_of(task), "fresh_head", False)
    if kinds and not fresh and not any("MaskedLM" in k or "PreTraining" in k for k in kinds):
        what = f"was saved as {kinds[0]}, without a head for masked language modelling, which '{task.name}' needs."
        hint = "Take one saved with it (FacebookAI/xlm-roberta-base), or set options.fresh_head = true in the task."
        raise CheckpointError(Problem(f"checkpoint {checkpoint.name}", what, hint))
