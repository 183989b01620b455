"""How a board fits a terminal: the words of its heads, the width of its columns, and in how many tables.

With enough room, words are whole and columns two blanks apart. With less, one blank apart, then with row labels on two
lines and abbreviated heads; only then in several tables. A column is never narrower than its contents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from xharness.board.board import Column

VOWELS = "aeiou"


@dataclass(frozen=True)
class Style:
    """One way to save width."""

    gap: int
    """Blanks between columns."""
    letters: int | None = None
    """The most letters that a word in a head may have; None keeps words whole."""
    wrapped: bool = False
    """Whether a row's label may be broken between words."""


STYLES = (Style(2), Style(1), *(Style(1, letters, wrapped=True) for letters in (8, 7, 6, 5)))
"""From the roomiest to the narrowest."""


@dataclass(frozen=True)
class Layout:
    """A board's columns as they are drawn."""

    gap: int
    label: int
    """Width of the rows' labels."""
    heads: Mapping[str, str]
    """Column name -> its head."""
    widths: Mapping[str, int]
    """Column name -> characters."""
    tables: Sequence[Sequence[Column]]


def fitted(columns: Sequence[Column], filled: Mapping[str, int], labels: Sequence[str], width: int) -> Layout:
    """The roomiest layout of those with the fewest tables.

    `filled` is the width of each column's contents.
    """
    return min(
        (_styled(style, columns, filled, labels, width) for style in STYLES), key=lambda found: len(found.tables)
    )


def _styled(
    style: Style, columns: Sequence[Column], filled: Mapping[str, int], labels: Sequence[str], width: int
) -> Layout:
    heads = _heads(style, columns, filled)
    widths = {}
    for column in columns:
        most = max(filled[column.name], style.letters or 0)
        words = max(map(cell_len, heads[column.name].split()), default=0)
        # Words that could not be abbreviated are folded.
        widths[column.name] = max(filled[column.name], min(words, most) if style.letters else words)
    label = max((_label_width(text, style.wrapped) for text in labels), default=0)
    label = min(label, max(12, width // 3))
    return Layout(style.gap, label, heads, widths, _tables(columns, widths, style.gap, width - label))


def _label_width(text: str, wrapped: bool) -> int:
    indent = len(text) - len(text.lstrip())
    return indent + max(map(cell_len, text.split()), default=0) if wrapped else cell_len(text)


def _heads(style: Style, columns: Sequence[Column], filled: Mapping[str, int]) -> dict[str, str]:
    """The heads with their long words abbreviated, unless two columns would get the same head."""
    whole = {c.name: c.title for c in columns}
    if style.letters is None:
        return whole
    cut = {name: _cut(title, max(style.letters, filled[name])) for name, title in whole.items()}
    alike = [*cut.values()]
    return {name: head if alike.count(head) == 1 else whole[name] for name, head in cut.items()}


def _cut(title: str, letters: int) -> str:
    """`Sent. pair mean` for `Sentence pair mean`."""
    return " ".join(word if cell_len(word) <= letters else abbreviated(word, letters) for word in title.split())


def abbreviated(word: str, letters: int) -> str:
    """The beginning of a word and a full stop, at most `letters` characters; if possible it ends in a consonant."""
    begun = word[: letters - 1].rstrip("-_.")
    ends = len(begun) > 2 and begun[-1] in VOWELS and begun[-2] not in VOWELS
    return f"{begun[:-1] if ends else begun}."


def _tables(columns: Sequence[Column], widths: Mapping[str, int], gap: int, room: int) -> list[list[Column]]:
    """The columns in as many tables as needed; a group stays together if one table can hold it."""
    groups: dict[str, list[Column]] = {}
    for column in columns:
        groups.setdefault(column.group, []).append(column)

    def fits(some: Sequence[Column]) -> bool:
        return sum(widths[c.name] + gap for c in some) <= room

    tables: list[list[Column]] = [[]]
    for members in groups.values():
        for part in [members] if fits(members) else [[column] for column in members]:
            if tables[-1] and not fits([*tables[-1], *part]):
                tables.append([])
            tables[-1].extend(part)
    return tables
