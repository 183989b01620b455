"""The guides say what the types and the code say: their tables are compared, their examples are run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from xharness.spec.load import load_suite

from . import keys

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)(?: ([^\n]+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(guide: Path) -> list[tuple[str, str, str]]:
    """(language, name, text) of its code blocks."""
    return [(found[1], found[2] or "", found[3]) for found in BLOCK.finditer(guide.read_text(encoding="utf-8"))]


def test_the_tables_of_keys_are_those_of_the_types_and_every_key_is_told() -> None:
    text = keys.GUIDE.read_text(encoding="utf-8")
    assert keys.filled(text) == text, "run `python tests/guides/keys.py`"
    for name, kind in keys.TABLES.items():
        assert f"<!-- keys: {name} -->" in text
        assert [field for field, about in kind.model_fields.items() if not about.description] == []


def test_the_example_suite_and_its_fragments_are_right(tmp_path: Path) -> None:
    for kind, name, text in blocks(keys.GUIDE):
        if kind != "toml":
            continue
        assert tomli.loads(text)
        if name == "suite":
            (tmp_path / "one.toml").write_text(text)
            loaded = load_suite(str(tmp_path / "one.toml"), "micro")
            assert loaded.intermediates == ("none", "mnli", "mnli_size@100", "mnli_size@200")


def test_the_fragments_of_the_suites_guide_load_in_a_suite(tmp_path: Path) -> None:
    base = 'extends = "xtreme"\ntitle = "t"\n[grid]\nintermediates = ["none"{}]\ntargets = ["xnli", "panx"]\n'
    for number, (kind, name, text) in enumerate(blocks(keys.GUIDE)):
        if kind == "toml" and not name:
            rows = "".join(f', "{row}"' for row in tomli.loads(text).get("intermediate", {}))
            path = tmp_path / f"part{number}.toml"
            path.write_text(base.format(rows) + text)
            assert load_suite(str(path), "micro")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the adapters' guide, and rows for its task."""
    folder = tmp_path_factory.mktemp("own")
    for _, name, text in blocks(ROOT / "adapters" / "README.md"):
        if name:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    (folder / "data").mkdir()
    rows = [{"one": f"Event {i} began.", "two": f"Event {i} ended.", "first": "one"} for i in range(12)]
    rows += [{"one": f"Event {i} ended.", "two": f"Event {i} began.", "first": "two"} for i in range(12)]
    for language in ("en", "de"):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "data" / f"order.{language}.jsonl").write_text(lines)
    return folder


def xharness(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "xharness", *words], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_adapter_the_metric_and_the_analysis_of_the_guide_come_to_a_result(own: Path) -> None:
    assert "sound" in xharness(own, "check", "mine.toml")
    said = xharness(own, "run", "mine.toml", "-n", "1")
    assert "1 passed" in said
    assert "On Order the worst language is" in said
    assert "error_rate" in xharness(own, "show", "--format", "csv")
    assert "one: " in xharness(own, "look", "none->order", "--limit", "1")
