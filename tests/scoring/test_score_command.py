"""`xharness score` as a person meets it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from xharness.cli.score import score
from xharness.score.scheme import load_scheme
from xharness.submission.scoring import Outcome, write_folder


@pytest.fixture
def command():
    app = typer.Typer()
    app.command()(score)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "120"})


@pytest.fixture
def folders(tmp_path):
    scheme = load_scheme("xtreme")
    rows = [Outcome("0", "1", "1"), Outcome("1", "0", "1")]
    write_folder({"pawsx": dict.fromkeys(scheme.of("pawsx").languages, rows)}, tmp_path / "p", scheme, tmp_path / "l")
    return "--predictions", tmp_path / "p", "--labels", tmp_path / "l"


def test_the_table_shows_tasks_groups_and_what_is_missing(command, folders):
    shown = command(*folders)
    assert shown.exit_code == 0
    assert "accuracy 50.00" in shown.output
    assert "— 1/2" in shown.output
    assert "— 1/9" in shown.output
    assert "bucc2018, mlqa" in shown.output


def test_languages_are_shown_when_asked_for(command, folders):
    assert "ja " not in command(*folders).output
    assert "ja " in command(*folders, "--languages").output


def test_the_json_file_holds_every_figure(command, folders, tmp_path):
    assert command(*folders, "--json", tmp_path / "out" / "scores.json").exit_code == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["tasks"]["pawsx"]["accuracy"]["ja"] == 50
    assert scores["average"] is None
    assert json.loads(command(*folders, "--json", "-").output) == scores


def test_partially_a_task_without_all_its_languages_has_no_average_and_says_what_it_lacks(command, folders, tmp_path):
    for language in ("ja", "ko"):
        (tmp_path / "p" / "pawsx" / f"test-{language}.tsv").unlink()
    refused = command(*folders)
    assert refused.exit_code != 0
    assert "2 of 7 languages are missing: ja, ko." in str(refused.exception)
    assert "--partial" in str(refused.exception)
    shown = command(*folders, "--partial", "--languages", "--json", tmp_path / "scores.json")
    assert shown.exit_code == 0
    assert "— 5/7" in shown.output
    assert "— 0/9" in shown.output
    assert "pawsx lacks ja, ko." in shown.output
    assert "accuracy 50.00" not in shown.output  # The mean of some languages is no average of the task.
    assert "de " in shown.output
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["tasks"]["pawsx"]["average"] is None
    assert scores["missing_languages"] == {"pawsx": ["ja", "ko"]}
