"""Stored rows as mteb's result files, in the folders that its `ResultCache` reads.

    FOLDER/results/xharness__xlmr-large--squad_v1--0/<revision>/Tatoeba.json, model_meta.json

Only what mteb measures in the same way is written: its F1 of Tatoeba and of BUCC, which stand in our records beside
XTREME's own measures, and what it judged itself (`mteb:NAME`). The revision is a hash of the encoder and of how its
embeddings are read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xharness.errors import Problem, UsageError, listed
from xharness.mteb.catalogue import JUDGE, RESULT
from xharness.mteb.codes import subsets_by_language
from xharness.record import Record
from xharness.store.steps import Store

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

MEASURED = {"tatoeba": ("f1_tatoeba_mteb", "Tatoeba"), "bucc2018": ("f1_bucc_mteb", "BUCC")}
"""What a target counts as -> (our metric that is mteb's, mteb's task)."""
FIGURES = ("f1", "precision", "recall", "accuracy")
MAIN = "f1"
OWNER, OWNER_NOT_COMPARABLE = "xharness", "xharness-not-comparable"
"""Before the model's name. A result file cannot say that its data were cut or made up; its folder can."""
HEX = 12


@dataclass(frozen=True)
class Written:
    """One result file."""

    model: str
    revision: str
    task: str
    path: Path
    languages: tuple[str, ...]
    left_out: tuple[str, ...]
    """Languages that mteb's task does not have."""


def write_results(
    facts: Mapping[str, Any], records: Sequence[Record], store: Store, folder: Path
) -> tuple[list[Written], list[str]]:
    """(what was written, targets that mteb measures differently).

    UsageError where nothing corresponds, or where the store has a step no more.
    """
    grouped: dict[tuple[str, str, int, str], list[Record]] = {}
    for record in records:
        grouped.setdefault((record.checkpoint, record.intermediate, record.seed, record.target), []).append(record)
    written: list[Written] = []
    other: dict[str, None] = {}
    for (checkpoint, intermediate, seed, target), found in grouped.items():
        about, name = facts["tasks"][target], _model_name(facts, checkpoint, intermediate, seed)
        if about["adapter"] == JUDGE:
            written.append(_judged(facts["checkpoints"][checkpoint], name, found, store, folder))
            continue
        metric, task = MEASURED.get(about["counts_as"] or target, ("", ""))
        if metric and any(record.metric == metric for record in found):
            prefix = "" if about["metric"] == metric else f"{metric}/"
            written.append(_write(facts["checkpoints"][checkpoint], name, task, prefix, found, store, folder))
        else:
            other.setdefault(target)
    if not written:
        known = listed(f"{task} ({metric})" for metric, task in MEASURED.values())
        what = f"none of the run's targets is measured as mteb does: {listed(other)}."
        raise UsageError(Problem("export mteb", what, f"What can be exported: {known}."))
    return written, list(other)


def _model_name(facts: Mapping[str, Any], checkpoint: str, intermediate: str, seed: int) -> str:
    """`OWNER/CHECKPOINT--INTERMEDIATE--SEED`, in letters that any folder takes."""
    owner = OWNER if facts["comparable"] else OWNER_NOT_COMPARABLE
    parts = (re.sub(r"[^A-Za-z0-9_.@-]+", "-", part) for part in (checkpoint, intermediate, str(seed)))
    return f"{owner}/{'--'.join(parts)}"


def _judged(checkpoint: Mapping[str, Any], model: str, found: list[Record], store: Store, folder: Path) -> Written:
    """What mteb itself has written, under the row's name."""
    from mteb.results import TaskResult

    key = found[0].key
    manifest = _manifest(store, key)
    result = TaskResult.model_validate_json((store.path(key) / RESULT).read_text(encoding="utf-8"))
    encoder = {k: v for k, v in manifest["ingredients"].items() if k in ("parent", "identity", "retrieval")}
    revision = _short(encoder)
    path = save(result, model, revision, checkpoint, folder)
    spoken = tuple(dict.fromkeys(record.language for record in found))
    return Written(model, revision, result.task_name, path, spoken, ())


def _write(
    checkpoint: Mapping[str, Any], model: str, task: str, prefix: str, found: list[Record], store: Store, folder: Path
) -> Written:
    """The scores of one cell."""
    import mteb
    from mteb.results import TaskResult

    known: AbsTask = mteb.get_task(task)
    subsets = subsets_by_language(known.metadata.hf_subsets_to_langscripts)
    values: dict[str, dict[str, float]] = {}
    for record in found:
        name = record.metric.removeprefix(prefix) if record.metric.startswith(prefix) else ""
        if name in FIGURES:
            values.setdefault(record.language, {})[name] = record.value / 100
    spoken = tuple(language for language in values if language in subsets)
    scores: dict[str, Any] = {subsets[name]: {**values[name], "main_score": values[name][MAIN]} for name in spoken}
    manifest = _manifest(store, found[0].key)
    (split,) = known.metadata.eval_splits
    seconds = float(manifest.get("seconds", 0.0))
    result = TaskResult.from_task_results(known, {split: scores}, evaluation_time=seconds)
    data = _data(manifest, store, str(known.metadata.dataset["path"]))
    revision = _revision(manifest, store)
    path = save(result.model_copy(update={"dataset_revision": data}), model, revision, checkpoint, folder)
    return Written(model, revision, task, path, spoken, tuple(name for name in values if name not in subsets))


def save(result: Any, model: str, revision: str, checkpoint: Mapping[str, Any], folder: Path) -> Path:
    """Write a TaskResult under a model's name by mteb's own `ResultCache`; the file."""
    from mteb.cache import ResultCache
    from mteb.models import ModelMeta
    from mteb.models.model_meta import ScoringFunction

    about: dict[str, Any] = {"name": model, "revision": revision, "framework": ["PyTorch", "Transformers"]}
    if checkpoint.get("hub"):
        about["adapted_from"] = checkpoint["hub"]
    how = checkpoint.get("retrieval") or {}
    about["use_instructions"] = bool(how.get("prefix"))
    about["similarity_fn_name"] = ScoringFunction.COSINE
    # Of a model's own page nothing is known here, and what is not known stays empty.
    meta = ModelMeta.create_empty(about)
    cache = ResultCache(folder)
    cache.save_to_cache(result, meta)
    return cache.get_task_result_path(result.task_name, meta)


def _manifest(store: Store, key: str) -> dict[str, Any]:
    found = store.manifest(key)
    if found is None:
        what = f"is not in the store {store.root} any more."
        raise UsageError(Problem(key, what, "Run the suite again: it will be made."))
    return found


def _revision(mined: Mapping[str, Any], store: Store) -> str:
    """A hash of the encoder, and of the layer and pooling that its embeddings are read with."""
    embedding = _manifest(store, mined["ingredients"]["embeddings"])["ingredients"]
    encoder = {k: v for k, v in embedding.items() if k in ("parent", "identity", "head", "retrieval")}
    return _short({**encoder, "read": mined["summary"].get("embedding", {}).get("prefix", "")})


def _data(mined: Mapping[str, Any], store: Store, repository: str) -> str:
    """The commit, where the data are of mteb's own repository; else that of another one, or a hash of what was read."""
    entries = _manifest(store, mined["ingredients"]["encoded"])["ingredients"]["data"]
    pinned = {found[1] for entry in entries if (found := re.search(r" hub:([^\[\s]+@[^\[\s]+)", entry))}
    if len(pinned) == 1 and all(" hub:" in entry for entry in entries):
        (one,) = pinned
        return one.removeprefix(f"{repository}@")
    return f"data-{_short(sorted(entries))}"


def _short(values: Iterable[Any]) -> str:
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:HEX]
