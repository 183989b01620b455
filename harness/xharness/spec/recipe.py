"""The recipe: the settings of one training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from xharness.spec.base import Spec


class Lora(Spec):
    """Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685): the encoder's own weights stay, small ones are added.

    Heads are trained whole.
    """

    rank: int = Field(default=8, gt=0)
    """Of the low-rank weights."""
    alpha: float = Field(default=16.0, gt=0)
    """The update is scaled by alpha / rank."""
    modules: tuple[str, ...] | None = None
    """Ends of the names of the linear layers that get one; those that peft has for the kind of model when absent."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """On their inputs."""
    keep: bool = False
    """The small weights are stored instead of a whole encoder, and put on what they were trained on when they are read;
    if not, they are merged into the encoder at the end of the training."""


class Recipe(Spec):
    """The training settings of a task; every one of them counts in the content key."""

    epochs: float = Field(default=3, gt=0)
    """Times that every example is seen."""
    steps: int | None = Field(default=None, gt=0)
    """Optimiser steps, instead of epochs."""
    learning_rate: float = Field(default=2e-5, gt=0)
    """The highest, after the warm-up."""
    head_learning_rate: float | None = Field(default=None, gt=0)
    """Of the heads, where it is not the encoder's."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Every layer learns at this share of the rate of the layer above it, the embeddings at that of the lowest
    (Clark et al. 2020, arXiv 2003.10555, appendix B)."""
    batch_size: int = Field(default=32, gt=0)
    """Examples per optimiser step, whatever the device holds at once."""
    warmup: float = Field(default=0.0, ge=0)
    """Below 1 a share of all steps, otherwise a number of steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled (AdamW)."""
    clip: float = Field(default=1.0, ge=0)
    """Bound on the gradient's norm; 0 is none."""
    adam_epsilon: float = Field(default=1e-8, gt=0)
    """Of AdamW."""
    schedule: Literal["linear", "constant", "cosine"] = "linear"
    """Of the learning rate after the warm-up."""
    max_length: int = Field(default=128, ge=8)
    """Sub-word tokens of one input, special tokens included."""
    doc_stride: int = Field(default=128, ge=1)
    """Overlap of the windows over a long context, in sub-word tokens."""
    evaluations: int = Field(default=0, ge=0)
    """How often the dev set is scored during training, evenly spaced; 0 is never."""
    select: Literal["best", "last", "mean"] = "last"
    """Which state is kept: of the scored ones the best on dev; the last; the mean of the last `average` weights."""
    average: int = Field(default=3, ge=2)
    """How many of the evenly spaced states `select = "mean"` averages."""
    patience: int | None = Field(default=None, gt=0)
    """The training stops after so many evaluations without a better score than before."""
    freeze: Literal["nothing", "embeddings", "encoder"] | int = "nothing"
    """What is not trained: the embeddings; those and so many of the lowest layers; the whole encoder, which makes the
    training a probe."""
    lora: Lora | None = None
    """Low-rank weights in place of the whole encoder."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """What is computed in: `auto` is bf16 on GPUs that have it, else fp32."""

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.select == "best" and not self.evaluations:
            raise ValueError('select = "best" needs evaluations >= 1: nothing would be compared')
        if self.patience is not None and self.evaluations <= self.patience:
            raise ValueError(f"patience = {self.patience} needs more than {self.patience} evaluations")
        if self.select == "mean" and self.evaluations < self.average:
            raise ValueError(f'select = "mean" over {self.average} states needs evaluations >= {self.average}')
        if self.select == "mean" and self.patience is not None:
            raise ValueError('select = "mean" is over the last states of a whole training; leave out patience')
        if isinstance(self.freeze, int) and self.freeze < 1:
            raise ValueError('freeze is "nothing", "embeddings", "encoder", or a number of layers from 1')
        if self.lora is not None and self.freeze != "nothing":
            raise ValueError("lora leaves the encoder's own weights as they are; leave out freeze")
        if self.doc_stride >= self.max_length:
            # A stride as long as the window would never advance; classification ignores it.
            object.__setattr__(self, "doc_stride", self.max_length // 2)
        return self
