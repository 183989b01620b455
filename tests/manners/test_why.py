"""`xharness why`: what a cell is made of, and which ingredient changed where it would run again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from xharness.plan.why import ABSENT, Change, changed, flatten, readable

from .conftest import House


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        ({"a": 1}, {"a": 1}, ()),
        ({"a": 1}, {"a": 2}, (("a", 1, 2),)),
        ({"recipe": {"epochs": 2, "clip": 1.0}}, {"recipe": {"epochs": 3, "clip": 1.0}}, (("recipe.epochs", 2, 3),)),
        ({"data": ["x", "y"]}, {"data": ["x", "z"]}, (("data.1", "y", "z"),)),
        ({"labels": ["a", "b"]}, {"labels": ["b", "a"]}, (("labels.0", "a", "b"), ("labels.1", "b", "a"))),
        ({"a": 1}, {"b": 1}, (("a", 1, ABSENT), ("b", ABSENT, 1))),
        ({"a": []}, {"a": ["x"]}, (("a", [], ABSENT), ("a.0", ABSENT, "x"))),
        (
            {"tasks": [{"task": {"name": "mnli"}, "limit": {"train": 5}}]},
            {"tasks": [{"task": {"name": "mnli"}, "limit": {"train": None}}]},
            (("tasks.mnli.limit.train", 5, None),),
        ),
    ],
)
def test_the_diff_names_each_changed_ingredient_by_its_path(
    before: dict[str, Any], now: dict[str, Any], changes: tuple[tuple[str, Any, Any], ...]
) -> None:
    assert changed(flatten(before), flatten(now)) == tuple(Change(*c) for c in changes)


def test_every_ingredient_that_is_not_null_is_readable() -> None:
    made_of = {"seed": 3, "parent": None, "recipe": {"epochs": 2}, "tasks": [{"task": {"name": "x"}}]}
    assert list(readable(made_of)) == ["seed 3", "recipe: epochs 2", "tasks.x.task: name x"]


def explained(house: House, cell: str) -> list[dict[str, Any]]:
    ended = house("why", f"small.toml::{cell}", "--json")
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_before_a_run_every_step_would_run_and_nothing_comes_near(house: House) -> None:
    steps = explained(house, "colours->animals")
    assert [s["label"] for s in steps] == [
        "encode colours, train, for fake",  # Animals have the same rows.
        "encode colours, dev, for fake",
        "tune fake on colours as intermediate, seed 0",
        "tune fake after colours on animals, seed 0",
        "encode animals, test, for fake",
        "evaluate colours->animals[fake-0]",
    ]
    assert all(s["would_run"] and s["state"] == "absent" and s["nearest"] is None for s in steps)
    assert "nothing comes near" in house("why", "small.toml", "colours->animals").stdout
    assert not house.store.exists()


def test_after_a_run_each_step_says_where_when_and_by_whom_it_was_made(house: House) -> None:
    house.run("colours->animals")
    run = next((house.store / "runs").iterdir()).name
    steps = explained(house, "colours->animals")
    assert [s["state"] for s in steps if s["kind"] != "encode"] == ["stored", "dropped", "stored"]
    assert {s["state"] for s in steps if s["kind"] == "encode"} == {"stored"}
    assert not any(s["would_run"] for s in steps)
    assert {s["run"] for s in steps} == {run}
    assert all(s["stored"] > 0 and s["path"].endswith(s["key"]) for s in steps)
    text = house("why", "small.toml::colours->animals").stdout
    for word in (run, steps[0]["key"], "made of", "learning_rate 2e-05", "not needed now"):
        assert word in text


@pytest.mark.parametrize(
    ("change", "step", "ingredient", "anew"),
    [
        ('[recipe.animals]\nepochs = 1\n', 3, "recipe.epochs", (3, 5)),
        ('[recipe.colours]\nlearning_rate = 0.5\n', 2, "recipe.learning_rate", (2, 3, 5)),
        ("rows", 3, "data.0", (3, 4, 6)),
        ("labels", 0, "task.labels.0", (0, 1, 2, 3, 4, 5)),
    ],
)  # fmt: skip
def test_what_changed_is_named_at_the_step_where_it_changed_and_the_later_ones_point_to_it(
    house: House, change: str, step: int, ingredient: str, anew: tuple[int, ...]
) -> None:
    house.run("colours->animals")
    if change == "rows":
        house.rows("animals.train.jsonl", [{"text": "another", "label": "yes"}])
    elif change == "labels":
        for name in ("colours", "animals"):
            task = house.root / "tasks" / f"{name}.toml"
            task.write_text(task.read_text().replace('["yes", "no"]', '["no", "yes"]'))
    else:
        house.suite.write_text(house.suite.read_text() + change)
    steps = explained(house, "colours->animals")
    assert tuple(index for index, s in enumerate(steps) if s["would_run"]) == anew
    found = [c["ingredient"] for c in steps[step]["nearest"]["changes"]]
    assert ingredient in found
    for later in (steps[index] for index in anew if index > step and steps[index]["kind"] != "encode"):
        assert any(c["now"] in later["needs"] for c in later["nearest"]["changes"])
    text = house("why", "small.toml::colours->animals").stdout
    assert ingredient in text
    assert "(a step above)" in text


def test_the_nearest_stored_step_is_the_one_with_the_fewest_changes(house: House) -> None:
    base = house.suite.read_text()
    for more in ("epochs = 1\nbatch_size = 8\nclip = 2.0\n", "epochs = 1\n"):
        house.suite.write_text(f"{base}\n[recipe.animals]\n{more}")
        house.run("none->animals")
    house.suite.write_text(base)
    tuned = next(s for s in explained(house, "none->animals") if s["kind"] == "tune")
    changes = tuned["nearest"]["changes"]
    assert [c["ingredient"] for c in changes] == ["recipe.epochs"]
    assert (changes[0]["before"], changes[0]["now"]) == (1.0, 3.0)


def test_of_equally_near_steps_the_one_of_the_same_name_comes_first(house: House) -> None:
    house.run("colours->animals")
    house.run("none->animals")
    house.suite.write_text(house.suite.read_text() + "[recipe.colours]\nepochs = 7\n")
    end = explained(house, "colours->animals")[-1]
    assert end["nearest"]["label"] == "evaluate colours->animals[fake-0]"
    assert [c["ingredient"] for c in end["nearest"]["changes"]] == ["parent"]


def test_damage_is_named_as_the_reason(house: House) -> None:
    house.run("none->animals")
    key = house.last()["cells"][0]["key"]
    file = house.store / "steps" / key / "scores.json"
    file.write_bytes(file.read_bytes()[:-1])
    end = explained(house, "none->animals")[-1]
    assert end["state"] == "damaged"
    assert end["would_run"]
    assert "scores.json" in end["faults"][0]


def test_a_cell_that_cannot_be_planned_says_why_and_ends_with_1(house: House) -> None:
    (house.root / "rows" / "animals.train.jsonl").unlink()
    (house.root / "rows" / "animals.dev.jsonl").unlink()
    ended = house("why", "small.toml::none->animals")
    assert ended.returncode == 1
    assert "cannot be planned" in ended.stdout
    assert "animals.train.jsonl" in ended.stdout


def test_a_cell_without_a_suite_is_one_of_the_newest_run(house: House) -> None:
    house.suite.write_text(f"{house.suite.read_text()}\n[profile.other]\n[profile.third]\n")
    other = house.root / "extra"
    other.mkdir()
    (other / "config.json").write_text("{}")
    house.run("--profile", "other", "--checkpoint", other, "none->animals")
    ended = house("why", "none->animals[extra-0]", "--store", "store")
    assert ended.returncode == 0, ended.stderr
    assert f"{house.suite}, profile other" in ended.stderr
    assert "small.toml::none->animals[extra-0]" in ended.stdout
    assert "not needed now" in ended.stdout
    assert "profile third" in house("why", "none->animals[fake-0]", "--profile", "third").stderr


def test_too_many_cells_ask_for_one(house: House) -> None:
    ended = house("why", "small.toml")
    assert ended.returncode == 4
    assert "small.toml::none->animals[fake-0]" in ended.stderr
