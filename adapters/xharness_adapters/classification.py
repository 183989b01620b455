"""Classification of a text or of a pair of texts: MNLI, XNLI, PAWS-X, QQP, SST-2; and a number for them: STS-B."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from xharness.adapter import Example, Feature
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task
from xharness_adapters.labels import label_name, label_problem, labels_in
from xharness_adapters.shown import softmax

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase


class Options(BaseModel):
    """Settings of a classification task."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    regression: bool = False
    """Labels are numbers, and numbers are predicted; trained by the squared error, as GLUE's STS-B in transformers'
    run_glue.py. The metric is then `pearson`."""


class Classification:
    """One label a text or pair; head on the first token."""

    name: ClassVar[str] = "classification"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = {"text": True, "pair": False, "label": True}
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "f1_macro", "matthews", "pearson")
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("text", "pair")
    exported: ClassVar[str] = "SequenceClassification"

    def check(self, task: Task, example: Example) -> str | None:
        """The label must be one of the task's, and there must be something to read."""
        texts = [example[c] for c in ("text", "pair") if c in example]
        for text in texts:
            if not isinstance(text, str):
                return f"a text must be a string, found {text!r}."
        # QQP has questions with one empty side; only a row with nothing at all cannot be judged.
        if not any(text.strip() for text in texts):
            return "the text is empty."
        if not _regression(task):
            return label_problem(task, example["label"])
        if task.labels:
            return "options.regression is set, so the task must name no labels."
        return None if _number(example["label"]) is not None else f"the label {example['label']!r} is no number."

    def labels_of(self, task: Task, examples: Sequence[Example]) -> tuple[str, ...]:
        """The labels in the rows, sorted; none of a regression."""
        if _regression(task):
            return ()
        return labels_in(task, (example["label"] for example in examples))

    def encode(
        self, task: Task, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, recipe: Recipe, train: bool
    ) -> list[Feature]:
        """One feature an example, cut to the recipe's length from the longer side."""
        pairs = [e["pair"] for e in examples] if examples and "pair" in examples[0] else None
        found = tokenizer(
            [e["text"] for e in examples],
            pairs,
            truncation="longest_first",
            max_length=recipe.max_length,
            return_attention_mask=False,
            verbose=False,
        )
        types = found.get("token_type_ids") if pairs else None
        codes = {label: code for code, label in enumerate(task.labels)}

        def target(label: Any) -> float | int:
            return float(label) if _regression(task) else codes[str(label_name(task, label))]

        return [
            Feature(
                example=index,
                ids=ids,
                types=types[index] if types and any(types[index]) else None,
                target=target(examples[index]["label"]) if train else None,
            )
            for index, ids in enumerate(found["input_ids"])
        ]

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        """XLM-R's classification head."""
        from xharness_adapters.heads import FirstToken

        return FirstToken(hidden, 1 if _regression(task) else len(task.labels), dropout)

    def loss(self, task: Task, logits: Tensor, features: Sequence[Feature]) -> Tensor:
        """Cross-entropy, summed; of a regression the squared error."""
        import torch
        from torch.nn import functional

        if _regression(task):
            numbers = torch.tensor([f.target for f in features], dtype=torch.float32).to(logits.device)
            return functional.mse_loss(logits.float().squeeze(-1), numbers, reduction="sum")
        targets = torch.tensor([f.target for f in features]).to(logits.device, non_blocking=True)
        return functional.cross_entropy(logits.float(), targets, reduction="sum")

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], logits: Iterator[Any]
    ) -> list[Any]:
        """The label with the highest logit; of a regression the number."""
        if _regression(task):
            return [float(row[0]) for row in logits]
        return [task.labels[int(row.argmax())] for row in logits]

    def probabilities(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], logits: Iterator[Any]
    ) -> list[list[float]]:
        """Of each label; none of a regression."""
        return [[] if _regression(task) else softmax(row) for row in logits]

    def reference(self, task: Task, example: Example) -> Any:
        """The label's name, or number."""
        if _regression(task):
            return _number(example["label"])
        return label_name(task, example["label"]) or str(example["label"])

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        """The most frequent label for all; of a regression the mean."""
        if references and isinstance(references[0], float):
            return [sum(references) / len(references)] * len(references)
        return [Counter(references).most_common(1)[0][0]] * len(references)


def _regression(task: Task) -> bool:
    return bool(task.options.get("regression"))


def _number(given: Any) -> float | None:
    """A label as a finite number, or None."""
    try:
        found = float(given)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None
