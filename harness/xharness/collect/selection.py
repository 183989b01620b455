"""Selects cells by the options of a command line, and explains when none is left."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from xharness.collect.cells import Cell, glob, mark_names, matches
from xharness.collect.expression import compile_expression
from xharness.errors import NothingSelected, UsageError, closest, listed, nearest
from xharness.spec.load import Loaded, find_suite


@dataclass(frozen=True)
class Selection:
    """What the command line selects."""

    ids: tuple[str, ...] = ()
    """Positional: `suite.toml::intermediate->target[…]`, or the part after `::`."""
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
    # As in pytest, an expression without words is no filter.
    if selection.keyword and selection.keyword.strip():
        chosen = _by_keyword(chosen, selection.keyword, loaded)
    if selection.marks and selection.marks.strip():
        chosen = _by_marks(chosen, selection.marks, loaded)
    if selection.deselect:
        chosen = _without(chosen, selection.deselect, loaded)
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


def _languages_in(cell: Cell, loaded: Loaded) -> tuple[str, ...]:
    return cell.languages or loaded.tasks[cell.target].languages


def _in_part(cell: Cell, languages: Iterable[str], loaded: Loaded) -> Cell | None:
    """The cell in these languages: unchanged if they are all of its target's, None if it has none of them."""
    has, wanted = loaded.tasks[cell.target].languages, set(languages)
    kept = tuple(language for language in has if language in wanted)
    return replace(cell, languages=None if kept == has else kept) if kept else None


_PART = re.compile(r"(.+)\[([A-Za-z]{2,3}(?:,\s*[A-Za-z]{2,3})*)\]")


@dataclass(frozen=True)
class _Id:
    """The parts of an id given on the command line."""

    suite: str
    """Empty where the id names none."""
    name: str
    """A name or pattern over names."""
    languages: tuple[str, ...]
    """Of a trailing `[de]` or `[de,fr]`."""

    @staticmethod
    def of(given: str) -> _Id:
        suite, separator, name = given.rpartition("::")
        if not name.strip() if separator else name.endswith(".toml"):
            return _Id(suite or name, "*", ())  # A suite alone means all of its cells.
        part = _PART.fullmatch(name)
        return _Id(suite, part[1], tuple(re.split(r",\s*", part[2]))) if part else _Id(suite, name, ())

    @property
    def is_pattern(self) -> bool:
        return "*" in self.name or "?" in self.name

    def is_of(self, loaded: Loaded) -> bool:
        """Whether it names this suite, or no suite."""
        if not self.suite or glob(self.suite).fullmatch(loaded.path.name):
            return True
        try:
            return find_suite(self.suite).resolve() == loaded.path.resolve()
        except UsageError:
            return False


def _by_ids(cells: Sequence[Cell], ids: Sequence[str], loaded: Loaded) -> list[Cell]:
    """Cells by id; the languages that several ids name for one cell are joined."""
    taken: dict[Cell, set[str]] = {}
    for given in ids:
        asked = _Id.of(given)
        if not asked.is_of(loaded):
            raise UsageError(_of_another(given, asked.suite, loaded))
        hits = [c for c in cells if matches(asked.name, c)]
        if not hits:
            raise NothingSelected(f"no cell is called '{given}'. {_nearest_name(asked.name, cells)}")
        if asked.languages:
            _check_languages(given, asked, hits, loaded)
        for cell in hits:
            taken.setdefault(cell, set()).update(asked.languages or _languages_in(cell, loaded))
    parts = (_in_part(c, taken[c], loaded) for c in cells if c in taken)
    return [c for c in parts if c is not None]


def _of_another(given: str, suite: str, loaded: Loaded) -> str:
    """Why an id of another suite is refused; UsageError if there is no such suite."""
    find_suite(suite)
    here = f"this command is on {loaded.path.name} alone"
    return f"'{given}' belongs to another suite, and {here}. Give {suite} a command of its own."


def _check_languages(given: str, asked: _Id, hits: Sequence[Cell], loaded: Loaded) -> None:
    """NothingSelected if a cell named in full lacks a language, or the cells of a pattern have none of them."""
    has = dict.fromkeys(language for c in hits for language in loaded.tasks[c.target].languages)
    lacking = [language for language in asked.languages if language not in has]
    if not lacking or (asked.is_pattern and len(lacking) < len(asked.languages)):
        return
    targets = " or ".join(dict.fromkeys(c.target for c in hits[:3]))
    who = "no target of these cells has" if asked.is_pattern else f"{targets} does not have"
    what = f"the language '{lacking[0]}'. Languages there: {listed(closest(lacking[0], has))}."
    raise NothingSelected(f"'{given}': {who} {what}")


def unmatched(cells: Sequence[Cell], selection: Selection, loaded: Loaded) -> dict[str, str]:
    """A warning for each --deselect that matches nothing: silence would hide a typo."""
    out: dict[str, str] = {}
    for given in selection.deselect:
        asked = _Id.of(given)
        hits = [c for c in cells if matches(asked.name, c)]
        if not asked.is_of(loaded):
            out[given] = f"--deselect '{given}' is of another suite, and leaves out nothing here."
        elif not hits:
            close = _nearest_name(asked.name, cells) if len(asked.name) < 200 else ""
            out[given] = f"--deselect '{given}' leaves out nothing: no cell is called so. {close}".rstrip()
        elif asked.languages:
            try:
                _check_languages(given, asked, hits, loaded)
            except NothingSelected as error:
                out[given] = f"--deselect {error}"
    return out


def _without(cells: Iterable[Cell], given: Sequence[str], loaded: Loaded) -> list[Cell]:
    """The cells that remain. As in pytest, deselecting what does not exist is no error; `unmatched` warns."""
    unwanted = [asked for asked in map(_Id.of, given) if asked.is_of(loaded)]
    out: list[Cell] = []
    for cell in cells:
        meant = [asked for asked in unwanted if matches(asked.name, cell)]
        if not all(asked.languages for asked in meant):
            continue
        gone = {language for asked in meant for language in asked.languages}
        left = _in_part(cell, set(_languages_in(cell, loaded)) - gone, loaded) if gone else cell
        out += [left] if left is not None else []
    return out


def _nearest_name(given: str, cells: Sequence[Cell]) -> str:
    """The nearest name for one that no cell has: a cell's full name if a bracket was given, else without it."""
    pair, bracket, _ = given.partition("[")
    pairs = {f"{c.intermediate}->{c.target}" for c in cells}
    close = difflib.get_close_matches(pair, pairs, n=1)
    if bracket and close:
        return nearest(given, [c.name for c in cells if c.name.startswith(f"{close[0]}[")])
    return nearest(pair, pairs)


def _by_keyword(cells: Iterable[Cell], text: str, loaded: Loaded) -> list[Cell]:
    evaluate = compile_expression(text, "-k")
    words = {
        name: {word.lower() for word in (*task.languages, *task.tags, task.group)}
        for name, task in loaded.tasks.items()
    }

    def matcher(cell: Cell) -> bool:
        name, exact = cell.id.lower(), words.get(cell.target, set())
        return evaluate(lambda word: word.lower() in name or word.lower() in exact)

    return [c for c in cells if matcher(c)]


def _by_marks(cells: Iterable[Cell], text: str, loaded: Loaded) -> list[Cell]:
    evaluate = compile_expression(text, "-m")
    known = {"skip", "skipif", "xfail", *(m.name for m in loaded.suite.mark if m.name)}
    for word in re.findall(r"[^\s()]+", text):
        if word not in known and word not in ("and", "or", "not"):
            raise UsageError(f"-m '{text}': no mark is called '{word}'. {nearest(word, known)}")
    return [c for c in cells if evaluate(lambda word, cell=c: word in mark_names(cell, loaded))]  # type: ignore[misc]


def _in_languages(cells: Iterable[Cell], wanted: Sequence[str], loaded: Loaded) -> list[Cell]:
    known = {language for task in loaded.tasks.values() for language in task.languages}
    for language in wanted:
        if language not in known:
            raise NothingSelected(f"no target has the language '{language}'. {nearest(language, known)}")
    parts = (_in_part(c, {*_languages_in(c, loaded)} & {*wanted}, loaded) for c in cells)
    return [c for c in parts if c is not None]


def _nearest_id(text: str, cells: Sequence[Cell]) -> str:
    """A hint for an expression that selects nothing: a cell with a part close to one of its words, or some names."""
    parts = {p: c.name for c in reversed(cells) for p in (c.intermediate, c.target, c.checkpoint)}
    for word in re.findall(r"[^\s()]+", text):
        close = difflib.get_close_matches(word, parts, n=1) if word not in ("and", "or", "not") else []
        if close and close[0] != word:
            return f"Did you mean '{close[0]}', as in {parts[close[0]]}?"
    return _nearest_name(text, cells)


def _nothing(cells: Sequence[Cell], selection: Selection) -> str:
    """Which expression, or which options, left no cell."""
    for option, text in (("-k", selection.keyword), ("-m", selection.marks)):
        if text and text.strip():
            return f"{option} '{text}' selects none of {len(cells)} cells. {_nearest_id(text, cells)}"
    narrowed = {
        "--intermediate": selection.intermediates,
        "--target": selection.targets,
        "--checkpoint": selection.checkpoints,
        "--seed": selection.seeds,
        "--language": selection.languages,
        "--deselect": selection.deselect,
    }
    words = [*selection.ids, *(f"{option} {value}" for option, values in narrowed.items() for value in values)]
    return f"the selection ({listed(words)}) leaves none of {len(cells)} cells."
