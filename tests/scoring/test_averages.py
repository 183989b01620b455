"""Averages: plain means, absent when a member is, by language traits from the table of languages."""

import pytest

from xharness.languages import languages
from xharness.score.averages import (
    Average,
    average,
    by_family,
    by_script,
    by_transfer,
    by_wikipedia,
    summarise,
    transfer_gap,
    without_english,
)
from xharness.score.scheme import load_scheme


def test_an_average_with_a_missing_member_is_absent_and_says_how_many_there_are():
    found = average({"a": 50.0, "b": None, "c": float("nan")}, "abcd")
    assert found == Average(None, 1, 4, ("b", "c", "d"))
    assert f"{found:.2f}" == str(found) == "— 1/4"


def test_an_average_is_the_plain_mean_of_its_members_and_of_no_other():
    found = average({"a": 50.0, "b": 100.0, "other": 0.0}, "ab")
    assert found == Average(75.0, 2, 2)
    assert f"{found:.2f}" == "75.00"
    assert str(found) == "75.0"


def test_weights_count_and_are_1_where_none_is_given():
    assert average({"a": 10.0, "b": 40.0}, "ab", {"a": 2.0}).value == pytest.approx(20)


def test_an_average_of_nothing_is_absent():
    assert average({}, ()) == Average(None, 0, 0)


def row(scheme, value):
    return {task: dict.fromkeys(scheme.of(task).languages, value(task)) for task in scheme.tasks}


def test_the_overall_average_of_xtreme_is_over_tasks_not_over_groups():
    scheme = load_scheme("xtreme")
    found = summarise(scheme, row(scheme, lambda task: 90.0 if task in scheme.group["qa"].tasks else 0.0))
    assert found.groups["qa"].value == 90
    assert found.overall.value == pytest.approx(30)  # three tasks of nine; one group of four would be 22.5


def test_a_missing_language_makes_its_task_its_group_and_the_whole_absent():
    scheme = load_scheme("xtreme")
    scores = row(scheme, lambda task: 50.0)
    del scores["panx"]["yo"]
    found = summarise(scheme, scores)
    assert str(found.tasks["panx"]) == "— 39/40"
    assert found.tasks["panx"].missing == ("yo",)
    assert str(found.groups["tagging"]) == "— 1/2"
    assert str(found.overall) == "— 8/9"
    assert found.groups["qa"].value == 50


def test_a_run_is_averaged_over_the_languages_of_its_own_targets():
    scheme = load_scheme("xtreme")
    found = summarise(scheme, {"xnli": {"en": 80.0, "sw": 40.0}}, {"xnli": ("en", "sw")})
    assert found.tasks["xnli"].value == 60


def test_a_scheme_of_ones_own_may_weigh_tasks_and_average_groups(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        """title = "Mine"
        overall = "groups"
        [group.a]
        title = "A"
        tasks = ["one", "two"]
        [group.b]
        title = "B"
        tasks = ["three"]
        [task.one]
        weight = 3.0
        """
    )
    own = dict.fromkeys(("one", "two", "three"), ("en",))
    scores = {"one": {"en": 40.0}, "two": {"en": 80.0}, "three": {"en": 10.0}}
    found = summarise(load_scheme(str(file)), scores, own)
    assert found.groups["a"].value == pytest.approx(50)
    assert found.overall.value == pytest.approx(30)


def test_the_transfer_gap_is_english_minus_the_mean_of_the_others():
    scores = {"en": 80.0, "de": 70.0, "sw": 40.0}
    assert without_english(scores, scores).value == pytest.approx(55)
    assert transfer_gap(scores, scores).value == pytest.approx(25)


def test_by_transfer_has_english_the_others_and_their_gap():
    found = by_transfer({"en": 80.0, "de": 70.0, "sw": 40.0}, ("en", "de", "sw"))
    assert {name: part.value for name, part in found.items()} == {"English": 80.0, "others": 55.0, "gap": 25.0}
    assert {name: str(part) for name, part in by_transfer({"de": 70.0}, ("de", "sw")).items()} == {"others": "— 1/2"}


def test_a_task_without_english_has_no_transfer_gap():
    found = transfer_gap({"de": 1.0, "fr": 2.0}, ("de", "fr"))
    assert found.value is None
    assert found.missing == ("en",)


def test_a_gap_with_a_missing_language_is_absent():
    assert str(transfer_gap({"en": 80.0, "de": 70.0}, ("en", "de", "sw"))) == "— 2/3"


def test_breakdowns_by_family_script_and_data_size():
    scores = {"en": 90.0, "de": 80.0, "ar": 50.0, "he": 30.0, "ur": 20.0, "yo": 10.0}
    assert {name: found.value for name, found in by_family(scores, scores).items()} == {
        "Afro-Asiatic": 40.0,
        "IE: Germanic": 85.0,
        "IE: Indo-Aryan": 20.0,
        "Niger-Congo": 10.0,
    }
    assert {name: found.value for name, found in by_script(scores, scores).items()} == {
        "Arab": 35.0,
        "Hebr": 30.0,
        "Latn": 60.0,
    }
    # CC-100 GiB: en 300.8; de 66.6, ar 28, he 31.6; ur 5.7; yo none.
    scores = scores | {"ta": 40.0, "eu": 10.0}  # 12.2 and 2.0
    assert {name: found.value for name, found in by_wikipedia(scores, scores).items()} == {
        "100 GiB and more": 90.0,
        "10 to 100 GiB": 50.0,
        "1 to 10 GiB": 15.0,
        "not in CC-100": 10.0,
    }


def test_a_breakdown_with_a_missing_language_is_absent_in_its_part_only():
    found = by_family({"en": 90.0, "ar": 50.0}, ("en", "ar", "he"))
    assert {name: str(part) for name, part in found.items()} == {"Afro-Asiatic": "— 1/2", "IE: Germanic": "90.0"}


def test_the_two_isolates_are_not_one_family():
    assert len(by_family({"eu": 1.0, "ko": 2.0}, ("eu", "ko"))) == 2


def test_a_language_outside_the_table_is_of_unknown_family():
    assert by_family({"xx": 1.0}, ("xx",))["unknown"].value == 1
    assert list(by_wikipedia({"xx": 1.0}, ("xx",))) == ["unknown"]


def test_the_table_has_every_language_of_both_benchmarks():
    table = languages()
    assert len(table) == 50
    assert sum(language.xtreme for language in table.values()) == 40
    for name in ("xtreme", "xtreme-r"):
        scheme = load_scheme(name)
        assert {code for task in scheme.tasks for code in scheme.of(task).languages} <= set(table)
    xtreme = load_scheme("xtreme")
    assert {code for task in xtreme.tasks for code in xtreme.of(task).languages} == {
        code for code, language in table.items() if language.xtreme
    }
