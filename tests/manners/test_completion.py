"""What a shell offers: commands, suites, profiles, cells."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from .conftest import House


def offered(house: House, *words: str) -> list[str]:
    """Completions of the last word, by bash's protocol."""
    line = " ".join(["xharness", *words])
    done = house(_XHARNESS_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words)))
    assert not done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("s",), {"show", "status", "store", "score", "schema"}),
        (("store", "d"), {"du"}),
        (("run", "sma"), {"small.toml"}),
        (("run", "xtreme-"), {"xtreme-r"}),
        (("run", "small.toml", r"colours-\>an"), {r"colours-\>animals"}),
        (("run", "small.toml", r"colours-\>animals"), {r"colours-\>animals", r"colours-\>animals\[fake-0\]"}),
        # An open quotation stays as it is; bash closes it.
        (("run", "small.toml", "'colours->animals[f"), {"colours->animals[fake-0]"}),
        (("run", "'small.toml::colours->an"), {"small.toml::colours->animals"}),
        # Bash hands over `SUITE::ID` in three words, and replaces the last.
        (("list", "small.toml", "::", r"none-\>p"), {r"none-\>plants", r"none-\>pairs"}),
        (("list", "xtreme", "small.toml", "::", "none"), {r"none-\>animals", r"none-\>plants", r"none-\>pairs"}),
        (("run", "small.toml", "::", r"none-\>an"), {r"none-\>animals"}),
        (("run", "small.toml", "--target", "p"), {"pairs", "plants"}),
        (("run", "small.toml", "--intermediate", ""), {"colours", "none"}),
        (("run", "small.toml", "--language", "d"), {"de"}),
        (("run", "xtreme", "--profile", ""), {"micro", "paper", "sample"}),
        (("why", "small.toml", r"none-\>an"), {r"none-\>animals"}),
    ],
)
def test_the_shell_offers_what_fits(house: House, words: tuple[str, ...], expected: set[str]) -> None:
    assert set(offered(house, *words)) == expected


@pytest.mark.parametrize("typed", [r"colours-\>animals", "'colours->animals"])
def test_what_is_offered_is_read_back_by_a_shell_as_the_cell(house: House, typed: str) -> None:
    quote = "'" if typed.startswith("'") else ""
    for name in offered(house, "run", "small.toml", typed):
        (read,) = shlex.split(f"{quote}{name}{quote}")
        echoed = subprocess.run(
            ["bash", "-c", f"echo {quote}{name}{quote}"], capture_output=True, text=True, check=True
        )
        assert echoed.stdout.strip() == read
        assert house("list", "small.toml::" + read, "-q").stdout == "small.toml::colours->animals[fake-0]\n"


def test_a_broken_suite_offers_nothing_and_says_nothing(house: House) -> None:
    house.suite.write_text("title = ")
    assert offered(house, "run", "small.toml", "none") == []
