"""Masked language modelling over any text: the pretraining of BERT and XLM-R gone on with, as a task like any other.

What is masked is drawn by transformers' `DataCollatorForLanguageModeling`: a share of the sub-words, of which 80 % are
hidden, 10 % replaced and 10 % left (Devlin et al. 2019, arXiv 1810.04805, §3.1), anew for every step.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xharness.adapter import Example, Feature, options_of
from xharness.errors import HarnessError, Problem
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task
from xharness_adapters.template import template_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

PLACES, OFFSETS = "places", "offsets"


class Options(BaseModel):
    """Settings of a task of masked language modelling."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    probability: float = Field(default=0.15, gt=0, lt=1)
    """Share of the sub-words, or of the words, that are predicted."""
    whole_words: bool = False
    """Words, as far as white space shows them, are hidden whole; none of them is then replaced or left."""
    fresh_head: bool = False
    """For checkpoints that were saved without their language-model head: a fresh one, tied to the word embeddings."""


class MaskedLM:
    """A text an example, in windows where it is long; the head sees the masked sub-words alone."""

    name: ClassVar[str] = "masked_lm"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = {"text": True}
    metrics: ClassVar[tuple[str, ...]] = ("perplexity",)
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("text",)
    language_head: ClassVar[bool] = True

    def check(self, task: Task, example: Example) -> str | None:
        """There must be a text."""
        text = example["text"]
        if not isinstance(text, str):
            return f"a text must be a string, found {text!r}."
        return None if text.strip() else "the text is empty."

    def encode(
        self, task: Task, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, recipe: Recipe, train: bool
    ) -> list[Feature]:
        """A feature a window; windows do not overlap. The note holds where each sub-word stands in the text."""
        whole = options_of(task).whole_words  # type: ignore[attr-defined]
        if tokenizer.mask_token_id is None:
            raise HarnessError(Problem(f"task {task.name}", "the checkpoint's tokenizer has no mask token."))
        if whole and not tokenizer.is_fast:
            what = "whole_words needs a tokenizer that tells where its sub-words stand in the text (a fast one)."
            raise HarnessError(Problem(f"task {task.name}", what))
        template = template_of(tokenizer)
        room = max(1, recipe.max_length - template.single_specials)
        found = tokenizer(
            [e["text"] for e in examples],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=whole,
            verbose=False,
        )
        features: list[Feature] = []
        for index, ids in enumerate(found["input_ids"]):
            for start in range(0, max(1, len(ids)), room):
                note = {}
                if whole:
                    inside = np.zeros((len(template.one(ids[start : start + room])), 2), dtype=np.int32)
                    places = _trimmed(examples[index]["text"], found["offset_mapping"][index][start : start + room])
                    first = len(template.before)
                    inside[first : first + len(places)] = np.asarray(places, dtype=np.int32).reshape(-1, 2)
                    note = {OFFSETS: inside}
                features.append(Feature(index, template.one(ids[start : start + room]), note=note or None))
        return features

    def draw(
        self, task: Task, features: Sequence[Feature], tokenizer: PreTrainedTokenizerBase, random: np.random.Generator
    ) -> list[Feature]:
        """The features with some of their sub-words masked, and those as targets."""
        import torch
        from transformers import DataCollatorForLanguageModeling

        options: Any = options_of(task)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It tells what whole words imply, which the option says.
            collator = DataCollatorForLanguageModeling(
                tokenizer=tokenizer, mlm_probability=options.probability, whole_word_mask=options.whole_words
            )
        collator.generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        width = max(len(f.ids) for f in features)
        ids = np.full((len(features), width), tokenizer.pad_token_id, dtype=np.int64)
        fixed = np.ones((len(features), width), dtype=bool)
        offsets = np.zeros((len(features), width, 2), dtype=np.int64) if options.whole_words else None
        for row, feature in enumerate(features):
            n = len(feature.ids)
            ids[row, :n] = feature.ids
            fixed[row, :n] = np.isin(ids[row, :n], tokenizer.all_special_ids)
            if offsets is not None and feature.note is not None:
                offsets[row, :n] = np.asarray(feature.note[OFFSETS]).reshape(-1, 2)
        masked, labels = collator.torch_mask_tokens(
            torch.from_numpy(ids), special_tokens_mask=torch.from_numpy(fixed), offset_mapping=offsets
        )
        drawn = []
        for row, feature in enumerate(features):
            n = len(feature.ids)
            target = labels[row, :n].numpy()
            places = np.flatnonzero(target >= 0).astype(np.int32)
            seen = masked[row, :n].numpy().astype(np.int32)
            note = {PLACES: places}
            drawn.append(
                Feature(feature.example, seen, None, target[places], float(len(places)), note, feature.language)
            )
        return drawn

    def positions(self, task: Task, feature: Feature) -> Sequence[int]:
        """The masked sub-words."""
        assert feature.note is not None
        found: Sequence[int] = feature.note[PLACES]
        return found

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        """Never asked for: the head is the checkpoint's own."""
        raise NotImplementedError

    def loss(self, task: Task, outputs: Tensor, features: Sequence[Feature]) -> Tensor:
        """Cross-entropy over the vocabulary, summed over the masked sub-words."""
        import torch
        from torch.nn import functional

        targets = torch.from_numpy(np.concatenate([f.target for f in features]).astype(np.int64))
        return functional.cross_entropy(outputs.float(), targets.to(outputs.device), reduction="sum")

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], outputs: Iterator[Any]
    ) -> list[Any]:
        """(sum of the negative log-likelihoods of the masked sub-words, how many they are) of each example."""
        found = [[0.0, 0] for _ in examples]
        for feature, rows in zip(features, outputs, strict=True):
            if not len(feature.target):
                continue
            top = rows.max(axis=-1)
            total = top + np.log(np.exp(rows - top[:, None]).sum(axis=-1, dtype=np.float64))
            chosen = rows[np.arange(len(rows)), feature.target]
            held = found[feature.example]
            held[0] += float((total - chosen).sum())
            held[1] += len(feature.target)
        return found

    def reference(self, task: Task, example: Example) -> Any:
        """Nothing: the text is its own reference, and what was masked is with the prediction."""
        return None

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        """Nothing that needs no model says anything of a text."""
        return []


def _trimmed(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places without the white space before a word, which SentencePiece counts to the word.

    transformers' collator begins a word where a place does not join the one before: with the spaces counted in, a
    whole sentence would be one word.
    """
    return [(min(begin + len(text[begin:end]) - len(text[begin:end].lstrip()), end), end) for begin, end in offsets]
