"""Examples that a run carries with it, since whoever imported it has not the data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xharness.adapter import Example
from xharness.errors import DataError, Problem

PLACE = "examples"
"""Key of a run's facts: the folder of what it carries."""


def carried(run: Mapping[str, Any], target: str, language: str) -> dict[str, Example] | None:
    """Id -> example of a target's test split, or pool, in one language; None where the run carries none of it."""
    file = Path(run[PLACE]) / f"{target}.jsonl" if PLACE in run else None
    if file is None or not file.is_file():
        return None
    try:
        with file.open(encoding="utf-8") as stream:
            rows = [json.loads(line) for line in stream]
        return {row["example"]["id"]: row["example"] for row in rows if row["language"] == language}
    except (ValueError, TypeError, KeyError):
        raise DataError(Problem(str(file), "is not as it was exported.", "Import the run again.")) from None


def carried_text(examples: Iterable[tuple[str, Example]]) -> str:
    """The file of a target: (language, example) a line, columns in their order, in which they are shown."""
    lines = ({"language": language, "example": {**e, "id": str(e["id"])}} for language, e in examples)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
