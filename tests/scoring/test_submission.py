"""Submission folders: nine tasks worked out by hand, export and back, and every fault told with file and line."""

import codecs
import json

import pytest

from xharness.errors import DataError, UsageError
from xharness.score.scheme import load_scheme
from xharness.spec.load import load_task, shipped_suites
from xharness.spec.parse import read_document
from xharness.submission.scoring import Outcome, average_of, score_folder, task_average, write_folder

XTREME = load_scheme("xtreme")


def squad(questions, bare=False):
    """SQuAD json of id -> gold answers, or its `data` list alone."""
    qas = [
        {"id": name, "question": "?", "answers": [{"text": t, "answer_start": 0} for t in golds]}
        for name, golds in questions.items()
    ]
    data = [{"title": "t", "paragraphs": [{"context": "c", "qas": qas}]}]
    return json.dumps(data if bare else {"version": "1.1", "data": data})


def nine_tasks(task, language):
    """(predictions, labels) of one file, few enough to work out by hand: see `HAND`."""
    match task:
        case "xnli":
            gold = "entailment\nneutral\ncontradiction\nentailment\n"
            return gold if language == "en" else gold.replace("neutral", "entailment"), gold
        case "pawsx":
            return "0\n0\n", "0\n1\n"
        case "udpos":
            return "DET\nNOUN\nVERB\nVERB\n\nSCONJ\n", "DET\nNOUN\nNOUN\nVERB\n\nCCONJ\n"
        case "panx":
            return "B-PER\nI-PER\nO\nB-ORG\n\nO\nB-ORG\n\n", "B-PER\nI-PER\nO\nB-LOC\n\nO\nB-ORG\n\n"
        case "xquad":
            return json.dumps({"q1": "Tower!", "q2": "red house"}), squad(
                {"q1": ["x", "the tower"], "q2": ["big red house"]}
            )
        case "mlqa":
            return json.dumps({"q": "Katze"}), squad({"q": ["die Katze"]}, bare=True)
        case "tydiqa":
            return json.dumps({"q": "nein" if language == "ko" else "ja"}), squad({"q": ["ja"]})
        case "bucc2018":
            return f"{language}-1\ten-1\n{language}-2\ten-2\n", "".join(
                f"{language}-{i}\ten-{i}\n" for i in (1, 2, 3, 4)
            )
        case "tatoeba":
            return "4\n3\n2\n0\n1\n", "4\n3\n2\n1\n0\n"
    raise AssertionError(task)


HAND = {
    # 14 languages with 3 of 4 right, English with 4 of 4.
    "xnli": (14 * 75 + 100) / 15,
    "pawsx": 50.0,
    # Gold chunks DET, NOUN NOUN, VERB, CCONJ; predicted DET, NOUN, VERB VERB, SCONJ: one of four right.
    "udpos": 25.0,
    # Two of three entities right, three predicted.
    "panx": 200 / 3,
    # q1 exact (article, case and punctuation fall away; second gold answer); q2 precision 1, recall 2/3: F1 80.
    # F1 90, exact match 50.
    "xquad": 70.0,
    # German drops its article: 100 and 100. The six others: one word of one, of two: F1 2/3, exact match 0.
    "mlqa": ((100 + 6 * 200 / 3) / 7 + 100 / 7) / 2,
    # Eight languages of nine.
    "tydiqa": 800 / 9,
    # Two pairs extracted, both gold, of four: precision 1, recall 1/2.
    "bucc2018": 200 / 3,
    "tatoeba": 60.0,
}


@pytest.fixture
def folders(tmp_path):
    for task in XTREME.tasks:
        for language in XTREME.of(task).languages:
            for side, text in zip(("predictions", "labels"), nine_tasks(task, language), strict=True):
                path = tmp_path / side / task / f"test-{language}.{XTREME.of(task).file}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    return tmp_path / "predictions", tmp_path / "labels"


def test_nine_tasks_score_what_was_worked_out_by_hand(folders):
    scores = score_folder(*folders, XTREME)
    assert {task: found["average"] for task, found in scores["tasks"].items()} == pytest.approx(HAND, abs=1e-9)
    assert scores["groups"] == pytest.approx(
        {
            "classification": (HAND["xnli"] + 50) / 2,
            "tagging": (25 + 200 / 3) / 2,
            "qa": (70 + HAND["mlqa"] + 800 / 9) / 3,
            "retrieval": (200 / 3 + 60) / 2,
        },
        abs=1e-9,
    )
    assert scores["average"] == pytest.approx(sum(HAND.values()) / 9, abs=1e-9)
    assert scores["missing"] == {}


def test_values_are_given_per_language_under_xtremes_names(folders):
    tasks = score_folder(*folders, XTREME)["tasks"]
    assert tasks["xnli"]["accuracy"]["en"] == 100
    assert tasks["xnli"]["accuracy"]["sw"] == 75
    assert tasks["mlqa"]["f1"]["de"] == 100
    assert tasks["mlqa"]["exact_match"]["vi"] == 0
    assert tasks["bucc2018"]["precision"]["zh"] == 100
    assert {task: sorted(set(found) - {"average"}) for task, found in tasks.items()} == {
        "xnli": ["accuracy"],
        "pawsx": ["accuracy"],
        "udpos": ["f1", "precision", "recall"],
        "panx": ["f1", "precision", "recall"],
        "xquad": ["exact_match", "f1"],
        "mlqa": ["exact_match", "f1"],
        "tydiqa": ["exact_match", "f1"],
        "bucc2018": ["f1", "precision", "recall"],
        "tatoeba": ["accuracy"],
    }


def test_without_a_task_its_group_and_the_overall_average_are_absent(folders):
    predictions, labels = folders
    (predictions / "mlqa").rename(predictions / "mlaq")
    scores = score_folder(predictions, labels, XTREME)
    assert scores["average"] is None
    assert scores["groups"]["qa"] is None
    assert scores["missing"] == {"qa": ["mlqa"], "average": ["mlqa"]}
    assert str(average_of(scores, XTREME)) == "— 8/9"
    assert str(average_of(scores, XTREME, "qa")) == "— 2/3"
    assert scores["groups"]["retrieval"] == pytest.approx(190 / 3)
    assert scores["ignored"] == ["mlaq"]


def said(folders):
    with pytest.raises(DataError) as caught:
        score_folder(*folders, XTREME)
    return str(caught.value).replace(str(folders[0].parent) + "/", "")


# What is done to which file, and what is said of it.
FAULTS = [
    ("predictions/xnli/test-sw.tsv", None, "predictions/xnli: 1 of 15 languages is missing: sw."),
    ("labels/tatoeba/test-he.tsv", None, "labels/tatoeba: 1 of 36 languages is missing: he."),
    (
        "predictions/xnli/test-ar.tsv",
        "entailment\nneutral\nentailment\n",
        "predictions/xnli/test-ar.tsv:3: 3 labels here, 4 in labels/xnli/test-ar.tsv.",
    ),
    (
        "predictions/xnli/test-ar.tsv",
        "entailment\nneutal\nneutral\nneutral\n",
        "predictions/xnli/test-ar.tsv:2: unknown label 'neutal'. Did you mean 'neutral'?",
    ),
    ("labels/pawsx/test-ja.tsv", "0\n2\n", "labels/pawsx/test-ja.tsv:2: unknown label '2'."),
    (
        "predictions/pawsx/test-ja.tsv",
        "0\n\n1\n",
        "predictions/pawsx/test-ja.tsv:2: must hold one label, found an empty line.",
    ),
    ("predictions/tatoeba/test-ar.tsv", "4\n3\n2\t7\n1\n0\n", "predictions/tatoeba/test-ar.tsv:3: must hold one label"),
    (
        "predictions/udpos/test-yo.tsv",
        "DET\nNOUN\nVERB\n\nSCONJ\n",
        "predictions/udpos/test-yo.tsv:1: the sentence has 3 tags here, 4 in labels/udpos/test-yo.tsv:1.",
    ),
    (
        "predictions/udpos/test-yo.tsv",
        "DET\nNOUN\nVERB\nVERB\nSCONJ\n",
        "predictions/udpos/test-yo.tsv:1: 1 sentences here, 2 in labels/udpos/test-yo.tsv.",
    ),
    (
        "predictions/panx/test-hu.tsv",
        "B-PER\nI-PRE\nO\nO\n\nO\nO\n",
        "predictions/panx/test-hu.tsv:2: unknown label 'I-PRE'.",
    ),
    ("predictions/panx/test-hu.tsv", "word O\n", "predictions/panx/test-hu.tsv:1: must hold one tag, found 'word O'."),
    (
        "predictions/bucc2018/test-ru.tsv",
        "ru-1\ten-1\nru-2\n",
        "predictions/bucc2018/test-ru.tsv:2: must hold source<TAB>target",
    ),
    ("predictions/xquad/test-el.json", '{"q1":\n "x",,}', "predictions/xquad/test-el.json:2: is not JSON"),
    ("predictions/xquad/test-el.json", "[1]", "predictions/xquad/test-el.json: must be a map from id to a text."),
    (
        "predictions/xquad/test-el.json",
        '{"q1": "x"}',
        "predictions/xquad/test-el.json: has nothing for id 'q2' of labels/xquad/test-el.json:1.",
    ),
    (
        "predictions/mlqa/test-de.json",
        '{\n"q": ["x"]}',
        "predictions/mlqa/test-de.json:2: id 'q' must have a text, found ['x'].",
    ),
    (
        "labels/tydiqa/test-fi.json",
        '{"data": [{"paragraph": []}]}',
        "labels/tydiqa/test-fi.json: is not in SQuAD's form",
    ),
    ("labels/tydiqa/test-fi.json", squad({"q": []}), "labels/tydiqa/test-fi.json:1: question 'q' has no gold answer."),
    ("labels/tatoeba/test-fr.tsv", "", "labels/tatoeba/test-fr.tsv: holds no example."),
    ("predictions/xnli/test-de.tsv", b"neutral\n\xff\n", "predictions/xnli/test-de.tsv:2: is not UTF-8 text."),
]


@pytest.mark.parametrize(("file", "content", "message"), FAULTS)
def test_a_faulty_file_is_told_with_its_line(folders, file, content, message):
    path = folders[0].parent / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in said(folders)


def test_all_faults_of_all_files_are_told_at_once(folders):
    predictions, labels = folders
    (predictions / "xnli" / "test-sw.tsv").unlink()
    (predictions / "pawsx" / "test-en.tsv").write_text("7\n" * 9)
    (labels / "mlqa" / "test-zh.json").write_text("{")
    text = said(folders)
    assert "predictions/xnli: 1 of 15 languages is missing: sw." in text
    assert "pawsx/test-en.tsv:5: unknown label '7'" in text
    assert "pawsx/test-en.tsv: has 4 more of these." in text
    assert "mlqa/test-zh.json:1: is not JSON" in text


def test_folders_without_a_common_task_cannot_be_scored(tmp_path):
    with pytest.raises(UsageError, match="is not a folder"):
        score_folder(tmp_path / "none", tmp_path, XTREME)
    (tmp_path / "a" / "xnli").mkdir(parents=True)
    (tmp_path / "b" / "pawsx").mkdir(parents=True)
    with pytest.raises(UsageError, match="has no task folder of the scheme 'XTREME'"):
        score_folder(tmp_path / "a", tmp_path / "b", XTREME)


def without(folder, task, languages):
    for language in languages:
        (folder / task / f"test-{language}.{XTREME.of(task).file}").unlink()


def test_languages_that_are_missing_are_told_in_one_line_a_task(folders):
    predictions, labels = folders
    without(predictions, "udpos", [one for one in XTREME.of("udpos").languages if one not in ("en", "de", "fr")])
    without(predictions, "xnli", ("sw", "ur"))
    without(labels, "xnli", ("sw",))
    lines = said(folders).splitlines()
    assert lines == [
        "predictions/xnli: 2 of 15 languages are missing: sw, ur.",
        "labels/xnli: 1 of 15 languages is missing: sw.",
        "predictions/udpos: 30 of 33 languages are missing: af, ar, bg, el, es, et, eu, fa, fi, he, hi, hu and 18 more."
        " With --partial what is there is scored.",
    ]


def test_a_file_of_another_suffix_is_told_where_a_language_is_missing(folders):
    path = folders[0] / "xnli" / "test-sw.tsv"
    path.rename(path.with_suffix(".txt"))
    assert said(folders).endswith("is missing: sw. There is test-sw.txt, but files of xnli end in .tsv.")


def test_a_language_that_both_folders_lack_is_told_once(folders):
    for folder in folders:
        without(folder, "panx", ("yo",))
    assert said(folders).startswith("predictions/panx and labels/panx: 1 of 40 languages is missing: yo.")


def test_files_of_languages_that_the_scheme_does_not_know_are_said_to_be_ignored(folders):
    (folders[0] / "pawsx" / "test-sw.tsv").write_text("0\n1\n")
    (folders[0] / "pawsx" / ".DS_Store").touch()
    assert score_folder(*folders, XTREME)["ignored"] == ["pawsx/test-sw.tsv"]


def test_partially_what_is_there_is_scored_and_every_average_over_it_is_absent(folders):
    predictions, labels = folders
    whole = score_folder(*folders, XTREME)
    without(predictions, "udpos", [one for one in XTREME.of("udpos").languages if one not in ("en", "de", "fr")])
    without(labels, "xnli", ("sw",))
    scores = score_folder(predictions, labels, XTREME, partial=True)
    assert sorted(scores["tasks"]["udpos"]["f1"]) == ["de", "en", "fr"]
    assert "sw" not in scores["tasks"]["xnli"]["accuracy"]
    assert scores["tasks"]["xnli"]["accuracy"]["de"] == whole["tasks"]["xnli"]["accuracy"]["de"]
    assert str(task_average(scores, "udpos")) == "— 3/33"
    assert str(task_average(scores, "xnli")) == "— 14/15"
    assert str(task_average(scores, "panx")) == f"{HAND['panx']:.1f}"
    assert scores["missing_languages"]["xnli"] == ["sw"]
    assert len(scores["missing_languages"]["udpos"]) == 30
    assert str(average_of(scores, XTREME)) == "— 7/9"
    assert str(average_of(scores, XTREME, "tagging")) == "— 1/2"
    assert scores["groups"]["qa"] == whole["groups"]["qa"]
    assert scores["missing"]["average"] == ["xnli", "udpos"]


def test_partially_all_that_is_there_is_the_same_as_without(folders):
    assert score_folder(*folders, XTREME, partial=True) == score_folder(*folders, XTREME)


def test_partially_a_faulty_file_is_a_fault_all_the_same(folders):
    without(folders[0], "xnli", ("sw",))
    (folders[0] / "xnli" / "test-de.tsv").write_text("neutal\n")
    with pytest.raises(DataError, match="unknown label 'neutal'") as caught:
        score_folder(*folders, XTREME, partial=True)
    assert "missing" not in str(caught.value)


def test_partially_two_folders_without_a_file_in_common_are_refused(tmp_path):
    for side, language in (("p", "de"), ("l", "en")):
        (tmp_path / side / "xnli").mkdir(parents=True)
        (tmp_path / side / "xnli" / f"test-{language}.tsv").write_text("neutral\n")
    with pytest.raises(DataError, match="nothing can be scored"):
        score_folder(tmp_path / "p", tmp_path / "l", XTREME, partial=True)


def dressed(raw):
    """The same text as other systems and editors write it."""
    text = raw.decode()
    for ending in ("\r\n", "\r", "\r\r\n"):
        yield text.replace("\n", ending).encode()
        yield codecs.BOM_UTF8 + text.replace("\n", ending).encode()
    yield codecs.BOM_UTF16_LE + text.replace("\n", "\r\n").encode("utf-16-le")
    yield codecs.BOM_UTF16_BE + text.encode("utf-16-be")
    yield raw.rstrip(b"\n")


@pytest.mark.parametrize("side", ["predictions", "labels"])
@pytest.mark.parametrize("task", [*XTREME.tasks, "xcopa", "mewslix"])
def test_line_ends_of_other_systems_and_a_byte_order_mark_change_nothing_in_any_layout(tmp_path, folders, task, side):
    scheme = XTREME if task in XTREME.tasks else load_scheme("xtreme-r")
    predictions, labels = folders
    if scheme is not XTREME:
        predictions, labels = tmp_path / "p", tmp_path / "l"
        write_folder({task: dict.fromkeys(scheme.of(task).languages, ROWS[task])}, predictions, scheme, labels)
    before = score_folder(predictions, labels, scheme)
    language = scheme.of(task).languages[-1]
    path = {"predictions": predictions, "labels": labels}[side] / task / f"test-{language}.{scheme.of(task).file}"
    for content in dressed(path.read_bytes()):
        path.write_bytes(content)
        assert score_folder(predictions, labels, scheme) == before, content


ROWS = {
    "xnli": [Outcome("0", "neutral", "neutral"), Outcome("1", "neutral", "entailment")],
    "udpos": [Outcome("0", ["DET", "NOUN"], ["DET", "VERB"]), Outcome("1", ["X"], ["X"])],
    "mlqa": [Outcome("a", "ein “Haus”", ["das Haus", "Haus"]), Outcome("b", "", ["nein\tdoch"])],
    "tatoeba": [Outcome("0", "3", "3"), Outcome("1", "3", "1"), Outcome("2", 7, 7)],
    "bucc2018": [Outcome("a\tb", True, True), Outcome("a\tc", True, False), Outcome("d\te", False, True)],
    "xcopa": [Outcome("0", 1, 1), Outcome("1", 0, 1)],
    "mewslix": [Outcome("m", ["Q1", "Q2"], ["Q2"]), Outcome("n", [], ["Q5"])],
}
# Per task by hand: F1 of MLQA in German (1 + 0) / 2, exact match the same; MAP (1/2 + 0) / 2.
EXPORTED = {"xnli": 50, "udpos": 200 / 3, "mlqa": 50, "tatoeba": 200 / 3, "bucc2018": 50, "xcopa": 50, "mewslix": 25}


@pytest.mark.parametrize("task", ROWS)
def test_what_is_exported_scores_the_same_when_read_back(tmp_path, task):
    scheme = next(s for s in (XTREME, load_scheme("xtreme-r")) if task in s.tasks)
    outcomes = {task: dict.fromkeys(scheme.of(task).languages, ROWS[task])}
    if task == "mlqa":
        outcomes[task] = dict.fromkeys(("de",), ROWS[task])
        scheme = scheme.model_copy(update={"task": {task: scheme.of(task).model_copy(update={"languages": ("de",)})}})
    written = write_folder(outcomes, tmp_path / "p", scheme, labels=tmp_path / "l")
    assert len(written) == 2 * len(outcomes[task])
    scores = score_folder(tmp_path / "p", tmp_path / "l", scheme)
    assert scores["tasks"][task]["average"] == pytest.approx(EXPORTED[task], abs=1e-9)


def test_without_a_label_folder_only_predictions_are_written(tmp_path):
    (path,) = write_folder({"xnli": {"sw": ROWS["xnli"]}}, tmp_path, XTREME)
    assert path == tmp_path / "xnli" / "test-sw.tsv"
    assert path.read_text() == "neutral\nneutral\n"


def test_labels_are_written_in_the_submissions_spelling(tmp_path):
    task = XTREME.of("pawsx").model_copy(update={"spelling": {"paraphrase": "1", "different": "0"}})
    scheme = XTREME.model_copy(update={"task": {**XTREME.task, "pawsx": task}})
    (path,) = write_folder({"pawsx": {"fr": [Outcome("0", "paraphrase", "different")]}}, tmp_path, scheme)
    assert path.read_text() == "1\n"


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("xnli", Outcome("7", "nothing", "neutral"), "example '7': unknown label 'nothing'"),
        ("tatoeba", Outcome("7", "3\n4", "3"), "example '7': label '3\\\\n4' cannot stand on a line"),
        ("bucc2018", Outcome("7", True, True), "the id of a pair must be source<TAB>target, found '7'"),
        ("latin", Outcome("7", "x", "x"), "is no task of the scheme 'XTREME'"),
    ],
)
def test_what_a_layout_cannot_hold_is_refused_before_anything_is_written(tmp_path, task, row, message):
    with pytest.raises(DataError, match=message):
        write_folder({"pawsx": {"fr": [Outcome("0", "1", "1")]}, task: {"de": [row]}}, tmp_path / "out", XTREME)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("task", "content", "message"),
    [
        ("xcopa", '{"label": 1}\n{"label": true}\n', "xcopa/test-qu.jsonl:2: unknown label True. Allowed: 0, 1."),
        ("xcopa", '{"label": 1}\n1\n', 'xcopa/test-qu.jsonl:2: must hold a JSON object with a "label".'),
        ("xcopa", '{"label": 1}\n', "xcopa/test-qu.jsonl:1: 1 rows here, 2 in "),
        ("mewslix", '{"m": ["Q1"],\n"n": "Q5"}', ":2: id 'n' must have a ranked list of ids, found 'Q5'."),
    ],
)
def test_faults_in_the_files_of_xtreme_r_are_told_alike(tmp_path, task, content, message):
    language = {"xcopa": "qu", "mewslix": "ta"}[task]
    scheme = load_scheme("xtreme-r")
    outcomes = {task: dict.fromkeys(scheme.of(task).languages, ROWS[task])}
    write_folder(outcomes, tmp_path / "p", scheme, labels=tmp_path / "l")
    (tmp_path / "p" / task / f"test-{language}.{scheme.of(task).file}").write_text(content)
    with pytest.raises(DataError) as caught:
        score_folder(tmp_path / "p", tmp_path / "l", scheme)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["xtreme", "xtreme-r"])
def test_every_shipped_target_can_be_exported_label_by_label(name, tmp_path):
    scheme = load_scheme(name)
    tasks = [load_task(read_document(p), "paper") for p in sorted((shipped_suites() / "tasks").glob("*.toml"))]
    counting = {task.counts_as or task.name: task for task in tasks if (task.counts_as or task.name) in scheme.tasks}
    assert len(counting) >= 8
    for target, task in counting.items():
        if scheme.of(target).labels and task.labels:
            tags = scheme.of(target).layout == "tags"
            rows = [Outcome(one, [one] if tags else one, [one] if tags else one) for one in task.labels]
            assert write_folder({target: {"en": rows}}, tmp_path, scheme)


def test_xtreme_r_has_no_overall_average_without_lareqa(tmp_path):
    scheme = load_scheme("xtreme-r")
    rows = {**ROWS, "panx": [Outcome("0", ["B-PER"], ["B-PER"])], "xquad": ROWS["mlqa"], "tydiqa": ROWS["mlqa"]}
    outcomes = {t: dict.fromkeys(scheme.of(t).languages, rows[t]) for t in scheme.tasks if t != "lareqa"}
    write_folder(outcomes, tmp_path / "p", scheme, labels=tmp_path / "l")
    scores = score_folder(tmp_path / "p", tmp_path / "l", scheme)
    assert str(average_of(scores, scheme)) == "— 9/10"
    assert scores["missing"] == {"retrieval": ["lareqa"], "average": ["lareqa"]}
    assert scores["groups"]["classification"] == 50
