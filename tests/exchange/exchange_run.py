"""The program in the tests' own process, with what it prints."""

from __future__ import annotations

import contextlib
import io
import sys

import pytest

from inprocess import called


def command(*arguments: object) -> tuple[int, str]:
    """A command of xharness in this process: its exit code, and what it prints."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["xharness", *map(str, arguments)])
        code = called()
    return code, out.getvalue() + err.getvalue()
