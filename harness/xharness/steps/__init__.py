"""The kinds of step: what each is made of (`tune`), and how it is done (`tuning`). Importing this imports no torch."""

from __future__ import annotations

from typing import Any

from xharness.steps.choose import Choose
from xharness.steps.context import StepContext
from xharness.steps.embed import Embed
from xharness.steps.embed_texts import EmbedTexts
from xharness.steps.encode import Encode
from xharness.steps.evaluate import Evaluate
from xharness.steps.judge import Judge
from xharness.steps.mine import Mine
from xharness.steps.tune import Tune

__all__ = ["AnyWork", "StepContext", "perform"]

AnyWork = Encode | Tune | Choose | Evaluate | Embed | Mine | Judge | EmbedTexts


def perform(work: AnyWork, context: StepContext) -> dict[str, Any]:
    """Do one step: fill `context.out` and return a summary (JSON values). HarnessError is a sentence to a person."""
    match work:
        case Encode():
            from xharness.steps.encoding import encode

            return encode(work, context)
        case Tune():
            from xharness.steps.tuning import tune

            return tune(work, context)
        case Choose():
            from xharness.steps.choosing import choose

            return choose(work, context)
        case Evaluate():
            from xharness.steps.evaluation import evaluate

            return evaluate(work, context)
        case Embed():
            from xharness.steps.embedding import embed

            return embed(work, context)
        case Mine():
            from xharness.steps.mining import mine

            return mine(work, context)
        case Judge():
            from xharness.steps.judging import judge

            return judge(work, context)
        case EmbedTexts():
            from xharness.steps.embedding_texts import embed_texts

            return embed_texts(work, context)
