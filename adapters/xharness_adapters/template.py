"""Where a tokenizer puts its special tokens around one text and around two.

Windows, split sentences and choices are put together from sub-words here, so that every family cuts where it wants
to and not where a tokenizer would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from xharness.errors import HarnessError, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Template:
    """The special tokens of a tokenizer, by place."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    """Around one text."""
    pair: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    """Before the first of two texts, between them, after the second."""
    middle_types: tuple[int, ...]
    """Segment ids of the tokens between two texts."""
    second_type: int
    """Segment id of the second text; 0 where the tokenizer makes no segments."""

    @property
    def single_specials(self) -> int:
        """Special tokens of one text."""
        return len(self.before) + len(self.after)

    @property
    def pair_specials(self) -> int:
        """Special tokens of two texts."""
        return sum(map(len, self.pair))

    def one(self, ids: Sequence[int]) -> list[int]:
        """The input of one text."""
        return [*self.before, *ids, *self.after]

    def two(self, first: Sequence[int], second: Sequence[int]) -> tuple[list[int], list[int] | None]:
        """The input of two texts and its segment ids (None where all are 0)."""
        start, middle, end = self.pair
        ids = [*start, *first, *middle, *second, *end]
        if not self.second_type:
            return ids, None
        zeros = [0] * (len(start) + len(first))
        return ids, [*zeros, *self.middle_types, *([self.second_type] * (len(second) + len(end)))]


@lru_cache(maxsize=8)
def template_of(tokenizer: PreTrainedTokenizerBase) -> Template:
    """The template of a tokenizer, read off what it makes of two one-letter texts."""
    alone = [tokenizer(letter, add_special_tokens=False)["input_ids"] for letter in "ab"]
    one, two = tokenizer("a")["input_ids"], tokenizer("a", "b")
    ids, types = two["input_ids"], two.get("token_type_ids") or [0] * len(two["input_ids"])
    single = _place(one, alone[0], 0)
    first = _place(ids, alone[0], 0)
    second = _place(ids, alone[1], first.stop)
    return Template(
        before=tuple(one[: single.start]),
        after=tuple(one[single.stop :]),
        pair=(tuple(ids[: first.start]), tuple(ids[first.stop : second.start]), tuple(ids[second.stop :])),
        middle_types=tuple(types[first.stop : second.start]),
        second_type=types[second.start],
    )


def _place(ids: Sequence[int], piece: Sequence[int], begin: int) -> range:
    """Where a text stands in an input, from `begin` on."""
    for start in range(begin, len(ids) - len(piece) + 1):
        if list(ids[start : start + len(piece)]) == list(piece):
            return range(start, start + len(piece))
    what = "a letter is not tokenised alike by itself and between special tokens, so inputs cannot be put together."
    raise HarnessError(Problem("the tokenizer", what, "Use a checkpoint with another tokenizer."))


def sub_words(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """The sub-word ids of each text, without special tokens."""
    if not texts:
        return []
    found: list[list[int]] = tokenizer(
        list(texts), add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False, verbose=False
    )["input_ids"]
    return found
