"""Extractive question answering: SQuAD, XQuAD, MLQA, TyDiQA-GoldP.

Answers are cut from the original context by character offsets and never put together from sub-words: SQuAD's
`get_final_text` destroys Chinese answers (huggingface/transformers#3510).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from xharness.adapter import Case, Example, Feature, Line
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task
from xharness_adapters.offsets import placed_sub_words
from xharness_adapters.shown import place_of, within
from xharness_adapters.template import sub_words, template_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

Offsets = NDArray[np.int32]
"""First character and the one behind the last, of each sub-word [sub-words, 2]."""


class Options(BaseModel):
    """Settings of a question answering task; the defaults are those of the SQuAD scripts in transformers."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_answer_length: int = Field(default=30, gt=0)
    """Sub-words of an answer at the most."""
    n_best: int = Field(default=20, gt=0)
    """Starts and ends that are combined, of each window."""
    max_question_length: int = Field(default=64, gt=0)
    """Sub-words of a question; what is longer is cut off its end."""
    unanswerable: bool | None = None
    """Whether questions may have no answer; then '' is predicted where the empty span scores best (SQuAD v2.0).
    Absent: whether the task's metric is `squad_v2`."""
    null_threshold: float = 0.0
    """How far the empty span may score above the best answer before '' is predicted."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where a feature's context lies."""

    first: int
    """Place of the context's first sub-word in the feature."""
    offsets: Offsets
    """Of the window's sub-words, in characters of the whole context."""


class QuestionAnswering:
    """A span of the context; start and end by a linear layer on every sub-word."""

    name: ClassVar[str] = "question_answering"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = {"context": True, "question": True, "answers": True}
    metrics: ClassVar[tuple[str, ...]] = ("squad", "squad_v2", "mlqa")
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("context", "question")
    exported: ClassVar[str] = "QuestionAnswering"
    kept: ClassVar[tuple[str, ...]] = ("context",)

    def settled(self, task: Task) -> Options:
        """Whether questions may have no answer follows from the metric, unless the task says it."""
        return _options(task)

    def check(self, task: Task, example: Example) -> str | None:
        """Every answer must stand in the context where its offset says."""
        context, question = example["context"], example["question"]
        if not isinstance(context, str) or not context.strip():
            return "the context is empty."
        if not isinstance(question, str) or not question.strip():
            return "the question is empty."
        try:
            answers = spans(example)
        except (KeyError, TypeError, ValueError):
            return f"answers must be {{text: […], answer_start: […]}}, found {str(example['answers'])[:80]}."
        if not answers and not _options(task).unanswerable:
            return "the question has no answer; set options.unanswerable = true if that is meant."
        for text, start in answers:
            found = context[start : start + len(text)] if start >= 0 else ""
            if not text:
                return "an answer is empty."
            if not 0 <= start <= len(context) - len(text):
                return f"the answer '{text[:40]}' at {start} lies outside the context of {len(context)} characters."
            if found != text:
                return f"the answer '{text[:40]}' is not at {start}, where the context has '{found[:40]}'."
        return None

    def encode(
        self, task: Task, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, recipe: Recipe, train: bool
    ) -> list[Feature]:
        """One feature a window; windows overlap by the recipe's stride and together hold the whole context."""
        template = template_of(tokenizer)
        most = min(_options(task).max_question_length, max(1, recipe.max_length // 2))
        questions = sub_words(tokenizer, [e["question"].strip() for e in examples])
        contexts = _contexts(tokenizer, examples)
        features: list[Feature] = []
        for index, (example, question) in enumerate(zip(examples, questions, strict=True)):
            ids, offsets = contexts[example["context"]]
            first = len(template.pair[0]) + len(question[:most]) + len(template.pair[1])
            room = max(1, recipe.max_length - template.pair_specials - len(question[:most]))
            gold = _gold(example, offsets) if train else None
            for begin in _windows(len(ids), room, recipe.doc_stride):
                held, types = template.two(question[:most], ids[begin : begin + room])
                inside = offsets[begin : begin + room]
                target = _target(gold, begin, first, len(inside)) if train else None
                note = {"first": first, "offsets": inside}
                features.append(Feature(index, held, types, target, note=note))
        return features

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        """Linear on every token, to start and end."""
        from xharness_adapters.heads import EveryToken

        return EveryToken(hidden, 2)

    def loss(self, task: Task, logits: Tensor, features: Sequence[Feature]) -> Tensor:
        """Mean of the cross-entropies of start and end, summed over windows; padding takes part in neither."""
        import torch
        from torch.nn import functional

        targets = torch.from_numpy(np.array([f.target for f in features], dtype=np.int64)).to(
            logits.device, non_blocking=True
        )
        lengths = torch.tensor([len(f.ids) for f in features]).to(logits.device, non_blocking=True)
        outside = torch.arange(logits.shape[1], device=logits.device) >= lengths[:, None]
        scores = logits.float().masked_fill(outside[:, :, None], float("-inf"))
        start, end = (functional.cross_entropy(scores[:, :, i], targets[:, i], reduction="sum") for i in (0, 1))
        return (start + end) / 2

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], logits: Iterator[Any]
    ) -> list[Any]:
        """The best span over an example's windows, cut from its context; '' where there is none."""
        options = _options(task)
        best = [(-np.inf, "")] * len(examples)
        null = [np.inf] * len(examples)
        for feature, scores in zip(features, logits, strict=True):
            at = feature.example
            null[at] = min(null[at], float(scores[0].sum()))
            score, span = best_span(scores, window_of(feature), options.n_best, options.max_answer_length)
            if span and score > best[at][0]:
                best[at] = (score, examples[at]["context"][span[0] : span[1]].strip())
        if options.unanswerable:
            return [
                "" if empty - score > options.null_threshold else text
                for empty, (score, text) in zip(null, best, strict=True)
            ]
        return [text for _, text in best]

    def reference(self, task: Task, example: Example) -> Any:
        """The texts of the gold answers; empty where there is none."""
        return [text for text, _ in spans(example)]

    def shown(self, task: Task, case: Case) -> list[Line]:
        """The question, and the context around the right answer and the one that was given."""
        if "context" not in case.example:
            return []
        text, golds = str(case.example["context"]), spans(case.example)
        gold = (golds[0][1], golds[0][1] + len(golds[0][0])) if golds else None
        said = place_of(text, str(case.prediction), gold[0] if gold else 0)
        return [Line("question", ((str(case.example["question"]), ""),)), Line("context", within(text, said, gold))]

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        """No answer: right for what cannot be answered, wrong for the rest."""
        return [""] * len(references)


def _options(task: Task) -> Options:
    return Options(**{"unanswerable": "squad_v2" in (task.metric, *task.also), **task.options})


def window_of(feature: Feature) -> Window:
    """Where a feature's context lies."""
    note = feature.note or {}
    return Window(int(note["first"]), note["offsets"])


def spans(example: Example) -> list[tuple[str, int]]:
    """(text, first character) of every gold answer, from either of SQuAD's two forms."""
    answers = example["answers"]
    if isinstance(answers, Mapping):
        pairs = list(zip(answers["text"], answers["answer_start"], strict=True))
    else:
        pairs = [(answer["text"], answer["answer_start"]) for answer in answers]
    return [(str(text), int(start)) for text, start in pairs]


def _contexts(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]) -> dict[str, tuple[list[int], Offsets]]:
    """Sub-words and offsets of every distinct context; several questions share one."""
    texts = list(dict.fromkeys(e["context"] for e in examples))
    found = placed_sub_words(tokenizer, texts)
    return {text: (ids, trimmed(text, offsets)) for text, (ids, offsets) in zip(texts, found, strict=True)}


def trimmed(text: str, offsets: Sequence[tuple[int, int]]) -> Offsets:
    """A tokenizer's offsets as answers have them: without the space before a word, with the marks behind a letter.

    A sentence-piece carries the space before it; and where normalisation joins a letter with its accents, or drops
    them, the offsets end behind the letter.
    """
    found: list[tuple[int, int]] = []
    bound = len(text)
    for first, last in reversed(offsets):
        start, end = first, last
        while start < end and text[start].isspace():
            start += 1
        # No further than the next sub-word, which may begin with a mark of its own (a Thai vowel).
        while start < end < bound and unicodedata.category(text[end])[0] == "M":
            end += 1
        if start < end:
            bound = min(bound, start)
        found.append((start, end))
    return np.array(found[::-1], dtype=np.int32).reshape(-1, 2)


def _windows(length: int, room: int, overlap: int) -> Iterator[int]:
    """Starts of the windows over a context."""
    # A long question leaves little room; windows that hardly advance would be without number.
    step = max(1, room - min(overlap, room // 2))
    begin = 0
    yield begin
    while begin + room < length:
        begin += step
        yield begin


def _gold(example: Example, offsets: Offsets) -> tuple[int, int] | None:
    """First and last sub-word of the first gold answer; None where there is none."""
    answers = spans(example)
    if not answers:
        return None
    text, start = answers[0]
    inside = np.flatnonzero(
        (offsets[:, 0] < start + len(text)) & (offsets[:, 1] > start) & (offsets[:, 0] < offsets[:, 1])
    )
    if not len(inside):
        return None
    # Before a word without a space a sentence-piece model puts a bare space mark with the word's own offset.
    beginning = inside[offsets[inside, 0] == offsets[inside[0], 0]]
    return int(beginning[-1]), int(inside[-1])


def _target(gold: tuple[int, int] | None, begin: int, first: int, length: int) -> tuple[int, int]:
    """Places of start and end in a window; those of the first token when the answer is not wholly inside."""
    if gold is None or gold[0] < begin or gold[1] >= begin + length:
        return 0, 0
    return gold[0] - begin + first, gold[1] - begin + first


def best_span(
    scores: NDArray[np.float32], window: Window, n_best: int, longest: int
) -> tuple[float, tuple[int, int] | None]:
    """Highest start + end score [sub-words, 2] of a span in the window's context, and the span in characters."""
    count = len(window.offsets)
    if not count:
        return -np.inf, None
    inside = scores[window.first : window.first + count]
    most = min(n_best, count)
    starts, ends = (np.argpartition(-inside[:, side], most - 1)[:most] for side in (0, 1))
    sums = inside[starts, 0][:, None] + inside[ends, 1][None, :]
    lengths = ends[None, :] - starts[:, None] + 1
    empty = window.offsets[ends, 1][None, :] <= window.offsets[starts, 0][:, None]
    sums = np.where((lengths < 1) | (lengths > longest) | empty, -np.inf, sums)
    place = int(sums.argmax())
    row, column = divmod(place, most)
    if not np.isfinite(sums[row, column]):
        return -np.inf, None
    return float(sums[row, column]), (int(window.offsets[starts[row], 0]), int(window.offsets[ends[column], 1]))
