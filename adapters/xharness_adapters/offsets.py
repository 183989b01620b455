"""Sub-words with their places in the text, also of tokenizers in Python, which do not tell them.

Those of characters (CANINE) and of bytes (ByT5) follow from the text itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xharness.errors import HarnessError, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Spans = list[tuple[int, int]]
"""First character and the one behind the last, of each sub-word."""


def placed_sub_words(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[tuple[list[int], Spans]]:
    """(ids, places) of each text, without special tokens; HarnessError for a tokenizer that cannot say the places."""
    if tokenizer.is_fast:
        found = tokenizer(
            list(texts),
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        return list(zip(found["input_ids"], found["offset_mapping"], strict=True))
    made = []
    for text in texts:
        ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        made.append((ids, _places(type(tokenizer).__name__, text, len(ids))))
    return made


def _places(kind: str, text: str, count: int) -> Spans:
    characters = [(i, i + 1) for i in range(len(text))]
    if kind == "CanineTokenizer" and count == len(text):
        return characters
    if kind == "ByT5Tokenizer" and count == len(text.encode()):
        return [place for place, letter in zip(characters, text, strict=True) for _ in letter.encode()]
    what = f"the tokenizer ({kind}) does not say where in the text its sub-words stand, which answers are cut out by."
    raise HarnessError(Problem("question answering", what, "Use a checkpoint with a fast tokenizer (tokenizer.json)."))
