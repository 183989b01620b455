"""The board outside the terminal: JSON, CSV, LaTeX, HTML."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from xharness.board.board import Board, Value, make_board
from xharness.board.show import row_label
from xharness.record import Record
from xharness.score.rounding import direction, gained, rounded
from xharness.score.scheme import scheme_of


def _board(run: Mapping[str, Any], records: Sequence[Record]) -> Board:
    return make_board(run, records, scheme_of(run))


def as_json(run: Mapping[str, Any], records: Sequence[Record]) -> str:
    """The board with the records it was drawn from."""
    board = asdict(_board(run, records))
    return json.dumps({"board": board, "records": [r.as_json() for r in records]}, indent=1, ensure_ascii=False)


def as_csv(run: Mapping[str, Any], records: Sequence[Record]) -> str:
    """One line per record: every language, metric and seed."""
    stream = io.StringIO()
    names = list(Record.__slots__)
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(r.as_json() for r in records)
    return stream.getvalue()


def _plain(value: Value, strong: Callable[[str], str], sign: str) -> str:
    if not value.want:
        return ""
    if value.mean is None:
        return value.state or f"— {value.have}/{value.want}"
    text = rounded(value.mean) + (f"{sign}{value.spread:.1f}" if value.spread is not None else "")
    return strong(text) if value.best else text


_LATEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}
)


def as_latex(run: Mapping[str, Any], records: Sequence[Record]) -> str:
    """A booktabs table: targets, group means and the average; the gain over no intermediate as a superscript."""
    board = _board(run, records)
    several = len({r.checkpoint for r in board.rows}) > 1

    def cell(value: Value) -> str:
        text = _plain(value, lambda t: rf"\textbf{{{t}}}", r"$_{\pm}$").replace("—", "--")
        star = "*" if value.significant else ""
        return text + (f"$^{{{gained(value.gain)}{star}}}$" if value.gain is not None else "")

    lines = [
        f"% {board.title}" + (f" -- {board.note}" if board.note else ""),
        rf"\begin{{tabular}}{{l{'r' * len(board.columns)}}}",
        r"\toprule",
        " & ".join(["", *(c.title.translate(_LATEX) for c in board.columns)]) + r" \\",
        r"\midrule",
    ]
    for row in board.rows:
        cells = [cell(row.values[c.name]) for c in board.columns]
        lines.append(" & ".join([row_label(row, several).translate(_LATEX), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *(f"% {n}" for n in board.footnotes), ""])


_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left}
.up{color:#067a2f}.down{color:#b3261e}.note{color:#8a5a00;font-weight:600}small{display:block}.mean{background:#f4f7fb}"""


def as_html(run: Mapping[str, Any], records: Sequence[Record]) -> str:
    """One self-contained page: no script, nothing fetched."""
    board = _board(run, records)
    several = len({r.checkpoint for r in board.rows}) > 1

    def cell(value: Value, kind: str) -> str:
        text = html.escape(_plain(value, lambda t: t, "±"))
        text = f"<b>{text}</b>" if value.best else text
        if value.gain is not None:
            way = ("", ' class="up"', ' class="down"')[direction(value.gain)]
            text += f"<small{way}>{gained(value.gain)}{'*' if value.significant else ''}</small>"
        return f'<td class="{"" if kind == "target" else "mean"}">{text}</td>'

    head = "".join(f"<th>{html.escape(c.title)}</th>" for c in board.columns)
    body = "\n".join(
        f"<tr><td>{html.escape(row_label(row, several))}</td>"
        + "".join(cell(row.values[c.name], c.kind) for c in board.columns)
        + "</tr>"
        for row in board.rows
    )
    notes = "".join(f"<p>{html.escape(n)}</p>" for n in board.footnotes)
    warning = f'<p class="note">{html.escape(board.note)}</p>' if board.note else ""
    title = html.escape(board.title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1>{warning}<table><thead><tr><th></th>{head}</tr></thead><tbody>\n{body}\n</tbody></table>{notes}</html>\n"
    )


FORMATS: dict[str, Callable[[Mapping[str, Any], Sequence[Record]], str]] = {
    "json": as_json,
    "csv": as_csv,
    "latex": as_latex,
    "html": as_html,
}
