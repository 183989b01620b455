"""From a TOML file to a validated value, or to problems that name file, line, key, what was found, what is allowed."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import tomli
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from xharness.errors import Problem, UsageError, nearest
from xharness.spec.base import RULES_ASIDE
from xharness.spec.positions import Positions

Model = TypeVar("Model", bound=BaseModel)
KeyPath = tuple[str | int, ...]

ADDED = ("mark", "expect")
"""Lists that a suite adds to those of the suite it extends."""
NAMED = "checkpoint"
"""The list whose entries replace those of the same name in the suite that is extended."""


@dataclass(frozen=True)
class Document:
    """A parsed TOML file that can still say where each key stands."""

    path: Path
    values: dict[str, Any]
    positions: Positions
    base: Document | None = None
    """The suite that this one extends; `values` are then both, merged."""
    own: Mapping[str, Any] | None = None
    """What the file itself says, where it extends another."""

    def problem(self, path: Sequence[str | int], what: str, hint: str = "", value: object = None) -> Problem:
        """A problem at a key."""
        document, place = self.place(tuple(path))
        line = document.positions.line(place, value)
        key = ".".join(str(p) for p in path)
        return Problem(f"{shown(document.path)}:{line}", f"{key}: {what}" if key else what, hint, self.key(path))

    def key(self, path: Sequence[str | int]) -> KeyPath:
        """A key and the file that it is asked of, as `Problem.key` has them."""
        return str(self.path), *path

    def table(self, *path: str) -> Mapping[str, Any]:
        """The table at a path, as the file has it; empty where there is none."""
        found: Any = self.values
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def place(self, path: KeyPath) -> tuple[Document, KeyPath]:
        """The file in which a key of the merged suite stands, and its path there."""
        if self.positions.depth(path) < len(path):
            # One table stands for a list of one: `data.train = { … }`.
            flat = tuple(p for p in path if not isinstance(p, int))
            if self.positions.depth(flat) == len(flat):
                path = flat
        if self.base is None or self.own is None:
            return self, path
        if len(path) > 1 and isinstance(path[1], int):
            if path[0] in ADDED:
                before = len(self.base.values.get(path[0], ()))
                return self.base.place(path) if path[1] < before else (self, (path[0], path[1] - before, *path[2:]))
            if path[0] == NAMED:
                name = name_at(self.values, path[1])
                which = [name_at(self.values, i) for i in range(path[1])].count(name)
                for document, entries in ((self, self.own), (self.base, self.base.values)):
                    same = [i for i in range(len(_entries(entries))) if name_at(entries, i) == name]
                    if same:
                        its: KeyPath = (NAMED, same[min(which, len(same) - 1)], *path[2:])
                        return (self, its) if document is self else document.place(its)
        other, its = self.base.place(path)
        return (self, path) if self.positions.depth(path) >= other.positions.depth(its) else (other, its)


def _entries(values: Mapping[str, Any]) -> Sequence[Any]:
    found = values.get(NAMED)
    return found if isinstance(found, list) else ()


def name_at(values: Mapping[str, Any], index: int) -> Any:
    """The name of a checkpoint as the file has it."""
    entry = _entries(values)[index] if index < len(_entries(values)) else None
    return entry.get("name") if isinstance(entry, dict) else None


def shown(path: Path) -> str:
    """A path as a person would type it: relative where it lies below the current folder."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def read_document(path: Path) -> Document:
    """Parse a TOML file; UsageError with the line where it is not TOML."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(Problem(shown(path), "does not exist.")) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = f"is not UTF-8 text ({error.reason} at byte {error.start})."
        raise UsageError(Problem(f"{shown(path)}:{line}", what)) from None
    except OSError as error:
        raise UsageError(Problem(shown(path), f"cannot be read: {error.strerror}.")) from None
    except ValueError as error:
        raise UsageError(Problem(repr(str(path)), f"is no path: {error}.")) from None
    try:
        values = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        line = min(getattr(error, "lineno", 0) or 1, Positions(text).last)
        raise UsageError(Problem(f"{shown(path)}:{line}", f"is not valid TOML: {error}.")) from None
    except RecursionError:
        raise UsageError(Problem(shown(path), "is nested too deeply.")) from None
    except ValueError as error:  # a number of more digits than Python converts
        raise UsageError(Problem(shown(path), f"is not valid TOML: {error}.")) from None
    return Document(path, values, Positions(text))


def validate(
    model: type[Model],
    values: Mapping[str, Any],
    document: Document,
    under: Sequence[str | int] = (),
    places: Mapping[str, tuple[Document, KeyPath]] | None = None,
) -> Model:
    """`values` as `model`, types taken strictly; UsageError with one problem a wrong key.

    `under` is where the values stand in the document; `places` says it key by key, where they come from several tables.
    """
    try:
        return model.model_validate(_frozen(values), strict=True)
    except ValidationError as error:
        told = _Told(model, document, tuple(under), places or {})
        raise UsageError(*told.problems(error.errors())) from None
    except RecursionError:
        raise UsageError(document.problem(under, "is nested too deeply.")) from None


def validate_rest(
    model: type[Model], values: Mapping[str, Any], document: Document
) -> tuple[Model | None, list[Problem]]:
    """The value without its wrong keys, and the problem of each, so that what else is wrong can be told as well.

    A required key that is wrong has a value that stands for none: ask `told` before relying on it.
    """
    problems: list[Problem] = []
    try:
        rest = copy.deepcopy(dict(values))
        filled: set[KeyPath] = set()
        for _ in range(ATTEMPTS):
            context = RULES_ASIDE if problems else None
            try:
                return model.model_validate(_frozen(rest), strict=True, context=context), problems
            except ValidationError as error:
                told, details = _Told(model, document, (), {}), error.errors()
            # What only fails because something was taken out is no problem of the file.
            problems = problems or told.problems(details)
            paths = dict.fromkeys(told.path(d["loc"]) for d in details if d["type"] != "value_error")
            # From the back, so that the numbers of a list's other entries stay.
            for path in sorted(paths, key=lambda p: [(isinstance(x, int), x) for x in p], reverse=True):
                _mend(model, rest, path, filled)
    except RecursionError:
        return None, [document.problem((), "is nested too deeply.")]
    return None, problems


ATTEMPTS = 12
"""To make a value: each takes out or fills in one more level of what is nested."""


def told(problems: Iterable[Problem], document: Document, *path: str | int) -> bool:
    """Whether one of the problems is of this key, of what holds it, or of what is in it."""
    whole = document.key(path)
    return any(p.key and all(a == b for a, b in zip(p.key, whole, strict=False)) for p in problems)


def _mend(model: type[BaseModel], values: dict[str, Any], path: KeyPath, filled: set[KeyPath]) -> None:
    """Take out a wrong key or fill in a missing one; where that has been tried, take out the table that it is in.

    Tables of a list stay in their place, since messages name them by their numbers.
    """
    if not path:
        return
    holder, key = _holder(values, path), path[-1]
    if isinstance(holder, list) and isinstance(key, int):
        if key >= len(holder):
            _mend(model, values, path[:-1], filled)
        elif _model_at(model, path) is not None:
            holder[key] = {}
        else:
            del holder[key]
    elif isinstance(holder, dict):
        field = (_model_at(model, path[:-1]) or model).model_fields.get(str(key))
        if key in holder and path not in filled:
            del holder[key]
        elif path not in filled and field is not None:
            filled.add(path)
            is_table = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
            holder[key] = "x" if field.annotation is str else {} if is_table else []
        else:
            _mend(model, values, path[:-1], filled)


def _holder(values: Any, path: KeyPath) -> Any:
    """The table or list that has the last part of a path; None where it is gone."""
    for part in path[:-1]:
        if isinstance(part, int) and isinstance(values, dict):
            continue  # One table stands for a list of one.
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _frozen(value: Any) -> Any:
    """Lists as tuples, as the strict types want them."""
    if isinstance(value, Mapping):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


_FOUND_LENGTH = 80
_WORDS = {
    "string_type": "a string",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "finite_number": "a finite number",
}
"""Pydantic's kinds of error -> what a person would call the type that was wanted."""


@dataclass(frozen=True)
class _Told:
    """Pydantic's errors as problems."""

    model: type[BaseModel]
    document: Document
    under: KeyPath
    places: Mapping[str, tuple[Document, KeyPath]]

    def problems(self, details: Sequence[ErrorDetails]) -> list[Problem]:
        """One problem a key: the arms of a union are told as one."""
        by_path: dict[KeyPath, list[ErrorDetails]] = {}
        for detail in details:
            by_path.setdefault(self.path(detail["loc"]), []).append(detail)
        return list(dict.fromkeys(self._one(path, group) for path, group in by_path.items()))

    def path(self, location: KeyPath) -> KeyPath:
        """Without the names of a union's arms, which pydantic puts into the path; they are no keys of the file."""
        return tuple(p for i, p in enumerate(location) if not (_is_arm(p) and not self._exists(location[: i + 1])))

    def _exists(self, location: KeyPath) -> bool:
        path = (*self.under, *location)
        document, place = self.document.place(path)
        return document.positions.depth(place) == len(place)

    def _one(self, location: KeyPath, details: Sequence[ErrorDetails]) -> Problem:
        kind, value = details[0]["type"], details[0].get("input")
        holder = _model_at(self.model, location[:-1]) or self.model
        if kind == "extra_forbidden":
            return self._at(location, "is not a known key.", nearest(str(location[-1]), holder.model_fields))
        if kind == "missing":
            if location and isinstance(location[-1], int):
                return self._at(location[:-1], f"needs more than {location[-1]} entries.")
            return self._at(location, f"is missing; a {_spaced(holder.__name__)} needs it.")
        if kind == "value_error":
            said = details[0]["msg"].removeprefix("Value error, ")
            problem = self._at(location, f"{said}.", value=value)
            # A rule is of the table and of none of its keys by itself.
            return replace(problem, key=(*problem.key, ""))
        found = found_in(value)
        if kind == "literal_error":
            allowed = str(details[0].get("ctx", {}).get("expected", ""))
            choices = [part.strip("' ") for part in allowed.replace(" or ", ", ").split(",")]
            return self._at(location, f"must be {allowed}, found {found}.", nearest(str(value), choices), value)
        wanted = " or ".join(dict.fromkeys(_wanted(detail) for detail in details))
        return self._at(location, f"{wanted}, found {found}.".replace(" or must be ", " or "), value=value)

    def _at(self, location: KeyPath, what: str, hint: str = "", value: object = None) -> Problem:
        if location and location[0] in self.places:
            document, path = self.places[str(location[0])]
            return document.problem((*path, *location), what, hint, value)
        if not location and self.places:
            # A rule over several keys: told where the last of them that the sentence names stands.
            named = [k for k in self.places if k in what] or list(self.places)
            document, path = self.places[named[-1]]
            return document.problem((*path, named[-1]), what, hint)
        return self.document.problem((*self.under, *location), what, hint, value)


def _wanted(detail: ErrorDetails) -> str:
    """What should have been there."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _WORDS:
        return f"must be {_WORDS[kind]}"
    if kind == "string_pattern_mismatch":
        return f"must match {context.get('pattern')}"
    if kind == "too_short":
        return f"must have at least {context.get('min_length')} entries"
    if kind == "too_long":
        return f"must have at most {context.get('max_length')} entries"
    return f"must be {detail['msg'].removeprefix('Input should be ').removeprefix('Value should be ')}"


def found_in(value: object) -> str:
    """A value of a file as a message shows it."""
    if isinstance(value, (dict, list, tuple)):
        kind = "table" if isinstance(value, dict) else "list"
        return f"a {kind} of {len(value)}" if value else f"an empty {kind}"
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = repr(value) if isinstance(value, (str, int, float)) else str(value)
    except ValueError:  # a number of more digits than Python converts
        return "a very long number"
    return text if len(text) <= _FOUND_LENGTH else f"{text[: _FOUND_LENGTH - 1]}…"


def _spaced(name: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()


def _is_arm(part: str | int) -> bool:
    text = str(part)
    return isinstance(part, str) and ("[" in text or text in ("str", "int", "float", "bool", "none"))


def _model_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel] | None:
    """The model that a path leads to, through tuples, dictionaries and optional values."""
    current: type[BaseModel] | None = model
    pending: Any = None
    for part in location:
        if pending is not None:
            current, pending = _inner(pending), None
            if isinstance(part, int) or current is None:
                continue
            pending = None
        if current is None or isinstance(part, int):
            continue
        field = current.model_fields.get(part)
        if field is None:
            continue
        inner = _inner(field.annotation)
        is_map = "dict" in str(field.annotation)
        current, pending = (current, field.annotation) if is_map else (inner, None)
    return _inner(pending) if pending is not None else current


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        if (found := _inner(argument)) is not None:
            return found
    return None
