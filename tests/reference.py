"""Features, collators and models as transformers' run_glue, run_ner, run_qa and run_swag make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Script:
    """One of the example scripts, as far as training goes."""

    model: str
    """transformers' class of it."""
    features: Callable[[Any, Any, Any, Rows], Rows]
    """(tokenizer, task, recipe, rows) -> what the collator takes."""
    collator: Callable[[Any], Any]
    labelled: bool
    """Whether the model has as many outputs as the task has labels."""


def load(script: Script, name: str, task: Any) -> Any:
    """The script's model with a fresh head."""
    import transformers

    labels = {"num_labels": len(task.labels)} if script.labelled else {}
    return getattr(transformers, script.model).from_pretrained(name, dtype="float32", **labels)


def begin_anew(model: Any) -> None:
    """A fresh pooler: BERT's models begin with the checkpoint's, XLM-R's with a fresh layer, as the harness always."""
    import torch

    pooler = getattr(getattr(model, model.base_model_prefix), "pooler", None)
    if pooler is not None:
        torch.nn.init.normal_(pooler.dense.weight, std=model.config.initializer_range)
        torch.nn.init.zeros_(pooler.dense.bias)


def _code(task: Any, label: Any) -> int:
    return int(label) if isinstance(label, int) else task.labels.index(task.label_map.get(str(label), str(label)))


def _sentences(tokenizer: Any, task: Any, recipe: Any, rows: Rows) -> Rows:
    found = [tokenizer(r["text"], r["pair"], truncation=True, max_length=recipe.max_length) for r in rows]
    return [dict(encoded) | {"label": _code(task, r["label"])} for encoded, r in zip(found, rows, strict=True)]


def _words(tokenizer: Any, task: Any, recipe: Any, rows: Rows) -> Rows:
    """The first sub-word of each word has its label."""
    out = []
    for row in rows:
        encoded = tokenizer(
            list(row["tokens"]), is_split_into_words=True, truncation=True, max_length=recipe.max_length
        )
        labels, before = [], None
        for word in encoded.word_ids():
            new = word is not None and word != before
            labels.append(_code(task, row["tags"][word]) if new else -100)
            before = word
        out.append({**encoded, "labels": labels})
    return out


def windows(tokenizer: Any, recipe: Any, rows: Rows) -> Any:
    """Windows over contexts, all of one length."""
    return tokenizer(
        [r["question"].lstrip() for r in rows], [r["context"] for r in rows], truncation="only_second",
        max_length=recipe.max_length, stride=recipe.doc_stride, return_overflowing_tokens=True,
        return_offsets_mapping=True, padding="max_length",
    )  # fmt: skip


def _answers(tokenizer: Any, task: Any, recipe: Any, rows: Rows) -> Rows:
    found, out = windows(tokenizer, recipe, rows), []
    for i, owner in enumerate(found["overflow_to_sample_mapping"]):
        answer, offsets = rows[owner]["answers"], found["offset_mapping"][i]
        start, end = answer["answer_start"][0], answer["answer_start"][0] + len(answer["text"][0])
        inside = [k for k, side in enumerate(found.sequence_ids(i)) if side == 1]
        first, last = 0, 0
        if offsets[inside[0]][0] <= start and offsets[inside[-1]][1] >= end:
            first = max(k for k in inside if offsets[k][0] <= start)
            last = min(k for k in inside if offsets[k][1] >= end)
        fed = {name: found[name][i] for name in tokenizer.model_input_names}
        out.append(fed | {"start_positions": first, "end_positions": last})
    return out


def _choices(tokenizer: Any, task: Any, recipe: Any, rows: Rows) -> Rows:
    out = []
    for row in rows:
        said = [row["context"]] * len(row["choices"])
        encoded = tokenizer(said, list(row["choices"]), truncation=True, max_length=recipe.max_length)
        out.append({**encoded, "labels": int(row["answer"])})
    return out


def _collator(name: str) -> Callable[[Any], Any]:
    def made(tokenizer: Any) -> Any:
        import transformers

        return getattr(transformers, name)(tokenizer)

    return made


def _as_they_are(tokenizer: Any) -> Any:
    from transformers import default_data_collator

    return default_data_collator


SCRIPTS = {
    "glue": Script("AutoModelForSequenceClassification", _sentences, _collator("DataCollatorWithPadding"), True),
    "ner": Script("AutoModelForTokenClassification", _words, _collator("DataCollatorForTokenClassification"), True),
    "qa": Script("AutoModelForQuestionAnswering", _answers, _as_they_are, False),
    "swag": Script("AutoModelForMultipleChoice", _choices, _collator("DataCollatorForMultipleChoice"), False),
}
