"""Suites and tasks to start from: short, commented, valid as they are."""

from __future__ import annotations

import os
import re
from pathlib import Path

from xharness.adapter import installed_adapters
from xharness.errors import Problem, UsageError, nearest
from xharness.spec.load import shipped_suites

SUITE = """\
#:schema {schema}
# Which intermediates, which targets, which checkpoints, which seeds: `xharness list {file}` shows the cells of it.

title = "{name}"
scheme = "xtreme"              # how targets are grouped and averaged: xtreme, xtreme-r, or a TOML file of yours
# extends = "xtreme"           # takes whatever this one leaves out from a shipped suite, or from a file: "../mine.toml"

# One table a checkpoint: `hub = "owner/name"` (with `revision`, so that it stays the same), a folder as `path`, or the
# small one that comes with the package.
[[checkpoint]]
name = "tiny"
builtin = "tiny"

[grid]
intermediates = ["none", "mnli"]     # `none` is the row that the others are compared with
targets = ["xnli", "tatoeba"]        # tasks that come with the package, or of `tasks/` beside this file
seeds = [0]                          # more than one gives a spread
# exclude = ["mnli->tatoeba*"]       # patterns over cell ids

# An intermediate that is more than a task: several at once, several sizes, other languages, or a chain of stages.
# [intermediate.nli_qa]
# tasks = ["mnli", "squad_v1"]
# sampling = "uniform"               # or {{ temperature = 2.0 }}, {{ weights = {{ … }} }}, {{ cap = 10000 }}
# [intermediate.chain]
# stages = ["mnli", {{ tasks = ["squad_v1"], size = 1000, freeze = "embeddings" }}]

# Training settings of one task, over those of its file.
# [recipe.mnli]
# epochs = 1

# A named size of the same suite: `--profile micro`. The first one is the default.
[profile.micro]
note = "micro: synthetic miniature, not comparable with published numbers"
comparable = false

[profile.paper]
# checkpoints = ["xlmr-large"]
# seeds = [1, 2, 3]

# [[mark]]
# cells = "mnli->*"
# skip = true                        # or skipif = "missing(${{SOME_FOLDER}})", xfail = true, name = "for -m"
# reason = "not today"

# Checked after a run like an assertion.
# [[expect]]
# cells = "none->xnli*"
# over = "chance"                    # score, none (the difference from that row), chance
# at_least = 5
"""

_TASK = """\
#:schema {schema}
# {line}
# Name it as a target or an intermediate in a suite, then: `xharness check SUITE`.

name = "{name}"
title = "{name}"
adapter = "{adapter}"
metric = "{metric}"
languages = ["en", "de"]             # evaluation languages, ISO 639-1
{labels}licence = ""
citation = ""
tags = []                            # words that -k can select by
# tune_on = "mnli"                   # tuned on another task's train data; its own when this is absent

# The adapter's name of a column on the left, the data's on the right (`answers.text` for a nested one).
[columns]
{columns}
# Rows come from the Hub, `{{ hub = "owner/name", config = "{{lang}}", split = "test", revision = "…" }}`, or from files
# relative to this one: json, jsonl, csv, tsv, conllu, columns, parquet, squad, text. `{{lang}}` is the language.
[data]
{data}
{recipe}
# What a profile of the suite changes here.
# [profile.micro]
# limit = {{ train = 200, test = 50 }}
"""

_RECIPE = """
[recipe]
epochs = 3
learning_rate = 2e-5
batch_size = 32
warmup = 0.1                         # below 1 a share of all steps
max_length = 128
"""

_METRIC = '''\
"""A metric of one's own: name it as `metric` (or under `also`) of a task, and this file under `plugins` of the suite.

What is kept of every example are parts that add up: a score is a function of their sums over the examples. So a
bootstrap is a weighted sum, and an average over a million examples takes no second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xharness.metrics.base import Array, Metric, ratio, require_pairs


def outcomes(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Array:
    """The parts of every example, [examples, parts].

    Predictions and references are as the adapter gives them: labels, lists of tags, texts, numbers, ranked ids.
    This one is the share of wrong labels.
    """
    require_pairs(predictions, references)
    wrong = [float(predicted != gold) for predicted, gold in zip(predictions, references, strict=True)]
    return np.column_stack([wrong, np.ones(len(wrong))])


def values(sums: Array) -> Mapping[str, Array]:
    """The values that the sums [..., parts] reduce to, from 0 to 100, each [...]."""
    return {{"{name}": 100 * ratio(sums[..., 0], sums[..., 1])}}


METRIC = Metric(
    name="{name}",
    source="Where its rule comes from: a paper and section, or a script.",
    parts=("wrong", "n"),              # names of the columns that `outcomes` gives
    outcomes=outcomes,
    values=values,
    headline=("{name}",),              # the values whose mean is the score
    higher_is_better=False,            # of errors the lowest is the best
    adapters=("classification",),      # whose predictions it reads
    version=1,                         # raise it when the same predictions get another score
    # fits=lambda task: None if task.labels else "it needs labels",
)
'''

_LINES = {
    "classification": "One label for a text, or for a pair of texts.",
    "tagging": "One label for every word of a sentence.",
    "question_answering": "An answer as a span of a context.",
    "multiple_choice": "One of several endings or answers.",
    "retrieval": "Which sentence of another language is the translation; nothing is trained.",
}
_COLUMNS = {
    "classification": {"text": "sentence", "# pair": "second sentence", "label": "label"},
    "tagging": {"tokens": "tokens", "tags": "tags"},
    "question_answering": {"context": "context", "question": "question", "answers": "answers"},
    "multiple_choice": {},
    "retrieval": {"source": "en", "target": "foreign"},
}
_CODES = "# in the order of their integer codes, where the data has codes"
_LABELS = {
    "classification": f'labels = ["yes", "no"]               {_CODES}\n',
    "tagging": f'labels = ["O", "B-PER", "I-PER"]     {_CODES}\n',
}


def suite_text(name: str, file: Path) -> str:
    """A suite's file."""
    return SUITE.format(name=name, file=file.name, schema=_schema("suite", file))


def task_text(name: str, adapter: str, file: Path) -> str:
    """A task's file for one adapter; UsageError when none is called so."""
    from xharness.adapter import load_adapter

    if adapter not in installed_adapters():
        raise UsageError(f"no adapter is called '{adapter}'. {nearest(adapter, installed_adapters())}")
    found = load_adapter(adapter)
    columns = _COLUMNS.get(adapter) or {c if needed else f"# {c}": c for c, needed in found.columns.items()}
    splits = ("train", "dev", "test") if found.trains else ("test",)
    files = {s: f"../data/{name}.{{lang}}.jsonl" if s == "test" else f"../data/{name}.{s}.jsonl" for s in splits}
    return _TASK.format(
        schema=_schema("task", file),
        name=name,
        line=_LINES.get(adapter, f"A task of the {adapter} adapter."),
        adapter=adapter,
        metric=found.metrics[0],
        labels=_LABELS.get(adapter, ""),
        columns="".join(f'{ours} = "{theirs}"\n' for ours, theirs in columns.items()),
        data="".join(f'{split} = {{ file = "{path}" }}\n' for split, path in files.items()),
        recipe=_RECIPE if found.trains else "",
    )


def metric_text(name: str) -> str:
    """The file of a metric."""
    return _METRIC.format(name=name)


def _schema(kind: str, file: Path) -> str:
    """Where an editor finds the schema, as seen from a file."""
    path = shipped_suites() / "schemas" / f"{kind}.json"
    relative = os.path.relpath(path, file.resolve().parent)
    return relative if not relative.startswith(os.path.join("..", "..", "..")) else path.resolve().as_uri()


def check_name(kind: str, name: str) -> None:
    """UsageError for a name that a suite or task cannot have."""
    pattern, allowed = {
        "task": (r"[a-z0-9][a-z0-9_.]*", "small letters, digits, _ and ."),
        "metric": (r"[a-z][a-z0-9_]*", "small letters, digits and _"),
        "suite": (r"[A-Za-z0-9][A-Za-z0-9_.-]*", "letters, digits, and the signs _ . -"),
    }[kind]
    if not re.fullmatch(pattern, name):
        raise UsageError(f"a {kind} cannot be called '{name}'; its name has {allowed} only.")


def write_new(file: Path, text: str) -> None:
    """Write a file that is not there yet; UsageError when it is."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(Problem(str(file), "exists already.", "Choose another name, or take it away first.")) from None
    except OSError as error:
        raise UsageError(Problem(str(file), f"cannot be written: {error.strerror}.")) from None
