"""Tagging of words: parts of speech, named entities. One tag a word, always: nothing is cut off.

A sentence longer than the recipe's length becomes several inputs, cut between words, and its tags are put together
again. XTREME cuts likewise (third_party/utils_tag.py); jiant truncates, and loses the tags behind the cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from xharness.adapter import Case, Example, Feature, Line, Mark
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task
from xharness_adapters.labels import label_name, label_problem, labels_in
from xharness_adapters.template import sub_words, template_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Target of sub-words that no tag belongs to."""


class Options(BaseModel):
    """Tagging has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tagging:
    """One tag a word, read off its first sub-word."""

    name: ClassVar[str] = "tagging"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = {"tokens": True, "tags": True}
    metrics: ClassVar[tuple[str, ...]] = ("f1_entity", "f1_xtreme", "accuracy_token")
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("tokens",)
    exported: ClassVar[str] = "TokenClassification"

    def check(self, task: Task, example: Example) -> str | None:
        """As many tags as words, all of them the task's."""
        tokens, tags = example["tokens"], example["tags"]
        if isinstance(tokens, str) or isinstance(tags, str):
            return "tokens and tags must be lists."
        if not len(tokens):
            return "the sentence has no words."
        if len(tokens) != len(tags):
            return f"there are {len(tokens)} words and {len(tags)} tags."
        return next(filter(None, (label_problem(task, tag) for tag in dict.fromkeys(tags))), None)

    def labels_of(self, task: Task, examples: Sequence[Example]) -> tuple[str, ...]:
        """The tags in the rows, sorted."""
        return labels_in(task, (tag for example in examples for tag in example["tags"]))

    def encode(
        self, task: Task, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, recipe: Recipe, train: bool
    ) -> list[Feature]:
        """One feature a piece of a sentence; the note holds the places of its words' first sub-words."""
        template = template_of(tokenizer)
        room = max(1, recipe.max_length - template.single_specials)
        pieces_of = _word_pieces(tokenizer, examples, room)
        codes = {label: code for code, label in enumerate(task.labels)}
        code_of = {tag: codes[str(label_name(task, tag))] for e in examples for tag in set(e["tags"])} if train else {}
        features: list[Feature] = []
        for index, example in enumerate(examples):
            words = [pieces_of[str(token)] for token in example["tokens"]]
            for first, last in _spans([len(w) for w in words], room):
                starts, ids = [], list(template.before)
                for word in words[first:last]:
                    starts.append(len(ids))
                    ids.extend(word)
                ids.extend(template.after)
                target = None
                if train:
                    target = np.full(len(ids), IGNORED, dtype=np.int64)
                    target[starts] = [code_of[tag] for tag in example["tags"][first:last]]
                note = {"starts": np.asarray(starts, dtype=np.int32)}
                features.append(Feature(index, ids, target=target, weight=float(last - first), note=note))
        return features

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        """Dropout and linear on every token."""
        from xharness_adapters.heads import EveryToken

        return EveryToken(hidden, len(task.labels), dropout)

    def loss(self, task: Task, logits: Tensor, features: Sequence[Feature]) -> Tensor:
        """Cross-entropy, summed over the words."""
        import torch
        from torch.nn import functional

        targets = np.full(logits.shape[:2], IGNORED, dtype=np.int64)
        for row, feature in enumerate(features):
            targets[row, : len(feature.target)] = feature.target
        wanted = torch.from_numpy(targets).to(logits.device, non_blocking=True)
        return functional.cross_entropy(logits.float().transpose(1, 2), wanted, ignore_index=IGNORED, reduction="sum")

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], logits: Iterator[Any]
    ) -> list[Any]:
        """A list of tags an example, as long as its words."""
        tags: list[list[str]] = [[] for _ in examples]
        for feature, rows in zip(features, logits, strict=True):
            tags[feature.example].extend(task.labels[code] for code in rows[starts_of(feature)].argmax(-1).tolist())
        return tags

    def reference(self, task: Task, example: Example) -> Any:
        """The names of the gold tags; one that the train split does not have stands as it is."""
        return [label_name(task, tag) or str(tag) for tag in example["tags"]]

    def shown(self, task: Task, case: Case) -> list[Line]:
        """Word by word with its tag; where the tag is wrong, the right one and the one that was said."""
        tokens = [str(token) for token in case.example.get("tokens") or [""] * len(case.reference)]
        parts: list[tuple[str, Mark]] = []
        for token, said, gold in zip(tokens, case.prediction, case.reference, strict=False):
            tag = f"{gold} (said {said})" if said != gold else gold
            parts += [(f"{token}/{tag}", "wrong" if said != gold else "right" if gold != "O" else ""), (" ", "")]
        return [Line("words", tuple(parts[:-1]))]

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        """The most frequent tag for every word."""
        tag = Counter(tag for tags in references for tag in tags).most_common(1)[0][0]
        return [[tag] * len(tags) for tags in references]


def starts_of(feature: Feature) -> NDArray[np.int32]:
    """Places of the first sub-words of a feature's words."""
    found: NDArray[np.int32] = (feature.note or {})["starts"]
    return found


def _word_pieces(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], room: int) -> dict[str, list[int]]:
    """Sub-words of every distinct word, at least one and at most `room`.

    Each word is encoded by itself, as XTREME does; one that vanishes in the tokenizer (a zero-width space) stands
    as the unknown token, so that it still gets a tag.
    """
    words = list(dict.fromkeys(str(token) for e in examples for token in e["tokens"]))
    # A byte-level BPE without a prefix space would see the word as a continuation.
    spaced = getattr(tokenizer, "add_prefix_space", None) is False
    found = sub_words(tokenizer, [f" {w}" for w in words] if spaced else words)
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
    return {word: ids[:room] or [int(unknown or 0)] for word, ids in zip(words, found, strict=True)}


def _spans(lengths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Runs of words that fit into `room` sub-words each, greedily."""
    first, used = 0, 0
    for index, length in enumerate(lengths):
        if used + length > room:
            yield first, index
            first, used = index, 0
        used += length
    yield first, len(lengths)
