"""The JSON Schemas of suites and tasks: up to date, and in agreement with what the spec takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli

from xharness.spec.load import shipped_suites
from xharness.spec.schema import KINDS, Kind, schema, text

SUITES = shipped_suites()
FILES: list[tuple[Kind, Path]] = [
    *(("task", p) for p in sorted((SUITES / "tasks").glob("*.toml"))),
    *(("suite", p) for p in sorted([*SUITES.glob("*.toml"), *(SUITES / "studies").glob("*.toml")])),
]


def complaints(kind: Kind, values: dict[str, Any]) -> list[str]:
    """`path: message` of everything that the schema refuses."""
    made = schema(kind)
    cls = jsonschema.validators.validator_for(made)
    return [f"{e.json_path}: {e.message}" for e in cls(made).iter_errors(values)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_schema_is_what_the_types_say(kind: Kind) -> None:
    shipped = (SUITES / "schemas" / f"{kind}.json").read_text(encoding="utf-8")
    assert shipped == text(kind), f"run: xharness schema {kind} > suites/schemas/{kind}.json"


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_one_and_every_key_at_its_top_is_described_or_plain(kind: Kind) -> None:
    made = json.loads(text(kind))
    jsonschema.validators.validator_for(made).check_schema(made)
    assert made["$schema"].endswith("draft-07/schema#")
    assert "Sub-word tokens of one input" in json.dumps(made)


@pytest.mark.parametrize(("kind", "file"), FILES, ids=lambda v: v if isinstance(v, str) else v.stem)
def test_every_shipped_file_validates(kind: Kind, file: Path) -> None:
    assert complaints(kind, tomli.loads(file.read_text(encoding="utf-8"))) == []


GRID = {"targets": ["xnli"]}
TASK = {"name": "a", "title": "a", "adapter": "classification", "metric": "accuracy"}


@pytest.mark.parametrize(
    ("kind", "values", "wrong"),
    [
        ("suite", {"title": "a", "grid": GRID}, ""),
        ("suite", {"title": "a", "grid": {**GRID, "seeds": 3}}, ""),
        ("suite", {"title": "a", "grid": {**GRID, "seeds": [1, 2]}}, ""),
        ("suite", {"extends": "b.toml", "grid": {"seeds": 3}}, ""),
        ("suite", {"extends": "b.toml", "mixture": {"m": {"cap": 3}}}, ""),
        ("suite", {"title": "a"}, "'grid' is a required property"),
        ("suite", {"title": "a", "grid": {}}, "$.grid: 'targets' is a required property"),
        ("suite", {"title": "a", "grid": GRID, "mixture": {"m": {"cap": 3}}}, "$.mixture.m: 'tasks' is a required"),
        ("suite", {"title": "a", "grid": {**GRID, "seeds": "1"}}, "$.grid.seeds"),
        ("suite", {"title": "a", "grid": GRID, "titel": 1}, "'titel' was unexpected"),
        ("suite", {"title": "a", "grid": GRID, "recipe": {"xnli": {"epoch": 1}}}, "'epoch' was unexpected"),
        ("suite", {"title": "a", "grid": GRID, "profile": {"p": {"task": {"x": {"epochs": 0}}}}}, "$.profile.p.task.x"),
        ("suite", {"title": "a", "grid": GRID, "expect": [{"cells": "*", "over": 3}]}, "$.expect[0].over"),
        ("task", TASK, ""),
        ("task", {**TASK, "data": {"train": {"hub": "a/b"}, "test": [{"file": "a.tsv"}]}}, ""),
        ("task", {**TASK, "columns": {"text": "a", "pair": ["b", "c"]}}, ""),
        ("task", {**TASK, "recipe": {"max_length": 4}}, "$.recipe.max_length"),
        ("task", {**TASK, "data": {"train": {"hubb": "a/b"}}}, "$.data.train"),
        ("task", {**TASK, "name": "Großes"}, "$.name"),
        ("task", {"name": "a"}, "'adapter' is a required property"),
    ],
)
def test_the_schema_takes_and_refuses_what_the_spec_does(kind: Kind, values: dict[str, Any], wrong: str) -> None:
    found = complaints(kind, values)
    assert bool(found) == bool(wrong), found
    assert not wrong or any(wrong in line for line in found), found
