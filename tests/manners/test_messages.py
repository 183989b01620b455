"""Messages to a person: names in them are few, the nearest first, however many there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xharness.errors import ExitCode, closest, listed, nearest

from .conftest import TASK, House

MANY = 99
LANGUAGES = [a + b for a in "abcdefghij" for b in "klmnopqrst"][:MANY]


def test_few_names_are_all_listed_and_many_are_cut_with_their_number() -> None:
    assert listed(["b", "a", "b"]) == "b, a"
    names = [f"name-{n:02}" for n in range(MANY)]
    assert listed(names, most=3) == "name-00, name-01, name-02 and 96 more"
    assert listed(names, near="name-77", most=2).startswith("name-77, ")


def test_names_that_are_equally_like_another_keep_their_order() -> None:
    assert closest("de", ["fr", "dx", "xx", "de"]) == ["de", "dx", "fr", "xx"]


def test_what_is_like_nothing_is_answered_with_the_nearest_of_many_names() -> None:
    said = nearest("name-77-and-a-long-tail-of-its-own", [f"other-{n:02}" for n in range(MANY)])
    assert said.startswith("Allowed: other-77, ")
    assert said.endswith(" and 87 more.")
    assert nearest("x", []) == ""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A suite with 99 checkpoints, targets, profiles and marks; each task has 99 languages and labels."""
    root: Path = tmp_path_factory.mktemp("crowded")
    (root / "encoder").mkdir()
    (root / "encoder" / "config.json").write_text("{}")
    (root / "tasks").mkdir()
    labels = json.dumps([f"label-{n:02}" for n in range(MANY)])
    for n in range(MANY):
        text = TASK.format(name=f"task.{n:02}", languages=json.dumps(LANGUAGES), tag="x")
        (root / "tasks" / f"task.{n:02}.toml").write_text(text.replace('["yes", "no"]', labels))
    lines = ['title = "crowded"', 'default_profile = "profile-00"', "[grid]", 'intermediates = ["none"]']
    lines.append(f"targets = {json.dumps([f'task.{n:02}' for n in range(MANY)])}")
    for n in range(MANY):
        lines += ["[[checkpoint]]", f'name = "encoder-{n:02}"', 'path = "encoder"']
        lines += [f"[profile.profile-{n:02}]", f'note = "{n}"']
        lines += ["[[mark]]", f'cells = "*->task.{n:02}"', f'name = "mark-{n:02}"']
    (root / "small.toml").write_text("\n".join(lines) + "\n")
    return House(root, {"XHARNESS_STORE": str(root / "store"), "COLUMNS": "150"})


@pytest.mark.parametrize(
    "words",
    [
        ("small.toml::none->qqqqqq",),
        ("small.toml::none->task.07[zz]",),
        ("small.toml::*[zz]",),
        ("small.toml", "--target", "zzzz"),
        ("small.toml", "--intermediate", "zzzz"),
        ("small.toml", "--checkpoint", "./zzzz"),
        ("small.toml", "--language", "zz"),
        ("small.toml", "--seed", "777"),
        ("small.toml", "--profile", "zzzz"),
        ("small.toml", "-k", "zzzz"),
        ("small.toml", "-m", "zzzz"),
        ("small.toml", *(word for n in range(MANY) for word in ("--deselect", f"*->task.{n:02}"))),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_a_name_that_is_not_there_is_answered_in_a_line_that_can_be_read(
    crowded: House, words: tuple[str, ...]
) -> None:
    ended = crowded("list", *words)
    assert ended.returncode in (ExitCode.USAGE, ExitCode.NOTHING), ended.stdout + ended.stderr
    assert max(map(len, ended.stderr.splitlines())) < 400, ended.stderr


def test_the_languages_that_a_target_has_are_listed_nearest_first(crowded: House) -> None:
    ended = crowded("list", "small.toml::none->task.07[jz]")
    assert "does not have the language 'jz'. Languages there: j" in ended.stderr
    assert "and 87 more." in ended.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("label-98", "label-xx"), "only 'task.00' has label-98; only 'task.98' has label-xx."),
        (('"label-00", "label-01"', '"label-01", "label-00"'), "has the labels of 'task.98' in another order."),
        (("label-", "other-"), "only 'task.00' has label-00, label-01, "),
    ],
)
def test_labels_of_a_head_that_would_not_fit_are_told_by_their_difference(
    crowded: House, change: tuple[str, str], said: str
) -> None:
    task = crowded.root / "tasks" / "task.98.toml"
    text = task.read_text()
    task.write_text(text.replace(*change).replace("[data]", 'tune_on = "task.00"\n[data]', 1))
    try:
        ended = crowded("run", "small.toml", "--dry-run")
    finally:
        task.write_text(text)
    assert ended.returncode == ExitCode.USAGE
    assert said in ended.stderr
    assert max(map(len, ended.stderr.splitlines())) < 600, ended.stderr
