"""The recipe: the settings of one training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from xharness.spec.base import Spec


class Recipe(Spec):
    """The training settings of a task; every one of them counts in the content key."""

    epochs: float = Field(default=3, gt=0)
    learning_rate: float = Field(default=2e-5, gt=0)
    batch_size: int = Field(default=32, gt=0)
    """Examples per optimiser step, whatever the device holds at once."""
    warmup: float = Field(default=0.0, ge=0)
    """Below 1 a share of all steps, otherwise a number of steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, ge=0)
    """Bound on the gradient's norm; 0 is none."""
    adam_epsilon: float = Field(default=1e-8, gt=0)
    schedule: Literal["linear", "constant", "cosine"] = "linear"
    max_length: int = Field(default=128, ge=8)
    """Sub-word tokens of one input, special tokens included."""
    doc_stride: int = Field(default=128, ge=1)
    """Overlap of the windows over a long context, in sub-word tokens."""
    evaluations: int = Field(default=0, ge=0)
    """How often the English dev set is scored during training, evenly spaced; 0 is never."""
    select: Literal["best", "last"] = "last"
    """Which of the scored states is kept: the best on the English dev set, or the last."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` is bf16 on GPUs that have it in hardware, else fp32."""

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.select == "best" and not self.evaluations:
            raise ValueError('select = "best" needs evaluations >= 1: nothing would be compared')
        if self.doc_stride >= self.max_length:
            # A stride as long as the window would never advance; classification ignores it.
            object.__setattr__(self, "doc_stride", self.max_length // 2)
        return self
