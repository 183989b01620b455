"""The notes under a board: languages left out, metrics, retrieval settings, what was chosen on dev."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from xharness.board.grid import languages_of, scores_of
from xharness.board.retrieval_notes import embedding_notes, search_notes
from xharness.errors import counted, listed
from xharness.record import Record
from xharness.score.averages import ENGLISH
from xharness.score.choice import BEST, Choice
from xharness.score.rounding import rounded


def footnotes(run: Mapping[str, Any]) -> list[str]:
    """What a reader must know to compare scores: languages left out, metrics, retrieval settings."""
    notes = []
    metrics: dict[str, list[str]] = {}
    for target in run["targets"]:
        task = run["tasks"][target]
        low = "" if task.get("higher_is_better", True) else " (lower is better)"
        metrics.setdefault(f"{task['metric']}{low}", []).append(task["title"])
    for target, kept in languages_of(run).items():
        if len(kept) < (want := len(run["tasks"][target]["languages"])):
            notes.append(f"{run['tasks'][target]['title']}: only {listed(kept)}, {len(kept)} of {want} languages")
    notes += _partial(run)
    notes.append("metrics: " + "; ".join(f"{m}: {', '.join(names)}" for m, names in metrics.items()))
    for name, checkpoint in run["checkpoints"].items():
        if checkpoint.get("remote_code"):
            notes.append(f"{name} ran Python code that came with the checkpoint")
        for theirs, said in (checkpoint.get("languages") or {}).items():
            notes.append(f"{name} is told '{said}' for texts in '{theirs}'")
    notes += embedding_notes(run)
    notes += _trained_in(run)
    notes += _precisions(run)
    for found in run.get("failed_stages", ()):
        dev, majority = (rounded(found[kind]) for kind in ("dev", "majority"))
        what = f"dev of {found['task']} {dev}, the most frequent class {majority}"
        notes.append(f"failed intermediate: {found['label']}: {what}")
    notes += [f"{found['rows']:,} bad rows left out of: {found['label']}" for found in run.get("left_out", ())]
    return [*notes, *search_notes(run)]


def _partial(run: Mapping[str, Any]) -> list[str]:
    """Cells that were asked for in a part of the languages alone, while others of the target have more."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    needed, chosen = languages_of(run), run.get("languages_selected", {})
    for cell in run["cells"]:
        part = tuple(chosen.get(cell["name"], ()))
        if part and set(needed[cell["target"]]) - set(part):
            found.setdefault((cell["target"], part), []).append(cell["name"])
    return [
        f"only in {listed(list(part))}, so without an average: {listed(names)}" for (_, part), names in found.items()
    ]


def _trained_in(run: Mapping[str, Any]) -> list[str]:
    """Trainings that are not on English: of an intermediate, and of a target, which is then not zero-shot."""
    notes = []
    for row in run["intermediates"]:
        spoken = {code for stage in run.get("rows", {}).get(row, {}).get("stages", ()) for code in stage["languages"]}
        if spoken - {ENGLISH}:
            notes.append(f"{row} is trained in {listed(sorted(spoken))}")
    for target, spoken in run.get("trained_in", {}).items():
        if target in run["targets"] and set(spoken) - {ENGLISH}:
            title = run["tasks"][target]["title"]
            notes.append(f"{title} is tuned in {listed(spoken)}: not zero-shot in these languages")
    return notes


def _precisions(run: Mapping[str, Any]) -> list[str]:
    """That the same recipe was computed in two precisions: a part of the differences is between devices."""
    found: dict[tuple[str, ...], list[str]] = {}
    for cell in run["cells"]:
        if precisions := tuple(cell.get("precisions", ())):
            found.setdefault(precisions, []).append(cell["name"])
    if len(found) < 2 and all(len(precisions) == 1 for precisions in found):
        return []
    said = "; ".join(
        f"{' and '.join(p)}: {counted(len(names), 'cell')}, such as {names[0]}" for p, names in found.items()
    )
    return [f'precision = "auto" was not the same on all devices, so that differences are partly theirs: {said}']


def outliers(run: Mapping[str, Any], records: Sequence[Record]) -> list[str]:
    """Seeds that stand apart from the others of their cell: a modified z-score over 3.5, and five points.

    Iglewicz and Hoaglin 1993, as NIST's e-Handbook of statistical methods gives it, section 1.3.5.17. The five points
    are ours: seeds that agree to a tenth would else be split.
    """
    own, notes = languages_of(run), []
    for (checkpoint, row), by_seed in scores_of(run, records).items():
        for target in run["targets"]:
            means = {}
            for seed, found in by_seed.items():
                held = found.get(target, {})
                if held and all(code in held for code in own[target]):
                    means[seed] = statistics.fmean(held[code] for code in own[target])
            if len(means) < 3:
                continue
            middle = statistics.median(means.values())
            spread = statistics.median(abs(value - middle) for value in means.values())
            for seed, value in means.items():
                away = abs(value - middle)
                if away >= 5 and 0.6745 * away > 3.5 * spread:
                    cell = f"{row}->{target}[{checkpoint}-{seed}]"
                    notes.append(f"outlier seed: {cell} {rounded(value)}, the median of its seeds {rounded(middle)}")
    return notes


def choice_notes(run: Mapping[str, Any], chosen: Sequence[Choice]) -> list[str]:
    """Which intermediate was chosen for each target, and why none was."""
    notes = []
    for checkpoint in run["checkpoints"]:
        mine = [c for c in chosen if c.checkpoint == checkpoint]
        if len(run["intermediates"]) < 2 or not any(c.intermediate for c in mine):
            continue
        picks = ", ".join(f"{c.target}: {c.intermediate}{_by(c)}" for c in mine if c.intermediate)
        left = ", ".join(f"{c.target} ({c.reason})" for c in mine if not c.intermediate)
        more = f"; without a choice: {left}" if left else ""
        notes.append(f"{BEST} with {checkpoint}, chosen on English dev: {picks}{more}")
    return notes


def _by(choice: Choice) -> str:
    """Said of a choice that is not by the target's own dev."""
    return f" (chosen by {choice.words})" if choice.chosen_by else ""
