"""Reading local files row by row, so that every complaint can name its line."""

from __future__ import annotations

import csv
import difflib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from xharness.errors import DataError, Problem, Unreachable
from xharness.spec.task import Format

Row = dict[str, Any]
Located = tuple[int, Row]
"""A row with its line in the file (or its number, from 1, where a file has no lines)."""


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        number = 0
        try:
            for number, line in enumerate(stream, 1):
                yield number, line.rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(Problem(f"{path}:{number + 1}", f"is not UTF-8 text ({error.reason}).")) from None


def _load_json(path: Path) -> Any:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(Problem(f"{path}:{line}", f"is not UTF-8 text ({error.reason}).")) from None
    if not text.strip():
        raise DataError(Problem(str(path), "is empty."))
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated string")
        hint = "The file ends too early: it seems truncated." if cut else ""
        what = f"is not valid JSON: {error.msg} (column {error.colno})."
        raise DataError(Problem(f"{path}:{error.lineno}", what, hint)) from None
    except (RecursionError, ValueError) as error:
        raise DataError(Problem(str(path), f"is not valid JSON: {_why(error)}.")) from None


def _why(error: Exception) -> str:
    """Trouble with JSON that is no syntax error: nested too deeply, a number too long to convert."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]


def _whole(row: Row, where: str) -> Row:
    """The row, unless a text in it has half a character, which nothing further on could write or encode."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        what = f"has half a character ({error.object[error.start]!r}, a lone surrogate), which is no text."
        raise DataError(Problem(where, what)) from None
    return row


def read_json(path: Path) -> Iterator[Located]:
    """A list of objects, or an object whose `data` is one."""
    found = _load_json(path)
    rows = found.get("data") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        kind = f"an object with {', '.join(map(repr, list(found)[:8]))}" if isinstance(found, dict) else _kind(found)
        what = "must hold a list of objects, or an object with a list under `data`"
        raise DataError(Problem(str(path), f"{what}; found {kind}.", "One object a line is jsonl."))
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(Problem(f"{path}, row {number}", f"must be an object, found {_kind(row)}."))
        yield number, _whole(row, f"{path}, row {number}")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return f"{names.get(type(value), 'a number')} ({json.dumps(value)[:60]})"


def read_jsonl(path: Path) -> Iterator[Located]:
    """One JSON object a line."""
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                Problem(f"{path}:{number}", f"is not valid JSON: {error.msg} (column {error.colno}).")
            ) from None
        except (RecursionError, ValueError) as error:
            raise DataError(Problem(f"{path}:{number}", f"is not valid JSON: {_why(error)}.")) from None
        if not isinstance(row, dict):
            raise DataError(Problem(f"{path}:{number}", f"must be a JSON object, found {_kind(row)}."))
        yield number, _whole(row, f"{path}:{number}") if "\\u" in line else row


def _numbered(fields: list[str]) -> Row:
    return {str(i): value for i, value in enumerate(fields)}


def read_table(path: Path, separator: str, header: bool) -> Iterator[Located]:
    """Separated values; without a header the columns are called `0`, `1`, …

    A tsv has no quoting (quotes are text, as in XTREME's files); a csv quotes as RFC 4180 says.
    """
    split = (
        ((number, line.split("\t")) for number, line in _lines(path) if line) if separator == "\t" else _csv_rows(path)
    )
    names: list[str] | None = None
    for number, fields in split:
        if header and names is None:
            names = fields
            if twice := next((n for n in names if names.count(n) > 1), None):
                raise DataError(Problem(f"{path}:{number}", f"the header names the column '{twice}' twice."))
            continue
        if names is None:
            yield number, _numbered(fields)
            continue
        if len(fields) != len(names):
            raise DataError(
                Problem(
                    f"{path}:{number}", f"has {len(fields)} columns, the header has {len(names)}: {', '.join(names)}."
                )
            )
        yield number, dict(zip(names, fields, strict=True))


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        before = 0
        try:
            for fields in reader:
                if fields:
                    yield before + 1, fields
                before = reader.line_num
        except csv.Error as error:
            raise DataError(Problem(f"{path}:{before + 1}", f"is not valid CSV: {error}.")) from None
        except UnicodeDecodeError as error:
            raise DataError(Problem(str(path), f"is not UTF-8 text ({error.reason}).")) from None


_WORD_ID = re.compile(r"[0-9]+(?:[-.][0-9]+)?")


def read_conllu(path: Path) -> Iterator[Located]:
    """CoNLL-U sentences: `tokens`, `lemmas`, `upos`, `xpos`; words of a multiword token count, empty nodes do not."""
    names = {"tokens": 1, "lemmas": 2, "upos": 3, "xpos": 4}
    sentence: Row = {name: [] for name in names}
    start = 0
    for number, line in [*_lines(path), (0, "")]:
        if not line.strip():
            if sentence["tokens"]:
                yield start, sentence
            sentence = {name: [] for name in names}
            continue
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 10:
            raise DataError(
                Problem(f"{path}:{number}", f"has {len(fields)} fields; CoNLL-U has 10, separated by tabs.")
            )
        if not _WORD_ID.fullmatch(fields[0]):
            raise DataError(Problem(f"{path}:{number}", f"must begin with a word's number, found '{fields[0][:40]}'."))
        if "-" in fields[0] or "." in fields[0]:
            continue
        start = start if sentence["tokens"] else number
        for name, index in names.items():
            sentence[name].append(fields[index])


def read_columns(path: Path) -> Iterator[Located]:
    """`token<TAB>tag` a line, a blank line between sentences; columns `tokens` and `tags`."""
    tokens: list[str] = []
    tags: list[str] = []
    start = 0
    for number, line in [*_lines(path), (0, "")]:
        if not line.strip():
            if tokens:
                yield start, {"tokens": tokens, "tags": tags}
            tokens, tags = [], []
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 2:
            raise DataError(Problem(f"{path}:{number}", f"must be a token and a tag, found '{line[:60]}'."))
        start = start if tokens else number
        tokens.append(fields[0])
        tags.append(fields[-1])


def read_squad(path: Path) -> Iterator[Located]:
    """SQuAD's json (v1.1, v2.0, XQuAD, MLQA, TyDiQA-GoldP): `id`, `title`, `context`, `question`, `answers`."""
    found = _load_json(path)
    articles = found.get("data") if isinstance(found, dict) else found
    if not isinstance(articles, list):
        raise DataError(Problem(str(path), "must be SQuAD json: an object with a list of articles under `data`."))
    number = 0
    for article in articles:
        for paragraph in _field(article, "paragraphs", list, path, number):
            context = _field(paragraph, "context", str, path, number)
            for question in _field(paragraph, "qas", list, path, number):
                number += 1
                _field(question, "question", str, path, number)
                answers = [] if question.get("is_impossible") else _field(question, "answers", list, path, number)
                row = {
                    "id": str(_field(question, "id", (str, int), path, number)),
                    "title": article.get("title", ""),
                    "context": context,
                    "question": question["question"],
                    "answers": {
                        "text": [_field(a, "text", str, path, number) for a in answers],
                        "answer_start": [_field(a, "answer_start", int, path, number) for a in answers],
                    },
                }
                yield number, _whole(row, f"{path}, question {number}")


def _field(holder: Any, key: str, kind: type | tuple[type, ...], path: Path, number: int) -> Any:
    where = f"{path}, question {number}" if number else str(path)
    if not isinstance(holder, dict) or key not in holder:
        found = ", ".join(sorted(map(repr, holder))) if isinstance(holder, dict) else _kind(holder)
        raise DataError(Problem(where, f"needs `{key}`; found {found or 'nothing'}.", "The format is SQuAD's json."))
    if not isinstance(holder[key], kind) or isinstance(holder[key], bool):
        names: dict[object, str] = {str: "a text", list: "a list", int: "a whole number"}
        wanted = names.get(kind, "a text or number")
        raise DataError(Problem(where, f"`{key}` must be {wanted}, found {_kind(holder[key])}."))
    return holder[key]


def read_parquet(path: Path) -> Iterator[Located]:
    """A parquet file."""
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200].removesuffix(".")
        raise DataError(Problem(str(path), f"cannot be read as parquet: {said}.")) from None
    yield from enumerate(rows, 1)


def read_text(path: Path) -> Iterator[Located]:
    """One sentence a line, as `text`."""
    for number, line in _lines(path):
        yield number, {"text": line}


READERS: dict[Format, Callable[[Path], Iterator[Located]]] = {
    "json": read_json,
    "jsonl": read_jsonl,
    "conllu": read_conllu,
    "columns": read_columns,
    "parquet": read_parquet,
    "squad": read_squad,
    "text": read_text,
}


UNITS: dict[Format, str] = {"json": "row", "parquet": "row", "squad": "question"}
"""What is counted in files without lines to speak of."""


def located(path: str, form: Format | None, number: int) -> str:
    """How a message names a row: by line, or by its number in a file that is not read line by line."""
    return f"{path}, {UNITS[form]} {number}" if form in UNITS else f"{path}:{number}"


def read(path: Path, form: Format, header: bool) -> Iterator[Located]:
    """Every row of a local file with its line; DataError where the file cannot be read."""
    try:
        if os.path.isdir(path):
            raise DataError(Problem(str(path), "is a folder, not a file."))
        if not os.path.exists(path):
            raise Unreachable(Problem(_printable(path), "does not exist.", _beside(path)))
        if form in ("csv", "tsv"):
            yield from read_table(path, "\t" if form == "tsv" else ",", header)
        else:
            yield from READERS[form](path)
    except OSError as error:
        raise Unreachable(Problem(str(path), f"cannot be read: {error.strerror or error}.")) from None


def _printable(path: Path) -> str:
    return str(path) if str(path).isprintable() else repr(str(path))


def _beside(path: Path) -> str:
    """The nearest name in the folder, where there is one."""
    try:
        close = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1, cutoff=0.6)
    except (OSError, ValueError):
        folder = next((p for p in path.parents if os.path.isdir(p)), None)
        return f"Its folder does not exist either; {folder} does." if folder else ""
    return f"Did you mean '{close[0]}'?" if close else ""
