"""The heads: small modules from hidden states to logits, begun as transformers begins its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STANDARD_DEVIATION = 0.02
"""Of fresh weights; BERT's and XLM-R's `initializer_range`."""


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=STANDARD_DEVIATION)
    nn.init.zeros_(layer.bias)
    return layer


class FirstToken(nn.Module):
    """Dense, tanh, linear on the first token: RobertaClassificationHead in transformers.

    Of a model that reads from left to right the first token has seen nothing; there it is the last real one, as in
    transformers' LlamaForSequenceClassification.
    """

    causal = False
    """Set by the harness where the encoder reads from left to right only."""

    def __init__(self, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dense = _linear(hidden, hidden)
        self.out = _linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """[batch, length, hidden] -> [batch, outputs]."""
        place = mask.sum(dim=1) - 1 if self.causal else torch.zeros(len(states), dtype=torch.long, device=states.device)
        whole = states[torch.arange(len(states), device=states.device), place]
        first = torch.tanh(self.dense(self.dropout(whole)))
        logits: Tensor = self.out(self.dropout(first))
        return logits


class EveryToken(nn.Module):
    """Dropout and linear on every token: RobertaForTokenClassification and …ForQuestionAnswering (no dropout)."""

    def __init__(self, hidden: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.out = _linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """[batch, length, hidden] -> [batch, length, outputs]."""
        logits: Tensor = self.out(self.dropout(states))
        return logits


class Embedding(nn.Module):
    """A vector for each input, of length √scale, so that the product of two is their cosine times the scale.

    `pooler` is dense and tanh on the first token, as BertModel's; `mean` is over all real tokens.
    """

    def __init__(self, hidden: int, pooling: str, scale: float, learned: bool) -> None:
        super().__init__()
        self.pooling = pooling
        if pooling == "pooler":
            self.dense = _linear(hidden, hidden)
        self.length = nn.Parameter(torch.tensor(scale**0.5), requires_grad=learned)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """[batch, length, hidden] -> [batch, hidden]."""
        if self.pooling == "mean":
            kept = mask.unsqueeze(-1).to(states.dtype)
            pooled = (states * kept).sum(dim=1) / kept.sum(dim=1)
        else:
            pooled = states[:, 0]
        if self.pooling == "pooler":
            pooled = torch.tanh(self.dense(pooled))
        return nn.functional.normalize(pooled.float(), dim=-1) * self.length
