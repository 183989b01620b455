"""What a later run finds of an earlier one: models, whole cells where parts are asked for, the other side of a gain."""

from __future__ import annotations

import json
import shutil

import pytest

from xharness.errors import ExitCode
from xharness.store.care import contents
from xharness.store.steps import Store

from .conftest import House

GAIN = """
[[expect]]
cells = "colours->plants*"
over = "none"
at_least = 101
"""
ANIMALS = [{"text": f"beast {i}", "label": "yes"} for i in range(6)]


def made(house: House) -> list[str]:
    """Kinds of the steps that the newest run made."""
    log = sorted((house.store / "runs").glob("*/events.jsonl"), key=lambda p: p.stat().st_mtime_ns)[-1]
    told = [json.loads(line) for line in log.read_text().splitlines()]
    return [e["key"].partition("-")[0] for e in told if e["event"] == "done" and not e["found"]]


def dropped(house: House) -> dict[str, bool]:
    """Label -> whether it was let go of, of every tuned model."""
    return {s.label: s.dropped for s in contents(Store(house.store)) if s.kind == "tune"}


def failing(house: House) -> list[str]:
    return house("list", "small.toml", "--lf", "-q").stdout.splitlines()


def test_a_gain_is_judged_by_what_the_store_has_of_the_other_side(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + GAIN)
    assert house.run("*->plants").returncode == ExitCode.FAILED
    again = house.run("--lf")
    assert "(0 steps made, 1 reused)" in again.stdout
    assert "1 expectation failed" in again.stdout
    (first, second) = (
        json.loads(path.read_text())["expectations"]
        for path in sorted((house.store / "runs").glob("*/run.json"), key=lambda p: p.stat().st_mtime_ns)
    )
    assert first == second
    assert failing(house) == ["small.toml::colours->plants[fake-0]"]


def test_a_gain_that_cannot_be_judged_is_no_longer_failed_but_not_forgotten(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + GAIN)
    house.run("*->plants")
    (plain,) = [c["key"] for c in house.last()["cells"] if c["intermediate"] == "none"]
    shutil.rmtree(house.store / "steps" / plain)
    again = house.run("--lf")
    assert again.returncode == ExitCode.OK
    assert "none->plants[fake-0] has no score in this run" in " ".join(again.stdout.split())
    assert failing(house) == ["small.toml::colours->plants[fake-0]"]


@pytest.mark.parametrize("fails", ["animals/de", "animals"])
def test_a_model_stays_until_it_is_evaluated_in_every_language(house: House, fails: str) -> None:
    ended = house.run("none->animals", STAND_IN_FAILS=fails)
    assert ended.returncode == ExitCode.FAILED
    assert dropped(house) == {"tune fake on animals, seed 0": False}
    house.rows("animals.de.jsonl", ANIMALS)
    assert house.run("--lf").returncode == ExitCode.OK
    assert made(house) == ["encode", "evaluate"]


def test_a_part_of_what_is_stored_is_not_made_again(house: House) -> None:
    house.run("colours->animals", "none->pairs")
    assert dropped(house)["tune fake after colours on animals, seed 0"]
    whole = house.last()["cells"]
    ended = house.run("colours->animals[de]", "none->pairs[fr]")
    assert "2 passed" in ended.stdout
    assert made(house) == []
    assert {c["key"] for c in house.last()["cells"]} == {c["key"] for c in whole}
    folder = max((house.store / "runs").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert {(r["target"], r["language"]) for r in records} == {("animals", "de"), ("pairs", "fr")}
    assert "animals: only de, 1 of 2 languages" in ended.stdout
    # What the rest of the cell lacks is no fault of the part.
    shutil.rmtree(house.store)
    house.run("none->animals", STAND_IN_FAILS="animals/de")
    assert "1 passed" in house.run("none->animals[en]").stdout
    assert made(house) == []


@pytest.mark.parametrize(("keep", "stay"), [("all", 5), ("none", 0)])
def test_keep_decides_how_many_models_stay(house: House, keep: str, stay: int) -> None:
    ended = house.run("--keep", keep)
    assert ended.returncode == ExitCode.OK, ended.stdout
    assert len(dropped(house)) == 5
    assert list(dropped(house).values()).count(False) == stay


def test_by_default_intermediates_stay_and_target_models_go(house: House) -> None:
    house.run()
    assert [label for label, gone in dropped(house).items() if not gone] == [
        "tune fake on colours as intermediate, seed 0"
    ]
