"""Listing is instant: it imports nothing heavy and holds 100,000 cells. How fast it is, benchmarks/listing.py says."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import House

HEAVY = ("torch", "transformers", "datasets", "numpy", "pyarrow", "accelerate", "faiss", "scipy")
WATCHED = """
import runpy, sys
sys.argv = ["xharness", *sys.argv[1:]]
try:
    runpy.run_module("xharness", run_name="__main__", alter_sys=True)
finally:
    print("\\n".join(sorted({name.split(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def imported_by(*words: object) -> set[str]:
    """Top-level modules that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    return set(done.stderr.splitlines())


def test_list_imports_neither_torch_nor_any_other_library_of_the_workers() -> None:
    assert imported_by("list", "xtreme").isdisjoint(HEAVY)


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("run", "--help"), ("store", "--help"), ("nonsense",)])
def test_help_imports_none_of_them(words: tuple[str, ...]) -> None:
    found = imported_by(*words)
    assert "typer" in found
    assert found.isdisjoint(HEAVY)
    assert words[0] not in ("--help", "--version") or found.isdisjoint({"pydantic", "rich"})


def test_help_names_every_command_and_every_command_can_be_asked_for_help() -> None:
    from xharness.cli.commands import COMMANDS, load

    command = [sys.executable, "-m", "xharness", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in COMMANDS:
        assert f"\n  {name} " in text
        assert load(name).name == name


def test_a_suite_of_100_000_cells_is_listed_within_500_megabytes(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    try:
        from listing import large_suite  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    suite = large_suite(tmp_path)
    limited = subprocess.run(
        [sys.executable, "-c", WATCHED, "list", str(suite)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20)),
    )
    assert limited.stdout.rstrip().endswith("100089 cells"), limited.stderr[-2000:]
    assert set(limited.stderr.splitlines()).isdisjoint(HEAVY)


def test_json_has_one_object_a_cell_and_q_has_ids_that_select_themselves(house: House) -> None:
    rows = [json.loads(line) for line in house("list", "small.toml", "--json").stdout.splitlines()]
    ids = house("list", "small.toml", "-q").stdout.splitlines()
    assert [r["id"] for r in rows] == ids
    assert rows[0]["languages"] == ["en", "de"]
    again = house("list", ids[3], "-q")
    assert again.stdout.splitlines() == [ids[3]]
