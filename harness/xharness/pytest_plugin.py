"""pytest collects suites: `pytest suites/xtreme.toml` has a cell as an item, under the id it has everywhere.

The suite runs once, for the items that pytest has selected; each item then passes, fails, skips or xfails as its cell
did. Only TOML files that stand on the command line and are suites are looked at, and nothing is imported before.
"""

from __future__ import annotations

import io
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xharness.collect.cells import Cell
    from xharness.run.expectations import Judged
    from xharness.run.results import CellResult
    from xharness.run.session import Finished
    from xharness.spec.load import Loaded

_suites: pytest.StashKey[list[SuiteFile]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of our own."""
    group = parser.getgroup("xharness", "suites of cross-lingual transfer")
    group.addoption("--xharness-profile", metavar="NAME", default=None, help="Size of the suite: micro, sample, paper.")
    group.addoption(
        "--xharness-store",
        metavar="DIR",
        default=os.environ.get("XHARNESS_STORE", ".xharness"),
        help="Folder that keeps what steps made.",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A suite that is named on the command line."""
    if file_path.suffix != ".toml" or not parent.session.isinitpath(file_path) or not _is_suite(file_path):
        return None
    found: SuiteFile = SuiteFile.from_parent(parent, path=file_path)
    return found


def _is_suite(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            values = tomllib.load(stream)
    except (OSError, ValueError):
        # Broken TOML that was named on the command line is for us to complain about, unless it is another tool's.
        return path.name != "pyproject.toml"
    return "grid" in values or "extends" in values


class SuiteFile(pytest.File):
    """A suite and its cells."""

    loaded: Loaded
    count = 0
    """Cells of the suite, before pytest's selection."""
    finished: Finished | None = None
    trouble: str = ""
    """Why the suite could not be run at all."""

    def collect(self) -> Iterable[pytest.Item]:
        """The cells of the suite's profile."""
        from xharness.collect.cells import collect, expected_failure, mark_names
        from xharness.collect.fit import check_known
        from xharness.errors import HarnessError
        from xharness.spec.load import load_suite

        try:
            self.loaded = load_suite(str(self.path), self.config.getoption("--xharness-profile"))
            check_known(self.loaded)
            cells = collect(self.loaded)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        self.count = len(cells)
        for mark in self.loaded.suite.mark:
            if mark.name:
                self.config.addinivalue_line("markers", f"{mark.name}: {mark.reason or 'a mark of the suite'}")
        for cell in cells:
            item: CellItem = CellItem.from_parent(self, name=cell.name, cell=cell)
            task = self.loaded.tasks[cell.target]
            item.extra_keyword_matches.update({*task.languages, *task.tags, task.group})
            for name in mark_names(cell, self.loaded) - {"skip", "skipif", "xfail"}:
                item.add_marker(name)
            if (why := expected_failure(cell, self.loaded)) is not None:
                item.add_marker(pytest.mark.xfail(reason=why))
            yield item

    def result_of(self, name: str) -> tuple[CellResult | None, list[Judged]]:
        """How a cell ended and its expectations; the first question runs the suite."""
        if self.finished is None and not self.trouble:
            self._run()
        if self.finished is None:
            return None, []
        results = {r.name: r for r in self.finished.results}
        return results.get(name), [j for j in self.finished.judged if j.cell == name]

    def _run(self) -> None:
        from rich.console import Console

        from xharness.collect.selection import Selection
        from xharness.errors import ExitCode, HarnessError
        from xharness.run.session import Request, run

        chosen = tuple(i.name for i in self.session.items if isinstance(i, CellItem) and i.parent is self)
        if len(chosen) == self.count:
            chosen = ()  # All of them: there is nothing to look up.
        request = Request(
            suite=str(self.path),
            selection=Selection(ids=chosen),
            profile=self.config.getoption("--xharness-profile"),
            store=Path(self.config.getoption("--xharness-store")),
            max_failures=self.config.getoption("maxfail") or None,
            verbosity=-1,
        )
        try:
            finished = run(request, Console(file=io.StringIO()))
            if finished.exit_code == ExitCode.INTERRUPTED:
                raise KeyboardInterrupt  # pytest's to report: there is no board of it.
            self.finished = finished
        except HarnessError as error:
            self.trouble = str(error)
        self.config.stash.setdefault(_suites, []).append(self)


class CellItem(pytest.Item):
    """One cell."""

    def __init__(self, *, cell: Cell, **more: Any) -> None:
        super().__init__(**more)
        self.cell = cell

    def runtest(self) -> None:
        """End as the cell did."""
        assert isinstance(self.parent, SuiteFile)
        result, judged = self.parent.result_of(self.name)
        if result is None:
            pytest.fail(self.parent.trouble or "the run has no result for this cell.", pytrace=False)
        if result.status == "skipped":
            pytest.skip(result.reason)
        if result.status in ("failed", "not run", "xfailed"):
            pytest.fail(result.reason, pytrace=False)
        wrong = [j.sentence() for j in judged if j.failed]
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)
        self.user_properties += [("key", result.key), ("seconds", result.seconds)]

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """What a report names."""
        return self.path, None, self.name


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The boards."""
    for suite in config.stash.get(_suites, []):
        if suite.finished is None:
            continue
        from rich.console import Console

        from xharness.cli.showing import show_run

        terminalreporter.section(f"xharness: {suite.finished.folder}")
        stream = io.StringIO()
        show_run(suite.finished.folder, Console(file=stream, width=120), reasons="")
        terminalreporter.write(stream.getvalue())
