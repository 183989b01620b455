"""JSON files: a list of objects, one object a line, SQuAD's articles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from xharness.data.formats.advice import advice
from xharness.data.formats.opened import LocalFile, lines, whole_text
from xharness.errors import DataError, Problem, listed

Row = dict[str, Any]
Located = tuple[int, Row]
"""A row with its line in the file (or its number, from 1, where a file has no lines)."""


def read_json(file: LocalFile) -> Iterator[Located]:
    """A list of objects, or an object whose `data` is one."""
    found, doubtful = _document(file)
    rows = found.get("data") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        kind = f"an object with {', '.join(map(repr, list(found)[:8]))}" if isinstance(found, dict) else _kind(found)
        what = f"must hold a list of objects, or an object with a list under `data`; found {kind}."
        raise file.fault(None, what, advice(file) or _by_column(found) or 'One object a line is format = "jsonl".')
    for number, row in enumerate(rows, 1):
        where = f"{file.path}, row {number}"
        if not isinstance(row, dict):
            raise DataError(Problem(where, f"must be an object, found {_kind(row)}."))
        yield number, _whole(row, where) if doubtful else row


def _by_column(found: Any) -> str:
    if isinstance(found, dict) and found and all(isinstance(column, (dict, list)) for column in found.values()):
        return 'Is it written by column? pandas writes rows with to_json(orient="records").'
    return ""


def read_jsonl(file: LocalFile) -> Iterator[Located]:
    """One JSON object a line."""
    for number, line in lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            what = f"is not valid JSON: {error.msg} (column {error.colno})."
            raise file.fault(number, what, advice(file) if number == 1 else "") from None
        except (RecursionError, ValueError) as error:
            raise file.fault(number, f"is not valid JSON: {_why(error)}.") from None
        if not isinstance(row, dict):
            raise file.fault(number, f"must be a JSON object, found {_kind(row)}.", advice(file) if number == 1 else "")
        yield number, _whole(row, f"{file.path}:{number}") if "\\u" in line else row


def read_squad(file: LocalFile) -> Iterator[Located]:
    """SQuAD's json (v1.1, v2.0, XQuAD, MLQA, TyDiQA-GoldP): `id`, `title`, `context`, `question`, `answers`."""
    found, doubtful = _document(file)
    articles = found.get("data") if isinstance(found, dict) else found
    if not isinstance(articles, list):
        what = "must be SQuAD json: an object with a list of articles under `data`."
        raise file.fault(None, what, advice(file))
    number = 0
    for article in articles:
        for paragraph in _field(file, article, "paragraphs", list, number):
            context = _field(file, paragraph, "context", str, number)
            for question in _field(file, paragraph, "qas", list, number):
                number += 1
                row = _question(file, question, number) | {"title": article.get("title", ""), "context": context}
                if "sentence_breaks" in paragraph:  # XQuAD-R's
                    row["sentence_breaks"] = paragraph["sentence_breaks"]
                yield number, _whole(row, f"{file.path}, question {number}") if doubtful else row


def _question(file: LocalFile, question: Any, number: int) -> Row:
    _field(file, question, "question", str, number)
    answers = [] if question.get("is_impossible") else _field(file, question, "answers", list, number)
    return {
        "id": str(_field(file, question, "id", (str, int), number)),
        "question": question["question"],
        "answers": {
            "text": [_field(file, a, "text", str, number) for a in answers],
            "answer_start": [_field(file, a, "answer_start", int, number) for a in answers],
        },
    }


def _field(file: LocalFile, holder: Any, key: str, kind: type | tuple[type, ...], number: int) -> Any:
    where = f"{file.path}, question {number}" if number else str(file.path)
    if not isinstance(holder, dict) or key not in holder:
        found = listed(sorted(map(repr, holder)), near=repr(key)) if isinstance(holder, dict) else _kind(holder)
        hint = "The format is SQuAD's json."
        if key == "paragraphs" and isinstance(holder, dict) and "question" in holder:
            hint = 'Its rows are questions, not articles: format = "json".'
        raise DataError(Problem(where, f"needs `{key}`; found {found or 'nothing'}.", hint))
    if not isinstance(holder[key], kind) or isinstance(holder[key], bool):
        names: dict[object, str] = {str: "a text", list: "a list", int: "a whole number"}
        wanted = names.get(kind, "a text or number")
        raise DataError(Problem(where, f"`{key}` must be {wanted}, found {_kind(holder[key])}."))
    return holder[key]


def _document(file: LocalFile) -> tuple[Any, bool]:
    """A file's JSON, and whether a text in it may have half a character."""
    text = whole_text(file)
    if not text or text.isspace():
        raise file.fault(None, "is empty.")
    try:
        # A half is only ever written as an escape, \ud800 to \udfff; checking every row for it takes its time.
        return json.loads(text), "\\ud" in text or "\\uD" in text
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated string")
        hint = "The file ends too early: it seems truncated." if cut else advice(file)
        raise file.fault(error.lineno, f"is not valid JSON: {error.msg} (column {error.colno}).", hint) from None
    except (RecursionError, ValueError) as error:
        raise file.fault(None, f"is not valid JSON: {_why(error)}.") from None


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


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return f"{names.get(type(value), 'a number')} ({json.dumps(value)[:60]})"
