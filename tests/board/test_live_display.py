"""The live display of a run: one line a step, nothing twice in it."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from xharness.plan.plan import Plan, Step
from xharness.session.display import Display

LABEL = "tune tiny on mnli, seed 0"


@dataclass(frozen=True)
class Work:
    label: str


def line(note: str) -> str:
    """What stands on the terminal of a step that has reported a note."""
    plan = Plan([], {"k": Step("k", Work(LABEL), (), {}, "target")})  # type: ignore[arg-type]
    console = Console(file=io.StringIO(), force_terminal=True, width=150, color_system=None)
    with Display(console, plan) as shown:
        shown({"event": "begin", "pending": ["k"], "reused": []})
        shown({"event": "start", "key": "k", "label": LABEL})
        progress = {"done": 3, "total": 10, "unit": "steps", "tokens_per_second": 1234, "note": note}
        shown({"event": "progress", "key": "k", **progress})
        paper = Console(file=io.StringIO(), width=150)
        paper.print(shown.under_way)
    return paper.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("note", ["", LABEL])
def test_the_live_line_of_a_step_has_its_label_once(note: str) -> None:
    said = line(note)
    assert said.count(LABEL) == 1
    assert said.rstrip().endswith("3/10 steps, 1,234 tokens/s")


def test_the_live_line_of_a_step_ends_with_what_it_notes() -> None:
    assert line("dev 71.3").rstrip().endswith("3/10 steps, 1,234 tokens/s, dev 71.3")
