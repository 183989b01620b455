"""From a TOML file to a validated value, or to problems that name file, line, key, what was found, what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import tomli
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from xharness.errors import Problem, UsageError, nearest
from xharness.spec.positions import Positions

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A parsed TOML file that can still say where each key stands."""

    path: Path
    values: dict[str, Any]
    positions: Positions

    def problem(self, path: Sequence[str | int], what: str, hint: str = "", value: object = None) -> Problem:
        """A problem at a key."""
        line = self.positions.line(path, value)
        key = ".".join(str(p) for p in path)
        return Problem(f"{shown(self.path)}:{line}", f"{key}: {what}" if key else what, hint)


def shown(path: Path) -> str:
    """A path as a person would type it: relative where it lies below the current folder."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_document(path: Path) -> Document:
    """Parse a TOML file; UsageError with the line where it is not TOML."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(Problem(shown(path), "does not exist.")) from None
    except UnicodeDecodeError as error:
        raise UsageError(Problem(shown(path), f"is not UTF-8 text ({error.reason} at byte {error.start}).")) from None
    except OSError as error:
        raise UsageError(Problem(shown(path), f"cannot be read: {error.strerror}.")) from None
    try:
        values = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        line = getattr(error, "lineno", 0) or 1
        raise UsageError(Problem(f"{shown(path)}:{line}", f"is not valid TOML: {error}.")) from None
    except RecursionError:
        raise UsageError(Problem(shown(path), "is nested too deeply.")) from None
    return Document(path, values, Positions(text))


def validate(model: type[Model], values: Mapping[str, Any], document: Document, under: Sequence[str | int] = ()) -> Model:
    """`values` as `model`; UsageError with one problem a wrong key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_problem(model, detail, document, under) for detail in error.errors()]
        raise UsageError(*dict.fromkeys(problems)) from None


_FOUND_LENGTH = 80


def _problem(model: type[BaseModel], detail: ErrorDetails, document: Document, under: Sequence[str | int]) -> Problem:
    location = [p for p in detail["loc"] if not _is_union_arm(p)]
    path = [*under, *location]
    value = detail.get("input")
    kind = detail["type"]
    if kind == "extra_forbidden":
        holder = _model_at(model, location[:-1])
        names = holder.model_fields if holder else {}
        return document.problem(path, "is not a known key.", nearest(str(location[-1]), names))
    if kind == "missing":
        return document.problem(path, f"is missing; a {model.__name__.lower()} needs it.")
    found = repr(value) if not isinstance(value, (dict, list)) else f"a {'table' if isinstance(value, dict) else 'list'}"
    said = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "literal_error":
        allowed = str(detail.get("ctx", {}).get("expected", ""))
        names = [part.strip("' ") for part in allowed.replace(" or ", ", ").split(",")]
        return document.problem(path, f"must be {allowed}, found {found}.", nearest(str(value), names), value)
    if kind == "value_error":
        return document.problem(path, f"{said}.", value=value)
    return document.problem(path, f"must be {said}, found {found[:_FOUND_LENGTH]}.", value=value)


def _is_union_arm(part: str | int) -> bool:
    """Pydantic puts the names of a union's arms into the path; they are no keys of the file."""
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
