"""The tables of keys in suites/README.md, made from the types: `python tests/guides/keys.py` writes them anew."""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from xharness.analyses.claims import Claim
from xharness.analysis import load_analysis
from xharness.spec.engine import Engines, Slurm
from xharness.spec.recipe import Lora, Recipe
from xharness.spec.stage import Intermediate, Sampling, Stage, Target
from xharness.spec.suite import AnalysisOf, Checkpoint, Expect, Grid, Mark, Mixture, Profile, Retrieval, Suite
from xharness.spec.task import Data, Limit, Source, Task, TaskProfile

GUIDE = Path(__file__).parents[2] / "suites" / "README.md"
TABLES: dict[str, type[BaseModel]] = {
    "suite": Suite, "grid": Grid, "checkpoint": Checkpoint, "retrieval": Retrieval, "intermediate": Intermediate,
    "stage": Stage, "sampling": Sampling, "target": Target, "mixture": Mixture, "recipe": Recipe, "lora": Lora,
    "profile": Profile, "mark": Mark, "expect": Expect, "analysis": AnalysisOf, "engine": Engines,
    "slurm": Slurm, "task": Task, "data": Data,
    "source": Source, "limit": Limit, "taskprofile": TaskProfile,
    **{kind: load_analysis(kind).options for kind in
       ("slices", "gains", "matrix", "families", "transfer_loss", "alignment", "claims")},
    "claim": Claim,
}  # fmt: skip


def table(kind: type[BaseModel]) -> str:
    """A line a key: name, what it takes, what it is if it is not said, what it says."""
    lines = ["| key | takes | if not said | |", "|---|---|---|---|"]
    for name, field in kind.model_fields.items():
        given = "required" if field.is_required() else plain(field.get_default(call_default_factory=True))
        about = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{field.alias or name}` | {words(field.annotation)} | {given} | {about} |")
    return "\n".join(lines)


def words(annotation: Any) -> str:
    """A type as a reader of TOML knows it."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return words(inside[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(words(one) for one in inside if one is not type(None)))
    if origin is Literal:
        return " or ".join(f'`"{one}"`' for one in inside)
    if origin in (tuple, list):
        held = words(inside[0]) if inside else "values"
        return held if held.startswith("list of") else f"list of {held}"
    if origin is dict or annotation is dict:
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return {str: "text", int: "number", float: "number", bool: "true or false"}.get(annotation, "value")


def plain(value: Any) -> str:
    """A default."""
    if value in (None, "", (), {}, []) or isinstance(value, (BaseModel, dict)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{value}`"


def filled(text: str) -> str:
    """The guide with its tables as the types have them."""
    for name, kind in TABLES.items():
        begin, end = f"<!-- keys: {name} -->", f"<!-- end: {name} -->"
        text = re.sub(f"{begin}.*?{end}", lambda found: f"{begin}\n{table(kind)}\n{end}", text, flags=re.DOTALL)  # noqa: B023
    return text


if __name__ == "__main__":
    GUIDE.write_text(filled(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
