"""Titles and names are shown as they were written, whatever brackets and colons are in them."""

from __future__ import annotations

import io
import shutil

import pytest
from rich.console import Console

from xharness.errors import ExitCode
from xharness.plan.plan import Plan
from xharness.session.display import Display

from .conftest import House

SUITE, TITLE, NOTE, TASK = "[odd].toml", "[/x] [bold]b :smile: [red]", "[/note] :cat:", "[/animals] [q]"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, lived_in: House) -> House:
    """The run of a house where everything has brackets."""
    root = tmp_path_factory.mktemp("odd") / "house"
    shutil.copytree(lived_in.root, root, ignore=shutil.ignore_patterns("store"))
    made = House(root, {**lived_in.env, "XHARNESS_STORE": str(root / "store")})
    suite = made.suite.read_text().replace("a small house", TITLE)
    (root / SUITE).write_text(f'{suite}\n[profile.p]\nnote = "{NOTE}"\n')
    task = root / "tasks" / "animals.toml"
    task.write_text(task.read_text().replace('title = "animals"', f'title = "{TASK}"'))
    ended = made("run", SUITE, "--profile", "p", "*->animals", "-n", 1)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert f"{TITLE} · profile p" in ended.stdout
    return made


def test_a_board_shows_titles_and_notes_as_they_are(odd: House) -> None:
    shown = odd("show", "--by", "language").stdout
    for words in (TITLE, NOTE, f"metrics: accuracy: {TASK}", f"\n{TASK} by"):
        assert words in shown


@pytest.mark.parametrize("words", [("show", "--by", "group", "--chance"), ("store", "ls"), ("store", "du")])
def test_nothing_that_shows_a_name_trips_over_it(odd: House, words: tuple[str, ...]) -> None:
    ended = odd(*words)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "-[odd]-p-" in ended.stdout or words[0] == "show"


def test_the_list_and_the_plan_show_a_title_as_it_is(odd: House) -> None:
    assert TITLE in odd("list", SUITE, "--profile", "p").stdout
    assert odd("plan", SUITE, "--profile", "p").returncode == ExitCode.OK


def test_the_display_of_a_run_under_way_keeps_the_brackets_of_a_cell() -> None:
    out = io.StringIO()
    display = Display(Console(file=out, width=120), Plan([]))
    display({"event": "start", "key": "k", "label": "evaluate none->animals[fake-0]"})
    display({"event": "progress", "key": "k", "done": 1, "total": 2, "unit": "[/rows]"})
    display.console.print(display._render())
    assert "evaluate none->animals[fake-0]" in out.getvalue()
    assert "1/2 [/rows]" in out.getvalue()
