"""A run of one cell of every family, for what people do with a run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = """
extends = "{suite}"
title = "One of <b>each</b> family"
scheme = ""
[grid]
intermediates = ["none", "mnli"]
targets = ["xnli", "panx", "xquad", "tatoeba", "bucc", "xcopa", "lareqa_untuned"]
exclude = ["mnli->panx", "mnli->xquad", "mnli->tatoeba", "mnli->bucc", "mnli->xcopa", "mnli->lareqa_untuned"]
[[expect]]
cells = "none->xnli*"
at_least = 99.0
reason = "nobody reaches this"
[profile.micro]
limit = {{ train = 60, dev = 10, test = 24 }}
recipe = {{ epochs = 1 }}
"""


@dataclass(frozen=True)
class Ran:
    """A suite's file and the store of its run."""

    suite: Path
    store: Path
    output: str


def command(*arguments: str, code: int | None = 0) -> str:
    """What a command of xharness prints; it ends with `code`."""
    done = subprocess.run(
        [sys.executable, "-m", "xharness", *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "150", "NO_COLOR": "1"},
    )  # fmt: skip
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The run; one expectation fails."""
    folder = tmp_path_factory.mktemp("people")
    suite = folder / "each.toml"
    suite.write_text(SUITE.format(suite=os.path.relpath(ROOT / "suites" / "xtreme-r.toml", folder)))
    said = command(
        "run", str(suite), "-p", "micro", "--store", str(folder / "store"), "-n", "1", "--keep", "all", code=1
    )
    return Ran(suite, folder / "store", said)
