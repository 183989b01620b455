"""Which cells a command line selects: ids, patterns, expressions, filters, and what is said when there are none."""

from __future__ import annotations

import json

import pytest

from xharness.collect.cells import Cell, Selection, collect, select
from xharness.errors import ExitCode, NothingSelected, UsageError
from xharness.spec.load import Loaded, load_suite

from .conftest import House


@pytest.fixture
def loaded(house: House) -> Loaded:
    return load_suite(str(house.suite))


def chosen(loaded: Loaded, **selection: object) -> list[Cell]:
    return select(collect(loaded), Selection(**selection), loaded)  # type: ignore[arg-type]


def names(loaded: Loaded, **selection: object) -> list[str]:
    return [f"{c.intermediate}->{c.target}" for c in chosen(loaded, **selection)]


ALL = [
    "none->animals", "none->plants", "none->pairs", "colours->animals", "colours->plants", "colours->pairs",
]  # fmt: skip


def test_all_cells_stand_in_the_order_of_the_grid_with_ids_that_name_their_parts(loaded: Loaded) -> None:
    assert names(loaded) == ALL
    assert chosen(loaded)[3].id == "small.toml::colours->animals[fake-0]"


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (("none->animals",), ["none->animals"]),
        (("none->animals[fake-0]",), ["none->animals"]),
        (("small.toml::none->animals[fake-0]",), ["none->animals"]),
        (("*->plants",), ["none->plants", "colours->plants"]),
        (("*->p*",), ["none->plants", "none->pairs", "colours->plants", "colours->pairs"]),
        (("colours->*[fake-?]",), ["colours->animals", "colours->plants", "colours->pairs"]),
        (("colours->pairs", "none->animals", "colours->pairs"), ["none->animals", "colours->pairs"]),
    ],
)
def test_ids_may_leave_out_suite_and_checkpoint_and_have_wildcards(
    loaded: Loaded, ids: tuple[str, ...], expected: list[str]
) -> None:
    assert names(loaded, ids=ids) == expected


@pytest.mark.parametrize(
    ("ids", "languages"),
    [
        (("none->animals[de]",), ("de",)),
        (("none->animals[fake-0][de]",), ("de",)),
        (("none->animals[de,en]",), ("de", "en")),
        (("none->animals[de]", "none->animals[en]"), ("de", "en")),
        (("none->animals[de]", "none->animals"), None),
        (("none->animals",), None),
    ],
)
def test_an_id_s_language_part_selects_languages_and_ids_of_one_cell_add_up(
    loaded: Loaded, ids: tuple[str, ...], languages: tuple[str, ...] | None
) -> None:
    (cell,) = chosen(loaded, ids=ids)
    assert cell.languages == languages


@pytest.mark.parametrize(
    ("keyword", "expected"),
    [
        ("animals", ["none->animals", "colours->animals"]),
        ("ANIMALS and none", ["none->animals"]),
        ("not (animals or plants)", ["none->pairs", "colours->pairs"]),
        ("zoo", ["none->animals", "colours->animals"]),
        ("fr", ["none->plants", "none->pairs", "colours->plants", "colours->pairs"]),
        ("fr and not colours", ["none->plants", "none->pairs"]),
        ("fake-0 and pairs", ["none->pairs", "colours->pairs"]),
    ],
)
def test_k_looks_at_ids_languages_and_tags(loaded: Loaded, keyword: str, expected: list[str]) -> None:
    assert names(loaded, keyword=keyword) == expected


def test_m_looks_at_marks_and_refuses_those_that_do_not_exist(loaded: Loaded) -> None:
    assert names(loaded, marks="slow") == ["colours->plants"]
    assert names(loaded, marks="not slow") == [n for n in ALL if n != "colours->plants"]
    with pytest.raises(UsageError, match=r"no mark is called 'slwo'\. Did you mean 'slow'\?"):
        chosen(loaded, marks="slwo")


def test_filters_and_deselected_ids_narrow_what_is_left(loaded: Loaded) -> None:
    both = names(loaded, intermediates=("colours",), targets=("pairs", "plants"))
    assert both == ["colours->plants", "colours->pairs"]
    assert names(loaded, deselect=("colours->*", "none->pairs")) == ["none->animals", "none->plants"]
    assert names(loaded, seeds=(0,), checkpoints=("fake",)) == ALL


def test_a_language_filter_keeps_the_cells_that_have_it_and_of_them_that_language(loaded: Loaded) -> None:
    cells = chosen(loaded, languages=("fr",))
    assert {c.target for c in cells} == {"plants", "pairs"}
    assert {c.languages for c in cells} == {("fr",)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none->animls",), "Did you mean 'none->animals'?"),
        (("-k", "elephants"), "-k 'elephants' selects none of 6 cells."),
        (("--target", "plant"), "Did you mean 'plants'?"),
        (("--language", "dee"), "Did you mean 'de'?"),
        (("--seed", "7"), "no cell has the seed '7'."),
        (("--checkpoint", "fak"), "Did you mean 'fake'?"),
        (("-m", "slow", "--target", "animals"), "-m 'slow' selects none of 6 cells."),
    ],
)
def test_selecting_nothing_ends_with_5_and_the_nearest_name(house: House, words: tuple[str, ...], said: str) -> None:
    ended = house.run(*words)
    assert ended.returncode == ExitCode.NOTHING, ended.stderr
    assert said in ended.stderr
    assert not house.store.exists()


def test_a_checkpoint_of_the_suite_is_a_filter_and_any_other_adds_rows(house: House) -> None:
    other = f'\n[[checkpoint]]\nname = "other"\npath = "{house.root / "encoder"}"\n'
    small = '\n[profile.small]\ncheckpoints = ["fake"]\n[profile.whole]\n'
    house.suite.write_text(house.suite.read_text() + other + small)
    (house.root / "third").mkdir()

    def rows(profile: str, *given: str) -> list[str]:
        words = [word for name in given for word in ("--checkpoint", name)]
        listed = house("list", "small.toml", "-p", profile, "--json", "--target", "pairs", *words)
        assert listed.returncode == 0, listed.stderr
        return list(dict.fromkeys(json.loads(line)["checkpoint"] for line in listed.stdout.splitlines()))

    assert rows("whole") == ["fake", "other"]
    assert rows("whole", "other") == ["other"]
    assert rows("whole", "./third") == ["fake", "other", "third"]
    assert rows("whole", "fake", "someone/model@main") == ["fake", "model"]
    assert rows("small") == ["fake"]
    assert rows("small", "other") == ["fake", "other"]


def test_an_id_that_is_no_cell_of_this_suite_is_not_taken_for_another_suite_s(loaded: Loaded) -> None:
    with pytest.raises(NothingSelected):
        chosen(loaded, ids=("other.toml::colours->tigers",))
