"""The conditions of `skipif`: `missing(PATH)`, `profile(NAME)`, `no_gpu`, `offline`, joined by and/or/not."""

from __future__ import annotations

import os
import re
from pathlib import Path

from xharness.collect.expression import compile_expression
from xharness.errors import UsageError

CONDITIONS = "missing(PATH), profile(NAME), no_gpu, offline, joined by and/or/not"
_CALL = re.compile(r"(\w+)\(([^)]*)\)")


def spelled(condition: str) -> str:
    """A condition with `missing(PATH)` as the one word `missing:PATH`."""
    return _CALL.sub(lambda m: f"{m[1]}:{m[2].strip()}", condition)


def holds(condition: str, profile: str, gpu: bool | None = None) -> bool:
    """Whether a condition holds under a profile; UsageError for an unknown condition."""

    def fact(word: str) -> bool:
        kind, _, value = word.partition(":")
        if kind == "missing" and value:
            path = os.path.expanduser(os.path.expandvars(value))
            return "$" in path or not os.path.exists(path)
        if kind == "profile" and value:
            return profile == value
        if word == "no_gpu":
            return not (Path("/dev/nvidiactl").exists() if gpu is None else gpu)
        if word == "offline":
            return os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        raise UsageError(f"skipif '{condition}': '{word}' is not a condition. Allowed: {CONDITIONS}.")

    return compile_expression(spelled(condition), "skipif")(fact)
