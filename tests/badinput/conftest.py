"""What the tables of this folder share: a command line in this process, and what every message owes its reader."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from inprocess import called

MARK = "#!"
"""Stands in a table's TOML on the line that the message must name."""


@dataclass(frozen=True)
class Told:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def problems(self) -> list[str]:
        """The paragraphs after `error:`."""
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]


Run = Callable[..., Told]


@pytest.fixture
def xharness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """`xharness ARGUMENT…` in this process, in an empty folder with a store of its own."""

    def run(*arguments: object) -> Told:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XHARNESS_STORE", str(tmp_path / "store"))
        monkeypatch.setattr(sys, "argv", ["xharness", *map(str, arguments)])
        capsys.readouterr()
        code = called()
        out, err = capsys.readouterr()
        return Told(code, out, err)

    return run


def marked(text: str) -> int | None:
    """The line with the mark."""
    return next((n for n, line in enumerate(text.split("\n"), 1) if MARK in line), None)


def assert_well_said(told: Told, code: int, where: str, says: tuple[str, ...]) -> None:
    """The right exit code; one paragraph that names the place and says all it should; no traceback."""
    assert told.code == code, told
    assert "Traceback" not in told.out + told.err
    assert "internal error" not in told.err
    assert told.problems, told
    paragraph = next((p for p in told.problems if where in p and all(s in p for s in says)), None)
    assert paragraph is not None, f"no paragraph names {where!r} and says {says}:\n{told.err}"
    assert len(told.err.strip().splitlines()) == len(told.problems), f"more than a paragraph a problem:\n{told.err}"
    assert re.search(r"[.?]$", paragraph), paragraph


def assert_nothing_stored(folder: Path) -> None:
    """No step, and nothing half-written."""
    store = folder / "store"
    for name in ("steps", "tmp", "scratch"):
        assert not list((store / name).glob("*")), name
