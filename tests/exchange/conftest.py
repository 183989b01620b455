"""A run of the two bitext targets with an encoder of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from exchange_run import command

from tiny import make_encoder

ROOT = Path(__file__).parents[2]
SUITE = """
extends = "{suite}"
title = "bitext"
scheme = ""
expect = []
[grid]
intermediates = ["none"]
targets = ["tatoeba", "bucc"]
seeds = [0, 1]
[[checkpoint]]
name = "small"
path = "{encoder}"
[profile.micro]
checkpoints = ["small"]
"""


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the run."""
    folder = tmp_path_factory.mktemp("exchange")
    make_encoder(folder / "encoder")
    suite = folder / "bitext.toml"
    suite.write_text(SUITE.format(suite=ROOT / "suites" / "xtreme.toml", encoder=folder / "encoder"))
    code, said = command("run", suite, "-p", "micro", "--store", folder / "store", "-n", "1")
    assert code == 0, said
    return folder / "store"
