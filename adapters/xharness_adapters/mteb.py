"""Tasks of mteb's, judged by its own evaluator: bitext mining, retrieval and similarity of texts.

Source: mteb (Muennighoff et al. 2023, arXiv 2210.07316; Enevoldsen et al. 2025, arXiv 2502.13595). Its data are read
from the Hub at the commit that mteb pins, whole: a profile's limits do not cut them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from xharness.adapter import Example, Judgement, TextEmbedding
from xharness.errors import DataError, Problem, UsageError, nearest
from xharness.mteb.catalogue import JUDGE, RESULT, MtebTask, mteb_tasks, mteb_version
from xharness.spec.task import Task

KEPT = re.compile(r"(?!nauc_)[a-z0-9_]*?(_at_(1|10|20|100))?")
"""Of hundreds of measures those at the usual depths."""
SHOWN = 300
"""Characters of an error of others' that are shown."""
AT_ONCE = 4096
"""Texts that mteb hands over in one batch of its own; ours are by length."""


class Options(BaseModel):
    """Which task of mteb's it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    task: str
    """mteb's name of it: `Tatoeba`, `STS22.v2`, `MIRACLRetrieval`."""


class Mteb:
    """What mteb measures of embeddings."""

    name: ClassVar[str] = JUDGE
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = {}
    metrics: ClassVar[tuple[str, ...]] = (
        "mteb_f1", "mteb_cosine_spearman", "mteb_ndcg_at_10", "mteb_recall_at_1", "mteb_mrr_at_1",
        "mteb_precision_at_1", "mteb_hit_rate_at_1",
    )  # fmt: skip
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = False

    def check(self, task: Task, example: Example) -> str | None:
        """Its rows are mteb's."""
        return None

    def made_of(self, task: Task) -> Mapping[str, Any]:
        """mteb's version and the commit of the data."""
        found = _known(task)
        return {"mteb": mteb_version(), "data": f"{found.repository}@{found.revision}"}

    def judge(self, task: Task, embed: TextEmbedding, out: Path) -> Iterator[tuple[str, Judgement | DataError]]:
        """All languages in one evaluation, since mteb reads the data of all at once."""
        import mteb

        found = _known(task)
        spoken = found.languages
        asked: Any = mteb.get_task(found.name, hf_subsets=[spoken[language] for language in task.languages])
        try:
            asked.load_data()
        except Exception as error:
            hint = "Is the Hub reachable (HF_ENDPOINT, HF_HUB_OFFLINE)?"
            where = f"{found.repository}@{found.revision}"
            raise DataError(Problem(where, f"cannot be loaded by mteb: {str(error)[:SHOWN]}", hint)) from None
        sizes = {subset: _size(asked, subset) for subset in asked.hf_subsets}
        done: Any = mteb.evaluate(
            _Encoder(embed), asked, cache=None, co2_tracker=False, show_progress_bar=False,
            encode_kwargs={"batch_size": AT_ONCE},
        )  # fmt: skip
        (result,) = done.task_results
        (out / RESULT).write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
        for language in task.languages:
            yield language, _judged(result.scores, spoken[language], found, sizes)


def _known(task: Task) -> MtebTask:
    name, known = str(task.options["task"]), mteb_tasks()
    if name not in known:
        raise UsageError(Problem(f"task {task.name}", f"mteb has no such task '{name}'.", nearest(name, known)))
    if lacking := [code for code in task.languages if code not in known[name].languages]:
        hint = nearest(lacking[0], known[name].languages)
        raise UsageError(Problem(f"task {task.name}", f"mteb's {name} has no language '{lacking[0]}'.", hint))
    return known[name]


def _judged(
    scores: Mapping[str, Iterable[Mapping[str, Any]]], subset: str, found: MtebTask, sizes: Mapping[str, int]
) -> Judgement | DataError:
    """The mean over the splits that mteb evaluates, as its own `get_score` has it."""
    rows = [row for split in scores.values() for row in split if row["hf_subset"] == subset]
    if not rows:
        return DataError(Problem(f"mteb's {found.name}", f"mteb has no score of the subset {subset}."))
    names = [name for name, value in rows[0].items() if isinstance(value, float) and KEPT.fullmatch(name)]
    values = {name: 100 * float(np.mean([row[name] for row in rows])) for name in names}
    return Judgement(values.pop("main_score"), values, sizes[subset])


def _size(task: Any, subset: str) -> int:
    """Pairs or queries of a subset, over the splits that are evaluated; 0 where mteb holds them in another way."""
    held, total = task.dataset.get(subset, task.dataset), 0
    for split in task.metadata.eval_splits:
        rows = held.get(split, ())
        total += len(rows["queries"] if isinstance(rows, dict) and "queries" in rows else rows)
    return total


class _Encoder:
    """A checkpoint as mteb asks for one."""

    def __init__(self, embed: TextEmbedding) -> None:
        from mteb.models import ModelMeta
        from mteb.models.model_meta import ScoringFunction

        self.embed = embed
        about = {"name": "xharness/checkpoint", "revision": "none", "framework": ["PyTorch"]}
        self.mteb_model_meta = ModelMeta.create_empty({**about, "similarity_fn_name": ScoringFunction.COSINE})

    def encode(self, inputs: Iterable[Mapping[str, Any]], *, prompt_type: Any = None, **_: Any) -> NDArray[np.float32]:
        """[texts, hidden]; equal texts are embedded once."""
        texts = [text.strip() for batch in inputs for text in batch["text"]]
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        vectors = self.embed(list(places), candidates=getattr(prompt_type, "value", prompt_type) == "document")
        return np.asarray(vectors)[[places[text] for text in texts]]

    def similarity(self, one: Any, other: Any) -> Any:
        """[one, other], the cosine."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(one, other)

    def similarity_pairwise(self, one: Any, other: Any) -> Any:
        """[pairs], the cosine."""
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(one, other)
