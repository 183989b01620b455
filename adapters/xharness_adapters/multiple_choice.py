"""Multiple choice: HellaSwag, CosmosQA, CommonsenseQA, Social IQa, COPA and XCOPA.

Every choice is read with what it answers, and gets one score; the head is trained by a softmax over an example's
choices. Where the two do not fit, the context gives way, never the choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from xharness.adapter import Case, Example, Feature, Line
from xharness.errors import nearest
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task
from xharness_adapters.shown import marked, softmax
from xharness_adapters.template import sub_words, template_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Options(BaseModel):
    """Settings of a multiple choice task."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    questions: dict[str, str] = {}
    """What the data's question word is read as: `{ cause = "What was the cause?" }` for COPA."""
    labels: tuple[str, ...] = ()
    """The data's names of the choices, in their order; numbers from 0 and letters from A are known."""


class MultipleChoice:
    """One score a choice; head on the first token."""

    name: ClassVar[str] = "multiple_choice"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = {"context": False, "question": False, "choices": True, "answer": True}
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("context", "question", "choices")
    exported: ClassVar[str] = "MultipleChoice"

    def check(self, task: Task, example: Example) -> str | None:
        """At least two choices, and an answer that is one of them."""
        choices = example["choices"]
        if isinstance(choices, str) or not all(isinstance(c, str) for c in choices):
            return f"choices must be a list of texts, found {str(choices)[:80]}."
        if len(choices) < 2:
            return f"there must be at least two choices, found {len(choices)}."
        if not all(choice.strip() for choice in choices):
            return "a choice is empty."
        answer = answer_index(task, example)
        if answer is None:
            known = (*_options(task).labels, *map(str, range(len(choices))), *LETTERS[: len(choices)])
            given = example["answer"]
            return f"the answer {given!r} names none of the {len(choices)} choices. {nearest(str(given), known)}"
        return None

    def encode(
        self, task: Task, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, recipe: Recipe, train: bool
    ) -> list[Feature]:
        """One feature a choice: (context, question and choice), or (question, choice) without a context."""
        template = template_of(tokenizer)
        room = max(2, recipe.max_length - template.pair_specials)
        sides = [_sides(_options(task), example) for example in examples]
        firsts = sub_words(tokenizer, [first for first, _ in sides])
        seconds = iter(sub_words(tokenizer, [second for _, several in sides for second in several]))
        features: list[Feature] = []
        for index, (first, several) in enumerate(zip(firsts, sides, strict=True)):
            answer = answer_index(task, examples[index]) if train else None
            for number in range(len(several[1])):
                second = next(seconds)[: max(1, room - 1)]
                if several[0]:
                    ids, types = template.two(first[: room - len(second)], second)
                else:
                    ids, types = template.one(second), None
                target = float(number == answer) if train else None
                features.append(Feature(index, ids, types, target, weight=1 / len(several[1])))
        return features

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        """XLM-R's classification head with one output."""
        from xharness_adapters.heads import FirstToken

        return FirstToken(hidden, 1, dropout)

    def loss(self, task: Task, logits: Tensor, features: Sequence[Feature]) -> Tensor:
        """Cross-entropy over each example's choices, summed over examples."""
        import torch
        from torch.nn import functional

        sizes = _sizes(features)
        rows = np.repeat(np.arange(len(sizes)), sizes)
        columns = np.concatenate([np.arange(size) for size in sizes])
        table = torch.full((len(sizes), max(sizes)), float("-inf"), device=logits.device)
        where = [torch.from_numpy(index).to(logits.device, non_blocking=True) for index in (rows, columns)]
        table = table.index_put(tuple(where), logits.float().squeeze(-1))
        right = [column for column, feature in zip(columns.tolist(), features, strict=True) if feature.target]
        targets = torch.tensor(right).to(logits.device, non_blocking=True)
        return functional.cross_entropy(table, targets, reduction="sum")

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], logits: Iterator[Any]
    ) -> list[Any]:
        """The number of the choice with the highest score."""
        return [int(np.argmax(of_example)) for of_example in _scores(examples, features, logits)]

    def probabilities(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], logits: Iterator[Any]
    ) -> list[list[float]]:
        """Of each choice."""
        return [softmax(of_example) for of_example in _scores(examples, features, logits)]

    def shown(self, task: Task, case: Case) -> list[Line]:
        """What the choices go with, and each of them marked."""
        premise, choices = _sides(_options(task), case.example) if "choices" in case.example else ("", [])
        asked = (("context", premise), ("question", str(case.example.get("question") or "")))
        lines = [Line(name, ((text, ""),)) for name, text in asked if text.strip()]
        return lines + [
            Line(f"choice {number}", ((text, marked(number == case.prediction, number == case.reference)),))
            for number, text in enumerate(choices)
        ]

    def reference(self, task: Task, example: Example) -> Any:
        """The number of the right choice, from 0."""
        return answer_index(task, example)

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        """The most frequent answer for all."""
        return [Counter(references).most_common(1)[0][0]] * len(references)


def _scores(examples: Sequence[Example], features: Sequence[Feature], logits: Iterator[Any]) -> list[list[float]]:
    """The scores of each example's choices."""
    scores: list[list[float]] = [[] for _ in examples]
    for feature, row in zip(features, logits, strict=True):
        scores[feature.example].append(float(row[0]))
    return scores


def _options(task: Task) -> Options:
    return Options(**task.options)


def answer_index(task: Task, example: Example) -> int | None:
    """The number of the right choice, from its number, letter or name; None when it is none of the choices."""
    given, choices = example["answer"], example["choices"]
    text = task.label_map.get(str(given), str(given)).strip()
    names = _options(task).labels or task.labels
    if text in names:
        found = names.index(text)
    elif text.isascii() and text.isdigit():
        found = int(text)
    elif len(text) == 1 and text in LETTERS:
        found = LETTERS.index(text)
    else:
        return None
    return found if found < len(choices) else None


def _sides(options: Options, example: Example) -> tuple[str, list[str]]:
    """What every choice is read after, and the choices with what belongs before them."""
    context, question = example.get("context") or "", example.get("question") or ""
    question = options.questions.get(question, question)
    choices = [choice.strip() for choice in example["choices"]]
    if context and question:
        return context.strip(), [f"{question.strip()} {choice}" for choice in choices]
    return (context or question).strip(), choices


def _sizes(features: Sequence[Feature]) -> list[int]:
    """How many features each example has, in order."""
    sizes: list[int] = []
    last = None
    for feature in features:
        if feature.example != last:
            sizes.append(0)
            last = feature.example
        sizes[-1] += 1
    return sizes
