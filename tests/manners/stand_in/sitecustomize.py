"""Put on a process's PYTHONPATH, the phases are stand-ins: steps of a few bytes and invented scores, no torch.

`STAND_IN_FAILS` names targets whose evaluation fails, `STAND_IN_SECONDS` how long each step takes.
"""

from __future__ import annotations

import json
import os
import sys
import time
import types
import zlib
from typing import Any


def _wait(place: Any) -> None:
    for done in range(2):
        place.report({"done": done, "total": 2, "unit": "steps"})
        time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")) / 2)


def _tune(work: Any, place: Any) -> dict[str, Any]:
    _wait(place)
    (place.out / "encoder").mkdir()
    (place.out / "encoder" / "weights.bin").write_bytes(bytes(range(256)) * 40)
    (place.out / "lineage.json").write_text(json.dumps({"tasks": [t.task.name for t in work.tasks]}))
    return {"dev": 0.5, "tokens": 100}


def _score(work: Any, place: Any) -> dict[str, Any]:
    if work.target.name in os.environ.get("STAND_IN_FAILS", "").split(","):
        from xharness.errors import DataError

        raise DataError(f"the stand-in was told to fail on {work.target.name}.")
    _wait(place)
    from xharness.adapter import Found
    from xharness.phases.scores import Sheet

    sheet = Sheet(work.target)
    for language in work.target.languages:
        right = 4 + zlib.crc32(f"{work.label} {language}".encode()) % 7
        found = Found([str(i) for i in range(10)], ["yes"] * 10, ["yes" if i < right else "no" for i in range(10)])
        sheet.add(language, {m.name: found for m in sheet.metrics}, degenerate=False)
    sheet.write(place.out)
    return {"examples": 10}


def _embed(work: Any, place: Any) -> dict[str, Any]:
    _wait(place)
    (place.out / "sentences.bin").write_bytes(b"0123456789" * 100)
    return {}


for _kind, _work in (("tune", _tune), ("evaluate", _score), ("embed", _embed), ("mine", _score)):
    _module = types.ModuleType(f"xharness.phases.{_kind}")
    setattr(_module, _kind, _work)
    sys.modules[_module.__name__] = _module
