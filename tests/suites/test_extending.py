"""`extends`: a shipped suite by its name from anywhere, another file by its path, and what such a suite may name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xharness.collect.cells import collect
from xharness.collect.fit import check_fit
from xharness.errors import UsageError
from xharness.spec.load import load_suite, shipped_suites
from xharness.spec.shipped import shipped_names
from xharness.spec.starters import suite_text

ROOT = Path(__file__).parents[2]
MINE = '{extends}\ntitle = "mine"\n[grid]\nintermediates = ["none", "mnli"]\ntargets = ["xnli"]\n'
BASE = """
title = "base"
tasks = ["more"]
scheme = "averages.toml"
[[checkpoint]]
name = "enc"
path = "encoder"
[grid]
targets = ["mine", "further"]
"""
TASK = """
name = "{name}"
title = "{name}"
adapter = "retrieval"
metric = "accuracy_tatoeba"
languages = ["de"]
[data]
test = {{ file = "rows.jsonl" }}
"""


def suite(file: Path, extends: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(MINE.format(extends=f'extends = "{extends}"'), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_suite_is_extended_by_its_name_from_any_folder(name: str, tmp_path: Path) -> None:
    loaded = load_suite(str(suite(tmp_path / "far" / "mine.toml", name)), "micro")
    theirs = load_suite(name, "micro")
    assert loaded.suite.title == "mine"
    assert loaded.suite.scheme == theirs.suite.scheme
    assert [c.name for c in loaded.suite.checkpoint] == [c.name for c in theirs.suite.checkpoint]
    # Where a suite is of other tasks, its recipe of MNLI lacks what the task's own file says.
    if "mnli" in theirs.tasks:
        assert loaded.recipe_of("mnli") == theirs.recipe_of("mnli")
    assert len(collect(loaded)) >= 2


def test_a_file_beside_the_suite_is_extended_where_it_is_given_as_one(tmp_path: Path) -> None:
    local = MINE.format(extends='default_profile = "own"') + '[profile.own]\nnote = "my own xtreme"\n'
    (tmp_path / "xtreme.toml").write_text(local, encoding="utf-8")
    by_path = load_suite(str(suite(tmp_path / "mine.toml", "xtreme.toml")))
    assert by_path.profile.note == "my own xtreme"
    by_name = load_suite(str(suite(tmp_path / "mine.toml", "xtreme")), "micro")
    assert by_name.profile.note == load_suite("xtreme", "micro").profile.note


def test_a_file_without_a_suffix_is_a_path_too(tmp_path: Path) -> None:
    (tmp_path / "base").write_text(MINE.format(extends='scheme = "xtreme"'), encoding="utf-8")
    assert load_suite(str(suite(tmp_path / "sub" / "mine.toml", "../base"))).suite.scheme == "xtreme"


def test_what_an_extended_suite_names_lies_beside_it_and_not_beside_the_one_that_extends(tmp_path: Path) -> None:
    for name, folder in (("mine", "tasks"), ("further", "more")):
        file = tmp_path / "base" / folder / f"{name}.toml"
        file.parent.mkdir(parents=True)
        file.write_text(TASK.format(name=name), encoding="utf-8")
        (file.parent / "rows.jsonl").touch()
    averages = 'title = "averages"\n[group.a]\ntitle = "A"\ntasks = ["mine", "further"]\n'
    (tmp_path / "base" / "averages.toml").write_text(averages, encoding="utf-8")
    (tmp_path / "base" / "base.toml").write_text(BASE, encoding="utf-8")
    file = tmp_path / "else" / "where" / "mine.toml"
    file.parent.mkdir(parents=True)
    file.write_text('extends = "../../base/base.toml"\ntitle = "mine"\n', encoding="utf-8")
    loaded = load_suite(str(file))
    assert set(loaded.tasks) == {"mine", "further"}
    assert loaded.suite.checkpoint[0].path == str(tmp_path / "base" / "encoder")
    check_fit(loaded)


def test_the_new_suite_s_commented_extends_is_right_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    text = suite_text("mine", file)
    assert text.count('\n# extends = "xtreme"') == 1
    file.write_text(text.replace("\n# extends", "\nextends"), encoding="utf-8")
    assert "sample" in load_suite(str(file)).suite.profile


def test_the_readme_s_own_suite_and_task_load_from_an_empty_folder(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (mine,) = [block for block in blocks if block.startswith("extends")]
    (topics,) = [block for block in blocks if 'name = "topics"' in block]
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "topics.toml").write_text(topics, encoding="utf-8")
    (tmp_path / "mine.toml").write_text(mine, encoding="utf-8")
    assert {cell.target for cell in collect(load_suite(str(tmp_path / "mine.toml")))} == {"topics", "xnli"}


def test_a_circle_of_suites_is_told_with_its_members_and_the_line_that_closes_it(tmp_path: Path) -> None:
    suite(tmp_path / "a.toml", "sub/b.toml")
    suite(tmp_path / "sub" / "b.toml", "../c.toml")
    suite(tmp_path / "c.toml", "a.toml")
    with pytest.raises(UsageError) as caught:
        load_suite(str(tmp_path / "a.toml"))
    (problem,) = caught.value.problems
    assert problem.what.endswith("in a circle: a.toml -> sub/b.toml -> c.toml -> a.toml.")
    assert problem.where.endswith("c.toml:1")


def test_a_circle_that_the_suite_itself_is_no_part_of_is_told_without_it(tmp_path: Path) -> None:
    suite(tmp_path / "a.toml", "b.toml")
    suite(tmp_path / "b.toml", "c.toml")
    suite(tmp_path / "c.toml", "b.toml")
    with pytest.raises(UsageError, match=r"in a circle: b\.toml -> c\.toml -> b\.toml\."):
        load_suite(str(tmp_path / "a.toml"))


def test_extending_by_name_works_from_the_installed_package_without_a_clone(tmp_path: Path) -> None:
    # The folders as the wheel has them: [tool.hatch.build.targets.wheel] in pyproject.toml.
    site = tmp_path / "site-packages"
    shutil.copytree(ROOT / "harness" / "xharness", site / "xharness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "adapters" / "xharness_adapters", site / "xharness_adapters")
    shutil.copytree(shipped_suites(), site / "xharness" / "suites")
    file = suite(tmp_path / "work" / "mine.toml", "xtreme")
    ended = subprocess.run(
        [sys.executable, "-m", "xharness", "list", file.name],
        cwd=file.parent,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "mnli->xnli[tiny-0]" in ended.stdout
    shown = subprocess.run(
        [sys.executable, "-c", "import xharness; print(xharness.__file__)"],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(site) in shown.stdout
