"""How the cells ended, and the records behind the board: read from the store, no model needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from xharness.collect.cells import Cell
from xharness.engines.scheduler import STOPPED, Outcome
from xharness.errors import StoreError, listed
from xharness.plan.plan import Plan
from xharness.record import Record
from xharness.session.choices import choices_of, chosen_text
from xharness.spec.rows import size_in
from xharness.steps.tune import Tune
from xharness.store.steps import Store


class Status(StrEnum):
    """How a cell ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    NOT_RUN = "not run"


TOLD = 4
"""The most different errors of single languages that are shown in one line."""
BAD = (Status.FAILED, Status.NOT_RUN)


@dataclass(frozen=True)
class CellResult:
    """One cell's end."""

    name: str
    checkpoint: str
    intermediate: str
    target: str
    seed: int
    status: Status
    reason: str = ""
    key: str = ""
    """Key of the step that ended it."""
    dev: float | None = None
    """Score on the English dev set, by which `best per target` chooses."""
    sweep: tuple[dict[str, Any], ...] = ()
    """What was chosen on dev among values of a recipe, and the dev scores of all: one a swept stage (`run.choices`)."""
    seconds: float = 0.0
    """Taken by the steps that this run made for it; a shared step counts in every cell."""
    precisions: tuple[str, ...] = ()
    """Those that `auto` came to be in its steps: more than one where devices of two kinds filled the store."""

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def stopped_cells(plan: Plan, outcome: Outcome) -> frozenset[str]:
    """Names of the cells that the run never reached: it was interrupted, or stopped after other failures."""
    return frozenset(name for name, key in plan.ends.items() if outcome.not_run.get(key) == STOPPED)


def cell_results(
    plan: Plan, outcome: Outcome, store: Store, skipped: Mapping[Cell, str], xfail: Mapping[str, str]
) -> tuple[list[CellResult], list[Record]]:
    """The end of every cell and the records of those that were scored."""
    results: list[CellResult] = []
    records: list[Record] = []
    stopped = stopped_cells(plan, outcome)
    became = _precisions(plan, store)
    for cell in plan.cells:
        under = plan.under(cell.name)
        key = plan.ends.get(cell.name, "")
        status, reason = Status.PASSED, ""
        sweep = choices_of(plan, store, cell.name)
        if cell.name in plan.blocked:
            status, reason = Status.FAILED, plan.blocked[cell.name]
        elif key in outcome.failed:
            status, reason = Status.FAILED, outcome.failed[key]
        elif key in outcome.not_run:
            status, reason = Status.NOT_RUN, _why_not_run(plan, outcome, outcome.not_run[key])
        if status is Status.PASSED:
            found, errors = stored_records(cell, key, store)
            records += [replace(r, swept=swept) for r in found] if (swept := chosen_text(sweep)) else found
            if errors:
                status, reason = Status.FAILED, told_together(errors)
        if cell.name in xfail and cell.name not in stopped:
            reason = f"{xfail[cell.name]}" + (f" ({reason})" if reason else "")
            status = Status.XFAILED if status in BAD else Status.XPASSED
        results.append(
            CellResult(
                cell.name,
                cell.checkpoint,
                cell.intermediate,
                cell.target,
                cell.seed,
                status,
                reason,
                key,
                dev=dev_score(store, plan.dev.get(cell.name, "")),
                sweep=sweep,
                seconds=sum(outcome.seconds.get(step.key, 0.0) for step in under),
                precisions=tuple(sorted({became[step.key] for step in under if step.key in became})),
            )
        )
    for cell, why in skipped.items():
        results.append(
            CellResult(cell.name, cell.checkpoint, cell.intermediate, cell.target, cell.seed, Status.SKIPPED, why)
        )
    return results, records


def _precisions(plan: Plan, store: Store) -> dict[str, str]:
    """Key -> the precision that `auto` came to be, of the steps that have been made with it."""
    found = {}
    for step in plan.steps.values():
        work: Any = step.work
        asked = work.recipe.precision if isinstance(work, Tune) else getattr(work, "precision", None)
        if asked == "auto" and (made := store.manifest(step.key)) is not None:
            found[step.key] = made.get("summary", {}).get("precision")
    return {key: precision for key, precision in found.items() if precision}


def told_together(errors: Mapping[str, str]) -> str:
    """The errors of single languages in one line: equal ones once, and the first few of many."""
    alike: dict[str, list[str]] = {}
    for language, error in errors.items():
        alike.setdefault(error, []).append(language)
    told = [f"[{listed(languages)}] {error}" if languages != [""] else error for error, languages in alike.items()]
    rest = sum(len(languages) for languages in [*alike.values()][TOLD:])
    more = [f"and {rest} more language{'s' * (rest > 1)} with errors of their own"] if rest else []
    return "; ".join([*told[:TOLD], *more])


def stored_records(cell: Cell, key: str, store: Store) -> tuple[list[Record], dict[str, str]]:
    """`records_of` for a stored step, which another process may have removed by now."""
    try:
        return records_of(cell, key, store.read_json(key, "scores.json"))
    except (StoreError, ValueError, KeyError, TypeError):
        path = store.path(key) / "scores.json"
        lost = f"its scores have vanished from the store, or were changed ({path}); the next run makes them again"
        return [], {"": lost}


def _why_not_run(plan: Plan, outcome: Outcome, why: str) -> str:
    """The reason alone; the status, `not run`, is shown before it everywhere."""
    if why == STOPPED:
        return "stopped before its turn"
    label = plan.steps[why].work.label
    return f"needs '{label}', which failed: {outcome.failed.get(why, '')}"


def records_of(cell: Cell, key: str, scores: Mapping[str, Any]) -> tuple[list[Record], dict[str, str]]:
    """The records of one scored cell, and what went wrong in single languages, by language."""
    records: list[Record] = []
    errors: dict[str, str] = {}
    for language, found in scores["languages"].items():
        if cell.languages and language not in cell.languages:  # The stored step has all languages of the target.
            continue
        if "error" in found:
            errors[language] = found["error"]
            continue
        place = (cell.name, cell.checkpoint, cell.intermediate, cell.target, cell.seed, language)
        values = {scores["metric"]: found["score"], **found["values"]}
        if "chance" in found:
            values["chance"] = found["chance"]
        values |= found.get("facts", {})
        records += [
            Record(
                *place,
                metric=metric,
                value=float(value),
                n=int(found["n"]),
                key=key,
                size=size_in(cell.intermediate),
                degenerate=bool(found.get("degenerate")),
            )
            for metric, value in values.items()
        ]
    return records, errors


def dev_score(store: Store, key: str) -> float | None:
    """The English dev score that a step's summary holds."""
    manifest = store.manifest(key) if key else None
    value = (manifest or {}).get("summary", {}).get("dev")
    return float(value) if isinstance(value, (int, float)) else None
