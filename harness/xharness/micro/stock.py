"""What the built-in encoder is pretrained on: training facts told in every language, and their words' tokenizer."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from typing import NamedTuple

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from xharness.micro.datasets import LANGUAGES
from xharness.micro.pairs import asks
from xharness.micro.render import Sentence, language, render
from xharness.micro.world import COMPLEMENT, Fact, put, rivals, sample, told, values

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, CLS, SEP, MASK = 0, 2, 3, 4
LETTERS = ((0x21, 0x7F), (0xA1, 0x180), (0x370, 0x400), (0x400, 0x460), (0x620, 0x660), (0x900, 0x980))
POSITIONS = 512
Ids = list[int]


class Told(NamedTuple):
    """A sentence as token ids, and which of them fill each slot."""

    ids: Ids
    spans: dict[str, tuple[int, int]]


class Tale(NamedTuple):
    """One fact in every language: told, told in another order, asked about, and told with some slots changed."""

    said: dict[str, Told]
    again: dict[str, Told]
    asked: dict[str, Told]
    wrong: dict[str, Told]
    changed: tuple[str, ...]


class Stock(NamedTuple):
    """What there is to pretrain on: tales, and each language's `and` between sentences."""

    tales: list[Tale]
    joints: dict[str, Ids]


def build_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """A word-piece tokenizer whose pieces are `words`; other words fall apart into shorter ones and letters.

    Pieces carry no mark of where in a word they stand, so that Chinese needs no segmentation.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    known: set[str] = set()
    for word in set(words):
        parts = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(word))
        known.update(part for part, _ in parts)
    letters = {chr(code) for low, high in LETTERS for code in range(low, high)} | set("".join(known))
    letters = {letter.lower() for letter in letters if letter.isprintable() and len(letter.lower()) == 1}
    # An Arabic word that begins with the clitic `and` is that clitic and the word.
    whole = {word for word in known if not (word[0] == "و" and word[1:] in known)}
    pieces = [*SPECIAL, *sorted(letters), *sorted(whole - letters)]
    tokenizer.model = models.WordPiece(
        vocab={piece: index for index, piece in enumerate(pieces)},
        unk_token="[UNK]",
        continuing_subword_prefix="",
        max_input_chars_per_word=400,
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=POSITIONS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


SWAPS = {"meet": ("agent", "patient"), "travel": ("origin", "place")}


def near_miss(rng: random.Random, fact: Fact) -> Fact:
    """The fact with one detail replaced, its polarity turned, or two of its parts exchanged."""
    one, two = SWAPS.get(fact.frame, ("agent", "agent"))
    if getattr(fact, one) and one != two and rng.random() < 0.3:
        return put(fact, **{one: getattr(fact, two), two: getattr(fact, one)})
    slots = ["agent", *(slot for slot in (*told(fact), COMPLEMENT[fact.frame]) if rivals(fact, slot))]
    slot = rng.choice(slots)
    if rng.random() < 0.15:
        return put(fact, negated=not fact.negated, number=None)
    if slot == "agent":
        taken = {fact.agent, fact.patient}
        return put(fact, agent=rng.choice([agent for agent in values(fact, "agent") if agent not in taken]))
    return put(fact, **{slot: rng.choice(rivals(fact, slot))})


def tell(rng: random.Random) -> tuple[dict[str, dict[str, Sentence]], tuple[str, ...]]:
    """A training fact in the four forms of a `Tale`, rendered in every language, and the slots changed in the last."""
    fact = sample(rng, "train", 0.6)
    if rng.random() < 0.15:
        fact = put(fact, negated=True, number=None)
    wrong = near_miss(rng, fact)
    orders = rng.sample(("say", "front"), 2)
    forms = {
        "said": (fact, orders[0]),
        "again": (fact, orders[1]),
        "asked": (put(fact, negated=False), f"ask_{rng.choice(asks(fact))}"),
        "wrong": (wrong, rng.choice(orders)),
    }
    changed = tuple(slot for slot in Fact._fields if getattr(fact, slot) != getattr(wrong, slot))
    return {name: {code: render(code, *what) for code in LANGUAGES} for name, what in forms.items()}, changed


def prepare(rng: random.Random, facts: int) -> tuple[PreTrainedTokenizerFast, Stock]:
    """The tokenizer and everything tokenized."""
    rendered = [tell(rng) for _ in range(facts)]
    sentences = [text for forms, _ in rendered for form in forms.values() for text in form.values()]
    joints = {code: " ".join(item.word for item in language(code).templates["and.clauses"]) for code in LANGUAGES}
    tokens = (token for sentence in sentences for token in sentence.tokens)
    tokenizer = build_tokenizer(itertools.chain(joints.values(), tokens))
    coded = tokenizer([text.text for text in sentences], add_special_tokens=False, return_offsets_mapping=True)
    stream = map(_told, sentences, coded["input_ids"], coded["offset_mapping"])
    tales = []
    for forms, changed in rendered:
        said, again, asked, wrong = ({code: next(stream) for code in form} for form in forms.values())
        tales.append(Tale(said, again, asked, wrong, changed))
    between = tokenizer(list(joints.values()), add_special_tokens=False)["input_ids"]
    return tokenizer, Stock(tales, dict(zip(LANGUAGES, between, strict=True)))


def _told(sentence: Sentence, ids: Ids, offsets: list[tuple[int, int]]) -> Told:
    spans = {}
    for slot, (low, high) in sentence.spans.items():
        inside = [index for index, (begin, end) in enumerate(offsets) if begin < high and end > low]
        spans[slot] = (inside[0], inside[-1] + 1)
    return Told(ids, spans)
