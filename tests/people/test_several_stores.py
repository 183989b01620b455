"""Runs of several stores on one board: what comes together, what stays apart, what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xharness.board.footnotes import footnotes
from xharness.board.joined import Part, joined
from xharness.errors import UsageError
from xharness.store.runs import read_run
from xharness.store.steps import Store

from .conftest import ROOT, command

SUITE = f"""
extends = "{ROOT}/suites/xtreme.toml"
title = "Shared"
[grid]
intermediates = INTERMEDIATES
targets = ["xnli", "panx"]
seeds = SEEDS
"""
RECIPE = "[profile.micro]\nlimit = { train = 40, dev = 10, test = 20 }\nrecipe = { epochs = EPOCHS }\n"


def made(
    folder: Path,
    name: str,
    seeds: str,
    intermediates: str = '["none", "mnli"]',
    epochs: str = "1",
    tiny: Path | None = None,
) -> Path:
    """The store of a run of its own; the encoder's training is copied from `tiny`, since it takes a minute."""
    text = SUITE + RECIPE
    for word, value in (("INTERMEDIATES", intermediates), ("SEEDS", seeds), ("EPOCHS", epochs)):
        text = text.replace(word, value)
    (folder / name).mkdir()
    (folder / name / "shared.toml").write_text(text)
    store = folder / name / ".xharness"
    if tiny is not None:
        shutil.copytree(tiny, store, ignore=shutil.ignore_patterns("2*", "evaluate-*", "tune-*"))
    # A miniature of forty examples falls short of what the suite expects: exit code 1.
    command("run", str(folder / name / "shared.toml"), "-p", "micro", "--store", str(store), "-n", "1", code=1)
    return store


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two labs that share a suite, one that did both parts, and one whose recipe is another."""
    folder = tmp_path_factory.mktemp("labs")
    one = made(folder, "north", "[0]")
    two, both = made(folder, "south", "[1]", tiny=one), made(folder, "both", "[0, 1]", tiny=one)
    other = made(folder, "other", "[0]", '["none"]', epochs="2", tiny=one)
    return {"north": one, "south": two, "both": both, "other": other}


def board(*stores: Path) -> dict[str, object]:
    found = json.loads(command("show", "--format", "json", *(w for s in stores for w in ("--store", str(s)))))
    return {name: value for name, value in found.items() if name not in ("records",)}


def test_seeds_of_two_labs_are_the_board_of_one_run_over_both(stores: dict[str, Path]) -> None:
    assert board(stores["north"], stores["south"]) == board(stores["both"])


def test_rows_of_two_stores_are_compared_as_those_of_one(stores: dict[str, Path]) -> None:
    asked = ["compare", "none", "mnli", "--resamples", "200", "--languages"]
    apart = command(*asked, "--store", str(stores["north"]), "--store", str(stores["south"]))
    assert apart == command(*asked, "--store", str(stores["both"]))


def test_another_recipe_is_a_checkpoint_of_its_own(stores: dict[str, Path]) -> None:
    said = command("show", "--store", str(stores["north"]), "--store", str(stores["other"]))
    assert "tiny (other)" in said
    rows = command("show", "--format", "csv", "--store", str(stores["north"]), "--store", str(stores["other"]))
    assert "tiny (other)" in rows
    alone = command("show", "--format", "csv", "--store", str(stores["other"]))
    theirs = [line.replace("tiny (other)", "tiny") for line in rows.splitlines() if "tiny (other)" in line]
    assert theirs == alone.strip().splitlines()[1:]


def test_a_run_that_is_named_is_looked_for_in_every_store(stores: dict[str, Path]) -> None:
    name = next((stores["south"] / "runs").iterdir()).name
    two = ["--store", str(stores["north"]), "--store", str(stores["south"])]
    assert command("show", name, *two) == command("show", "--store", str(stores["south"]))
    said = command("compare", "none", f"{name}::none", *two, "--resamples", "200")
    assert "minus" in said
    assert "no finished run is called 'nothing'" in command("show", "nothing", *two, code=4)


def test_rows_that_mean_something_else_keep_their_notes(stores: dict[str, Path]) -> None:
    run, records = read_run(next((stores["north"] / "runs").iterdir()))
    german = {"mnli": {**run["rows"]["mnli"], "stages": [{"tasks": ["mnli"], "languages": ["de"], "size": None}]}}
    parts = [
        Part("ours", run, records, Store(stores["north"]).manifest),
        Part(
            "theirs",
            {**run, "rows": german},
            records,
            lambda key: {"kind": "evaluate", "ingredients": {"of": key[::-1]}},
        ),
    ]
    whole, _ = joined(parts)
    assert "mnli (theirs) is trained in de" in footnotes(whole)
    assert [*whole["checkpoints"]] == ["tiny", "tiny (theirs)"]
    names = {cell["name"] for cell in whole["cells"]}
    assert {j["cell"] for j in whole["expectations"]} <= names
    assert "mnli (theirs)->xnli[tiny (theirs)-0]" in names


def test_a_run_of_a_part_of_the_languages_is_told_beside_a_whole_one(stores: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(stores["south"], tmp_path / "part", ignore=shutil.ignore_patterns("2*"))
    file = stores["south"].parent / "shared.toml"
    command("run", str(file), "-p", "micro", "-l", "de", "--store", str(tmp_path / "part"), "-n", "1", code=None)
    said = command("show", "--store", str(stores["north"]), "--store", str(tmp_path / "part"))
    assert "only in de, so without an average: none->xnli[tiny-1]" in said


def test_a_store_without_a_run_is_told(stores: dict[str, Path], tmp_path: Path) -> None:
    empty = ["--store", str(stores["north"]), "--store", str(tmp_path)]
    assert "there is no finished run" in command("show", *empty, code=4)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("encode", "fingerprints", ["another"]),
        ("encode", "labels", ["c", "b", "a"]),
        ("tune", "recipe", {"epochs": 99}),
    ],
)
def test_other_data_labels_or_recipes_under_another_seed_are_another_experiment(
    stores: dict[str, Path], kind: str, name: str, value: Any
) -> None:
    parts = []
    for place in ("north", "south"):
        run, records = read_run(next((stores[place] / "runs").iterdir()))
        parts.append(Part(place, run, records, Store(stores[place]).manifest))
    assert len(joined(parts)[0]["checkpoints"]) == 1
    held = parts[1].manifest

    def changed(key: str) -> Any:
        manifest = held(key)
        if manifest is None or not key.startswith(kind):
            return manifest
        return {**manifest, "ingredients": {**manifest["ingredients"], name: value}}

    whole, _ = joined([parts[0], replace(parts[1], manifest=changed)])
    assert [*whole["checkpoints"]] == ["tiny", "tiny (south)"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"profile": "sample"}, "the profile 'micro', that of theirs 'sample'"),
        ({"trained_in": {"xnli": ["en", "de"]}}, "train 'xnli' in different languages"),
        ({"tasks": {"xnli": {"languages": ["en", "de"]}}}, "different tasks by 'xnli': they differ in languages"),
    ],
)
def test_runs_that_no_board_can_hold_are_refused(stores: dict[str, Path], change: dict[str, Any], why: str) -> None:
    run, records = read_run(next((stores["north"] / "runs").iterdir()))
    tasks = {name: {**task, **change.get("tasks", {}).get(name, {})} for name, task in run["tasks"].items()}
    with pytest.raises(UsageError, match=why):
        joined([Part("ours", run, records), Part("theirs", {**run, **change, "tasks": tasks}, records)])


def test_a_cell_that_failed_here_and_passed_there_has_passed(stores: dict[str, Path]) -> None:
    run, records = read_run(next((stores["north"] / "runs").iterdir()))
    name = run["cells"][0]["name"]
    cells = [
        {**c, "key": None, "status": "failed", "reason": "no memory"} if c["name"] == name else c for c in run["cells"]
    ]
    told = {"cell": name, "expected": "score at least 1", "found": None, "failed": False, "reason": "", "cells": []}
    torn = Part("ours", {**run, "cells": cells, "expectations": [told]}, [r for r in records if r.cell != name])
    manifest = Store(stores["north"]).manifest
    whole, found = joined([replace(torn, manifest=manifest), Part("theirs", run, records, manifest)])
    assert sorted(c["name"] for c in whole["cells"]) == sorted(c["name"] for c in run["cells"])
    assert all(cell["status"] == "passed" for cell in whole["cells"])
    assert told not in whole["expectations"]
    assert sorted(map(repr, found)) == sorted(map(repr, records))
