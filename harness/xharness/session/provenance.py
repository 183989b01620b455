"""Where a run happened and with what: versions, git state, hardware. Nothing here counts in a key."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import xharness
from xharness.engines.machine import accelerators

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "mteb", "faiss-cpu", "seqeval", "numpy", "tokenizers")


def versions() -> dict[str, str]:
    """Versions of the packages that can change a result; from their metadata, without importing them."""
    found = {"xharness": xharness.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, Any]:
    """Commit of the repository that a folder is in, and whether its work tree is clean; empty outside one."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def cores() -> int:
    """Processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory of the machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def hardware() -> dict[str, Any]:
    """The machine in a few facts."""
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "cores": cores(),
        "memory": memory_bytes(),
        "gpus": len(accelerators()),
        "python": sys.executable,
    }
