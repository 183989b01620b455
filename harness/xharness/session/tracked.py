"""What the trackers are told of a run that has ended, and what its user is."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from xharness.engines.scheduler import Outcome
from xharness.record import Record
from xharness.tracking.tracking import Tracking


def tracked(tracking: Tracking, made: Mapping[str, Any], records: Sequence[Record], outcome: Outcome) -> str:
    """Track the run itself, from its run.json; a sentence of what was tracked, empty where nothing was."""
    ends = {
        **dict.fromkeys(outcome.reused, "reused"),
        **dict.fromkeys(outcome.done, "made"),
        **dict.fromkeys(outcome.failed, "failed"),
        **dict.fromkeys(outcome.not_run, "not run"),
    }
    for said in tracking.whole(made, records, ends):
        print(f"warning: {said}", file=sys.stderr)
    if not tracking.told:
        return ""
    stored = sum(tracking.plan.steps[key].work.KIND == "tune" for key in outcome.reused)
    again = f"; {_trainings(stored)} reused from the store, not tracked again" if stored else ""
    return f"tracked with {', '.join(tracking.told)}: this run and {_trainings(len(tracking.trained))}{again}"


def _trainings(count: int) -> str:
    return f"{count} training{'s' * (count != 1)}"
