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
    from xharness.session.expectations import Judged
    from xharness.session.results import CellResult
    from xharness.session.session import Finished
    from xharness.spec.load import Loaded

_suites: pytest.StashKey[list[SuiteFile]] = pytest.StashKey()
"""Those that were run."""
_suites_read: pytest.StashKey[dict[Path, tuple[Loaded, list[Cell]]]] = pytest.StashKey()
_chosen: pytest.StashKey[dict[Path, dict[str, Cell]]] = pytest.StashKey()
"""Suite -> the cells that ids on the command line chose, by name."""


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Have pytest find ids as our commands take them: patterns, languages, the nearest for one that is misspelt."""
    config = session.config
    asked: dict[Path, list[str]] = {}
    for given in config.args:
        path = Path(os.path.abspath(config.invocation_params.dir / given.partition("::")[0]))
        if path.suffix == ".toml" and path.is_file() and _is_suite(path):
            asked.setdefault(path, []).append(given)
    found: dict[str, list[str]] = {}
    for path, ids in asked.items():
        if any("::" in given for given in ids):
            found.update(_found(path, ids, config))
    if found:
        config.args[:] = dict.fromkeys(given for first in config.args for given in found.get(first, [first]))


def _found(path: Path, ids: list[str], config: pytest.Config) -> dict[str, list[str]]:
    """What is asked of a suite -> the items that it means; their languages, which add up, are noted for collecting."""
    from xharness.collect.selection import Selection, select
    from xharness.errors import HarnessError

    try:
        loaded, cells = _read(path, config)
    except HarnessError:
        return {}  # Collecting the suite will tell.
    asked = {given: f"{loaded.path.name}::{given.partition('::')[2]}" for given in ids}
    try:
        chosen = {c.name: c for c in select(cells, Selection(ids=tuple(asked.values())), loaded)}
        config.stash.setdefault(_chosen, {})[path] = chosen
        return {
            given: [
                f"{given.partition('::')[0]}::{_title(chosen[c.name])}"
                for c in select(cells, Selection(ids=(wanted,)), loaded)
            ]
            for given, wanted in asked.items()
            if "::" in given
        }
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None


def _read(path: Path, config: pytest.Config) -> tuple[Loaded, list[Cell]]:
    """A suite and its cells in the profile that was asked for."""
    from xharness.collect.cells import collect
    from xharness.collect.fit import check_known
    from xharness.spec.load import load_suite

    known = config.stash.setdefault(_suites_read, {})
    if path not in known:
        loaded = load_suite(str(path), config.getoption("--xharness-profile"))
        check_known(loaded)
        known[path] = loaded, collect(loaded)
    return known[path]


def _title(cell: Cell) -> str:
    """A cell's id within the suite, with the languages where they are only some."""
    return cell.name + (f"[{','.join(cell.languages)}]" if cell.languages else "")


class SuiteFile(pytest.File):
    """A suite and its cells."""

    loaded: Loaded
    count = 0
    """Cells of the suite, before pytest's selection."""
    finished: Finished | None = None
    trouble: Exception | None = None
    """Why the suite could not be run at all."""

    def collect(self) -> Iterable[pytest.Item]:
        """The cells of the suite's profile."""
        from xharness.collect.cells import expected_failure, mark_names
        from xharness.errors import HarnessError

        try:
            self.loaded, cells = _read(self.path, self.config)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        self.count = len(cells)
        for mark in self.loaded.suite.mark:
            if mark.name:
                self.config.addinivalue_line("markers", f"{mark.name}: {mark.reason or 'a mark of the suite'}")
        chosen = self.config.stash.get(_chosen, {}).get(self.path, {})
        for cell in (chosen.get(c.name, c) for c in cells):
            name = _title(cell)
            # What pytest remembers of a failure it reads from text, so that the id must be what text is read as.
            item: CellItem = CellItem.from_parent(self, name=name, nodeid=f"{self.nodeid}::{name}", cell=cell)
            task = self.loaded.tasks[cell.target]
            item.extra_keyword_matches.update({*(cell.languages or task.languages), *task.tags, task.group})
            for name in mark_names(cell, self.loaded) - {"skip", "skipif", "xfail"}:
                item.add_marker(name)
            if (why := expected_failure(cell, self.loaded)) is not None:
                item.add_marker(pytest.mark.xfail(reason=why))
            yield item

    def result_of(self, name: str) -> tuple[CellResult | None, list[Judged]]:
        """How a cell ended and its expectations, a row's with its last cell; the first question runs the suite."""
        finished = self._finished()
        results = {r.name: r for r in finished.results}
        return results.get(name), [j for j in finished.judged if j.names[-1] == name]

    def passes_over(self, item: CellItem) -> bool:
        """Whether a cell was stopped before its turn, and pytest has yet to come to one that failed."""
        from xharness.engines.scheduler import STOPPED

        try:
            finished = self._finished()
        except Exception:  # The item's to report.
            return False
        stopped = {r.name for r in finished.results if finished.outcome.not_run.get(r.key) == STOPPED}
        failed = {r.name for r in finished.results if r.status in ("failed", "not run")} - stopped
        later = self.session.items[self.session.items.index(item) + 1 :]
        return item.cell.name in stopped and any(i.cell.name in failed for i in self._own(later))

    def _own(self, items: Iterable[pytest.Item]) -> list[CellItem]:
        return [i for i in items if isinstance(i, CellItem) and i.parent is self]

    def _finished(self) -> Finished:
        if self.trouble is not None:
            raise self.trouble
        if self.finished is None:
            try:
                self.finished = self._run()
            except Exception as error:
                self.trouble = error
                raise
            self.config.stash.setdefault(_suites, []).append(self)
        return self.finished

    def _run(self) -> Finished:
        from rich.console import Console

        from xharness.collect.selection import Selection
        from xharness.errors import ExitCode
        from xharness.session.session import Request, run

        chosen = self._own(self.session.items)
        every = len(chosen) == self.count and not any(i.cell.languages for i in chosen)  # There is nothing to look up.
        request = Request(
            suite=str(self.path),
            selection=Selection(ids=() if every else tuple(i.name for i in chosen)),
            profile=self.config.getoption("--xharness-profile"),
            store=Path(self.config.getoption("--xharness-store")),
            max_failures=self.config.getoption("maxfail") or None,
            failed="first" if self.config.getoption("failedfirst", False) else None,
            verbosity=-1,
            remote=os.environ.get("XHARNESS_REMOTE", ""),
            remote_read_only=os.environ.get("XHARNESS_REMOTE_READ_ONLY", "").lower() in ("1", "true", "yes"),
        )
        finished = run(request, Console(file=io.StringIO()))
        if finished.exit_code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt  # pytest's to report: there is no board of it.
        return finished


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """With -x, say nothing of cells that were stopped: pytest stops at the one that failed, and so must come to it."""
    stops = item.config.getoption("maxfail") and not item.config.getoption("setuponly", False)
    if stops and isinstance(item, CellItem) and item.suite.passes_over(item):
        return True
    return None


class CellItem(pytest.Item):
    """One cell."""

    def __init__(self, *, cell: Cell, **more: Any) -> None:
        super().__init__(**more)
        self.cell = cell

    @property
    def suite(self) -> SuiteFile:
        """Its parent."""
        assert isinstance(self.parent, SuiteFile)
        return self.parent

    def runtest(self) -> None:
        """End as the cell did."""
        from xharness.errors import HarnessError

        try:
            result, judged = self.suite.result_of(self.cell.name)
        except HarnessError as error:
            pytest.fail(str(error), pytrace=False)
        if result is None:
            pytest.fail("the run has no result for this cell.", pytrace=False)
        # One that was stopped did not fail as it was expected to, and pytest would take it so.
        stopped = result.status == "not run" and self.get_closest_marker("xfail") is not None
        if result.status == "skipped" or stopped:
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
        assert suite.finished is not None
        from rich.console import Console

        from xharness.cli.showing import show_run

        terminalreporter.section(f"xharness: {suite.finished.folder}")
        stream = io.StringIO()
        show_run(suite.finished.folder, Console(file=stream, width=120), reasons="")
        terminalreporter.write(stream.getvalue())
