"""Put on a process's PYTHONPATH, the steps are stand-ins: steps of a few bytes and invented scores, no torch.

`STAND_IN_FAILS` names targets whose evaluation fails (`TARGET/LANGUAGE`: in that language) and tasks on which tuning
fails (`tune:TASK`), `STAND_IN_SECONDS` how long each step takes, `STAND_IN_BYTES` how large a model is,
`STAND_IN_SAYS` what each step says on standard error. No
evaluation on the target of which `STAND_IN_HOLDS` is `TARGET:FILE` ends while there is that file.
With `STAND_IN_STATES` a tuning saves states and goes on from them.
`STAND_IN_TROUBLE` is `TARGET:HOW`, what befalls the worker that evaluates a target: it is `killed`, has a `fault`, is
`frozen`, `hangs`, `exits`, meets a `full` disk or `loses` the model; only so many times as `STAND_IN_TIMES` says,
counted in the file `STAND_IN_COUNT`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import types
import zlib
from pathlib import Path
from typing import Any


def _states(place: Any) -> int:
    """Wait as long in ten parts, with a state saved after each; the part that an interrupted one had come to."""
    state = place.scratch / "state"
    begin = int(state.read_text()) if state.exists() else 0
    for part in range(begin, 10):
        place.report({"done": part, "total": 10, "unit": "steps"})
        time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")) / 10)
        state.with_suffix(".new").write_text(str(part + 1))
        state.with_suffix(".new").replace(state)
    return begin


def _wait(place: Any) -> None:
    if said := os.environ.get("STAND_IN_SAYS"):
        print(said, file=sys.stderr, flush=True)
    for done in range(2):
        place.report({"done": done, "total": 2, "unit": "steps"})
        time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")) / 2)


def _hold(name: str) -> None:
    target, _, file = os.environ.get("STAND_IN_HOLDS", "").partition(":")
    while name == target and Path(file).exists():
        time.sleep(0.05)


def _trouble(name: str, model: Path) -> None:
    target, _, how = os.environ.get("STAND_IN_TROUBLE", "").partition(":")
    count = Path(os.environ.get("STAND_IN_COUNT", os.devnull))
    if name != target or len(count.read_bytes() if count.exists() else b"") >= int(os.environ["STAND_IN_TIMES"]):
        return
    with count.open("ab") as stream:
        stream.write(b".")
    if how == "hangs":
        time.sleep(600)
    if how == "exits":
        os._exit(7)
    if how == "full":
        raise RuntimeError("PytorchStreamWriter failed: No space left on device")
    if how == "loses":
        (model / "encoder" / "weights.bin").unlink()
        raise RuntimeError("unable to map the weights")
    os.kill(os.getpid(), {"killed": signal.SIGKILL, "fault": signal.SIGSEGV, "frozen": signal.SIGSTOP}[how])


def _tune(work: Any, place: Any) -> dict[str, Any]:
    for trained in work.tasks:
        if f"tune:{trained.task.name}" in os.environ.get("STAND_IN_FAILS", "").split(","):
            from xharness.errors import HarnessError

            raise HarnessError(f"the stand-in was told to fail on {trained.task.name}.")
    resumed = _states(place) if os.environ.get("STAND_IN_STATES") else _wait(place)
    (place.out / "encoder").mkdir()
    (place.out / "encoder" / "weights.bin").write_bytes(
        bytes(range(256)) * (int(os.environ.get("STAND_IN_BYTES", "10240")) // 256)
    )
    (place.out / "lineage.json").write_text(json.dumps({"tasks": [t.task.name for t in work.tasks]}))
    return {"dev": 0.5, "tokens": 100, **({"resumed_at": resumed} if resumed else {})}


def _score(work: Any, place: Any) -> dict[str, Any]:
    if work.target.name in os.environ.get("STAND_IN_FAILS", "").split(","):
        from xharness.errors import DataError

        raise DataError(f"the stand-in was told to fail on {work.target.name}.")
    _wait(place)
    _hold(work.target.name)
    _trouble(work.target.name, place.folder(work.parent) if work.KIND == "evaluate" else place.out)
    from xharness.adapter import MetricInput
    from xharness.steps.score_table import ScoreTable

    table = ScoreTable(work.target)
    for language in work.target.languages:
        if f"{work.target.name}/{language}" in os.environ.get("STAND_IN_FAILS", "").split(","):
            table.failed(language, "the stand-in was told to fail.")
            continue
        right = 4 + zlib.crc32(f"{work.label} {language}".encode()) % 7
        found = MetricInput(
            [str(i) for i in range(10)], ["yes" if i < right else "no" for i in range(10)], ["yes"] * 10
        )
        table.add(language, {m.name: found for m in table.metrics}, degenerate=False)
    table.write(place.out)
    return {"examples": 10, "unscored": table.unscored}


def _encode(work: Any, place: Any) -> dict[str, Any]:
    _wait(place)
    (place.out / "features.arrow").write_bytes(b"0123456789" * 10)
    return {"tokens": 10}


def _embed(work: Any, place: Any) -> dict[str, Any]:
    _wait(place)
    (place.out / "sentences.bin").write_bytes(b"0123456789" * 100)
    return {}


for _file, _kind, _work in (
    ("encoding", "encode", _encode),
    ("tuning", "tune", _tune),
    ("evaluation", "evaluate", _score),
    ("embedding", "embed", _embed),
    ("mining", "mine", _score),
):
    _module = types.ModuleType(f"xharness.steps.{_file}")
    setattr(_module, _kind, _work)
    sys.modules[_module.__name__] = _module
