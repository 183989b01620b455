"""Predictions as files: JSON and CSV with all there is, HTML to be read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from xharness.look.pages import template_of
from xharness.look.predictions import Prediction
from xharness.look.selection import Difference

Rows = Sequence[Prediction] | Sequence[Difference]


def as_json(rows: Rows, about: Mapping[str, Any]) -> str:
    """All that is known of every prediction."""
    return json.dumps({**about, "predictions": [_object(row) for row in rows]}, indent=2, ensure_ascii=False) + "\n"


def _object(row: Prediction | Difference) -> dict[str, Any]:
    if isinstance(row, Prediction):
        return row.as_json()
    theirs = {f"their_{key}": row.theirs.as_json()[key] for key in ("prediction", "score", "right", "probabilities")}
    return {**row.ours.as_json(), **theirs}


def as_csv(rows: Rows, about: Mapping[str, Any]) -> str:
    """A row a prediction; what is no text or number as JSON."""
    objects = [_object(row) for row in rows]
    inputs = list(dict.fromkeys(name for held in objects for name in held["inputs"]))
    known = [name for name in (objects[0] if objects else {"id": None}) if name != "inputs"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*known, *inputs])
    for held in objects:
        writer.writerow([_cell(held[name]) for name in known] + [_cell(held["inputs"].get(name)) for name in inputs])
    return stream.getvalue()


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value, ensure_ascii=False)


def as_html(rows: Rows, about: Mapping[str, Any]) -> str:
    """A page of its own, everything from the data escaped."""
    template = template_of((files("xharness.look") / "look.html.j2").read_text(encoding="utf-8"), 400)
    shown = [(row.ours, row.theirs) if isinstance(row, Difference) else (row, None) for row in rows]
    return template.render(about=about, rows=shown)


FORMATS = {"json": as_json, "csv": as_csv, "html": as_html}
