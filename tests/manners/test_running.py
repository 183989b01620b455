"""Runs as with a test suite: what failed first or alone, reasons, durations, reports, exit codes, interruption."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import xharness.cli.showing
import xharness.session.session
from xharness.engines.scheduler import Outcome
from xharness.errors import ExitCode
from xharness.plan.plan import Plan
from xharness.session.results import told_together
from xharness.store.steps import Store

from .conftest import House, statuses


def started(house: House) -> list[str]:
    """Labels of the steps that the newest run started, in order."""
    log = sorted((house.store / "runs").glob("*/events.jsonl"), key=lambda p: p.stat().st_mtime_ns)[-1]
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return [e["label"] for e in events if e["event"] == "start"]


def test_several_languages_and_names_are_given_at_once_or_one_by_one(house: House) -> None:
    one_by_one = house("list", "small.toml", "-l", "de", "-l", "fr", "--target", "animals", "--target", "plants")
    at_once = house("list", "small.toml", "-l", "de,fr", "--target", "animals, plants")
    assert at_once.stdout == one_by_one.stdout
    assert "animals" in at_once.stdout
    assert "plants" in at_once.stdout
    assert "pairs" not in at_once.stdout


def test_a_failing_cell_ends_with_1_and_the_others_pass(house: House) -> None:
    ended = house.run(STAND_IN_FAILS="plants")
    assert ended.returncode == ExitCode.FAILED
    found = statuses(house)
    assert found.pop("none->plants") == found.pop("colours->plants") == "failed"
    assert set(found.values()) == {"passed"}
    assert "the stand-in was told to fail on plants" in ended.stdout
    assert "4 passed, 2 failed" in ended.stdout


def test_a_cell_that_is_expected_to_fail_stops_no_run(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + '[[mark]]\ncells = "none->animals*"\nxfail = true\nreason = "r"\n')
    ended = house.run("-x", "none->*", STAND_IN_FAILS="animals")
    assert ended.returncode == ExitCode.OK, ended.stdout
    assert statuses(house) == {"none->animals": "xfailed", "none->plants": "passed", "none->pairs": "passed"}


def test_lf_takes_what_failed_last_and_all_once_nothing_fails(house: House) -> None:
    house.run(STAND_IN_FAILS="plants")
    listed = house("list", "small.toml", "--lf", "-q")
    assert listed.stdout.splitlines() == ["small.toml::none->plants[fake-0]", "small.toml::colours->plants[fake-0]"]
    assert house.run("--lf").returncode == 0
    assert set(statuses(house)) == {"none->plants", "colours->plants"}
    again = house.run("--lf")
    assert "no cell failed last: all cells are taken" in again.stdout
    assert len(statuses(house)) == 6


def test_what_failed_is_remembered_over_runs_of_other_cells_and_apart_by_profile(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + "\n[profile.one]\n[profile.two]\n")
    house.run("--profile", "one", "none->plants", STAND_IN_FAILS="plants")
    house.run("--profile", "one", "none->animals")
    assert house("list", "small.toml", "--profile", "one", "--lf", "-q").stdout.splitlines() == [
        "small.toml::none->plants[fake-0]"
    ]
    assert len(house("list", "small.toml", "--profile", "two", "--lf", "-q").stdout.splitlines()) == 6
    elsewhere = house("list", "small.toml", "--profile", "one", "--lf", "-q", "--target", "pairs")
    assert "1 failed cell is not among the selected ones" in elsewhere.stderr


def test_ff_runs_what_failed_last_before_the_others(house: House) -> None:
    house.run("none->pairs", STAND_IN_FAILS="pairs")
    assert house.run("--ff").returncode == 0
    assert started(house)[0] == "mine none->pairs[fake-0]"
    assert len(statuses(house)) == 6


def test_lf_and_ff_exclude_each_other(house: House) -> None:
    assert house.run("--lf", "--ff").returncode == ExitCode.USAGE


def test_x_stops_after_the_first_failure_and_says_what_was_not_run(house: House) -> None:
    ended = house.run("-x", STAND_IN_FAILS="animals,plants,pairs")
    assert ended.returncode == ExitCode.FAILED
    found = list(statuses(house).values())
    assert found.count("failed") == 1
    assert found.count("not run") == 5
    assert "stopped before its turn" in ended.stdout
    failed = [name for name, status in statuses(house).items() if status == "failed"]
    assert house("list", "small.toml", "--lf", "-q").stdout.split() == [f"small.toml::{failed[0]}[fake-0]"]


def test_what_was_stopped_before_its_turn_is_remembered_as_it_was(house: House) -> None:
    house.run("none->pairs", STAND_IN_FAILS="pairs")
    house.suite.write_text(house.suite.read_text() + MARKED.replace(SKIPPED, ""))
    house.run("-x", "none->*", "colours->animals", STAND_IN_FAILS="plants", STAND_IN_SECONDS="0.02")
    found = statuses(house)
    assert found["none->plants"] == "failed"
    assert found["none->pairs"] == "not run"  # Though it is marked xfail: it did neither.
    listed = house("list", "small.toml", "--lf", "-q").stdout.split()
    assert listed == ["small.toml::none->plants[fake-0]", "small.toml::none->pairs[fake-0]"]


def test_a_part_that_passes_does_not_clear_its_cell_and_a_part_that_fails_counts(house: House) -> None:
    house.run("none->animals", STAND_IN_FAILS="animals")
    listed = ("list", "small.toml", "--lf", "-q")
    assert house.run("none->animals[de]").returncode == ExitCode.OK
    assert house(*listed).stdout.split() == ["small.toml::none->animals[fake-0]"]
    assert house.run("none->plants[fr]", STAND_IN_FAILS="plants").returncode == ExitCode.FAILED
    assert len(house(*listed).stdout.split()) == 2
    assert house.run("--lf").returncode == ExitCode.OK
    assert "languages_selected" in house.last()
    assert house.last()["languages_selected"] == {}
    assert house.last()["failing"] == []


def test_a_failed_step_fails_what_needs_it_and_says_which(house: House) -> None:
    (house.root / "tasks" / "broken.py").write_text("")
    house.suite.write_text(house.suite.read_text().replace('"pairs"]', '"pairs"]\ninclude = ["*->pairs"]'))
    ended = house.run(STAND_IN_FAILS="pairs")
    assert set(statuses(house).values()) == {"failed"}
    assert "FAILED: mine none->pairs[fake-0]" in ended.stdout


def test_what_was_not_run_is_told_once_with_the_failure_that_it_waited_for(house: House) -> None:
    ended = house.run("-rf", "--junit-xml", "report.xml", STAND_IN_FAILS="tune:colours")
    assert statuses(house)["colours->animals"] == "not run"
    reason = next(c["reason"] for c in house.last()["cells"] if c["status"] == "not run")
    failure = "the stand-in was told to fail on colours."
    assert reason == f"needs 'tune fake on colours as intermediate, seed 0', which failed: {failure}"
    lines = [line for line in ended.stdout.splitlines() if "not run: colours->animals[fake-0]" in line]
    assert [line.count(failure) for line in lines] == [1]
    assert "not run: not run" not in ended.stdout
    assert f'message="{reason}"' in (house.root / "report.xml").read_text()


def test_errors_of_single_languages_are_told_together_where_they_are_alike_and_counted_where_they_are_many() -> None:
    assert told_together({"de": "no file", "fr": "no rows", "sw": "no file"}) == "[de, sw] no file; [fr] no rows"
    many = told_together({f"{n:02}": f"no file {n}" for n in range(99)})
    assert many.startswith("[00] no file 0; [01] no file 1; ")
    assert many.endswith("[03] no file 3; and 95 more languages with errors of their own")


SKIPPED = """
[[mark]]
cells = "none->plants*"
skip = true
reason = "the plants are asleep"
"""
MARKED = f"""{SKIPPED}
[[mark]]
cells = "none->animals*"
xfail = true
reason = "animals are hard"
[[mark]]
cells = "none->pairs*"
xfail = true
reason = "pairs are not"
"""


def test_r_chooses_whose_reasons_are_shown(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + MARKED)
    first = house.run(STAND_IN_FAILS="animals")
    assert statuses(house) == {
        "none->animals": "xfailed", "none->plants": "skipped", "none->pairs": "xpassed",
        "colours->animals": "failed", "colours->plants": "passed", "colours->pairs": "passed",
    }  # fmt: skip
    assert first.returncode == ExitCode.FAILED
    for letters, shown in (("f", "told to fail"), ("s", "are asleep"), ("x", "are hard"), ("X", "pairs are not")):
        text = house("show", "-r", letters).stdout
        reasons = ("failed: colours->animals", "are asleep", "are hard", "pairs are not")
        assert shown in text
        assert sum(reason in text for reason in reasons) == 1, (letters, text)
    assert "are asleep" in house("show").stdout
    assert "are hard" not in house("show").stdout
    assert "are hard" in house("show", "-ra").stdout
    assert "are asleep" not in house("show", "-rN").stdout
    assert house("show", "-rq").returncode == ExitCode.USAGE


def test_durations_show_the_slowest_steps_of_this_run(house: House) -> None:
    ended = house.run("none->animals", "--durations", 1, STAND_IN_SECONDS="0.05")
    assert "slowest 1 steps" in ended.stdout
    every = house.run("colours->animals", "--durations", 0)
    assert "slowest 3 steps" in every.stdout
    assert "no step was made" in house.run("none->animals", "--durations", 5).stdout


EXPECTED = """
[[expect]]
cells = "none->animals*"
at_least = 99
reason = "animals should be easy"
[[expect]]
cells = "none->plants*"
at_least = 1
[[expect]]
cells = "none->pairs*"
at_least = 1
"""


def test_junit_has_a_test_case_a_cell_and_one_an_expectation(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + SKIPPED + EXPECTED)
    report = house.root / "reports" / "junit.xml"
    ended = house.run("--junit-xml", report, STAND_IN_FAILS="pairs")
    assert ended.returncode == ExitCode.FAILED
    suite = ET.parse(report).getroot()[0]
    assert {k: suite.attrib[k] for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "9", "failures": "3", "errors": "0", "skipped": "3",
    }  # fmt: skip
    cases = {c.attrib["name"]: c for c in suite.iter("testcase")}
    failed = cases["none->pairs[fake-0]"].find("failure")
    assert failed is not None
    assert "told to fail on pairs" in failed.attrib["message"]
    skipped = cases["none->plants[fake-0]"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "the plants are asleep"
    wrong = cases["none->animals[fake-0]: score at least 99"].find("failure")
    assert wrong is not None
    assert "expected score at least 99, found" in wrong.attrib["message"]
    assert wrong.text == "animals should be easy"
    facts = {p.attrib["name"]: p.attrib["value"] for p in suite.find("properties") or ()}
    assert facts["title"] == "a small house"
    assert "version.torch" in facts


def test_a_failed_expectation_shows_expected_found_and_interval_and_is_selected_by_lf(house: House) -> None:
    house.suite.write_text(
        house.suite.read_text()
        + '[[expect]]\ncells = "*->animals*"\nat_least = 95\nreason = "they should be easy"\n'
        + '[[expect]]\ncells = "colours->plants*"\nover = "none"\nlanguage = "fr"\nat_least = 99\n'
    )
    ended = house.run()
    assert ended.returncode == ExitCode.FAILED
    assert set(statuses(house).values()) == {"passed"}
    judged = {j["cell"]: j for j in house.last()["expectations"]}
    scores = [
        json.loads(line) for line in next((house.store / "runs").glob("*/records.jsonl")).read_text().splitlines()
    ]
    mean = sum(s["value"] for s in scores if s["cell"] == "none->animals[fake-0]" and s["metric"] == "accuracy") / 2
    found = judged["none->animals[fake-0]"]
    assert found["found"] == pytest.approx(mean)
    # Two languages of ten examples each: their mean has a standard error of 8 to 12 points.
    assert 10 < found["high"] - found["low"] < 50
    assert found["low"] < mean < found["high"]
    line = f"found {mean:.1f}, 95% interval {found['low']:.1f} to {found['high']:.1f} (they should be easy)"
    assert f"expected score at least 95, {line}" in " ".join(ended.stdout.split())
    gap = judged["colours->plants[fake-0]"]
    assert gap["expected"] == "difference from none [fr] at least 99"
    assert gap["low"] <= gap["found"] <= gap["high"]
    listed = house("list", "small.toml", "--lf", "-q").stdout.splitlines()
    assert listed == [f"small.toml::{c}[fake-0]" for c in ("none->animals", "colours->animals", "colours->plants")]


PARTLY = """
[[expect]]
cells = "*->animals*"
at_least = 101
[[expect]]
cells = "none->animals*"
language = "de"
at_least = 101
[[expect]]
cells = "colours->plants*"
over = "none"
at_least = 101
"""


def test_an_expectation_on_a_whole_cell_is_not_judged_by_some_of_its_languages(house: House) -> None:
    house.suite.write_text(house.suite.read_text() + PARTLY)
    report = house.root / "junit.xml"
    ended = house.run("none->animals[en]", "--junit-xml", report)
    assert ended.returncode == ExitCode.OK, ended.stdout
    assert "expected score at least 101, but this run took only en of animals" in ended.stdout
    assert "expected score [de] at least 101, but this run took only en of animals" in ended.stdout
    messages = [e.attrib["message"] for e in ET.parse(report).getroot().iter("skipped")]
    assert sum("this run took only en of animals" in message for message in messages) == 2
    ended = house.run("none->animals[de]")
    assert ended.returncode == ExitCode.FAILED
    judged = {j["expected"]: j["failed"] for j in house.last()["expectations"]}
    assert judged == {"score at least 101": False, "score [de] at least 101": True}
    ended = house.run("colours->plants")
    assert "but none->plants[fake-0] has no score in this run" in ended.stdout
    ended = house.run("none->plants[fr]", "colours->plants")
    assert "but none->plants[fake-0] has no score in en" in ended.stdout


def test_junit_holds_whatever_a_message_holds(tmp_path: Path) -> None:
    from xharness.session.junit import write_junit

    cell = {"name": "a", "target": "t", "checkpoint": "c", "intermediate": "i", "seed": 0, "key": "", "seconds": 1.0}
    run = {
        "suite": "s.toml", "seconds": 1.0, "started": 0.0, "title": "t", "profile": "", "note": "", "workers": 1,
        "versions": {}, "git": {}, "peak_memory": 0, "made": 0, "reused": 0, "expectations": [],
        "cells": [{**cell, "status": "failed", "reason": "\x1b[31m \x00 <&\"'> \ud800 𝄞 ��"}],
    }  # fmt: skip
    write_junit(run, tmp_path / "j.xml")
    failure = ET.parse(tmp_path / "j.xml").getroot().find(".//failure")
    assert failure is not None
    assert "<&\"'>" in failure.attrib["message"]
    assert "𝄞" in failure.attrib["message"]


def test_events_go_where_they_are_asked_to_as_well(house: House) -> None:
    house.run("none->animals", "--events", house.root / "e.jsonl")
    inside = next((house.store / "runs").glob("*/events.jsonl")).read_text()
    assert (house.root / "e.jsonl").read_text() == inside
    assert json.loads(inside.splitlines()[0])["event"] == "begin"


@pytest.mark.parametrize("option", ["--junit-xml", "--events"])
def test_a_report_that_cannot_be_written_is_refused_before_anything_runs(house: House, option: str) -> None:
    ended = house.run(option, house.root)
    assert ended.returncode == ExitCode.USAGE
    assert option in ended.stderr
    assert not house.store.exists()


def test_scores_that_vanish_while_the_run_lasts_fail_their_cell_with_a_sentence(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = xharness.session.session.cell_results

    def after_a_thief(plan: Plan, outcome: Outcome, store: Store, *rest: Any) -> Any:
        (store.path(plan.ends["none->animals[fake-0]"]) / "scores.json").unlink()
        (store.path(plan.ends["none->plants[fake-0]"]) / "scores.json").write_text("{")
        return whole(plan, outcome, store, *rest)

    monkeypatch.setattr(xharness.session.session, "cell_results", after_a_thief)
    ended = house.run("none->*")
    assert ended.returncode == ExitCode.FAILED
    assert "Traceback" not in ended.stdout + ended.stderr
    assert statuses(house) == {"none->animals": "failed", "none->plants": "failed", "none->pairs": "passed"}
    assert "its scores have vanished from the store, or were changed" in ended.stdout
    monkeypatch.undo()
    assert house.run("none->*").returncode == ExitCode.OK


def test_two_runs_on_one_store_do_no_step_twice(house: House) -> None:
    words = house.command("run", "small.toml", "-n", 1)
    runs = [
        subprocess.Popen(
            words, cwd=house.root, env={**house.env, "STAND_IN_SECONDS": "0.2"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for run in runs:
        text, _ = run.communicate(timeout=120)
        assert run.returncode == 0, text
    made: list[str] = []
    for log in (house.store / "runs").glob("*/events.jsonl"):
        events = [json.loads(line) for line in log.read_text().splitlines()]
        made += [e["key"] for e in events if e["event"] == "done" and not e["found"]]
    assert len(made) == len(set(made)) == 18
