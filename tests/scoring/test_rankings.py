"""Submission folders of rankings, Mewsli-X and LAReQA: scores worked out by hand, and what is refused."""

import json

import pytest
import typer
from typer.testing import CliRunner

from xharness.cli.score import score
from xharness.errors import DataError
from xharness.score.scheme import load_scheme
from xharness.submission.scoring import Outcome, score_folder, write_folder

XTREME_R = load_scheme("xtreme-r")
TASKS = ("mewslix", "lareqa")

OTHERS = [f"Q{n}" for n in range(100, 120)]
"""Twenty entities that are right for no mention."""
MENTIONS = {"m1": ["Q1"], "m2": ["Q2"], "m3": ["Q3"], "m4": ["Q4"]}
# Right at once 1; at rank 4 1/4; at rank 21 nothing; no ranking nothing.
LINKED = {"m1": ["Q1", *OTHERS[:19]], "m2": [*OTHERS[:3], "Q2"], "m3": [*OTHERS, "Q3"]}
MEWSLIX = 100 * (1 + 1 / 4) / 4

MANY = [f"en_7_{n}" for n in range(25)]
"""More right sentences than twenty: all equal to the answer's."""


def questions(language):
    """Gold and rankings of LAReQA in one language; ids as third_party/utils_lareqa.py makes them."""
    gold = {
        f"5ad1_{language}": ["ar_1_0", "de_1_2", "en_1_0"],
        f"5ad2_{language}": ["ar_2_1", "de_2_1", "en_2_1"],
        f"5ad3_{language}": MANY,
    }
    ranked = {
        # Right at 1, 3 and 5: (1 + 2/3 + 3/5) / 3.
        f"5ad1_{language}": ["en_1_0", "en_9_9", "de_1_2", "de_9_9", "ar_1_0"],
        # One of three, at 2: 1/2 / 3.
        f"5ad2_{language}": ["en_9_9", "de_2_1"],
        # All twenty places right, of the twenty that there can be.
        f"5ad3_{language}": MANY[:20],
    }
    return gold, ranked


LAREQA = 100 * ((1 + 2 / 3 + 3 / 5) / 3 + 1 / 6 + 1) / 3


@pytest.fixture
def folders(tmp_path):
    """Both tasks in all their languages; in English every mention is linked at once."""
    for task in TASKS:
        for language in XTREME_R.of(task).languages:
            gold, ranked = questions(language) if task == "lareqa" else (MENTIONS, LINKED)
            if task == "mewslix" and language == "en":
                ranked = MENTIONS
            for side, content in (("labels", gold), ("predictions", ranked)):
                path = tmp_path / side / task / f"test-{language}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(content), encoding="utf-8")
    return tmp_path / "predictions", tmp_path / "labels"


def test_rankings_score_what_was_worked_out_by_hand(folders):
    scores = score_folder(*folders, XTREME_R)
    assert scores["tasks"]["mewslix"]["map@20"]["ta"] == pytest.approx(MEWSLIX, abs=1e-9)
    assert scores["tasks"]["mewslix"]["average"] == pytest.approx((10 * MEWSLIX + 100) / 11, abs=1e-9)
    languages = XTREME_R.of("lareqa").languages
    assert scores["tasks"]["lareqa"]["map@20"] == pytest.approx(dict.fromkeys(languages, LAREQA), abs=1e-9)
    assert scores["tasks"]["lareqa"]["average"] == pytest.approx(LAREQA, abs=1e-9)
    assert scores["groups"]["retrieval"] is None  # Tatoeba is not there.


def test_queries_without_a_ranking_count_as_nothing_found_and_are_told(folders):
    (folders[0] / "mewslix" / "test-uk.json").write_text("{}")
    scores = score_folder(*folders, XTREME_R)
    assert scores["tasks"]["mewslix"]["map@20"]["uk"] == 0
    languages = [code for code in XTREME_R.of("mewslix").languages if code not in ("en", "uk")]
    assert scores["unanswered"] == {"mewslix": {**dict.fromkeys(languages, 1), "uk": 4}}
    app = typer.Typer()
    app.command()(score)
    given = ["--predictions", str(folders[0]), "--labels", str(folders[1]), "--scheme", "xtreme-r"]
    shown = CliRunner().invoke(app, given, env={"COLUMNS": "160"})
    assert shown.exit_code == 0
    assert "map@20 34.66" in " ".join(shown.output.split())  # (9 x 31.25 + 100 + 0) / 11
    assert "mewslix: 13 queries without a ranking, in ar, de, es" in " ".join(shown.output.split())


# The task and language, what its predictions are, and what is said.
FAULTS = [
    ("mewslix", "ta", '{"m1": ["Q1"],\n"m9": ["Q2"]}', "mewslix/test-ta.json:2: query 'm9' is not in labels/mewslix"),
    (
        "mewslix",
        "ta",
        '{"m1": ["Q1"],\n"m2": ["Q5", "Q2", "Q5"]}',
        "mewslix/test-ta.json:2: id 'm2' has 'Q5' at ranks 1 and 3; a candidate has one place.",
    ),
    ("lareqa", "el", '{"5ad1_el": "en_1_0"}', "lareqa/test-el.json:1: id '5ad1_el' must have a ranked list of ids,"),
    ("lareqa", "el", '{"5ad1_el": {"en_1_0": 1}}', "must have a ranked list of ids, found {'en_1_0': 1}."),
    ("lareqa", "el", '{"5ad1_el": ["en_1_0", 7]}', "id '5ad1_el' must have ids as texts, found 7 at rank 2."),
    ("lareqa", "el", '["en_1_0"]', "lareqa/test-el.json: must be a map from id to a ranked list of ids."),
    ("lareqa", "el", '{"5ad1_el": [}', "lareqa/test-el.json:1: is not JSON"),
    ("mewslix", "fa", None, "predictions/mewslix: 1 of 11 languages is missing: fa."),
    ("lareqa", "zh", None, "predictions/lareqa: 1 of 11 languages is missing: zh."),
]


@pytest.mark.parametrize(("task", "language", "content", "message"), FAULTS)
def test_a_faulty_ranking_is_told_with_its_line(folders, task, language, content, message):
    path = folders[0] / task / f"test-{language}.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        score_folder(*folders, XTREME_R)
    assert message in str(caught.value).replace(str(folders[0].parent) + "/", "")


def test_of_many_unknown_queries_the_first_are_told_and_the_others_counted(folders):
    (folders[0] / "mewslix" / "test-pl.json").write_text(json.dumps({f"x{n}": ["Q1"] for n in range(40)}))
    with pytest.raises(DataError) as caught:
        score_folder(*folders, XTREME_R)
    assert len(caught.value.problems) == 6
    assert "has 35 more of these." in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"m1": []}', "query 'm1' must have a list of relevant ids."),
        ('{"m1": "Q1"}', "query 'm1' must have a list of relevant ids."),
        ("[]", "must hold an id -> ids map."),
        ("{}", "holds no example."),
    ],
)
def test_faulty_labels_are_told_and_nothing_that_follows_from_them(folders, content, message):
    (folders[1] / "mewslix" / "test-ro.json").write_text(content)
    with pytest.raises(DataError) as caught:
        score_folder(*folders, XTREME_R)
    assert message in str(caught.value)
    if content != "{}":
        assert "is not in" not in str(caught.value)


def test_rankings_are_written_as_texts_and_score_the_same_when_read_back(tmp_path):
    rows = [Outcome("m", [7, 8], [8]), Outcome("n", ["Q1"], ["Q1", "Q2"])]
    write_folder(
        {"lareqa": dict.fromkeys(XTREME_R.of("lareqa").languages, rows)}, tmp_path / "p", XTREME_R, tmp_path / "l"
    )
    assert json.loads((tmp_path / "p" / "lareqa" / "test-hi.json").read_text()) == {"m": ["7", "8"], "n": ["Q1"]}
    scores = score_folder(tmp_path / "p", tmp_path / "l", XTREME_R)
    assert scores["tasks"]["lareqa"]["average"] == pytest.approx(50)
