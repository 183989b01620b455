"""Claims: what a paper says, judged by a run: replicated, contradicted or undecided, by the interval that decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from xharness.analysis import Answer, Figure, Table
from xharness.errors import DataError, Problem, listed
from xharness.score.choice import BEST
from xharness.score.quantities import (
    Measured,
    Quantities,
    Quantity,
    Verdict,
    bounds_in_words,
    together,
    verdict,
)
from xharness.score.rounding import gained
from xharness.score.statistics import RESAMPLES
from xharness.spec.load import NONE
from xharness.spec.suite import AVERAGE, CHANCE, SCORE
from xharness.spec.task import Names
from xharness.study import Study


class Claim(BaseModel):
    """One claim: bounds on a quantity of one or several rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """What the page calls it."""
    words: str
    """As it is said."""
    row: Names
    """Rows of the board, or patterns over them (`*` is every row but none); `best per target` is one."""
    of: Names = (AVERAGE,)
    """`average`, or targets: their mean."""
    over: Names = (NONE,)
    """The row it is compared with, or one for each of `row`; `score` for none, `chance`."""
    than: Names = ()
    """Targets on each of which the same must be less."""
    at_least: float | None = None
    """The lower bound, in points."""
    at_most: float | None = None
    """The upper bound, in points."""
    need: Literal["all", "any"] = "all"
    """Whether the bounds must hold for all rows, or for any."""
    paper: float | None = None
    """The paper's figure: its size has a verdict of its own."""
    margin: float = Field(default=1.0, ge=0)
    """Points by which a size may differ from the paper's and still be the same (an equivalence test)."""
    source: str = ""
    """Where the claim is from."""

    @model_validator(mode="after")
    def _rules(self) -> Claim:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a claim needs at_least or at_most")
        if len(self.over) not in (1, len(self.row)):
            raise ValueError(f"over names {len(self.over)} rows and row {len(self.row)}: give one, or one for each")
        if not self.row:
            raise ValueError("row names no row")
        return self


class Options(BaseModel):
    """Settings of the claims."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    claim: tuple[Claim, ...]
    """The claims, `[[analysis.options.claim]]` each, with the keys of the next table."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Of the bootstrap."""

    @model_validator(mode="after")
    def _rules(self) -> Options:
        if not self.claim:
            raise ValueError("there is no claim; give one or several as [[analysis.options.claim]]")
        return self


@dataclass(frozen=True)
class Part:
    """A claim on one row."""

    asked: Quantity
    found: Measured
    verdict: Verdict


@dataclass(frozen=True)
class Judgement:
    """A claim judged on one checkpoint."""

    checkpoint: str
    claim: Claim
    parts: tuple[Part, ...]
    verdict: Verdict

    @property
    def size(self) -> Verdict | None:
        """Whether the size of the deciding part is the paper's, give or take the margin; None where it says none."""
        if (paper := self.claim.paper) is None or (part := self.deciding) is None:
            return None
        margin = self.claim.margin
        return verdict(part.found.low, part.found.high, paper - margin, paper + margin)

    @property
    def deciding(self) -> Part | None:
        """The part that the verdict rests on: the one that is nearest to another verdict."""
        judged = [part for part in self.parts if part.found.low is not None]
        same = [part for part in judged if part.verdict == self.verdict] or judged
        rows: dict[tuple[str, str], Part] = {}
        for part in sorted(same, key=lambda part: _room(part.found, self.claim)):
            rows.setdefault((part.asked.row, part.asked.over), part)  # Of several `than` the hardest one.
        ordered = list(rows.values())
        # What must hold of all is decided by the row that does worst by the bound, of any by the one that does best.
        return (ordered[0] if self.claim.need == "all" else ordered[-1]) if ordered else None


class Claims:
    """Verdicts on claims."""

    name: ClassVar[str] = "claims"
    options: ClassVar[type[BaseModel]] = Options

    def unknown(
        self, options: Options, rows: Collection[str], targets: Collection[str]
    ) -> Iterator[tuple[tuple[str | int, ...], str, Collection[str]]]:
        """Rows and targets that the suite has in no profile; a row that only this one leaves out is not judged."""
        known = {"row": (*rows, BEST), "over": (*rows, SCORE, CHANCE), "of": (*targets, AVERAGE), "than": targets}
        for number, claim in enumerate(options.claim):
            for key, names in known.items():
                for name in getattr(claim, key):
                    if name not in names and not (key == "row" and any(fnmatchcase(one, name) for one in names)):
                        yield ("claim", number, key), name, names

    def answer(self, study: Study, options: Options) -> Answer:
        """A verdict for every claim, the intervals by row, and a figure of them."""
        judged = [
            _judged(checkpoint, claim, quantities)
            for checkpoint in study.checkpoints
            for quantities in [study.quantities(checkpoint, options.resamples)]
            for claim in options.claim
        ]
        if not judged:
            raise DataError(Problem("analysis claims", "the run has no scores.", "Run its cells first."))
        tables = (_verdict_table(judged), _part_table(judged))
        shown = any(part.found.low is not None for one in judged for part in one.parts)
        return Answer(_words(study, judged), tables, (_figure(judged),) if shown else (), tuple(_notes(study, judged)))


def _judged(checkpoint: str, claim: Claim, quantities: Quantities) -> Judgement:
    parts, rows = [], []
    for place, pattern in enumerate(claim.row):
        over = claim.over[place if len(claim.over) > 1 else 0]
        for row in _rows(pattern, over, quantities):
            mine = []
            for than in claim.than or ("",):
                asked = Quantity(row, claim.of, over, (than,) if than else ())
                found = quantities.measure(asked)
                mine.append(Part(asked, found, verdict(found.low, found.high, claim.at_least, claim.at_most)))
            # `need` is about rows: one that gains more on this target than on some others does not yet on each.
            rows.append(together([part.verdict for part in mine], "all"))
            parts += mine
    return Judgement(checkpoint, claim, tuple(parts), together(rows, claim.need))


def _rows(pattern: str, over: str, quantities: Quantities) -> list[str]:
    """The rows of a pattern; a name without a match stands for itself, and is found to be lacking.

    The row that the others are compared with is no match: against itself it differs by nothing, for certain.
    """
    if not any(sign in pattern for sign in "*?"):
        return [pattern]
    return [name for name in quantities.rows if name not in (NONE, BEST, over) and fnmatchcase(name, pattern)]


def _room(found: Measured, claim: Claim) -> float:
    """By how much an interval is inside the bounds at its nearer end; negative where it reaches over one."""
    low, high = found.low or 0.0, found.high or 0.0
    ends = [low - claim.at_least] if claim.at_least is not None else []
    ends += [claim.at_most - high] if claim.at_most is not None else []
    return min(ends)


def _verdict_table(judged: Sequence[Judgement]) -> Table:
    rows = []
    for one in judged:
        part, claim = one.deciding, one.claim
        found = part.found if part else Measured()
        bounds = f"{'' if len(one.parts) < 2 else 'all ' if claim.need == 'all' else 'any '}"
        bounds += bounds_in_words(claim.at_least, claim.at_most)
        rows.append(
            (one.checkpoint, claim.name, claim.words, one.verdict, bounds, _decided(one), found.value, found.low,
             found.high, claim.paper, one.size, claim.source)
        )  # fmt: skip
    columns = ("checkpoint", "claim", "in words", "verdict", "holds if", "decided by", "found", "low", "high",
               "paper", "its size", "source")  # fmt: skip
    note = (
        "Replicated: the whole 95 % interval (paired bootstrap over examples and seeds) keeps the bound; contradicted: "
        "none of it does; undecided: it reaches over it. Its size: the same of the paper's figure, give or take the "
        "claim's margin. Verdicts are not corrected for their number."
    )
    return Table("verdicts", "Verdicts", columns, tuple(rows), note)


def _decided(one: Judgement) -> str:
    if one.deciding is not None:
        return str(one.deciding.asked)
    lacking = list(dict.fromkeys(part.found.lacking for part in one.parts))
    return f"not judged: {'; '.join(lacking)}" if lacking else "not judged: no row of this name in this run"


def _part_table(judged: Sequence[Judgement]) -> Table:
    rows = tuple(
        (
            one.checkpoint,
            one.claim.name,
            str(p.asked),
            p.found.value,
            p.found.low,
            p.found.high,
            p.verdict,
            p.found.lacking,
        )
        for one in judged
        for p in one.parts
    )
    columns = ("checkpoint", "claim", "quantity", "found", "low", "high", "verdict", "lacking")
    return Table("intervals", "The intervals of every claim", columns, rows)


def _signed(*numbers: float | None) -> list[str]:
    return [gained(number) for number in numbers if number is not None]


def _words(study: Study, judged: Sequence[Judgement]) -> tuple[str, ...]:
    counts = Counter(one.verdict for one in judged)
    told = [f"{n} {name}" for name in ("replicated", "contradicted", "undecided", "not judged") if (n := counts[name])]
    said = [f"Verdicts on {len(judged)} claim{'s' * (len(judged) > 1)}: {listed(told)}."]
    for name in ("contradicted", "replicated", "undecided"):
        kept = [
            f"{one.claim.name} ({value}, {low} to {high})"
            for one in judged
            if one.verdict == name and (part := one.deciding) is not None
            for value, low, high in [_signed(part.found.value, part.found.low, part.found.high)]
        ]
        said += [f"{name.capitalize()}: {listed(kept)}."] if kept else []
    sizes = Counter(one.size for one in judged if one.size)
    if sizes:
        told = [f"{n} {name}" for name in ("replicated", "contradicted", "undecided") if (n := sizes[name])]
        said.append(f"These are on the direction; on the sizes that the paper gives: {listed(told)}.")
    if not study.run.get("comparable", True):
        said.append(
            "None of this bears on the paper: this profile is not comparable with published numbers, and its verdicts "
            "are on its own miniature of the experiment."
        )
    return tuple(said)


def _notes(study: Study, judged: Sequence[Judgement]) -> list[str]:
    notes = study.absent(list(study.run["targets"]))
    if any(BEST in one.claim.row for one in judged):
        notes.append(f"`{BEST}` takes for each target the row with the best dev score; the choice is not drawn anew")
    notes += study.seed_notes(list(study.run["targets"]))
    targets = listed([study.title(target) for target in study.run["targets"]])
    notes.append(f"the average here is over {targets}" if not study.run["scheme"] else
                 f"the average is that of the scheme {study.run['scheme']}")  # fmt: skip
    return notes


SHADES = {"replicated": "0.0", "contradicted": "0.0", "undecided": "0.55"}
FILLS = {"replicated": "full", "contradicted": "none", "undecided": "left"}


def _figure(judged: Sequence[Judgement]) -> Figure:
    lines = [
        (f"{one.claim.name}" + (f" [{one.checkpoint}]" if len({j.checkpoint for j in judged}) > 1 else ""), one, part)
        for one in judged
        if (part := one.deciding) is not None
    ]

    def draw(axes: Any) -> None:
        places = range(len(lines))[::-1]
        for place, (_, one, part) in zip(places, lines, strict=True):
            claim, found, shade = one.claim, part.found, SHADES.get(one.verdict, "0.55")
            axes.plot([found.low, found.high], [place, place], color=shade, marker="", linewidth=1.2)
            axes.plot([found.value], [place], color=shade, marker="o", fillstyle=FILLS.get(one.verdict, "left"))
            for bound in (claim.at_least, claim.at_most):
                if bound is not None:
                    axes.plot([bound], [place], color="0.3", marker="|", markersize=11)
            if claim.paper is not None:
                axes.plot([claim.paper], [place], color="#D55E00", marker="D", fillstyle="none")
        axes.set_yticks(list(places), [label for label, *_ in lines])
        axes.set_xlabel(
            "points (95 % interval; filled: replicated, half: undecided, open: contradicted;\n"
            "bar: the bound; diamond: the paper's figure)"
        )

    height = max(1.8, 0.9 + 0.2 * len(lines))
    return Figure("verdicts", "The intervals that decide", "verdicts", draw, columns=2, height=height)
