"""Which cells a command line selects: ids, patterns, expressions, filters, and what is said when there are none."""

from __future__ import annotations

import json

import pytest

from xharness.collect.cells import Cell, collect
from xharness.collect.selection import Selection, select
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
        (("none->animals[de,en]",), None),
        (("none->animals[en, de]",), None),
        (("none->animals[de]", "none->animals[en]"), None),
        (("none->animals[de]", "none->animals[de]"), ("de",)),
        (("none->animals[de]", "none->animals"), None),
        (("none->animals", "none->animals[de]"), None),
        (("*[de]", "none->animals", "*->animals[de]"), None),
        (("none->animals",), None),
    ],
)
def test_an_id_s_language_part_selects_languages_and_ids_of_one_cell_add_up_in_any_order(
    loaded: Loaded, ids: tuple[str, ...], languages: tuple[str, ...] | None
) -> None:
    for given in (ids, ids[::-1]):
        cell = next(c for c in chosen(loaded, ids=given) if c.name == "none->animals[fake-0]")
        assert cell.languages == languages


@pytest.mark.parametrize(
    ("ids", "parts"),
    [
        (("*[fr]",), {"plants": ("fr",), "pairs": ("fr",)}),
        (("none->*[en,fr]",), {"animals": ("en",), "plants": None, "pairs": ("fr",)}),
        (("*->p*[zz,en]",), {"plants": ("en",)}),
    ],
)
def test_a_pattern_with_languages_takes_the_cells_that_have_one_of_them(
    loaded: Loaded, ids: tuple[str, ...], parts: dict[str, tuple[str, ...] | None]
) -> None:
    assert {c.target: c.languages for c in chosen(loaded, ids=ids)} == parts


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("none->animals[fr]", "animals does not have the language 'fr'. Languages there: en, de."),
        ("none->animals[de,fr]", "animals does not have the language 'fr'."),
        ("none->animals[dee]", "animals does not have the language 'dee'. Languages there: de, en."),
        ("none->animals[DE]", "animals does not have the language 'DE'."),
        ("*[sw]", "no target of these cells has the language 'sw'. Languages there: "),
    ],
)
def test_a_language_that_the_target_of_an_id_lacks_ends_with_5_and_those_it_has_the_nearest_first(
    house: House, given: str, said: str
) -> None:
    ended = house("list", "small.toml::" + given)
    assert ended.returncode == ExitCode.NOTHING
    assert f"'{given}': {said}" in ended.stderr


def test_a_deselected_part_leaves_the_rest_of_its_cell(loaded: Loaded) -> None:
    left = chosen(loaded, ids=("none->*",), deselect=("*[de]", "none->plants[en]", "none->plants[sw]"))
    assert {c.target: c.languages for c in left} == {"animals": ("en",), "plants": ("fr",), "pairs": ("fr",)}
    assert names(loaded, deselect=("*[en,de]",)) == [n for n in ALL if "animals" not in n]
    assert names(loaded, ids=("none->animals[de]",), deselect=("none->animals[en]",)) == ["none->animals"]
    with pytest.raises(NothingSelected, match=r"none->animals, --deselect \*\) leaves none of 6 cells"):
        chosen(loaded, ids=("none->animals",), deselect=("*",))


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
        ("Zoo", ["none->animals", "colours->animals"]),
        ("FR and NONE", ["none->plants", "none->pairs"]),
        ("", ALL),
        (" ", ALL),
    ],
)
def test_k_looks_at_ids_languages_and_tags(loaded: Loaded, keyword: str, expected: list[str]) -> None:
    assert names(loaded, keyword=keyword) == expected


def test_m_looks_at_marks_and_refuses_those_that_do_not_exist(loaded: Loaded) -> None:
    assert names(loaded, marks="slow") == ["colours->plants"]
    assert names(loaded, marks="not slow") == [n for n in ALL if n != "colours->plants"]
    assert names(loaded, marks="") == names(loaded, marks=" ") == ALL
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


def given_names(house: House, *given: str) -> list[str]:
    """Names of the checkpoints of the grid, after so many `--checkpoint`."""
    words = [word for name in given for word in ("--checkpoint", name)]
    listed = house("list", "small.toml", "--json", "--target", "pairs", "--intermediate", "none", *words)
    assert listed.returncode == 0, listed.stderr
    return [json.loads(line)["checkpoint"] for line in listed.stdout.splitlines()]


def test_checkpoints_of_one_name_are_told_apart_and_never_take_the_place_of_the_suite_s_own(house: House) -> None:
    for folder in ("a/enc", "b/enc", "b/fake", "fake", "_x", "a-enc"):
        (house.root / folder).mkdir(parents=True)
    here = house.root.name
    assert given_names(house, "a/enc") == ["fake", "enc"]
    assert sorted(given_names(house, "a/enc", "b/enc")) == sorted(given_names(house, "b/enc", "a/enc"))
    assert given_names(house, "a/enc", "b/enc") == ["fake", "a-enc", "b-enc"]
    assert given_names(house, "a/enc", "./a/enc", "a/enc/") == ["fake", "enc"]
    assert given_names(house, "b/fake") == ["fake", "b-fake"]
    assert given_names(house, "./fake") == ["fake", f"{here}-fake"]
    assert given_names(house, "me/fake", "me/fake@v2", "you/enc@main", "a/enc") == [
        "fake", "me-fake", "fake@v2", "enc@main", "a-enc",
    ]  # fmt: skip
    assert given_names(house, "./_x") == ["fake", "x"]
    clashing = given_names(house, "a/enc", "b/enc", "./a-enc")
    assert len(set(clashing)) == 4
    assert "a-enc" not in given_names(house, "a/enc", "b/enc", "./a-enc")


def test_each_of_two_checkpoints_of_one_name_is_planned_by_its_own_files(house: House) -> None:
    for folder in ("a/fake", "b/fake"):
        (house.root / folder).mkdir(parents=True)
        (house.root / folder / "config.json").write_text(json.dumps({"folder": folder}))
    planned = house("plan", "small.toml", "--json", "-c", "a/fake", "-c", "b/fake", "none->animals")
    rows = [json.loads(line) for line in planned.stdout.splitlines()]
    tuned = {row["label"]: row["key"] for row in rows if row["kind"] == "tune"}
    assert set(tuned) == {f"tune {name} on animals, seed 0" for name in ("fake", "a-fake", "b-fake")}
    assert len(set(tuned.values())) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "other.toml::none->animals",
            "'other.toml::none->animals' belongs to another suite, and this command is on small",
        ),
        ("other.toml", "'other.toml' belongs to another suite, and this command is on small.toml alone."),
        ("gone.toml::none->animals", "gone.toml: is neither a file nor a shipped suite."),
        ("gone.toml", "gone.toml: is neither a file nor a shipped suite."),
        ("smal.toml::none->animals", "smal.toml: is neither a file nor a shipped suite."),
    ],
)
def test_an_id_of_a_suite_that_is_not_run_is_refused(house: House, given: str, said: str) -> None:
    (house.root / "other.toml").write_text(house.suite.read_text())
    ended = house.run(given)
    assert ended.returncode == ExitCode.USAGE
    assert said in ended.stderr
    assert not house.store.exists()


def test_an_id_may_name_its_suite_by_any_path(house: House) -> None:
    every = house("plan", "small.toml", "--json").stdout
    for whole in ("small.toml", "small.toml::", "./small.toml"):
        assert house("plan", "small.toml", whole, "none->animals[de]", "--json").stdout == every
    for suite in ("small.toml", "./small.toml", str(house.suite), "tasks/../small.toml", "s*"):
        listed = house("plan", "small.toml", f"{suite}::none->animals[de]", "--json")
        assert listed.returncode == 0, listed.stderr
        assert [json.loads(s)["kind"] for s in listed.stdout.splitlines()] == [
            "encode",
            "encode",
            "tune",
            "encode",
            "evaluate",
        ]


def test_list_takes_a_suite_given_twice_once_and_says_where_a_cell_is_to_be_named(house: House) -> None:
    assert len(house("list", "small.toml", "small.toml", "-q").stdout.split()) == 6
    assert "SUITE::none->animals." in house("list", "small.toml", "none->animals").stderr


def test_what_one_of_two_listed_suites_has_is_listed_and_what_none_has_ends_with_5(house: House) -> None:
    (house.root / "other.toml").write_text(
        house.suite.read_text().replace('["animals", "plants", "pairs"]', '["plants"]')
    )
    both = ("list", "other.toml", "small.toml", "-q")
    assert len(house(*both, "-k", "zoo").stdout.split()) == 2
    assert house(*both, "--target", "animals", "--language", "de").returncode == 0
    assert house(*both, "-k", "elephants").returncode == ExitCode.NOTHING
    assert house("list", "small.toml", "other.toml::none->animals").returncode == ExitCode.NOTHING


def test_what_is_deselected_in_another_suite_stays_in_this_one(house: House) -> None:
    (house.root / "other.toml").write_text(house.suite.read_text())
    words = ("--deselect", "other.toml::none->*", "--deselect", "small.toml::colours->*")
    listed = house("list", "small.toml", "other.toml", "-q", *words).stdout.split()
    assert len(listed) == 6
    assert all(("small.toml::none->" in cell) or ("other.toml::colours->" in cell) for cell in listed)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("none->anmals", "--deselect 'none->anmals' leaves out nothing: no cell is called so. Did you mean 'none->an"),
        ("none->animals[xx]", "--deselect 'none->animals[xx]': animals does not have the language 'xx'."),
        ("other.toml::none->*", "--deselect 'other.toml::none->*' is of another suite, and leaves out nothing here."),
        ("none->animals[de]", ""),
        ("small.toml", ""),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan", "list"])
def test_deselecting_nothing_is_warned_of_and_the_command_goes_on(
    house: House, given: str, said: str, command: str
) -> None:
    more = ["--dry-run"] if command == "run" else ["--json"]
    ended = house(command, "small.toml", "--deselect", given, *more)
    warned = [line for line in ended.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warned) == bool(said)
    assert not said or said in warned[0]
    assert "warning" not in ended.stdout
    assert ended.returncode == (ExitCode.NOTHING if given == "small.toml" else ExitCode.OK), ended.stderr


def test_what_one_of_two_listed_suites_deselects_is_not_warned_of(house: House) -> None:
    (house.root / "other.toml").write_text(house.suite.read_text())
    listed = house("list", "small.toml", "other.toml", "-q", "--deselect", "other.toml::none->*")
    assert listed.stderr == ""
    wrong = house("list", "small.toml", "other.toml", "-q", "--deselect", "none->anmals")
    assert wrong.stderr.count("warning: ") == 1
