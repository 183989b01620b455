"""The engines there are, and whether what they need is installed."""

from __future__ import annotations

from importlib.util import find_spec

from xharness.errors import Problem, UsageError, nearest

LOCAL = "local"
ENGINES = {LOCAL: None, "ray": "ray", "slurm": "submitit"}
"""Each with the package that it needs, which its extra installs."""


def required(name: str) -> str:
    """The engine's name; UsageError for one that is not known or not installed."""
    if name not in ENGINES:
        raise UsageError(f"--engine '{name}' is not known. {nearest(name, ENGINES)}")
    package = ENGINES[name]
    if package is not None and find_spec(package) is None:
        hint = f"Install it: pip install 'xharness-stilts[{name}]'"
        raise UsageError(Problem(f"--engine {name}", f"{package} is not installed.", hint))
    return name


def far_device(engine: str, device: str) -> str:
    """What `--device` says to an engine of several machines; UsageError where it counts the devices of one."""
    if device not in ("auto", "cpu", "cuda"):
        what = f"{engine} gives each step a GPU of its own, on whatever machine."
        raise UsageError(Problem(f"--device '{device}'", what, "Allowed: auto, cpu, cuda."))
    return device
