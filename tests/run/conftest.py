"""A crumb of the micro grid: two rows of two targets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = """
extends = "{suite}"
title = "two targets"
[grid]
intermediates = ["none", "mnli"]
targets = ["xnli", "tatoeba"]
[profile.micro.limit]
train = 160
[profile.micro.recipe]
epochs = 1
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The suite's file; the expectations that it inherits are about the full micro grid."""
    path = tmp_path / "small.toml"
    path.write_text(SUITE.format(suite=os.path.relpath(ROOT / "suites" / "xtreme.toml", tmp_path)))
    return path
