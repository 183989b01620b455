"""The dual encoder: one encoder for queries and candidates, trained so that a query lies nearest to its own candidate.

Loss, scale and pooling are those of XTREME-R's retrieval models (google-research/xtreme third_party/bert.py and
xlm_roberta.py, …ForRetrieval): cross-entropy over the batch's candidates, a learned scale that begins at 100. There the
candidates are those of a micro-batch; here those of the recipe's batch, whatever fits on the device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xharness.adapter import Example, Feature
from xharness.search import ranked
from xharness.spec.recipe import Recipe
from xharness.spec.task import Task
from xharness_adapters import mewsli_x
from xharness_adapters.pairs import COLUMNS, Rows, paragraph_problem, training_pairs
from xharness_adapters.ranking import depths
from xharness_adapters.template import sub_words, template_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

QUERY, CANDIDATE, NEGATIVE = 0, 1, 2
"""What a feature is of its example."""


class Options(BaseModel):
    """Settings of a dual encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rows: Rows = "plain"
    """What the data's rows are: pairs {query, candidate, negatives}, SQuAD's questions, or Mewsli-X's pairs."""
    pooling: Literal["pooler", "mean", "cls"] = "pooler"
    """Dense and tanh on the first token (XTREME-R's), the mean over all tokens, the first token."""
    layer: int | None = None
    """Hidden layer that is pooled; the last if not said."""
    scale: float = Field(default=100.0, gt=0)
    """What cosines are multiplied by in the loss."""
    learned_scale: bool = True
    """Whether the scale is trained, too."""
    symmetric: bool = False
    """Whether candidates must find their queries, too."""
    query_length: int = Field(default=96, gt=2)
    """Sub-words of a query at the most."""
    candidate_length: int = Field(default=256, gt=2)
    """Sub-words of a candidate at the most; both no more than the recipe's length."""


class DualEncoder:
    """Queries and candidates through one encoder; the other candidates of the batch are the wrong ones."""

    name: ClassVar[str] = "dual_encoder"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, bool]] = COLUMNS
    metrics: ClassVar[tuple[str, ...]] = ("map_at_20", "recall_at_10", "mrr_at_20")
    options: ClassVar[type[BaseModel]] = Options
    trains: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("query", "candidate")
    whole_batch: ClassVar[bool] = True
    embeds: ClassVar[bool] = True
    kept: ClassVar[tuple[str, ...]] = ("candidate", "negatives")

    def check(self, task: Task, example: Example) -> str | None:
        """A pair needs both texts; what a question's data lack of them is told by their kind."""
        kind = _options(task).rows
        if kind == "squad":
            return paragraph_problem(example, answered=False)
        if kind == "mewsli_x":
            whole = example.get("contextual_mention") is not None
            return mewsli_x.row_problem(example) if whole else "a training row needs contextual_mention and entity."
        for column in ("query", "candidate"):
            if not isinstance(example.get(column), str) or not example[column].strip():
                return f"the {column} is empty."
        negatives = example.get("negatives")
        if negatives is not None and (isinstance(negatives, str) or not all(isinstance(n, str) for n in negatives)):
            return f"negatives must be a list of texts, found {str(negatives)[:80]}."
        return None

    def unfold(self, task: Task, example: Example, train: bool) -> Iterator[Example]:
        """The pairs of a row."""
        return training_pairs(_options(task).rows, example)

    def layer(self, task: Task) -> int | None:
        """The hidden layer that is pooled."""
        return _options(task).layer

    def encode(
        self, task: Task, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, recipe: Recipe, train: bool
    ) -> list[Feature]:
        """The query, its candidate, and the wrong candidates that the data name."""
        options, template = _options(task), template_of(tokenizer)
        texts = [[(QUERY, e["query"]), (CANDIDATE, e["candidate"]), *_negatives(e)] for e in examples]
        found = iter(sub_words(tokenizer, [text.strip() for several in texts for _, text in several]))
        features: list[Feature] = []
        for index, several in enumerate(texts):
            for side, _ in several:
                length = options.query_length if side == QUERY else options.candidate_length
                room = max(1, min(length, recipe.max_length) - template.single_specials)
                # One term of the loss an example: its query's.
                weight = float(side == QUERY)
                features.append(Feature(index, template.one(next(found)[:room]), None, side, weight, {"side": side}))
        return features

    def head(self, task: Task, hidden: int, dropout: float) -> nn.Module:
        """Pooling, and the length that makes products of embeddings scaled cosines."""
        from xharness_adapters.heads import Embedding

        options = _options(task)
        return Embedding(hidden, options.pooling, options.scale, options.learned_scale)

    def loss(self, task: Task, outputs: Tensor, features: Sequence[Feature]) -> Tensor:
        """Cross-entropy of each query over all candidates of the batch, summed over queries.

        A candidate that reads as a query's own is no wrong one, and takes no part in its choice.
        """
        import torch
        from torch.nn import functional

        sides = np.array([f.target for f in features])
        queries, candidates = np.flatnonzero(sides == QUERY), np.flatnonzero(sides != QUERY)
        # The candidate of a query stands right behind it.
        own = np.searchsorted(candidates, queries + 1)
        texts = [np.asarray(features[place].ids, dtype=np.int32).tobytes() for place in candidates.tolist()]
        alike = np.array([[text == texts[place] for text in texts] for place in own])
        alike[np.arange(len(own)), own] = False

        def chosen(rows: Any, columns: Any, masked: Any, right: Any) -> Tensor:
            scores = outputs[rows].float() @ outputs[columns].float().T
            hidden = torch.from_numpy(masked).to(scores.device)
            wanted = torch.from_numpy(right).to(scores.device)
            return functional.cross_entropy(scores.masked_fill(hidden, float("-inf")), wanted, reduction="sum")

        whole = chosen(queries, candidates, alike, own)
        if not _options(task).symmetric:
            return whole
        back = alike[:, own].T.copy()
        return (whole + chosen(candidates[own], queries, back, np.arange(len(own)))) / 2

    def decode(
        self, task: Task, examples: Sequence[Example], features: Sequence[Feature], outputs: Iterator[Any]
    ) -> list[Any]:
        """Names of the nearest candidates among all of the split, the best first."""
        vectors = np.stack(list(outputs)).astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        sides = np.array([int((f.note or {})["side"]) for f in features])
        names = [name for e in examples for name in ("", *map(_name, (e["candidate"], *(e.get("negatives") or ()))))]
        pool = {names[place]: place for place in np.flatnonzero(sides != QUERY)[::-1].tolist()}
        known, places = list(pool), np.array(list(pool.values()))
        depth = max(depths(task).values())
        found = ranked(vectors[sides == QUERY], [vectors[places]], min(depth, len(known)))
        return [[known[place] for place in row] for row in found.tolist()]

    def reference(self, task: Task, example: Example) -> Any:
        """The name of its candidate."""
        return [_name(example["candidate"])]

    def trivial(self, references: Sequence[Any]) -> list[Any]:
        """Nothing can be said without a model."""
        return []


def _options(task: Task) -> Options:
    return Options(**task.options)


def _negatives(example: Example) -> list[tuple[int, str]]:
    return [(NEGATIVE, text) for text in example.get("negatives") or ()]


def _name(text: str) -> str:
    """A candidate is known by what it reads."""
    return hashlib.blake2b(text.strip().encode(), digest_size=8).hexdigest()
