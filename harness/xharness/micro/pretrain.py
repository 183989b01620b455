"""Pretrains the built-in encoder on the generator's own text: `python -m xharness.micro.pretrain --out DIR`.

Four objectives take turns, none of which sees a label of any task:

- *translate*: masked language modelling over a sentence and its translation (TLM; Conneau and Lample 2019);
- *passage*: the same over a sentence or question and a passage that tells the same fact, so that what is
  masked on one side can be found on the other;
- *match*: next-sentence prediction with hard negatives (after Devlin et al. 2019): does the second segment tell
  the first one's fact, in the same or another language, or one that differs in a single detail? And which of
  its words were replaced (ELECTRA; Clark et al. 2020)?
- *align*: mean-pooled sentence vectors of translations are drawn together (XLCO of InfoXLM; Chi et al. 2021).

Everything is drawn from training facts, and every random number follows from one seed.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from xharness.micro.datasets import LANGUAGES, VERSION
from xharness.micro.pairs import asks
from xharness.micro.render import Sentence, render
from xharness.micro.world import COMPLEMENT, Fact, put, rivals, sample, told, values

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, CLS, SEP, MASK = 0, 2, 3, 4
LETTERS = ((0x21, 0x7F), (0xA1, 0x180), (0x370, 0x400), (0x400, 0x460), (0x620, 0x660), (0x900, 0x980))
SIZE, POSITIONS = 96, 512
MIDDLE = 2
FACTS, STEPS, PEAK, ROWS = 16000, 9000, 2e-3, 48
TURNS = {"translate": 0.3, "passage": 0.25, "match": 0.4, "align": 0.05}
Ids = list[int]


class Tale(NamedTuple):
    """One fact in every language: told, told in another order, asked about, and told with one detail changed."""

    said: dict[str, Ids]
    again: dict[str, Ids]
    asked: dict[str, Ids]
    wrong: dict[str, Ids]


class Batch(NamedTuple):
    """Token ids, which segment each is in, and which are real, all of shape (rows, length)."""

    ids: Tensor
    segments: Tensor
    mask: Tensor


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


def near_miss(rng: random.Random, fact: Fact) -> Fact:
    """The fact with one detail replaced, or with its polarity turned."""
    slots = ["agent", *(slot for slot in (*told(fact), COMPLEMENT[fact.frame]) if rivals(fact, slot))]
    slot = rng.choice(slots)
    if slot == "agent" or rng.random() < 0.15:
        if rng.random() < 0.5:
            return put(fact, negated=not fact.negated, number=None)
        taken = {fact.agent, fact.patient}
        return put(fact, agent=rng.choice([agent for agent in values(fact, "agent") if agent not in taken]))
    return put(fact, **{slot: rng.choice(rivals(fact, slot))})


def tell(rng: random.Random) -> dict[str, dict[str, Sentence]]:
    """A training fact in the four forms of a `Tale`, rendered in every language."""
    fact = sample(rng, "train", 0.6)
    if rng.random() < 0.15:
        fact = put(fact, negated=True, number=None)
    orders = rng.sample(("say", "front"), 2)
    forms = {
        "said": (fact, orders[0]),
        "again": (fact, orders[1]),
        "asked": (put(fact, negated=False), f"ask_{rng.choice(asks(fact))}"),
        "wrong": (near_miss(rng, fact), rng.choice(orders)),
    }
    return {name: {code: render(code, *what) for code in LANGUAGES} for name, what in forms.items()}


def prepare(rng: random.Random, facts: int) -> tuple[PreTrainedTokenizerFast, list[Tale]]:
    """The tokenizer and the tokenized tales."""
    told_facts = [tell(rng) for _ in range(facts)]
    sentences = [(code, text) for forms in told_facts for form in forms.values() for code, text in form.items()]
    tokenizer = build_tokenizer(token for _, sentence in sentences for token in sentence.tokens)
    ids = tokenizer([sentence.text for _, sentence in sentences], add_special_tokens=False)["input_ids"]
    stream = iter(ids)
    tales = [Tale(*({code: next(stream) for code in form} for form in forms.values())) for forms in told_facts]
    return tokenizer, tales


def collate(pairs: list[tuple[Ids, Ids]]) -> Batch:
    """Pairs of segments as one padded batch; an empty second segment leaves the first alone."""
    rows = [([CLS, *a, SEP], [*b, SEP] if b else []) for a, b in pairs]
    length = max(len(a) + len(b) for a, b in rows)
    ids = torch.tensor([a + b + [PAD] * (length - len(a) - len(b)) for a, b in rows])
    segments = torch.tensor([[0] * len(a) + [1] * len(b) + [0] * (length - len(a) - len(b)) for a, b in rows])
    return Batch(ids, segments, (ids != PAD).long())


def configuration(vocabulary: int) -> BertConfig:
    """The shape of the encoder."""
    return BertConfig(
        vocab_size=vocabulary,
        pad_token_id=PAD,
        hidden_size=SIZE,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=POSITIONS,
        # Without dropout a step on a CPU takes half the time, and so small a model has nothing to spare.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


class Pretrainer(nn.Module):
    """The encoder with the heads that pretraining needs and nobody keeps."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.encoder = BertModel(configuration(vocabulary), add_pooling_layer=False)
        self.transform = nn.Sequential(nn.Linear(SIZE, SIZE), nn.GELU(), nn.LayerNorm(SIZE))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.match_head = nn.Linear(SIZE, 2)
        self.replaced_head = nn.Linear(SIZE, 1)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The last states, and the mean of the middle layer's states."""
        out = self.encoder(batch.ids, batch.mask, batch.segments, output_hidden_states=True)
        weights = batch.mask.unsqueeze(-1).float()
        mean = (out.hidden_states[MIDDLE] * weights).sum(1) / weights.sum(1)
        return out.last_hidden_state, mean

    def mask_loss(self, batch: Batch, chance: Tensor) -> Tensor:
        """Cross entropy of the tokens hidden, each with its own chance."""
        hidden = (torch.rand(batch.ids.shape) < chance) & (batch.ids > MASK)
        states, _ = self.encode(batch._replace(ids=batch.ids.masked_fill(hidden, MASK)))
        scores = self.transform(states[hidden]) @ self.encoder.embeddings.word_embeddings.weight.T + self.bias
        return functional.cross_entropy(scores, batch.ids[hidden])


def translate(model: Pretrainer, rng: random.Random, tales: list[Tale]) -> Tensor:
    """Loss of masked modelling over translations."""
    pairs = []
    for tale in rng.choices(tales, k=ROWS):
        one, two = rng.sample(LANGUAGES, 2)
        form = rng.choice((tale.said, tale.again, tale.asked))
        pairs.append((form[one], form[two]))
    batch = collate(pairs)
    return model.mask_loss(batch, torch.full(batch.ids.shape, 0.25))


def passage(model: Pretrainer, rng: random.Random, tales: list[Tale]) -> Tensor:
    """Loss of masked modelling over a sentence and a passage that holds its fact."""
    pairs = []
    for tale in rng.choices(tales, k=ROWS // 2):
        one = rng.choice(LANGUAGES)
        two = one if rng.random() < 0.6 else rng.choice(LANGUAGES)
        others = [other.said[two] for other in rng.choices(tales, k=rng.randint(0, 3))]
        told_as = [tale.again[two], *others]
        rng.shuffle(told_as)
        first = tale.said if rng.random() < 0.5 else tale.asked
        pairs.append((first[one], [token for ids in told_as for token in ids]))
    batch = collate(pairs)
    chance = torch.where(batch.segments == 0, 0.3, 0.12)
    return model.mask_loss(batch, chance)


def match(model: Pretrainer, rng: random.Random, tales: list[Tale]) -> Tensor:
    """Loss of telling the same fact from one that differs in a detail, and of finding the words that differ."""
    pairs, labels, replaced = [], [], []
    for tale in rng.choices(tales, k=ROWS):
        one = rng.choice(LANGUAGES)
        two = one if rng.random() < 0.5 else rng.choice(LANGUAGES)
        labels.append(rng.randrange(2))
        second = tale.again[two] if labels[-1] else tale.wrong[two]
        known = {*tale.again[two], *tale.said[two]}
        before, after = ([], []) if rng.random() < 0.75 else (rng.choice(tales).said[two], rng.choice(tales).said[two])
        pairs.append((tale.said[one], before + second + after))
        blank = [0.0] * (len(tale.said[one]) + len(before) + 2)
        replaced.append([*blank, *(float(token not in known) for token in second)])
    batch = collate(pairs)
    states, _ = model.encode(batch)
    width = batch.ids.shape[1]
    gold = torch.tensor([row + [0.0] * (width - len(row)) for row in replaced])
    considered = (batch.segments == 1) & (batch.ids > MASK)
    found = model.replaced_head(states).squeeze(-1)[considered]
    loss = functional.cross_entropy(model.match_head(states[:, 0]), torch.tensor(labels))
    return loss + 2 * functional.binary_cross_entropy_with_logits(found, gold[considered])


def align(model: Pretrainer, rng: random.Random, tales: list[Tale]) -> Tensor:
    """Contrastive loss between the sentence vectors of translations, in both directions."""
    sides: list[list[tuple[Ids, Ids]]] = [[], []]
    for tale in rng.sample(tales, ROWS):
        form = rng.choice((tale.said, tale.again, tale.asked))
        for side, code in zip(sides, rng.sample(LANGUAGES, 2), strict=True):
            side.append((form[code], []))
    one, two = (functional.normalize(model.encode(collate(side))[1], dim=-1) for side in sides)
    scores = one @ two.T / 0.07
    gold = torch.arange(ROWS)
    return (functional.cross_entropy(scores, gold) + functional.cross_entropy(scores.T, gold)) / 2


OBJECTIVES: dict[str, Callable[[Pretrainer, random.Random, list[Tale]], Tensor]] = {
    "translate": translate,
    "passage": passage,
    "match": match,
    "align": align,
}


def pretrain(out: Path, steps: int = STEPS, facts: int = FACTS, seed: int = 0) -> None:
    """Writes a pretrained encoder and its tokenizer to `out`; prints the losses as it goes."""
    rng = random.Random(f"{VERSION} pretrain {seed}")
    torch.manual_seed(seed)
    began = time.monotonic()
    tokenizer, tales = prepare(rng, facts)
    model = Pretrainer(len(tokenizer))
    print(f"{facts} facts, {len(tokenizer)} pieces, {sum(p.numel() for p in model.encoder.parameters()):,} parameters")
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=steps, pct_start=0.05)
    smooth: dict[str, float] = {}
    for step in range(1, steps + 1):
        name = rng.choices(tuple(TURNS), tuple(TURNS.values()))[0]
        loss = OBJECTIVES[name](model, rng, tales)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        smooth[name] = 0.98 * smooth.get(name, loss.item()) + 0.02 * loss.item()
        if step % 250 == 0 or step == steps:
            losses = "  ".join(f"{key} {smooth[key]:.3f}" for key in TURNS if key in smooth)
            print(f"step {step:>6}/{steps}  {losses}  {time.monotonic() - began:.0f} s", flush=True)
    model.encoder.half().save_pretrained(out)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(out)


def main() -> None:
    """Command line of `python -m xharness.micro.pretrain`."""
    parser = argparse.ArgumentParser(prog="python -m xharness.micro.pretrain", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--facts", type=int, default=FACTS)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pretrain(arguments.out, arguments.steps, arguments.facts, arguments.seed)


if __name__ == "__main__":
    main()
