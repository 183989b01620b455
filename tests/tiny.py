"""Small encoders with random weights, and small data sets, for tests that train in a second."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from xharness.spec.suite import Checkpoint
from xharness.spec.task import Data, Source, Task

WORDS = (
    "red", "blue", "green", "house", "tree", "river", "mountain", "small", "large", "old", "new", "sings", "runs",
    "sleeps", "dog", "cat", "bird", "fish",
)  # fmt: skip
NEGATIVE, POSITIVE = ("bad", "awful", "poor", "sad"), ("good", "great", "fine", "happy")
PIECES = ("今天", "天气", "公园", "วัน", "อากาศ", "ir", "ing", "tain", "ou")
LETTERS = "abcdefghijklmnopqrstuvwxyz今天气很好我们去公园สวัีครบนอกาศ0123456789.,?-"


def sentence(chance: random.Random, words: int = 6) -> str:
    """A few words in random order."""
    return " ".join(chance.choice(WORDS) for _ in range(words))


def _sentence_pieces() -> Tokenizer:
    known = [(f"▁{word}", -5.0) for word in (*WORDS, *NEGATIVE, *POSITIVE)]
    known += [(piece, -6.0) for piece in PIECES] + [(letter, -9.0) for letter in ("▁", *dict.fromkeys(LETTERS))]
    made = Tokenizer(models.Unigram([*((name, 0.0) for name in ROBERTA), *known], unk_id=3))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made


def _word_pieces() -> Tokenizer:
    letters = list(dict.fromkeys(LETTERS))
    known = [*BERT, *WORDS, *NEGATIVE, *POSITIVE, *letters, *(f"##{letter}" for letter in letters)]
    made = Tokenizer(models.WordPiece({word: code for code, word in enumerate(known)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BERT = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")


def make_tokenizer(folder: Path, bert: bool = False) -> PreTrainedTokenizerFast:
    """A sentencepiece-like tokenizer (XLM-R's shape) or a word-piece one (BERT's shape, with segments)."""
    if bert:
        made, names = _word_pieces(), BERT
        single, pair = "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"
        roles = dict(zip(("pad_token", "cls_token", "sep_token", "unk_token", "mask_token"), names, strict=True))
    else:
        made, names = _sentence_pieces(), ROBERTA
        single, pair = "<s> $A </s>", "<s> $A </s> </s> $B </s>"
        roles = dict(zip(("cls_token", "pad_token", "sep_token", "unk_token", "mask_token"), names, strict=True))
    special = [(name, made.token_to_id(name)) for name in names]
    made.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=special)
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if bert else ["input_ids", "attention_mask"]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, model_input_names=inputs, model_max_length=512, **roles)
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_encoder(folder: Path, bert: bool = False, vocabulary: int | None = None, hidden: int = 32) -> Checkpoint:
    """A three-layer encoder with random weights and its tokenizer in a folder."""
    tokenizer = make_tokenizer(folder, bert)
    shape: dict[str, Any] = {
        "vocab_size": vocabulary or len(tokenizer),
        "hidden_size": hidden,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 2 * hidden,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(0)
    if bert:
        model: Any = BertModel(BertConfig(**shape), add_pooling_layer=False)
    else:
        config = XLMRobertaConfig(**shape, max_position_embeddings=514, type_vocab_size=1)
        model = XLMRobertaModel(config, add_pooling_layer=False)
    model.save_pretrained(folder)
    return Checkpoint(name="tiny", path=str(folder))


def without_dropout(folder: Path) -> None:
    """Let the encoder of a folder train without dropout, for which two ways through it would draw other numbers."""
    path = folder / "config.json"
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    path.write_text(json.dumps({**json.loads(path.read_text()), **none}))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Source:
    """Rows as a jsonl file, and the source that reads it."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return Source(file=str(path))


def sentiment_rows(n: int, seed: int) -> list[dict[str, Any]]:
    """Sentences whose one telling word gives the label."""
    chance = random.Random(seed)
    rows = []
    for _ in range(n):
        label = chance.randrange(2)
        words = sentence(chance, chance.randint(3, 9)).split()
        words.insert(chance.randrange(len(words)), chance.choice((NEGATIVE, POSITIVE)[label]))
        rows.append({"text": " ".join(words), "label": label})
    return rows


def sentiment(folder: Path, name: str = "sentiment", n: int = 200, languages: tuple[str, ...] = ("en", "de")) -> Task:
    """A task that an encoder of this size learns in two epochs."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in languages:
        write_rows(folder / f"{name}.test.{language}.jsonl", sentiment_rows(60, 7))
    data = Data(
        train=(write_rows(folder / f"{name}.train.jsonl", sentiment_rows(n, 1)),),
        dev=(write_rows(folder / f"{name}.dev.jsonl", sentiment_rows(40, 2)),),
        test=(Source(file=str(folder / f"{name}.test.{{lang}}.jsonl")),),
    )
    return Task(
        name=name,
        title=name,
        adapter="classification",
        metric="accuracy",
        labels=("negative", "positive"),
        languages=languages,
        data=data,
    )
