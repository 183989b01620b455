"""What every spec type shares: frozen, unknown keys are errors, rules between keys."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

RULES_ASIDE = "rules aside"
"""Context of a validation that takes what breaks a rule: the rule was told, and what else is wrong is looked for."""


class Spec(BaseModel):
    """A frozen value read from TOML; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    def rules(self) -> None:
        """ValueError where keys that are right by themselves do not go together."""

    @model_validator(mode="after")
    def _by_rules(self, info: ValidationInfo) -> Self:
        if info.context != RULES_ASIDE:
            self.rules()
        return self
