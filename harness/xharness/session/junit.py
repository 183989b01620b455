"""A finished run as a JUnit report: a test case for each cell and expectation, the run's facts as properties."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from xharness.errors import Problem, StoreError
from xharness.session.expectations import Judged

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(run: Mapping[str, Any], path: Path) -> None:
    """Write `run.json` as JUnit XML; StoreError when the file cannot be written."""
    tree = ET.ElementTree(junit(run))
    ET.indent(tree)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tree.write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise StoreError(Problem(str(path), f"cannot be written: {error.strerror}.")) from None


def junit(run: Mapping[str, Any]) -> ET.Element:
    """The report's root element."""
    cells, expectations = run["cells"], run["expectations"]
    counts = {
        "tests": len(cells) + len(expectations),
        "failures": sum(c["status"] == "failed" for c in cells) + sum(bool(e["failed"]) for e in expectations),
        "errors": sum(c["status"] == "not run" for c in cells),
        "skipped": sum(c["status"] in ("skipped", "xfailed") for c in cells)
        + sum(e["found"] is None for e in expectations),
    }
    root = ET.Element("testsuites", name="xharness")
    name = Path(run["suite"]).name
    suite = _element(root, "testsuite", name=name, **counts)
    suite.set("time", f"{run['seconds']:.3f}")
    suite.set("timestamp", datetime.fromtimestamp(run["started"]).astimezone().isoformat(timespec="seconds"))
    properties = _element(suite, "properties")
    for key, value in _facts(run).items():
        _element(properties, "property", name=key, value=value)
    for cell in cells:
        _cell(suite, name, cell)
    for found in expectations:
        _expectation(suite, name, found)
    return root


def _facts(run: Mapping[str, Any]) -> dict[str, Any]:
    facts = {"title": run["title"], "profile": run["profile"], "note": run["note"], "workers": run["workers"]}
    facts |= {f"version.{name}": found for name, found in run["versions"].items()}
    facts |= {f"git.{name}": found for name, found in run["git"].items()}
    return facts | {"peak_memory_bytes": run["peak_memory"], "steps_made": run["made"], "steps_reused": run["reused"]}


def _cell(suite: ET.Element, name: str, cell: Mapping[str, Any]) -> None:
    case = _element(suite, "testcase", classname=f"{name}.{cell['target']}", name=cell["name"])
    case.set("time", f"{cell['seconds']:.3f}")
    properties = _element(case, "properties")
    for key in ("checkpoint", "intermediate", "target", "seed", "key"):
        _element(properties, "property", name=key, value=cell[key])
    status, reason = cell["status"], cell["reason"]
    match status:
        case "failed":
            _element(case, "failure", message=reason).text = _clean(reason)
        case "not run":
            _element(case, "error", message=reason).text = _clean(reason)
        case "skipped":
            _element(case, "skipped", type="xharness.skip", message=reason)
        case "xfailed":
            _element(case, "skipped", type="xharness.xfail", message=reason)


def _expectation(suite: ET.Element, name: str, found: Mapping[str, Any]) -> None:
    case = _element(
        suite, "testcase", classname=f"{name}.expect", name=f"{found['cell']}: {found['expected']}", time="0"
    )
    if found["failed"]:
        _element(case, "failure", message=Judged(**found).sentence()).text = _clean(found["reason"])
    elif found["found"] is None:
        _element(case, "skipped", type="xharness.unjudged", message=Judged(**found).sentence())


def _element(parent: ET.Element, tag: str, **attributes: Any) -> ET.Element:
    return ET.SubElement(parent, tag, {key: _clean(value) for key, value in attributes.items()})


def _clean(value: Any) -> str:
    """Text without the characters that XML cannot have."""
    return _FORBIDDEN.sub("\ufffd", str(value))
