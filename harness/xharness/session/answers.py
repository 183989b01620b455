"""The answers of a suite's analyses: made from a stored run, written as a page, CSV and figures."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import bidirectional

from xharness.analysis import Answer, Figure, Table, load_analysis
from xharness.errors import HarnessError, UsageError, nearest
from xharness.score.rounding import p_in_column, rounded
from xharness.spec.suite import AnalysisOf
from xharness.study import Study

WIDTHS = {1: 3.35, 2: 6.9}
"""Inches of one column and of both, of a two-column paper."""
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's colours, which the colour-blind tell apart; marks differ too, so that grey is enough."""
MARKS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Answered:
    """An analysis of a suite and what it found, or why it found nothing."""

    asked: AnalysisOf
    answer: Answer | None
    reason: str = ""


def answered(study: Study, names: Sequence[str] = ()) -> Iterator[Answered]:
    """The answers of a suite's analyses, or of some of them; UsageError for a name that it does not have."""
    known = {asked.name: asked for asked in study.loaded.suite.analysis}
    for name in names:
        if name not in known:
            raise UsageError(f"the suite has no analysis '{name}'. {nearest(name, known)}")
    for name in names or known:
        asked = known[name]
        analysis = load_analysis(asked.kind)
        try:
            yield Answered(asked, analysis.answer(study, analysis.options(**asked.options)))
        except HarnessError as error:
            yield Answered(asked, None, str(error))


def write_answer(found: Answered, title: str, note: str, out: Path) -> list[Path]:
    """Write NAME.md, a CSV for each table, a PNG and an SVG for each figure; the files, the page first."""
    out.mkdir(parents=True, exist_ok=True)
    name, answer = found.asked.name, found.answer
    page = out / f"{name}.md"
    written = [page]
    if answer is None:
        page.write_text(_head(found, title, note) + f"No answer: {found.reason}\n", encoding="utf-8")
        return written
    for table in answer.tables:
        path = out / f"{name}-{table.name}.csv"
        path.write_text(_csv(table), encoding="utf-8")
        written.append(path)
    for figure in answer.figures:
        written += _drawn(figure, out / f"{name}-{figure.name}")
    page.write_text(_head(found, title, note) + _page(name, answer), encoding="utf-8")
    return written


def _head(found: Answered, title: str, note: str) -> str:
    about = f"*{plain(title)}*" + (f" — {plain(note)}" if note else "")
    return f"# {plain(found.asked.title or found.asked.name)}\n\n{about}\n\n"


def _page(name: str, answer: Answer) -> str:
    parts = [plain(" ".join(answer.sentences))]
    for table in answer.tables:
        parts.append(f"## {plain(table.title)}\n\n{_markdown(table)}" + (f"\n\n{table.note}" if table.note else ""))
        parts += [
            f"![{said}]({name}-{figure.name}.png)\n\n{said}. Numbers: `{name}-{figure.table}.csv`."
            for figure, said in ((figure, plain(figure.title)) for figure in answer.figures)
            if figure.table == table.name
        ]
    if answer.notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {plain(note)}" for note in answer.notes))
    return "\n\n".join(parts) + "\n"


def column_texts(values: Sequence[Any]) -> list[str]:
    """A column for people: all its numbers with as many digits, one or, where none is above 1, three; "" for None.

    No p-value is shown as 0, nor one below 0.05 as 0.050: those have as many digits as it takes.
    """
    numbers = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value)]
    digits = 3 if numbers and max(numbers) <= 1 else 1

    def text(value: float) -> str:
        return p_in_column(value, digits) if digits == 3 and value > 0 else rounded(value, digits)

    return ["" if v is None else text(v) if isinstance(v, float) else str(v) for v in values]


_MARKUP = re.compile(r"[*|]|<(?=[a-zA-Z/!?])|&(?=#?\w+;)|\\(?=[!-/:-@\[-`{-~])")
"""What Markdown would take for markup in a title or in a word of the data."""


def plain(text: str) -> str:
    """Text of a suite or of data in Markdown: what would be markup is shown as it stands."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(plain(cell) for cell in cells) + " |"

    columns = [[row[i] for row in table.rows] for i in range(len(table.columns))]
    numeric = [all(isinstance(value, (int, float, type(None))) for value in column) for column in columns]
    rule = "|" + "|".join("---:" if right else "---" for right in numeric) + "|"
    texts = zip(*map(column_texts, columns), strict=True)
    return "\n".join([line(table.columns), rule, *map(line, texts)])


def _csv(table: Table) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([["" if v is None else v for v in row] for row in table.rows])
    return stream.getvalue()


STYLE: dict[str, Any] = {
    "font.size": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "svg.hashsalt": "xharness",
    "savefig.dpi": 200,
}


@contextmanager
def _drawing(figure: Figure, **more: Any) -> Iterator[Any]:
    """A figure in a style that is read in grey and at the width of a column."""
    import matplotlib

    matplotlib.use("Agg")
    from cycler import cycler
    from matplotlib import pyplot

    cycle = cycler(color=CYCLE) + cycler(marker=MARKS)
    style: Any = {**STYLE, "axes.prop_cycle": cycle, **more}
    with matplotlib.rc_context(style):
        drawing, axes = pyplot.subplots(figsize=(WIDTHS[figure.columns], figure.height), layout="constrained")
        try:
            figure.draw(axes)
            _only_readable(axes)
            yield drawing
        finally:
            pyplot.close(drawing)


def _only_readable(axes: Any) -> None:
    """Labels that the font cannot write, or not from right to left, give way to their places in the table."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))

    def written(text: str) -> bool:
        return all(font.get_char_index(ord(c)) and bidirectional(c) not in ("R", "AL") for c in text if c.isprintable())

    for axis in (axes.xaxis, axes.yaxis):
        texts, places = [label.get_text() for label in axis.get_ticklabels()], list(axis.get_ticklocs())
        if all(map(written, texts)) or len(texts) != len(places):
            continue
        order = sorted(range(len(places)), key=lambda i: places[i], reverse=axis is axes.yaxis)
        shown = {i: f"row {number} of the table" for number, i in enumerate(order, start=1)}
        axis.set_ticks(places, [text if written(text) else shown[i] for i, text in enumerate(texts)])


def _drawn(figure: Figure, stem: Path) -> list[Path]:
    """Both files of a figure."""
    files = [stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".svg")]
    with _drawing(figure) as drawing:
        drawing.savefig(files[0], metadata={"Software": None})
        drawing.savefig(files[1], metadata={"Date": None})
    return files


def svg_of(figure: Figure) -> str:
    """A figure as an `<svg>` element to stand in a page, its texts as texts."""
    stream = io.StringIO()
    with _drawing(figure, **{"svg.fonttype": "none"}) as drawing:
        drawing.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
