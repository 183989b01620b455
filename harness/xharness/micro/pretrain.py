"""Pretrains the built-in encoder on the generator's own text: `python -m xharness.micro.pretrain --out DIR`.

Five objectives take turns, none of which sees a label of any task:

- *translate*: masked language modelling over a sentence and its translation (TLM; Conneau and Lample 2019);
- *passage*: the same over a question and a passage that tells its fact;
- *point*: a sentence with a part hidden and a passage that tells the same fact in another order or language: where
  in the passage is the hidden part? (recurring span selection; Ram et al. 2021);
- *match*: does the second segment tell the first one's fact, or one that differs in a single detail (next-sentence
  prediction with hard negatives; Devlin et al. 2019), and which words were replaced (ELECTRA; Clark et al. 2020)?
- *align*: mean-pooled sentence vectors of translations are drawn together (XLCO of InfoXLM; Chi et al. 2021).

Everything is drawn from training facts, and every random number follows from one seed.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from xharness.micro.datasets import LANGUAGES, VERSION
from xharness.micro.stock import CLS, MASK, PAD, POSITIONS, SEP, Ids, Stock, Told, prepare

SIZE, MIDDLE = 96, 2
FACTS, STEPS, PEAK, ROWS = 6000, 6000, 2e-3, 48
# How often each objective has its turn at the beginning and at the end: words first, then what they do together.
TURNS = {
    "translate": (0.6, 0.2),
    "passage": (0.1, 0.1),
    "point": (0.1, 0.3),
    "match": (0.17, 0.38),
    "align": (0.03, 0.02),
}


class Batch(NamedTuple):
    """Token ids, which segment each is in, and which are real, all of shape (rows, length)."""

    ids: Tensor
    segments: Tensor
    mask: Tensor


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


def begin_by_matching(encoder: BertModel) -> None:
    """Starts half of the attention heads so that a word looks at words like itself (Trockman and Kolter 2023).

    What every objective needs is to find a word's counterpart in the other segment. Left to chance, so small a model
    takes thousands of steps to discover that.
    """
    table = dict(encoder.named_parameters())
    with torch.no_grad():
        for name in ("position_embeddings", "token_type_embeddings"):
            table[f"embeddings.{name}.weight"].mul_(0.5)
        for name, weight in table.items():
            if name.endswith("self.query.weight"):
                nn.init.orthogonal_(weight[: SIZE // 2])
                table[name.replace("query", "key")][: SIZE // 2] = weight[: SIZE // 2]


class Pretrainer(nn.Module):
    """The encoder with the heads that pretraining needs and nobody keeps."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.encoder = BertModel(configuration(vocabulary))
        self.transform = nn.Sequential(nn.Linear(SIZE, SIZE), nn.GELU(), nn.LayerNorm(SIZE))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.match_head = nn.Linear(SIZE, 2)
        self.replaced_head = nn.Linear(SIZE, 1)
        self.point_head = nn.Linear(SIZE, 2)
        begin_by_matching(self.encoder)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The last states, the pooled first state, and the mean of the middle layer's states."""
        out = self.encoder(batch.ids, batch.mask, batch.segments, output_hidden_states=True)
        weights = batch.mask.unsqueeze(-1).float()
        mean = (out.hidden_states[MIDDLE] * weights).sum(1) / weights.sum(1)
        return out.last_hidden_state, out.pooler_output, mean

    def mask_loss(self, batch: Batch, chance: Tensor) -> Tensor:
        """Cross entropy of the tokens hidden, each with its own chance."""
        hidden = (torch.rand(batch.ids.shape) < chance) & (batch.ids > MASK)
        states, _, _ = self.encode(batch._replace(ids=batch.ids.masked_fill(hidden, MASK)))
        scores = self.transform(states[hidden]) @ self.encoder.embeddings.word_embeddings.weight.T + self.bias
        return functional.cross_entropy(scores, batch.ids[hidden])


def translate(model: Pretrainer, rng: random.Random, stock: Stock) -> Tensor:
    """Loss of masked modelling over translations."""
    pairs = []
    for tale in rng.choices(stock.tales, k=ROWS):
        one, two = rng.sample(LANGUAGES, 2)
        form = rng.choice((tale.said, tale.again, tale.asked))
        sides = [form[one].ids, form[two].ids]
        if rng.random() < 0.15:
            other = rng.choice(stock.tales).said
            both = zip(sides, (one, two), strict=True)
            sides = [[*ids[:-1], *stock.joints[code], *other[code].ids] for ids, code in both]
        pairs.append((sides[0], sides[1]))
    batch = collate(pairs)
    return model.mask_loss(batch, torch.full(batch.ids.shape, 0.25))


def languages(rng: random.Random, same: float) -> tuple[str, str]:
    """Two languages, the same one with probability `same`."""
    one = rng.choice(LANGUAGES)
    return one, one if rng.random() < same else rng.choice(LANGUAGES)


def among(rng: random.Random, stock: Stock, code: str, told: Told, most: int) -> tuple[Ids, int]:
    """The sentence among up to `most` others, some joined by `and`, and how far from the beginning it stands."""
    others = rng.choices(stock.tales, k=rng.randint(0, most))
    place = rng.randint(0, len(others))
    ids: Ids = []
    shift = 0
    for index, part in enumerate(
        [*(o.said[code] for o in others[:place]), told, *(o.said[code] for o in others[place:])]
    ):
        if index and rng.random() < 0.3:
            ids = [*ids[:-1], *stock.joints[code]]
        shift = len(ids) if index == place else shift
        ids = [*ids, *part.ids]
    return ids, shift


def passage(model: Pretrainer, rng: random.Random, stock: Stock) -> Tensor:
    """Loss of masked modelling over a question and a passage that tells its fact."""
    pairs = []
    for tale in rng.choices(stock.tales, k=ROWS // 2):
        one, two = languages(rng, 0.6)
        pairs.append((tale.asked[one].ids, among(rng, stock, two, tale.again[two], 3)[0]))
    batch = collate(pairs)
    return model.mask_loss(batch, torch.where(batch.segments == 0, 0.3, 0.12))


def point(model: Pretrainer, rng: random.Random, stock: Stock) -> Tensor:
    """Loss of finding in a passage what a sentence hides."""
    pairs, gold = [], []
    for tale in rng.choices(stock.tales, k=ROWS // 2):
        one, two = languages(rng, 0.6)
        slot = rng.choice([slot for slot in tale.said[one].spans if slot in tale.again[two].spans])
        ids, (low, high) = tale.said[one].ids, tale.said[one].spans[slot]
        first = [*ids[:low], MASK, *ids[high:]]
        second, shift = among(rng, stock, two, tale.again[two], 3)
        begin, end = (len(first) + 2 + shift + place for place in tale.again[two].spans[slot])
        gold.append((begin, end - 1))
        pairs.append((first, second))
    batch = collate(pairs)
    scores = model.point_head(model.encode(batch)[0])
    scores = scores.masked_fill((batch.segments == 0).unsqueeze(-1), -1e4)
    return functional.cross_entropy(scores, torch.tensor(gold))


def match(model: Pretrainer, rng: random.Random, stock: Stock) -> Tensor:
    """Loss of telling the same fact from one that differs in a detail, and of finding the words that differ."""
    pairs, labels, replaced = [], [], []
    for tale in rng.choices(stock.tales, k=ROWS):
        one, two = languages(rng, 0.5)
        labels.append(rng.randrange(2))
        told_as = tale.again[two] if labels[-1] else tale.wrong[two]
        second, shift = among(rng, stock, two, told_as, 2 if rng.random() < 0.25 else 0)
        pairs.append((tale.said[one].ids, second))
        known = {*tale.again[two].ids, *tale.said[two].ids}
        marks = [float(token not in known) for token in told_as.ids]
        for slot in () if labels[-1] else tale.changed:
            low, high = told_as.spans.get(slot, (0, 0))
            marks[low:high] = [1.0] * (high - low)
        replaced.append([0.0] * (len(tale.said[one].ids) + 2 + shift) + marks)
    batch = collate(pairs)
    states, pooled, _ = model.encode(batch)
    width = batch.ids.shape[1]
    gold = torch.tensor([row + [0.0] * (width - len(row)) for row in replaced])
    considered = (batch.segments == 1) & (batch.ids > MASK)
    found = model.replaced_head(states).squeeze(-1)[considered]
    loss = functional.cross_entropy(model.match_head(pooled), torch.tensor(labels))
    return loss + 2 * functional.binary_cross_entropy_with_logits(found, gold[considered])


def align(model: Pretrainer, rng: random.Random, stock: Stock) -> Tensor:
    """Contrastive loss between the sentence vectors of translations, in both directions."""
    sides: list[list[tuple[Ids, Ids]]] = [[], []]
    for tale in rng.sample(stock.tales, ROWS):
        form = rng.choice((tale.said, tale.again, tale.asked))
        for side, code in zip(sides, rng.sample(LANGUAGES, 2), strict=True):
            side.append((form[code].ids, []))
    one, two = (functional.normalize(model.encode(collate(side))[2], dim=-1) for side in sides)
    scores = one @ two.T / 0.07
    gold = torch.arange(ROWS)
    return (functional.cross_entropy(scores, gold) + functional.cross_entropy(scores.T, gold)) / 2


OBJECTIVES: dict[str, Callable[[Pretrainer, random.Random, Stock], Tensor]] = {
    "translate": translate,
    "passage": passage,
    "point": point,
    "match": match,
    "align": align,
}


def pretrain(out: Path, steps: int = STEPS, facts: int = FACTS, seed: int = 0) -> None:
    """Writes a pretrained encoder and its tokenizer to `out`; prints the losses as it goes."""
    rng = random.Random(f"{VERSION} pretrain {seed}")
    torch.manual_seed(seed)
    began = time.monotonic()
    tokenizer, stock = prepare(rng, facts)
    model = Pretrainer(len(tokenizer))
    print(f"{facts} facts, {len(tokenizer)} pieces, {sum(p.numel() for p in model.encoder.parameters()):,} parameters")
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=steps, pct_start=0.05)
    smooth: dict[str, float] = {}
    for step in range(1, steps + 1):
        turns = [first + (last - first) * min(1, 2 * step / steps) for first, last in TURNS.values()]
        name = rng.choices(tuple(TURNS), turns)[0]
        loss = OBJECTIVES[name](model, rng, stock)
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
