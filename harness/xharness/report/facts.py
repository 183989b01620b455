"""How a run was made: what a reader needs to make it again, and to judge it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from xharness.plan.cost import duration


def summary(run: Mapping[str, Any]) -> str:
    """`99 cells: 97 passed, 2 skipped; 4 min 10 s, …`."""
    counts: dict[str, int] = {}
    for cell in run["cells"]:
        counts[cell["status"]] = counts.get(cell["status"], 0) + 1
    told = ", ".join(f"{n} {status}" for status, n in counts.items())
    made = f"{run['made']} steps made, {run['reused']} reused"
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(run["started"]))
    return f"{len(run['cells'])} cells: {told}. {duration(run['seconds'])}, {made}, begun {when} UTC."


def reasons(run: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """(how cells ended, why, which) of all that did not simply pass."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in run["cells"]:
        if cell["status"] != "passed":
            found.setdefault((cell["status"], cell["reason"]), []).append(cell["name"])
    return [(status, why, names) for (status, why), names in found.items()]


def lineage(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(row, what its stages train) of every row."""
    found = []
    for name, facts in run["rows"].items():
        stages = []
        for stage in facts["stages"]:
            size = f", {stage['size']} examples" if stage.get("size") else ""
            stages.append(f"{' and '.join(stage['tasks'])} in {', '.join(stage['languages'])}{size}")
        if name in run["intermediates"]:
            found.append((name, "; then ".join(stages)))
    return found


def _command(argv: Sequence[str]) -> str:
    """What was typed, begun with the program: xharness, pytest, or a script of one's own."""
    program = PurePath(argv[0])
    # `python -m xharness`; of a run from elsewhere no more than the file's name is known.
    name = (program.parent.name or "xharness") if program.name == "__main__.py" else program.name
    return shlex.join([name, *argv[1:]])


def environment(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, value) of the machine and the packages."""
    hardware, git = run["hardware"], run.get("git") or {}
    told = [
        ("command", _command(run["argv"])),
        ("suite", str(run["suite"])),
        ("profile", str(run["profile"])),
        ("seeds", ", ".join(map(str, run["seeds"]))),
        ("machine", f"{hardware['system']}, {hardware['cores']} cores, {hardware['memory'] / 2**30:.0f} GiB"),
        ("GPUs", ", ".join(map(str, run.get("devices") or ())) or "none"),
        ("workers", f"{run['workers']} of {run['threads']} threads"),
        ("peak memory of a worker", f"{run['peak_memory'] / 2**30:.1f} GiB"),
        *((f"energy, {name}", f"{joules / 3.6e6:.3f} kWh") for name, joules in (run.get("energy") or {}).items()),
        *((name, str(value)) for name, value in run["versions"].items()),
    ]
    if git.get("commit"):
        told.append(("commit", git["commit"] + (" and changes" if git.get("dirty") else "")))
    return told


def trainings(run: Mapping[str, Any], manifest: Callable[[str], Mapping[str, Any] | None]) -> list[dict[str, Any]]:
    """The trainings under the run's cells: label, recipe, seconds, tokens a second, energy where the device told."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [cell["key"] for cell in run["cells"] if cell["key"]]
    seen = set(waiting)
    while waiting:
        key = waiting.pop()
        held = manifest(key) or {}
        for need in held.get("needs", ()):
            if need not in seen:
                seen.add(need)
                waiting.append(need)
        if held.get("kind") == "tune":
            recipe = {k: v for k, v in held.get("ingredients", {}).get("recipe", {}).items() if v is not None}
            told = held.get("summary", {})
            found[key] = {
                "label": held.get("label", key),
                "recipe": ", ".join(f"{name} {value}" for name, value in recipe.items()),
                "seconds": float(held.get("seconds", 0.0)),
                "speed": told.get("tokens_per_second"),
                "energy": told.get("energy_joules"),
                "dev": told.get("dev"),
            }
    return sorted(found.values(), key=lambda one: str(one["label"]))


def suite_text(run: Mapping[str, Any]) -> str:
    """The suite as it was resolved, `extends` followed, as TOML."""
    import tomli_w

    return tomli_w.dumps(_without_none(run["resolved"]))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _without_none(held) for name, held in value.items() if held is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(held) for held in value]
    return str(value) if isinstance(value, Path) else value
