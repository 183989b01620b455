"""`[[expect]]` on rows: bounds on averages, on differences of rows, on how much more one target gains than others."""

from __future__ import annotations

from xharness.collect.cells import glob
from xharness.score.choice import BEST
from xharness.score.quantities import Quantities, Quantity, bounds_in_words, verdict
from xharness.session.expectations import Judged
from xharness.spec.load import NONE
from xharness.spec.suite import Expect
from xharness.study import Study


def judge_rows(study: Study) -> list[Judged]:
    """Judge every expectation on every row that it names, under each checkpoint; a run without the row has none.

    As with cells, the score decides; where it fails its interval is shown, and what that says of the bound.
    """
    asked = [expect for expect in study.loaded.suite.expect if expect.row]
    found: list[Judged] = []
    for checkpoint in study.checkpoints if asked else ():
        quantities = study.quantities(checkpoint)
        for expect in asked:
            pattern = glob(expect.row)
            # A pattern is over rows that were trained: neither the one that is compared with, nor those it was made of.
            rows = [
                name for name in quantities.rows if pattern.fullmatch(name) and name not in (NONE, BEST, expect.over)
            ]
            if expect.row in quantities.rows:
                rows = [expect.row]
            found += [_judged(study, checkpoint, quantities, expect, row) for row in rows]
    return found


def _judged(study: Study, checkpoint: str, quantities: Quantities, expect: Expect, row: str) -> Judged:
    asked = Quantity(row, expect.of, expect.over, expect.than)
    label = f"{row}[{checkpoint}]"
    expected = f"{asked.measured} {bounds_in_words(expect.at_least, expect.at_most)}"
    weights = quantities.targets(asked)
    cells = tuple(
        cell["name"]
        for cell in study.run["cells"]
        if (cell["checkpoint"], cell["intermediate"]) == (checkpoint, row) and cell["target"] in weights
    )
    value = quantities.measure(asked, with_interval=False)
    if value.value is None:
        return Judged(label, expected, None, False, expect.reason, unjudged=value.lacking, cells=cells)
    if expect.allows(value.value):
        return Judged(label, expected, value.value, False, expect.reason, cells=cells)
    held = quantities.measure(asked)
    said = verdict(held.low, held.high, expect.at_least, expect.at_most) if held.low is not None else ""
    return Judged(label, expected, value.value, True, expect.reason, held.low, held.high, cells=cells, verdict=said)
