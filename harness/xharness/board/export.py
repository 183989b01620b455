"""The board outside the terminal: JSON, CSV, LaTeX, HTML."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from xharness.board.board import Board, Value
from xharness.board.legend import legend
from xharness.board.show import row_label
from xharness.record import Record
from xharness.score.rounding import gained, rounded


def as_json(board: Board, records: Sequence[Record]) -> str:
    """The board with the records it was drawn from."""
    made = {"board": asdict(board), "records": [r.as_json() for r in records]}
    return json.dumps(made, indent=1, ensure_ascii=False)


def as_csv(board: Board, records: Sequence[Record]) -> str:
    """One line per record: every language, metric and seed; what sweeps chose has columns of its own."""
    stream = io.StringIO()
    swept = {text: dict(part.split("=", 1) for part in text.split()) for text in {r.swept for r in records}}
    # A column a setting that a sweep chose: `learning_rate`, and of an intermediate's stage `mnli.learning_rate`.
    settings = dict.fromkeys(key for r in records for key in swept[r.swept])
    names = [*(name for name in Record.__slots__ if name != "swept"), *settings]
    writer = csv.DictWriter(stream, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**r.as_json(), **swept[r.swept]} for r in records)
    return stream.getvalue()


def _plain(value: Value, strong: Callable[[str], str], sign: str) -> str:
    if not value.want:
        return ""
    if value.mean is None:
        return value.state or f"— {value.have}/{value.want}"
    text = rounded(value.mean) + (f"{sign}{value.spread:.1f}" if value.spread is not None else "")
    text += "!" if value.state == "degenerate" else ""
    return strong(text) if value.best else text


def _gain(gain: float, significant: bool) -> str:
    return gained(gain) + ("*" if significant else "")


_SPECIAL = {
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
_LATEX = str.maketrans({**{sign: f"\\{sign}" for sign in "&%#_${}"}, **_SPECIAL})


def as_latex(board: Board, records: Sequence[Record]) -> str:
    """A booktabs table: targets, group means and the average; the gain over no intermediate as a superscript."""
    several = len({r.checkpoint for r in board.rows}) > 1

    def cell(value: Value) -> str:
        text = _plain(value, lambda t: rf"\textbf{{{t}}}", r"$_{\pm}$").replace("—", "--")
        return text + (f"$^{{{_gain(value.gain, value.significant)}}}$" if value.gain is not None else "")

    heading = f"{board.title} -- {board.note}" if board.note else board.title
    lines = [
        f"% {' '.join(heading.split())}",
        rf"\begin{{tabular}}{{l{'r' * len(board.columns)}}}",
        r"\toprule",
        " & ".join(["", *(c.title.translate(_LATEX) for c in board.columns)]) + r" \\",
        r"\midrule",
    ]
    for row in board.rows:
        cells = [cell(row.values[c.name]) for c in board.columns]
        lines.append(" & ".join([row_label(row, several).translate(_LATEX), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *(f"% {n}" for n in legend(board, "superscript")), ""])


_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left}
.up{color:#067a2f}.down{color:#b3261e}.note{color:#8a5a00;font-weight:600}small{display:block}.mean{background:#f4f7fb}"""


def as_html(board: Board, records: Sequence[Record]) -> str:
    """One self-contained page: no script, nothing fetched."""
    several = len({r.checkpoint for r in board.rows}) > 1

    def cell(value: Value, kind: str) -> str:
        text = html.escape(_plain(value, lambda t: t, "±"))
        text = f"<b>{text}</b>" if value.best else text
        if value.gain is not None:
            way = ("", ' class="up"', ' class="down"')[value.way]
            text += f"<small{way}>{_gain(value.gain, value.significant)}</small>"
        return f'<td class="{"" if kind == "target" else "mean"}">{text}</td>'

    head = "".join(f"<th>{html.escape(c.title)}</th>" for c in board.columns)
    body = "\n".join(
        f"<tr><td>{html.escape(row_label(row, several))}</td>"
        + "".join(cell(row.values[c.name], c.kind) for c in board.columns)
        + "</tr>"
        for row in board.rows
    )
    notes = "".join(f"<p>{html.escape(n)}</p>" for n in legend(board))
    warning = f'<p class="note">{html.escape(board.note)}</p>' if board.note else ""
    title = html.escape(board.title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1>{warning}<table><thead><tr><th></th>{head}</tr></thead><tbody>\n{body}\n</tbody></table>{notes}</html>\n"
    )


FORMATS: dict[str, Callable[[Board, Sequence[Record]], str]] = {
    "json": as_json,
    "csv": as_csv,
    "latex": as_latex,
    "html": as_html,
}
