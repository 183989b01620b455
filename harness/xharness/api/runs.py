"""Run a suite from Python, or open a run that was made before."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from xharness.api.stored import DEFAULT, find_run, read_board, store_of, suite_of
from xharness.api.views import BoardView, frame
from xharness.errors import HarnessError, UsageError, nearest

if TYPE_CHECKING:
    import pandas
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from xharness.api.suite import Suite
    from xharness.record import Record
    from xharness.spec.load import Loaded
    from xharness.store.steps import Store
    from xharness.study import Study

Names = str | Sequence[str] | None
SCORES = ("checkpoint", "intermediate", "target", "seed", "language", "metric", "value", "n", "key")
DIFFERENCES = ("kind", "name", "language", "left", "right", "difference", "low", "high", "p", "p_corrected", "n")
PREDICTIONS = ("id", "language", "gold", "prediction", "score", "right", "probabilities")


class Stopped(HarnessError):
    """A run that was stopped; what was finished is stored, and the same call goes on."""


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder; nothing is computed again."""

    folder: Path

    def __repr__(self) -> str:
        """Its name and what came of it."""
        return f"<xharness run {self.name}: {self.title}, {self.passed} of {len(self.facts['cells'])} cells passed>"

    @property
    def name(self) -> str:
        """Of its folder, by which commands find it."""
        return self.folder.name

    @property
    def title(self) -> str:
        """Of its suite."""
        return str(self.facts["title"])

    @property
    def passed(self) -> int:
        """Cells that passed."""
        return sum(cell["status"] in ("passed", "xpassed") for cell in self.facts["cells"])

    @property
    def exit_code(self) -> int:
        """What the command line would end with: 0 all well, 1 a cell or an expectation failed."""
        return int(self.facts["exit"])

    @cached_property
    def facts(self) -> dict[str, Any]:
        """All that the run says of itself: the suite as resolved, versions, hardware, times, expectations."""
        return self._read[0]

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """Every measured value."""
        return tuple(self._read[1])

    @cached_property
    def _read(self) -> tuple[dict[str, Any], list[Record]]:
        from xharness.plugins import load_plugins
        from xharness.store.runs import read_run

        facts, records = read_run(self.folder)
        load_plugins(facts.get("plugins", ()))
        return facts, records

    @property
    def store(self) -> Store:
        """Where its steps lie."""
        return store_of(self.folder)

    def cells(self) -> pandas.DataFrame:
        """A row a cell: name, checkpoint, intermediate, target, seed, status, reason, dev (0 to 100), seconds, key."""
        columns = ("name", "checkpoint", "intermediate", "target", "seed", "status", "reason", "dev", "seconds", "key")
        return frame(self.facts["cells"], columns)

    def board(
        self, by: str | None = None, metric: str | None = None, chance: bool = False, baselines: bool = False
    ) -> BoardView:
        """The leaderboard, which shows itself.

        `by`: also broken down by language, family, script, wikipedia, transfer, group or size. `metric`: the targets
        that have another metric, under it. `chance`: with the majority baseline; `baselines`: with published rows.
        UsageError for a breakdown or a metric that there is not.
        """
        from xharness.board.drawing import BREAKDOWNS, draw_run

        if by is not None and by not in BREAKDOWNS:
            raise UsageError(f"by = '{by}' is not known. {nearest(by, BREAKDOWNS)}")
        facts, records, board = read_board(self.folder, metric)
        return BoardView(
            board, tuple(records), lambda console: draw_run(facts, records, board, console, by, chance, baselines)
        )

    def scores(self) -> pandas.DataFrame:
        """A row a measured value.

        Columns: checkpoint, intermediate, target, seed, language (ISO 639-1), metric, value (0 to 100, of a fact of a
        search in its own unit), n (examples), key (of the step that made it).
        """
        return frame([record.as_json() for record in self.records], SCORES)

    def compare(
        self, left: str, right: str, languages: bool = False, resamples: int = 10_000, seed: int = 0
    ) -> pandas.DataFrame:
        """Two rows against each other by paired bootstrap, as `xharness compare` has it.

        Rows are intermediates, `best` (per target, chosen on dev), `INTERMEDIATE[CHECKPOINT]`, `RUN::ROW`, or
        `baseline:NAME`. Columns: kind (target, group, average; language), name, language, left, right, difference
        (right minus left, points), low and high of its 95 % interval, p, p_corrected (Holm), n (examples). UsageError
        for a row that there is not.
        """
        from dataclasses import asdict

        from xharness.api.comparison import compare_rows
        from xharness.score.compare import Settings

        rows = [row if "::" in row or row.startswith("baseline:") else f"{self.name}::{row}" for row in (left, right)]
        (found,) = compare_rows(rows, [self.store.root], Settings(resamples, seed)).comparisons
        kinds = ("language", "target", "group", "average") if languages else ("target", "group", "average")
        lines = [asdict(line) for line in found.lines if line.kind in kinds]
        return frame([{**line, "p_corrected": line["adjusted"]} for line in lines], DIFFERENCES)

    def predictions(self, cell: str, language: Names = None) -> pandas.DataFrame:
        """The examples behind a cell's score, a row each.

        Columns: id, language, gold, prediction, score (of the example alone, 0 to 100), right (None where nothing is
        simply right or wrong), probabilities (by label or choice; None where they were not kept), and one for each of
        the example's inputs. UsageError for a cell or language that there is not.
        """
        from xharness.look.predictions import predictions
        from xharness.store.runs import cell_named

        held = cell_named(cell, self.facts["cells"])
        found = predictions(held, self.facts, self.store.path, suite_of(self.facts), _names(language))
        rows = [row.as_json() for row in found.read(found.rows)]
        inputs = tuple(dict.fromkeys(name for row in rows for name in row["inputs"]))
        return frame([{**row.pop("inputs"), **row} for row in rows], (*PREDICTIONS, *inputs))

    def model(self, cell: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The tuned model behind a cell with its head, as transformers has it, and its tokenizer.

        UsageError where it was not kept (run with `keep="all"`), or where there is none.
        """
        import tempfile

        import transformers

        from xharness.session.exported_model import export_cell

        with tempfile.TemporaryDirectory() as folder:
            kind = export_cell(cell, Path(folder) / "model", self.folder, self.store).kind
            loaded = getattr(transformers, kind).from_pretrained(Path(folder) / "model")
            return loaded, transformers.AutoTokenizer.from_pretrained(Path(folder) / "model")

    def report(self, answers: bool = True) -> str:
        """The run as one page of HTML that fetches nothing; `answers`: with the suite's analyses.

        Where the suite cannot be read any more, without them and without the texts of examples.
        """
        from xharness.report.page import report_page

        return report_page(self._study(suite_of(self.facts)), read_board(self.folder)[2], answers)

    def study(self) -> Study:
        """The run as analyses read it; UsageError where its suite cannot be read any more."""
        loaded = suite_of(self.facts)
        if loaded is None:
            raise UsageError(f"{self.name}: its suite {self.facts['suite']} cannot be read any more.")
        return self._study(loaded)

    def _study(self, loaded: Loaded | None) -> Study:
        from xharness.study import Study

        return Study(cast("Loaded", loaded), self.facts, self.records, self.store.path, self.store.manifest)


def _store(given: str | os.PathLike[str] | None) -> Path:
    return Path(given if given is not None else os.environ.get("XHARNESS_STORE") or DEFAULT)


def open_run(run: str | os.PathLike[str] | None = None, store: str | os.PathLike[str] | None = None) -> Run:
    """A run by its folder or (part of) its name, the newest if none is said; a store's folder is one's newest run.

    UsageError where there is none.
    """
    if run is not None and (Path(run) / "runs").is_dir():
        return Run(find_run(None, Path(run)))
    return Run(find_run(None if run is None else os.fspath(run), _store(store)))


def runs(store: str | os.PathLike[str] | None = None) -> list[Run]:
    """The finished runs of a store, the newest first."""
    from xharness.store.runs import finished_runs

    return sorted((Run(folder) for folder in finished_runs(_store(store))), key=lambda run: run.name, reverse=True)


def run(
    suite: str | os.PathLike[str] | Suite,
    *,
    profile: str | None = None,
    select: str | None = None,
    cells: Names = None,
    intermediates: Names = None,
    targets: Names = None,
    languages: Names = None,
    seeds: Sequence[int] | None = None,
    marks: str | None = None,
    checkpoints: Names = None,
    store: str | os.PathLike[str] | None = None,
    device: str = "auto",
    workers: int | None = None,
    engine: str = "local",
    keep: str = "intermediates",
    max_failures: int | None = None,
    progress: bool | None = None,
    stop: threading.Event | None = None,
    remote: str = "",
    remote_read_only: bool = False,
) -> Run:
    """Run what of a suite the store lacks; what it has is reused.

    `suite`: a file, the name of a shipped suite, or a `Suite`. `select` is `-k` of the command line, `marks` is `-m`.
    `engine`: who runs the steps, `local`, `ray` or `slurm`; `workers` at once at the most.
    `keep`: tuned models that stay, `all`, `intermediates` or `none`. `progress`: a bar on stderr; if not said, in
    notebooks alone. `remote`: the URL of a store elsewhere (`s3://bucket/prefix`), asked for what this one lacks and,
    unless `remote_read_only`, given what is made; what is wrong with it is a warning on stderr. Nothing else is
    printed. From another thread `stop.set()` ends the run; then, and at Ctrl-C, Stopped is raised. A failed cell raises
    nothing: see `Run.cells` and `Run.exit_code`. UsageError for what is wrong with the suite or the arguments, before
    anything is run.
    """
    import io

    from rich.console import Console

    from xharness.api.suite import Suite
    from xharness.collect.selection import Selection
    from xharness.errors import ExitCode
    from xharness.session.session import Request
    from xharness.session.session import run as run_session
    from xharness.store.steps import Store

    if keep not in ("all", "intermediates", "none"):
        raise UsageError(f"keep = '{keep}' is not known. {nearest(keep, ('all', 'intermediates', 'none'))}")
    path = suite.written(Store(_store(store)).prepare().root) if isinstance(suite, Suite) else os.fspath(suite)
    selection = Selection(
        ids=_names(cells), keyword=select, marks=marks, intermediates=_names(intermediates), targets=_names(targets),
        languages=_names(languages), seeds=tuple(seeds or ()),
    )  # fmt: skip
    request = Request(
        suite=str(path), selection=selection, profile=profile, checkpoints=_names(checkpoints), store=_store(store),
        device=device, workers=workers, engine=engine, max_failures=max_failures, keep=keep, verbosity=-1,
        argv=("xharness.run",), remote=remote, remote_read_only=remote_read_only,
    )  # fmt: skip
    silent = Console(file=io.StringIO())
    with _bar(_in_notebook() if progress is None else progress) as listener:
        try:
            finished = run_session(request, silent, listener, stop.is_set if stop else lambda: False)
        except KeyboardInterrupt:
            raise Stopped("the run was stopped before its first step or after its last.") from None
    if finished.exit_code == ExitCode.INTERRUPTED:
        done = len(finished.outcome.done)
        raise Stopped(f"the run was stopped after {done} steps; they are stored, and the same call goes on.")
    return Run(finished.folder)


def _names(given: Names) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def _in_notebook() -> bool:
    """Whether this is a Jupyter kernel; IPython is not imported for it."""
    import sys

    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def _bar(shown: bool) -> Iterator[Callable[[dict[str, Any]], None] | None]:
    """A progress bar that hears the events of a run."""
    if not shown:
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit="step", dynamic_ncols=True) as bar:

        def listen(event: dict[str, Any]) -> None:
            if event["event"] == "begin":
                bar.total = len(event["pending"])
                bar.refresh()
            elif event["event"] == "start":
                bar.set_description(event["label"][:60])
            elif event["event"] in ("done", "failed", "not_run"):
                bar.update()

        yield listen
