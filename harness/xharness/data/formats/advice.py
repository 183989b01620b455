"""The way out of a format that does not fit: what a file seems to be, as the setting that would read it.

Nothing is read by guesswork. What a file seems to be is only said, and only where reading it as it was told to failed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from xharness.data.formats.opened import UTF16_MARKS, LocalFile, head
from xharness.errors import DataError

LINES = 50
"""Lines looked at."""
DELIMITERS = (";", "\t", "|", ",")


def advice(file: LocalFile, missing: str = "") -> str:
    """A sentence with the setting that would read the file; empty where it seems to be what it is read as.

    `missing` is a column that it was found to lack.
    """
    try:
        raw = head(file)
        text = raw.decode(file.source.encoding or ("utf-16" if raw[:2] in UTF16_MARKS else "utf-8"), "replace")
    except (OSError, DataError, UnicodeError):
        return ""
    found = text.removeprefix("\ufeff").splitlines()[:LINES]
    if not any(line.strip() for line in found):
        return ""
    seen: tuple[Callable[[LocalFile, Sequence[str], str], str], ...] = (_objects, _words, _separated, _headless)
    return next(filter(None, (see(file, found, missing) for see in seen)), "")


def _objects(file: LocalFile, found: Sequence[str], missing: str) -> str:
    """JSON of another form."""
    written = [line for line in found if line.strip()]
    text, form = "\n".join(written), file.source.file_format
    if not text.lstrip().startswith(("{", "[")) or form in ("columns", "conllu"):
        return ""
    if '"paragraphs"' in text and '"qas"' in text:
        return "" if form == "squad" else 'It looks like SQuAD\'s json: format = "squad".'
    if len(written) > 1 and all(_is_object(line) for line in written[:2]):
        return "" if form == "jsonl" else 'It looks like one object a line: format = "jsonl".'
    if form in ("json", "squad"):
        return ""
    return 'It looks like json of several lines: format = "json".' if _begins_document(written) else ""


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _begins_document(written: Sequence[str]) -> bool:
    return written[0].lstrip().startswith("[") or not _is_object(written[0])


def _words(file: LocalFile, found: Sequence[str], missing: str) -> str:
    """A word a line."""
    form = file.source.file_format
    if form == "parquet":
        return ""
    if found[0].startswith("# global.columns") and form != "columns":
        return 'It looks like CoNLL-U Plus: format = "columns".'
    if form != "conllu" and any(re.match(r"[0-9]+(-[0-9]+)?(\t[^\t]+){9}$", line) for line in found):
        return 'It looks like CoNLL-U: format = "conllu".'
    if form == "columns" or found[0].lstrip().startswith(("{", "[")):
        return ""
    first = next((n for n, line in enumerate(found) if line.strip() and not line.startswith(("#", "-DOCSTART-"))), None)
    if first is None:
        return ""
    mark = "\t" if "\t" in found[first].strip() else " "
    widths = [len(line.strip().split(mark)) for line in found[first:] if line.strip() and not line.startswith("#")]
    bordered = any(not line.strip() for line in found[first : first + len(widths)])
    if len({*widths}) == 1 and widths[0] > 1 and (bordered or (mark == "\t" and missing in ("tokens", "tags"))):
        return 'It looks like a word a line: format = "columns".'
    return ""


def _separated(file: LocalFile, found: Sequence[str], missing: str) -> str:
    """Other separators, or quotes."""
    form = file.source.file_format
    if form == "text":
        tabbed = len({line.count("\t") for line in found if line}) == 1 and "\t" in found[0]
        return 'It looks like values separated by tabs: format = "tsv".' if tabbed else ""
    if form not in ("csv", "tsv"):
        return ""
    now = file.source.delimiter or ("," if form == "csv" else "\t")
    quoted = form == "tsv" and re.match(r'"[^"]*"(\W|$)', found[0]) is not None
    if now in found[0]:
        return f'Its values are quoted: format = "csv", delimiter = {json.dumps(now)}.' if quoted else ""
    counts = {mark: found[0].count(mark) for mark in DELIMITERS if mark != now and mark in found[0]}
    if not counts:
        return ""
    mark = max(counts, key=lambda mark: counts[mark])
    settings = {"format": "csv"} if form == "tsv" and (quoted or mark == ",") else {}
    if form == "csv" and mark == "\t":
        settings = {"format": "tsv"}
    elif mark != ",":
        settings["delimiter"] = mark
    said = ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    return f"Its columns seem to be separated by {_called(mark)}: {said}."


def _called(mark: str) -> str:
    return "tabs" if mark == "\t" else f"'{mark}'"


def _headless(file: LocalFile, found: Sequence[str], missing: str) -> str:
    """A first line that is a row like the others and names no columns."""
    if not missing or file.source.file_format not in ("csv", "tsv") or file.source.header:
        return ""
    mark = file.source.delimiter or ("," if file.source.file_format == "csv" else "\t")
    first, *rest = ([field.strip('" ') for field in line.split(mark)] for line in found if line)
    repeated = any(field and field == row[n] for row in rest for n, field in enumerate(first) if n < len(row))
    prose = any(len(field.split()) > 3 or re.fullmatch(r"[-+]?[0-9.]+", field) for field in first)
    if not repeated and not prose:
        return ""
    called = missing if re.fullmatch(r"\w+", missing) else "text"
    return f'Its first line seems to name no columns: call them by number, such as [columns] {called} = "0".'
