"""A run from the command line: made once, shown again, killed and resumed, one failure harming no neighbour."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def xharness(*words: object, timeout: float = 240, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xharness", *map(str, words)],
        capture_output=True, text=True, timeout=timeout, env={**os.environ, "COLUMNS": "150", **env}, check=False,
    )  # fmt: skip


def records(store: Path) -> list[dict[str, object]]:
    """The records of the newest finished run."""
    runs = sorted((store / "runs").glob("*/records.jsonl"), key=lambda p: p.stat().st_mtime_ns)
    return [json.loads(line) for line in runs[-1].read_text().splitlines()]


def test_a_run_makes_a_board_and_a_second_one_only_shows_it(suite: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = xharness("run", suite, "--store", store, "-n", 2, "-k", "not xnli or mnli")
    assert "none" in first.stdout, first.stdout + first.stderr
    assert "mnli" in first.stdout
    assert "not comparable with published numbers" in first.stdout
    before = records(store)
    began = time.monotonic()
    second = xharness("run", suite, "--store", store, "-n", 1, "-k", "not xnli or mnli")
    assert time.monotonic() - began < 20
    assert "0 steps made" in second.stdout
    assert records(store) == before
    shown = xharness("show", "--store", store, "--by", "language", "--chance")
    assert shown.returncode == 0, shown.stderr
    assert "chance or majority" in shown.stdout


def test_the_number_of_workers_changes_no_score(suite: Path, tmp_path: Path) -> None:
    for n in (1, 2):
        done = xharness("run", suite, "--store", tmp_path / f"store{n}", "-n", n, "--target", "xnli")
        assert "passed" in done.stdout, done.stdout + done.stderr
    assert records(tmp_path / "store1") == records(tmp_path / "store2")


def test_a_failing_cell_harms_no_neighbour(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "rows.tsv").write_text("text\tlabel\nfine\tgood\nawful\tbda\n")
    (tmp_path / "tasks" / "broken.toml").write_text(
        'name = "broken"\ntitle = "Broken"\nadapter = "classification"\nmetric = "accuracy"\n'
        'languages = ["en"]\nlabels = ["good", "bad"]\n'
        '[data]\ntrain = { file = "../rows.tsv" }\ntest = { file = "../rows.tsv" }\n'
    )
    (tmp_path / "s.toml").write_text(
        'title = "one broken"\n[grid]\ntargets = ["broken", "tatoeba"]\n[profile.micro]\n'
        '[[checkpoint]]\nname = "tiny"\nbuiltin = "tiny"\n'
    )
    done = xharness("run", tmp_path / "s.toml", "--store", tmp_path / "store", "-n", 1)
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    assert "rows.tsv:3" in text
    assert "'bda' is not one of" in text
    assert "Did you mean 'bad'?" in text
    assert "Traceback" not in text
    assert "1 passed, 1 not run" in text
    assert not list((tmp_path / "store" / "tmp").iterdir())
