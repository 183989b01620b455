"""What a shell offers: commands, suites, profiles, cells."""

from __future__ import annotations

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
        (("s",), {"show", "store", "score", "schema"}),
        (("store", "d"), {"du"}),
        (("run", "sma"), {"small.toml"}),
        (("run", "xtreme-"), {"xtreme-r"}),
        (("list", "small.toml::none->p"), {"small.toml::none->plants", "small.toml::none->pairs"}),
        (("run", "small.toml", "colours->an"), {"colours->animals"}),
        (("run", "small.toml", "colours->animals"), {"colours->animals", "colours->animals[fake-0]"}),
        (("run", "small.toml", "--target", "p"), {"pairs", "plants"}),
        (("run", "small.toml", "--intermediate", ""), {"colours", "none"}),
        (("run", "small.toml", "--language", "d"), {"de"}),
        (("run", "xtreme", "--profile", ""), {"micro", "paper", "sample"}),
        (("why", "small.toml", "none->an"), {"none->animals"}),
    ],
)
def test_the_shell_offers_what_fits(house: House, words: tuple[str, ...], expected: set[str]) -> None:
    assert set(offered(house, *words)) == expected


def test_a_broken_suite_offers_nothing_and_says_nothing(house: House) -> None:
    house.suite.write_text("title = ")
    assert offered(house, "run", "small.toml", "none") == []
