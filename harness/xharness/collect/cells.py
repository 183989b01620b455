"""From a suite to its cells, and from all cells to those a user selects. Imports nothing heavy: listing is instant."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from xharness.collect.conditions import holds
from xharness.collect.expression import compile_expression
from xharness.errors import NothingSelected, UsageError, nearest
from xharness.spec.load import Loaded
from xharness.spec.suite import Checkpoint, Mark


@dataclass(frozen=True, slots=True)
class Cell:
    """checkpoint x intermediate x target x seed: what is selected, passes or fails, and stands on the board."""

    suite: str
    intermediate: str
    target: str
    checkpoint: str
    seed: int
    languages: tuple[str, ...] | None = None
    """A part of the target's languages; None is all."""

    @property
    def name(self) -> str:
        """Id within the suite: `squad_v1->xquad[xlmr-large-13]`."""
        return f"{self.intermediate}->{self.target}[{self.checkpoint}-{self.seed}]"

    @property
    def id(self) -> str:
        """Id with the suite: `xtreme.toml::squad_v1->xquad[xlmr-large-13]`."""
        return f"{self.suite}::{self.name}"


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    """A pattern in which only `*` and `?` are special: brackets belong to ids."""
    return re.compile("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern), re.DOTALL)


def matches(pattern: str, cell: Cell) -> bool:
    """Whether a pattern names the cell, with or without its checkpoint and seed."""
    regex = _glob(pattern)
    return bool(
        regex.fullmatch(f"{cell.intermediate}->{cell.target}") or regex.fullmatch(cell.name) or regex.fullmatch(cell.id)
    )


def own_checkpoints(loaded: Loaded) -> tuple[str, ...]:
    """Names of the checkpoints that the suite has in this profile."""
    named = tuple(c.name for c in loaded.suite.checkpoint)
    return loaded.profile.checkpoints or loaded.suite.grid.checkpoints or named


def collect(loaded: Loaded, extra: Sequence[Checkpoint] = ()) -> list[Cell]:
    """All cells of a suite in the grid's order; `extra` checkpoints (from the command line) add rows."""
    grid, names = loaded.suite.grid, own_checkpoints(loaded)
    names = (*names, *(c.name for c in extra if c.name not in names))
    if not names:
        raise UsageError(
            loaded.document.problem(("checkpoint",), "the suite names no checkpoint; add one with --checkpoint.")
        )
    suite = loaded.path.name
    cells = [
        Cell(suite, intermediate, target, checkpoint, seed)
        for checkpoint in names
        for intermediate in loaded.intermediates
        for target in loaded.targets
        for seed in loaded.seeds
    ]
    if grid.include != ("*",):
        cells = [c for c in cells if any(matches(p, c) for p in grid.include)]
    if grid.exclude:
        cells = [c for c in cells if not any(matches(p, c) for p in grid.exclude)]
    if not cells:
        raise UsageError(loaded.document.problem(("grid",), "include and exclude leave no cell."))
    return cells


def given_checkpoints(given: Sequence[str], loaded: Loaded) -> tuple[tuple[Checkpoint, ...], tuple[str, ...]]:
    """(checkpoints to add, names to keep) of `--checkpoint`; no names keep all.

    A name of the profile is a filter; one that the suite has in other profiles, a folder or a hub id adds rows.
    """
    defined = {c.name: c for c in loaded.suite.checkpoint}
    own = own_checkpoints(loaded)
    extra: list[Checkpoint] = []
    kept: list[str] = []
    for name in given:
        if name in own:
            kept.append(name)
        elif name in defined:
            extra.append(defined[name])
        elif "/" not in name and not os.path.isdir(name) and difflib.get_close_matches(name, defined, 1, 0.8):
            hint = f"{nearest(name, defined)} Give a folder of that name as ./{name}."
            raise NothingSelected(f"no cell has the checkpoint '{name}'. {hint}")
        else:
            extra.append(checkpoint_from(name))
    return tuple(extra), (*kept, *(c.name for c in extra)) if kept else ()


def checkpoint_from(given: str) -> Checkpoint:
    """A checkpoint named on the command line: a folder, or a hub id with an optional `@revision`."""
    path = Path(given).expanduser()
    if given.startswith((".", "/", "~")) and not os.path.isdir(path):
        raise UsageError(f"--checkpoint '{given}': there is no such folder.")
    if os.path.isdir(path):
        return Checkpoint(name=_name_for(path.resolve().name), path=str(path.resolve()))
    hub, _, revision = given.partition("@")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub):
        raise UsageError(f"--checkpoint '{given}' is neither a folder nor a hub id such as owner/name.")
    return Checkpoint(name=_name_for(hub.split("/")[-1]), hub=hub, revision=revision or None)


def _name_for(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.@-]+", "-", text).strip("-.") or "checkpoint"


@dataclass(frozen=True)
class Selection:
    """What the command line selects."""

    ids: tuple[str, ...] = ()
    """Positional: `suite.toml::intermediate->target[…]`, parts after `::`."""
    keyword: str | None = None
    marks: str | None = None
    intermediates: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    deselect: tuple[str, ...] = ()


def select(cells: Sequence[Cell], selection: Selection, loaded: Loaded) -> list[Cell]:
    """The selected cells, in the suite's order; NothingSelected names the nearest ids when none is left."""
    chosen: Iterable[Cell] = cells
    if selection.ids:
        chosen = _by_ids(cells, selection.ids, loaded)
    for attribute, allowed in (
        ("intermediate", selection.intermediates),
        ("target", selection.targets),
        ("checkpoint", selection.checkpoints),
        ("seed", selection.seeds),
    ):
        if allowed:
            _check_known(attribute, allowed, cells)
            chosen = [c for c in chosen if getattr(c, attribute) in allowed]
    if selection.keyword is not None:
        chosen = _by_keyword(chosen, selection.keyword, loaded)
    if selection.marks is not None:
        chosen = _by_marks(chosen, selection.marks, loaded)
    if selection.deselect:
        chosen = [c for c in chosen if not any(_is_meant(p, c) for p in selection.deselect)]
    if selection.languages:
        chosen = _in_languages(chosen, selection.languages, loaded)
    found = list(chosen)
    if not found:
        raise NothingSelected(_nothing(cells, selection))
    return found


def _check_known(attribute: str, wanted: Sequence[str | int], cells: Sequence[Cell]) -> None:
    known = {getattr(c, attribute) for c in cells}
    for value in wanted:
        if value not in known:
            raise NothingSelected(f"no cell has the {attribute} '{value}'. {nearest(str(value), map(str, known))}")


def _is_meant(given: str, cell: Cell) -> bool:
    """Whether a positional id names the cell: exactly, by pattern, or as its intermediate->target part."""
    return matches(given, cell) or matches(given.split("::", 1)[-1], cell)


def _by_ids(cells: Sequence[Cell], ids: Sequence[str], loaded: Loaded) -> list[Cell]:
    """Cells by id; trailing `[de]` or `[de,fr]` parts choose languages."""
    found: dict[str, Cell] = {}
    for given in ids:
        name, languages = _languages_of(given, loaded)
        hits = [c for c in cells if _is_meant(name, c)]
        if not hits:
            raise NothingSelected(f"no cell is called '{given}'. {nearest(given.split('::', 1)[-1], _names(cells))}")
        for cell in hits:
            before = found.get(cell.id)
            both = (
                languages if before is None or not (before.languages and languages) else (*before.languages, *languages)
            )
            found[cell.id] = replace(cell, languages=tuple(dict.fromkeys(both)) if both else None)
    return [found[c.id] for c in cells if c.id in found]


def _names(cells: Sequence[Cell]) -> set[str]:
    return {f"{c.intermediate}->{c.target}" for c in cells} | {c.name for c in cells[:2000]}


def _languages_of(given: str, loaded: Loaded) -> tuple[str, tuple[str, ...]]:
    match = re.fullmatch(r"(.*)\[([a-z]{2,3}(?:,[a-z]{2,3})*)\]", given)
    known = {language for task in loaded.tasks.values() for language in task.languages}
    if match and set(match[2].split(",")) <= known:
        return match[1], tuple(match[2].split(","))
    return given, ()


def _by_keyword(cells: Iterable[Cell], text: str, loaded: Loaded) -> list[Cell]:
    evaluate = compile_expression(text, "-k")
    words = {name: {*task.languages, *task.tags, task.group} for name, task in loaded.tasks.items()}

    def matcher(cell: Cell) -> bool:
        name, exact = cell.id.lower(), words.get(cell.target, set())
        return evaluate(lambda word: word.lower() in name or word in exact)

    return [c for c in cells if matcher(c)]


def _by_marks(cells: Iterable[Cell], text: str, loaded: Loaded) -> list[Cell]:
    evaluate = compile_expression(text, "-m")
    known = {"skip", "skipif", "xfail", *(m.name for m in loaded.suite.mark if m.name)}
    for word in re.findall(r"[^\s()]+", text):
        if word not in known and word not in ("and", "or", "not"):
            raise UsageError(f"-m '{text}': no mark is called '{word}'. {nearest(word, known)}")
    return [c for c in cells if evaluate(lambda word, cell=c: word in mark_names(cell, loaded))]  # type: ignore[misc]


def marks_of(cell: Cell, loaded: Loaded) -> list[Mark]:
    """The marks of a cell, in the suite's order."""
    return [m for m in loaded.suite.mark if matches(m.cells, cell)]


def mark_names(cell: Cell, loaded: Loaded) -> set[str]:
    """Names of a cell's marks for -m."""
    found: set[str] = set()
    for mark in marks_of(cell, loaded):
        found |= {n for n, on in (("skip", mark.skip), ("skipif", mark.skipif), ("xfail", mark.xfail)) if on}
        found |= {mark.name} if mark.name else set()
    return found


def _in_languages(cells: Iterable[Cell], wanted: Sequence[str], loaded: Loaded) -> list[Cell]:
    known = {language for task in loaded.tasks.values() for language in task.languages}
    for language in wanted:
        if language not in known:
            raise NothingSelected(f"no target has the language '{language}'. {nearest(language, known)}")
    out = []
    for cell in cells:
        has = cell.languages or loaded.tasks[cell.target].languages
        kept = tuple(language for language in has if language in wanted)
        if kept:
            out.append(replace(cell, languages=kept))
    return out


def _nearest_id(text: str, cells: Sequence[Cell]) -> str:
    """A cell whose id is, or has a part, close to a word of an expression; else what ids there are."""
    parts = {p: c.name for c in reversed(cells) for p in (c.intermediate, c.target, c.checkpoint)}
    for word in re.findall(r"[^\s()]+", text):
        close = difflib.get_close_matches(word, parts, n=1) if word not in ("and", "or", "not") else []
        if close and close[0] != word:
            return f"Did you mean '{close[0]}', as in {parts[close[0]]}?"
    return nearest(text, _names(cells))


def _nothing(cells: Sequence[Cell], selection: Selection) -> str:
    word = (
        selection.keyword
        or selection.marks
        or " ".join((*selection.targets, *selection.intermediates, *selection.languages))
    )
    option = "-k" if selection.keyword else "-m" if selection.marks else "the selection"
    return f"{option} '{word}' selects none of {len(cells)} cells. {_nearest_id(word, cells)}"


def skip_reason(cell: Cell, loaded: Loaded, gpu: bool | None = None) -> str | None:
    """Why a cell is skipped, or None."""
    return skipper(loaded, gpu)(cell)


def skipper(loaded: Loaded, gpu: bool | None = None) -> Callable[[Cell], str | None]:
    """`skip_reason` for many cells: the conditions are looked at once, not once a cell."""
    holding = [
        (m.cells, m.reason if m.skip else m.reason or f"skipif {m.skipif}")
        for m in loaded.suite.mark
        if m.skip or (m.skipif and holds(m.skipif, loaded.profile_name, gpu))
    ]
    return lambda cell: next((reason for pattern, reason in holding if matches(pattern, cell)), None)


def expected_failure(cell: Cell, loaded: Loaded) -> str | None:
    """Why a cell is expected to fail, or None."""
    return next((m.reason for m in marks_of(cell, loaded) if m.xfail), None)
