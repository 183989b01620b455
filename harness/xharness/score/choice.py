"""Best per target, chosen on English dev and reported on test; and the runs that have learnt nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xharness.errors import listed
from xharness.record import Record
from xharness.score.rounding import rounded

if TYPE_CHECKING:
    from xharness.score.matching import Side

BEST = "best per target"
"""The row that takes every target from the intermediate that is best on its dev set."""
FAR = 10.0
"""Points above chance from which a seed has clearly learnt its task."""
NEAR = 1.0
"""Points above the majority baseline up to which a seed has learnt nothing: a constant answer scores the baseline in
each language only where the languages share their majority."""


Cells = Mapping[tuple[str, str, str], Sequence[Mapping[str, Any]]]
"""(checkpoint, target, intermediate) -> the cells of its seeds."""


@dataclass(frozen=True)
class Choice:
    """The intermediate chosen for one target of one checkpoint."""

    checkpoint: str
    target: str
    intermediate: str | None
    """None where there was nothing to choose by."""
    dev: float | None = None
    """Its score on the dev that chose, the mean over seeds."""
    reason: str = ""
    """Why none was chosen, or which intermediates were not in the choice."""
    chosen_by: str = ""
    """The other target whose dev chose (`choose_by`); empty where it is the target's own."""

    @property
    def words(self) -> str:
        """Whose dev it was: `English dev`, or `bucc's dev`."""
        return f"{self.chosen_by}'s dev" if self.chosen_by else "English dev"


def best_per_target(run: Mapping[str, Any]) -> list[Choice]:
    """For every checkpoint and target of a stored run the intermediate with the best score on English dev.

    `none` takes part; ties go to the first of the grid. After Phang et al. 2020, arXiv 2005.13013, abstract: best
    intermediate model for each target. A passed cell without a dev score leaves its target without a choice, since
    what it would have scored is unknown; failed and skipped cells take no part, and are named. A target whose task
    names others (`choose_by`) is chosen by the dev scores that these have for the same checkpoint and intermediates.
    """
    cells: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for cell in run["cells"]:
        cells.setdefault((cell["checkpoint"], cell["target"], cell["intermediate"]), []).append(cell)
    return [_choose(run, cells, c, t) for c in run["checkpoints"] for t in run["targets"]]


def _choose(run: Mapping[str, Any], cells: Cells, checkpoint: str, target: str) -> Choice:
    by, reason = _chooser(run, cells, checkpoint, target)
    if by is None:
        return Choice(checkpoint, target, None, reason=reason)
    scores: dict[str, float] = {}
    without: list[str] = []
    left_out: list[str] = []
    for intermediate in run["intermediates"]:
        mine, theirs = (cells.get((checkpoint, one, intermediate), ()) for one in (target, by))
        if not mine:
            continue
        if any(cell["status"] not in ("passed", "xpassed") for cell in (*mine, *theirs)):
            left_out.append(intermediate)
        elif not theirs or any(cell.get("dev") is None for cell in theirs):
            without.append(intermediate)
        else:
            scores[intermediate] = statistics.fmean(cell["dev"] for cell in theirs)
    other = "" if by == target else by
    if without:
        none = Choice(checkpoint, target, None, chosen_by=other)
        return replace(none, reason=f"no score on {none.words}" + ("" if not scores else f" for {listed(without)}"))
    if not scores:
        return Choice(checkpoint, target, None, reason="no cell passed", chosen_by=other)
    sign = 1 if run["tasks"][by].get("higher_dev_is_better", True) else -1
    best = max(scores, key=lambda name: sign * scores[name])
    reason = f"not in the choice, failed or skipped: {listed(left_out)}" if left_out else ""
    return Choice(checkpoint, target, best, scores[best], reason, other)


def _chooser(run: Mapping[str, Any], cells: Cells, checkpoint: str, target: str) -> tuple[str | None, str]:
    """The target whose dev scores choose: itself, or the first of its `choose_by` that has some; else why none does.

    Runs stored before there was `choose_by` have none.
    """
    named = run["tasks"][target].get("choose_by") or ()
    if not named:
        return target, ""
    looked = []
    for one in named:
        if one not in run["targets"]:
            looked.append(f"{one}, no target of this run")
            continue
        found = (cells.get((checkpoint, one, intermediate), ()) for intermediate in run["intermediates"])
        if any(cell.get("dev") is not None for row in found for cell in row):
            return one, ""
        looked.append(f"{one}, which has no dev score")
    return None, f"to be chosen by the dev of {', or of '.join(looked)}"


def chosen_side(checkpoint: str, choices: Iterable[Choice], rows: Mapping[tuple[str, str], Side]) -> Side:
    """The row `best per target`: each target from the row that was chosen for it, without those that have no choice."""
    from xharness.score.matching import Side  # Listing needs the name of the row, and no numpy.

    targets = {}
    comparable = all(side.comparable for side in rows.values())
    for choice in choices:
        if choice.checkpoint == checkpoint and choice.intermediate is not None:
            row = rows.get((checkpoint, choice.intermediate))
            if row is not None and choice.target in row.targets:
                targets[choice.target] = replace(row.targets[choice.target], origin=choice.intermediate)
    return Side(f"best per target[{checkpoint}]", targets, comparable)


@dataclass(frozen=True)
class Degenerate:
    """A cell that has learnt nothing."""

    checkpoint: str
    intermediate: str
    target: str
    seed: int
    reason: str


def degenerate(records: Sequence[Record], metrics: Mapping[str, str]) -> list[Degenerate]:
    """Cells with constant predictions in every language, and seeds that collapsed while others did not.

    `metrics` names each target's column. Collapse of single seeds is known of large encoders (Devlin et al. 2019,
    arXiv 1810.04805, §4.1; Mosbach et al. 2021, arXiv 2006.04884, §3: accuracy at or below the majority classifier).
    """
    constant: dict[tuple[str, str, str, int], list[bool]] = {}
    scores: dict[tuple[str, str, str], dict[int, list[float]]] = {}
    chance: dict[tuple[str, str, str], dict[int, list[float]]] = {}
    for r in records:
        row = (r.checkpoint, r.intermediate, r.target)
        if r.metric == metrics.get(r.target):
            constant.setdefault((*row, r.seed), []).append(r.degenerate)
            scores.setdefault(row, {}).setdefault(r.seed, []).append(r.value)
        elif r.metric == "chance":
            chance.setdefault(row, {}).setdefault(r.seed, []).append(r.value)
    found = {
        place: Degenerate(*place, reason="the predictions are all the same")
        for place, flags in constant.items()
        if all(flags)
    }
    for row, seeds in scores.items():
        means = {seed: statistics.fmean(values) for seed, values in seeds.items()}
        levels = {seed: statistics.fmean(chance[row][seed]) for seed in seeds if seed in chance.get(row, {})}
        if len(levels) == len(means):
            for seed in collapsed_seeds(means, statistics.fmean(levels.values())):
                score = rounded(means[seed])
                what = f"scores {score}, no more than the majority baseline, while other seeds are far above"
                found.setdefault((*row, seed), Degenerate(*row, seed, reason=what))
    return sorted(found.values(), key=lambda d: (d.checkpoint, d.target, d.intermediate, d.seed))


def collapsed_seeds(scores: Mapping[int, float], chance: float) -> tuple[int, ...]:
    """Seeds at the majority baseline, where the median of the others is far above it; empty if all are alike."""
    low = [seed for seed, score in scores.items() if score <= chance + NEAR]
    rest = [score for seed, score in scores.items() if seed not in low]
    return tuple(low) if rest and statistics.median(rest) >= chance + FAR else ()
