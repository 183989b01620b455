"""Reading local files row by row, so that every complaint can name its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from xharness.errors import DataError, Problem
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
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(Problem(str(path), f"is not UTF-8 text ({error.reason}).")) from None
    except json.JSONDecodeError as error:
        hint = "The file ends too early: it seems truncated." if error.pos >= len(error.doc.rstrip()) - 1 else ""
        raise DataError(Problem(f"{path}:{error.lineno}", f"is not valid JSON: {error.msg}.", hint)) from None


def read_json(path: Path) -> Iterator[Located]:
    """A list of objects, or an object whose `data` is one."""
    found = _load_json(path)
    rows = found.get("data") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise DataError(Problem(str(path), "must hold a list of objects, or an object with a list under `data`."))
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(Problem(f"{path}, row {number}", f"must be an object, found {json.dumps(row)[:60]}."))
        yield number, row


def read_jsonl(path: Path) -> Iterator[Located]:
    """One JSON object a line."""
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(Problem(f"{path}:{number}", f"is not valid JSON: {error.msg} (column {error.colno}).")) from None
        if not isinstance(row, dict):
            raise DataError(Problem(f"{path}:{number}", f"must be a JSON object, found {line[:60]}."))
        yield number, row


def _numbered(fields: list[str]) -> Row:
    return {str(i): value for i, value in enumerate(fields)}


def read_table(path: Path, separator: str, header: bool) -> Iterator[Located]:
    """Separated values; without a header the columns are called `0`, `1`, …

    A tsv has no quoting (quotes are text, as in XTREME's files); a csv quotes as RFC 4180 says.
    """
    if separator == "\t":
        split: Iterator[tuple[int, list[str]]] = ((number, line.split("\t")) for number, line in _lines(path) if line)
    else:
        stream = path.open(encoding="utf-8-sig", newline="")
        reader = csv.reader(stream, strict=True)
        split = _csv_rows(path, reader)
    names: list[str] | None = None
    for number, fields in split:
        if header and names is None:
            names = fields
            continue
        if names is None:
            yield number, _numbered(fields)
            continue
        if len(fields) != len(names):
            raise DataError(
                Problem(f"{path}:{number}", f"has {len(fields)} columns, the header has {len(names)}: {', '.join(names)}.")
            )
        yield number, dict(zip(names, fields, strict=True))


def _csv_rows(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(Problem(f"{path}:{reader.line_num}", f"is not valid CSV: {error}.")) from None


def read_conllu(path: Path) -> Iterator[Located]:
    """CoNLL-U sentences: `tokens`, `lemmas`, `upos`, `xpos`; words inside a multiword token count, empty nodes do not."""
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
            raise DataError(Problem(f"{path}:{number}", f"has {len(fields)} fields; CoNLL-U has 10, separated by tabs."))
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
                answers = [] if question.get("is_impossible") else question.get("answers", [])
                yield number, {
                    "id": str(_field(question, "id", (str, int), path, number)),
                    "title": article.get("title", ""),
                    "context": context,
                    "question": _field(question, "question", str, path, number),
                    "answers": {
                        "text": [_field(a, "text", str, path, number) for a in answers],
                        "answer_start": [_field(a, "answer_start", int, path, number) for a in answers],
                    },
                }


def _field(holder: Any, key: str, kind: type | tuple[type, ...], path: Path, number: int) -> Any:
    if not isinstance(holder, dict) or not isinstance(holder.get(key), kind):
        found = sorted(holder) if isinstance(holder, dict) else type(holder).__name__
        raise DataError(Problem(f"{path}, question {number}", f"needs `{key}`, found {found}."))
    return holder[key]


def read_parquet(path: Path) -> Iterator[Located]:
    """A parquet file."""
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(Problem(str(path), f"cannot be read as parquet: {str(error).splitlines()[0]}")) from None
    yield from enumerate(table.to_pylist(), 1)


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


def read(path: Path, form: Format, header: bool) -> Iterator[Located]:
    """Every row of a local file with its line; DataError where the file cannot be read."""
    try:
        if form in ("csv", "tsv"):
            yield from read_table(path, "\t" if form == "tsv" else ",", header)
        else:
            yield from READERS[form](path)
    except FileNotFoundError:
        raise DataError(Problem(str(path), "does not exist.")) from None
    except (IsADirectoryError, PermissionError) as error:
        raise DataError(Problem(str(path), f"cannot be read: {error.strerror}.")) from None
