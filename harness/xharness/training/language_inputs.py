"""Inputs that say which language a text is in, for the models that want to be told: XLM's `langs`, X-MOD's `lang_ids`.

Left out, they read every text as their default language, without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xharness.errors import HarnessError, Problem
from xharness.spec.encoder_config import languages_in


@dataclass(frozen=True)
class LanguageInputs:
    """How one model is told the language."""

    name: str
    """Its input: one number an input text (`lang_ids`), or one for each sub-word (`langs`)."""
    numbers: Mapping[str, int]
    """ISO 639-1 code -> the model's number."""
    instead: Mapping[str, str]
    """Language -> the one that is said in its place."""

    def __call__(self, languages: Sequence[str], length: int) -> dict[str, NDArray[np.int64]]:
        """The input for texts in these languages, padded to `length`; HarnessError for one that the model lacks."""
        rows = np.array([self._number(language) for language in languages], dtype=np.int64)
        return {self.name: np.repeat(rows[:, None], length, axis=1) if self.name == "langs" else rows}

    def _number(self, language: str) -> int:
        known = self.instead.get(language, language)
        if known not in self.numbers:
            what = f"the model knows no language '{known}'; it knows {', '.join(self.numbers)}."
            hint = f'Say which one to use in its place, in the checkpoint\'s table: languages = {{ {language} = "…" }}.'
            raise HarnessError(Problem("", what, hint))
        return self.numbers[known]


def language_inputs(config: Any, instead: Mapping[str, str]) -> LanguageInputs | None:
    """How the model with this configuration is told the language; None where it is not."""
    numbers = languages_in(config.to_dict())
    if numbers is None:
        return None
    return LanguageInputs("langs" if config.model_type == "xlm" else "lang_ids", numbers, dict(instead))
