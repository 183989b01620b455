"""Files with a word a line and a blank line between sentences: CoNLL-U, and columns of any number.

Columns (CoNLL-2003 and its kin):

- The first line with a word says how the file is written: with tabs, where it has one, otherwise with runs of spaces;
  and how many columns every line has. Spaces and tabs at a line's end do not count.
- `-DOCSTART-` at the beginning of a line is the border of a document and no word.
- A line that begins with `#` before the first word of a sentence is a comment where it has a space or tab in it and
  another number of columns; `#<TAB>O` is a word.
- `tokens` is the first column and `tags` the last; any column is called by its number from 0, from the last with -1, or
  by its name, where a line `# global.columns = …` or the first line names them. The first line does so where `header`
  says it, or where a column is asked for by name and nothing else names it.
- Where a column is called ID, words that it numbers as ranges (`1-2`) and empty nodes (`1.1`) are left out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xharness.data.formats.advice import advice
from xharness.data.formats.objects import Located
from xharness.data.formats.opened import LocalFile, lines
from xharness.data.formats.tables import is_number

GLOBAL_COLUMNS = "# global.columns"
"""Begins the comment that names the columns in CoNLL-U Plus."""
BORDER = re.compile(r"-DOCSTART-(?:\s|$)")
WORD_ID = re.compile(r"[0-9]+(?:[-.][0-9]+)?")

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_OURS = {"tokens": 1, "lemmas": 2, "upos": 3, "xpos": 4}
DEFAULTS = {"tokens": 0, "tags": -1}
"""Columns of a file whose columns nobody names."""


def read_text(file: LocalFile) -> Iterator[Located]:
    """One sentence a line, as `text`."""
    for number, line in lines(file):
        yield number, {"text": line}


def read_conllu(file: LocalFile) -> Iterator[Located]:
    """CoNLL-U sentences: `tokens`, `lemmas`, `upos`, `xpos`, and others by CoNLL-U's name or by number.

    Words of a multiword token count, the token itself and empty nodes do not.
    """
    places = _places(file, CONLLU, len(CONLLU), _OURS, None)
    yield from _sentences(_conllu_words(file), places)


Word = tuple[int, list[str]]
"""The line of a word and its columns; no columns at the border of a sentence."""


def _conllu_words(file: LocalFile) -> Iterator[Word]:
    for number, line in lines(file):
        if not line.strip():
            yield number, []
            continue
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 10:
            what = f"has {len(fields)} fields; CoNLL-U has 10, separated by tabs."
            raise file.fault(number, what, advice(file))
        if not WORD_ID.fullmatch(fields[0]):
            what = f"must begin with a word's number, found '{fields[0][:40]}'."
            raise file.fault(number, what, advice(file))
        if fields[0].isdigit():
            yield number, fields


@dataclass(frozen=True)
class Layout:
    """How a file of columns is written."""

    tabs: bool
    width: int
    line: int
    """The first line with columns."""
    names: tuple[str, ...] = ()
    header: int = 0
    """The line that only names the columns; 0 where there is none."""

    def split(self, line: str) -> list[str]:
        """The columns of a line."""
        return split_columns(line, self.tabs)


def split_columns(line: str, tabs: bool) -> list[str]:
    """The columns of a line; only tab and space separate, since other white space occurs as a token."""
    if tabs:
        fields = line.rstrip(" \t").split("\t")
        return [field.strip(" ") for field in fields] if " " in line else fields
    return re.split(" +", line.strip(" \t"))


def read_columns(file: LocalFile) -> Iterator[Located]:
    """Words in columns, a blank line between sentences; `tokens`, `tags`, and the columns that are asked for."""
    layout = _layout(file)
    if layout is None:
        return
    if layout.width < 2:
        first = next(line for number, line in lines(file) if number == layout.line)
        raise file.fault(layout.line, f"must be a token and a tag, found '{first[:60]}'.", advice(file))
    if layout.names and len(layout.names) != layout.width:
        what = f"has {layout.width} columns; {GLOBAL_COLUMNS} names {len(layout.names)}: {', '.join(layout.names)}."
        raise file.fault(layout.line, what)
    places = _places(file, layout.names, layout.width, DEFAULTS, layout.header or None)
    upper = [name.upper() for name in layout.names]
    ids = upper.index("ID") if "ID" in upper else None
    yield from _sentences(_words(file, layout, ids), places)


def _is_border(line: str) -> bool:
    """Whether a line ends a sentence: a blank one, or the border of a document."""
    return not line.strip(" \t") or (line[0] == "-" and BORDER.match(line) is not None)


def _layout(file: LocalFile) -> Layout | None:
    """How a file is written, by its first line with columns; None where it has none."""
    named: tuple[str, ...] = ()
    doubtful: Layout | None = None
    for number, line in lines(file):
        if line.startswith(GLOBAL_COLUMNS):
            named = tuple(line.partition("=")[2].split())
            continue
        if _is_border(line):
            continue
        tabs = "\t" in line.strip(" \t")
        fields = split_columns(line, tabs)
        if line.startswith("#"):
            # A comment or a word: the first line that begins otherwise says which.
            doubtful = doubtful or (Layout(tabs, len(fields), number, named) if tabs else None)
        elif _has_header(file, named):
            return Layout(tabs, len(fields), number, named or tuple(fields), number)
        else:
            return Layout(tabs, len(fields), number, named)
    return doubtful


def _has_header(file: LocalFile, named: Sequence[str]) -> bool:
    if file.source.header is not None:
        return file.source.header
    return not named and any(not is_number(name) and name not in DEFAULTS for name in file.wanted)


def _words(file: LocalFile, layout: Layout, ids: int | None) -> Iterator[Word]:
    inside = False
    for number, line in lines(file):
        if _is_border(line):
            inside = False
            yield number, []
            continue
        if number == layout.header:
            continue
        fields = layout.split(line)
        if len(fields) != layout.width:
            if not inside and line.startswith("#") and re.search(r"[ \t]", line.strip(" \t")):
                continue
            raise _ragged(file, layout, number, line, len(fields))
        inside = True
        if ids is None or fields[ids].isdigit() or not WORD_ID.fullmatch(fields[ids]):
            yield number, fields


def _ragged(file: LocalFile, layout: Layout, number: int, line: str, found: int) -> Exception:
    like = f"line {layout.line} has {layout.width} columns, separated by {'tabs' if layout.tabs else 'spaces'}."
    what = f"must be a token and a tag, found '{line[:60]}'; {like}" if found == 1 else f"has {found} columns; {like}"
    if line.startswith("#"):
        hint = "A comment stands before the first word of its sentence."
    elif not layout.tabs and found > layout.width:
        hint = "A word with a space in it needs tabs between the columns."
    else:
        hint = ""
    return file.fault(number, what, advice(file) or hint)


def _places(
    file: LocalFile, names: Sequence[str], width: int, defaults: Mapping[str, int], line: int | None
) -> dict[str, int]:
    """Where the columns stand that are asked for, and those that are there anyway."""
    known = {**defaults, **{name: index for index, name in enumerate(names)}}
    places = {name: known[name] for name in defaults}
    for column in file.wanted:
        if column in known:
            places[column] = known[column]
        elif is_number(column) and -width <= int(column) < width:
            places[column] = int(column)
        else:
            called = f"{', '.join(known)}, or 0 to {width - 1}"
            close = difflib.get_close_matches(column, known, n=1, cutoff=0.6)
            hint = advice(file) or (f"Did you mean '{close[0]}'?" if close else "")
            raise file.fault(line, f"has no column '{column}'; its columns are {called}.", hint)
    return places


def _sentences(words: Iterable[Word], places: Mapping[str, int]) -> Iterator[Located]:
    """A row a sentence, at the line of its first word."""
    sentence: list[list[str]] = []
    start = 0
    for number, fields in words:
        if fields:
            start = start if sentence else number
            sentence.append(fields)
        elif sentence:
            yield start, {name: [word[index] for word in sentence] for name, index in places.items()}
            sentence = []
    if sentence:
        yield start, {name: [word[index] for word in sentence] for name, index in places.items()}
