"""Classification of a text or of a pair of texts: MNLI, XNLI, PAWS-X, QQP, SST-2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from xharness.adapter import Example, Feature
from xharness.spec.task import Recipe, Task
from xharness_adapters.labels import label_name, label_problem, labels_in

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase


class Options(BaseModel):
    """Classification has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Classification:
    """One label a text or pair; head on the first token."""

    name: ClassVar[str] = "classification"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = {"text": True, "pair": False, "label": True}
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = True

    def check(self, task: Task, example: Example) -> str | None:
        """The label must be one of the task's, and there must be something to read."""
        texts = [example[c] for c in ("text", "pair") if c in example]
        for text in texts:
            if not isinstance(text, str):
                return f"a text must be a string, found {text!r}."
        # QQP has questions with one empty side; only a row with nothing at all cannot be judged.
        if not any(text.strip() for text in texts):
            return "the text is empty."
        return label_problem(task, example["label"])

    def labels_of(self, task: Task, examples: Sequence[Example]) -> tuple[str, ...]:
        """The labels in the rows, sorted."""
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
        return [
            Feature(
                example=index,
                ids=ids,
                types=types[index] if types and any(types[index]) else None,
                target=codes[str(label_name(task, examples[index]["label"]))] if train else None,
            )
            for index, ids in enumerate(found["input_ids"])
        ]

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        """XLM-R's classification head."""
        from xharness_adapters.heads import FirstToken

        return FirstToken(hidden, len(task.labels), dropout)

    def loss(self, task: Task, logits: Tensor, features: Sequence[Feature]) -> Tensor:
        """Cross-entropy, summed."""
        import torch
        from torch.nn import functional

        targets = torch.tensor([f.target for f in features]).to(logits.device, non_blocking=True)
        return functional.cross_entropy(logits.float(), targets, reduction="sum")

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], logits: Iterator[Any]
    ) -> list[Any]:
        """The label with the highest logit."""
        return [task.labels[int(row.argmax())] for row in logits]

    def reference(self, task: Task, example: Example) -> Any:
        """The label's name."""
        return label_name(task, example["label"]) or str(example["label"])

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        """The most frequent label for all."""
        return [Counter(references).most_common(1)[0][0]] * len(references)
