"""JSON Schema of suites and tasks, made from the spec's types, so that an editor completes and checks TOML files.

Draft 7, which editors' TOML plug-ins know.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel

from xharness.spec.recipe import Recipe
from xharness.spec.suite import Suite
from xharness.spec.task import Task

Kind = Literal["suite", "task"]
KINDS: tuple[Kind, ...] = ("suite", "task")
Schema = dict[str, Any]

_RECIPE = {"$ref": "#/definitions/Recipe"}
_RECIPES = (("Task", "recipe"), ("TaskProfile", "recipe"), ("Mixture", "recipe"), ("Profile", "recipe"))
"""Tables that hold a part of a recipe; they are free in the types since several are merged before one is checked."""
_NAMED_RECIPES = (("Suite", "recipe"), ("Profile", "task"))
"""Tables of such tables, by a task's name."""


def schema(kind: Kind) -> Schema:
    """The schema of a suite's file or of a task's."""
    model: type[BaseModel] = Suite if kind == "suite" else Task
    made = model.model_json_schema()
    definitions: Schema = {name: _plain(d) for name, d in made.pop("$defs", {}).items()}
    definitions["Recipe"] = _plain(Recipe.model_json_schema())
    root = _plain(made)
    parts = {**definitions, model.__name__: root}
    for owner, key in _RECIPES:
        if owner in parts:
            _replace(parts[owner], key, dict(_RECIPE))
    for owner, key in _NAMED_RECIPES:
        if owner in parts:
            _replace(parts[owner], key, {"type": "object", "additionalProperties": dict(_RECIPE)})
    if kind == "suite":
        _let_extend(root, definitions)
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": f"xharness {kind}"}
    return {**head, **root, "definitions": dict(sorted(definitions.items()))}


def text(kind: Kind) -> str:
    """The schema as the file under `suites/schemas/` has it."""
    return json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"


def _replace(owner: Schema, key: str, schema: Schema) -> None:
    before = owner["properties"][key]
    described = {"description": before["description"]} if "description" in before else {}
    # Draft 7 ignores what stands beside a `$ref`.
    owner["properties"][key] = {"allOf": [schema], **described} if described else schema


def _let_extend(root: Schema, definitions: Schema) -> None:
    """A suite that extends another may leave out what it takes from that one."""
    root["properties"]["extends"] = {
        "type": "string",
        "description": "What this suite leaves out comes from there: a shipped suite by name (`xtreme`) or a file.",
    }
    always = {
        "required": root.pop("required"),
        "properties": {
            "grid": {"required": definitions["Grid"].pop("required")},
            "mixture": {"additionalProperties": {"required": definitions["Mixture"].pop("required")}},
        },
    }
    root |= {"if": {"not": {"required": ["extends"]}}, "then": always}


def _plain(node: Any, names: bool = False) -> Any:
    """Pydantic's schema in draft 7; `names`: the keys are those of properties.

    Without titles, which repeat the keys, and without null, which TOML does not have.
    """
    if isinstance(node, list):
        return [_plain(inner) for inner in node if inner != {"type": "null"}]
    if not isinstance(node, dict):
        return node.replace("#/$defs/", "#/definitions/") if isinstance(node, str) else node
    out: Schema = {}
    for key, value in node.items():
        if not names and (key == "title" or (key == "default" and value is None)):
            continue
        name = "items" if not names and key == "prefixItems" else key
        out[name] = value if key == "default" else _plain(value, names=not names and key == "properties")
    if not names and len(arms := out.get("anyOf", ())) == 1 and "$ref" not in arms[0]:
        del out["anyOf"]
        out = {**arms[0], **out}
    return out
