"""The report: one page that fetches nothing, opens in a browser without an error, and shows what the board shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import xharness as xh
from xharness.api.stored import read_board
from xharness.board.board import make_board
from xharness.report.facts import environment
from xharness.report.page import report_page
from xharness.study import Study

from .conftest import Ran, command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return parser.found


@pytest.fixture(scope="module")
def page(ran: Ran, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    command("report", "-o", str(path), "--store", str(ran.store))
    return path


def test_a_page_fetches_nothing_and_is_small(page: Path) -> None:
    text = page.read_text()
    assert len(text.encode()) < 1_500_000
    for tag, attributes in tags(text):
        assert tag not in ("link", "iframe", "object", "embed")
        for name in ("src", "href"):
            assert not str(attributes.get(name, "")).startswith(("http", "//"))


def test_a_page_has_what_the_board_shows_and_how_the_run_was_made(ran: Ran, page: Path) -> None:
    text, run = page.read_text(), xh.open(ran.store)
    board = read_board(run.folder)[2]
    for row in board.rows:
        for value in row.values.values():
            if value.mean is not None:
                assert f">{value.mean:.1f}" in text
    assert "&lt;b&gt;each&lt;/b&gt;" in text
    assert "<b>each</b>" not in text
    assert "failed</span>: none-&gt;xnli" in text
    assert "nobody reaches this" in text
    assert run.facts["versions"]["torch"] in text
    assert "learning_rate" in text


def study_with(ran: Ran, title: str | None = None, rows: int = 1) -> tuple[Study, Any]:
    """The run's study with another title, or with many rows."""
    study = xh.open(ran.store).study()
    facts = dict(study.run) | ({"title": title, "note": title} if title else {})
    records = list(study.records)
    if rows > 1:
        base = [record for record in records if record.intermediate == "none"]
        names = [f"row{number}" for number in range(rows)]
        records += [
            replace(r, intermediate=n, cell=r.cell.replace("none", n), value=r.value * 0.9) for n in names for r in base
        ]
        cells = [cell for cell in facts["cells"] if cell["intermediate"] == "none"]
        more = [{**c, "intermediate": n, "name": c["name"].replace("none", n)} for n in names for c in cells]
        facts |= {"intermediates": [*facts["intermediates"], *names], "cells": [*facts["cells"], *more]}
        facts["rows"] = {**facts["rows"], **{n: {**facts["rows"]["mnli"], "intermediate": n} for n in names}}
    made = Study(study.loaded, facts, records, study.folder, study.manifest)
    return made, make_board(facts, records, made.scheme)


def test_hostile_text_is_text_everywhere(ran: Ran) -> None:
    evil = "</script><script>window.evil=1</script>\"'><img src=x onerror=evil()>"
    found = tags(report_page(*study_with(ran, evil)))
    assert [tag for tag, _ in found].count("script") == 2
    assert "img" not in [tag for tag, _ in found]
    assert not any("onerror" in attributes for _, attributes in found)


def test_a_run_in_which_nothing_passed_still_has_a_page(ran: Ran) -> None:
    study, _ = study_with(ran)
    cells = [{**cell, "status": "failed", "reason": "the disk is full", "key": ""} for cell in study.run["cells"]]
    empty = Study(study.loaded, {**study.run, "cells": cells}, [], study.folder, study.manifest)
    page = report_page(empty, make_board(empty.run, [], empty.scheme))
    assert "the disk is full" in page
    assert "No cell has predictions" in page


def test_without_its_suite_a_run_has_a_page_without_the_texts_of_its_examples(ran: Ran, tmp_path: Path) -> None:
    kept = ran.suite.read_text()
    ran.suite.unlink()
    try:
        command("report", "-o", str(tmp_path / "report.html"), "--store", str(ran.store))
    finally:
        ran.suite.write_text(kept)
    assert "the run&#39;s suite cannot be read" in (tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian's package `chromium`)")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'xharness-stilts[browser]'")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()


def opened(browser: Any, path: Path, width: int = 1400, scheme: str = "light") -> tuple[Any, list[str]]:
    """The page, and what it complained of."""
    view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    view.on("console", lambda message: said.append(message.text))
    view.on("pageerror", lambda error: said.append(str(error)))
    view.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
    view.goto(path.as_uri())
    view.wait_for_selector("html[data-ready=yes]", timeout=60_000)
    return view, said


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_a_word_and_fits_its_window(browser: Any, page: Path, width: int, scheme: str) -> None:
    view, said = opened(browser, page, width, scheme)
    assert said == []
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    look = "getComputedStyle(document.querySelector('table.sortable td')).color"
    ground = "getComputedStyle(document.body).backgroundColor"
    text, paper = (sum(map(int, view.evaluate(what)[4:-1].split(","))) for what in (look, ground))
    assert (text < 200 < paper) if scheme == "light" else (paper < 200 < text)
    view.close()


def column(view: Any, number: int) -> list[str]:
    return view.evaluate(
        "n => [...document.querySelectorAll('table.sortable')][0].tBodies[0].rows.length && "
        "[...document.querySelectorAll('table.sortable')[0].tBodies[0].rows].map(r => r.cells[n].innerText)",
        number,
    )


def test_sorting_sorts_by_mouse_and_by_keyboard_and_says_so(browser: Any, page: Path) -> None:
    view, _ = opened(browser, page)
    head = view.locator("table.sortable").first.locator("thead th").nth(1)
    head.click()
    sorts = "way => document.querySelector('table.sortable thead th[aria-sort]')?.getAttribute('aria-sort') === way"
    view.wait_for_function(sorts, arg="ascending", timeout=20_000)
    one = [float(text.split()[0]) for text in column(view, 1)]
    assert one == sorted(one)
    head.locator(".dt-column-order").focus() if head.get_attribute("tabindex") is None else head.focus()
    view.keyboard.press("Enter")
    view.wait_for_function(sorts, arg="descending", timeout=20_000)
    assert [float(text.split()[0]) for text in column(view, 1)] == sorted(one, reverse=True)
    view.close()


def test_the_theme_changes_by_its_button(browser: Any, page: Path) -> None:
    view, _ = opened(browser, page)
    before = view.evaluate("getComputedStyle(document.body).backgroundColor")
    view.locator("#theme").press("Enter")
    assert view.evaluate("getComputedStyle(document.body).backgroundColor") != before
    view.close()


def test_ten_thousand_cells_open_sort_and_filter(browser: Any, ran: Ran, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    path.write_text(report_page(*study_with(ran, rows=1430), answers=False))
    view, said = opened(browser, path)
    assert said == []
    assert len(column(view, 0)) == 25
    view.locator("table.sortable").first.locator("thead th").nth(1).click()
    view.locator("#board ~ .wide input[type=search]").first.fill("row1429")
    view.wait_for_function(
        "document.querySelectorAll('table.sortable')[0].tBodies[0].rows.length === 1", timeout=20_000
    )
    assert column(view, 0) == ["row1429"]
    view.close()


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/home/a/.venv/bin/xharness", "run", "mine.toml", "-k", "not xnli"], "xharness run mine.toml -k 'not xnli'"),
        (["/home/a/xharness/__main__.py", "run", "mine.toml"], "xharness run mine.toml"),
        (["/usr/lib/python3/pytest/__main__.py", "-q", "mine.toml"], "pytest -q mine.toml"),
        (["xharness.run"], "xharness.run"),
        (["__main__.py", "run", "mine.toml"], "xharness run mine.toml"),
    ],
)
def test_the_command_is_one_that_can_be_typed(argv, command):
    run = {
        "argv": argv, "git": {}, "hardware": {"system": "Linux", "cores": 2, "memory": 0}, "suite": "mine.toml",
        "profile": "micro", "seeds": [0], "workers": 1, "threads": 1, "peak_memory": 0, "versions": {},
    }  # fmt: skip
    assert dict(environment(run))["command"] == command
