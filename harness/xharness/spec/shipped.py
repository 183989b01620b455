"""The suites that come with the package, and how a suite is found by path or by name."""

from __future__ import annotations

import os
from pathlib import Path

from xharness.errors import Problem, UsageError, nearest


def shipped_suites() -> Path:
    """The folder of suites that came with the package, or the repository's in a development install."""
    inside = Path(__file__).parents[1] / "suites"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "suites"


def shipped_names() -> dict[str, Path]:
    """Name -> file of every shipped suite: `xtreme`, `studies/seeds`."""
    root = shipped_suites()
    return {
        path.relative_to(root).with_suffix("").as_posix(): path
        for path in sorted(root.glob("**/*.toml"))
        if path.relative_to(root).parts[0] not in ("tasks", "baselines", "schemes")
    }


def find_suite(given: str) -> Path:
    """A suite by path, or by the name of a shipped one (`xtreme`)."""
    if not given.strip():
        raise UsageError(Problem(repr(given), "is empty; name a suite file, or a shipped suite such as xtreme."))
    path = Path(given)
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        raise UsageError(Problem(given, "is a folder; a suite is a TOML file."))
    names = shipped_names()
    name = given.removesuffix(".toml").removeprefix("suites/")
    if name in names:
        return names[name]
    shown_as = given if given.isprintable() and len(given) < 500 else repr(given[:80])
    hint = f"Cells are named after their suite: SUITE::{given}." if "->" in shown_as else nearest(name, names)
    raise UsageError(Problem(shown_as, "is neither a file nor a shipped suite.", hint))
