"""`xharness look`: every family's predictions as people read them, and as files."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pyarrow import parquet

from xharness.adapter import Line
from xharness.look.files import as_html
from xharness.look.predictions import Prediction
from xharness.look.selection import Wanted, chosen
from xharness.store.runs import read_run
from xharness.store.steps import Store
from xharness_adapters.shown import place_of, softmax, within

from .conftest import Ran, command


def look(ran: Ran, *arguments: str, code: int = 0) -> str:
    return command("look", *arguments, "--store", str(ran.store), code=code)


def objects(ran: Ran, *arguments: str) -> list[dict]:
    return json.loads(look(ran, *arguments, "--format", "json"))["predictions"]


def facts_of(ran: Ran) -> dict:
    (folder,) = (ran.store / "runs").iterdir()
    return read_run(folder)[0]


def test_what_is_shown_adds_up_to_the_score_on_the_board(ran: Ran) -> None:
    (folder,) = (ran.store / "runs").iterdir()
    _, records = read_run(folder)
    for record in records:
        if record.language == "de" and record.metric in ("accuracy", "squad", "map_at_20", "accuracy_tatoeba"):
            held = objects(ran, record.cell, "-l", "de")
            assert len(held) == record.n
            assert sum(one["score"] for one in held) / len(held) == pytest.approx(record.value)


def test_both_sentences_and_the_probabilities_of_a_pair_are_shown(ran: Ran) -> None:
    for one in objects(ran, "none->xnli", "-l", "de"):
        assert one["inputs"]["text"]
        assert one["inputs"]["pair"]
        assert sum(one["probabilities"].values()) == pytest.approx(1, abs=2e-3)
        assert max(one["probabilities"], key=one["probabilities"].get) == one["prediction"]
    said = look(ran, "none->xnli", "-l", "de", "--limit", "1")
    assert "text:" in said
    assert "pair:" in said


def test_probabilities_are_kept_in_half_precision_and_change_no_key(ran: Ran) -> None:
    cell = next(c for c in facts_of(ran)["cells"] if c["name"].startswith("none->xcopa"))
    table = parquet.read_table(Store(ran.store).path(cell["key"]) / "outcomes.parquet")
    assert str(table.schema.field("probabilities").type) == "list<element: halffloat>"
    choices = {len(one["probabilities"]) for one in objects(ran, "none->xcopa")}
    assert choices == {2}


def test_an_answer_is_marked_within_its_context(ran: Ran) -> None:
    said = look(ran, "none->xquad", "-l", "de", "--wrong", "--limit", "3")
    assert "question: " in said
    assert "[+" in said


def test_tags_are_shown_word_by_word_with_the_wrong_ones_marked(ran: Ran) -> None:
    said = look(ran, "none->panx", "-l", "ar", "--wrong", "--limit", "2")
    assert "(said " in said
    assert "[-" in said


def test_a_query_is_shown_with_its_neighbours_and_their_similarities(ran: Ran) -> None:
    said = look(ran, "none->tatoeba", "-l", "sw", "--limit", "2")
    assert "query: " in said
    first = [float(line.rsplit(None, 1)[1].strip("[]=-+")) for line in said.splitlines() if "found " in line][:3]
    assert first == sorted(first, reverse=True)


def test_mined_pairs_and_rankings_are_shown_by_their_texts(ran: Ran) -> None:
    assert "source: " in look(ran, "none->bucc", "-l", "de", "--limit", "1")
    said = look(ran, "none->lareqa_untuned", "-l", "de", "--limit", "1")
    assert "found 1: " in said
    assert "found 1: [-de:" not in said


def test_a_row_against_another_shows_what_only_one_gets_right(ran: Ran) -> None:
    held = objects(ran, "mnli->xnli", "--against", "none")
    assert all(one["right"] != one["their_right"] for one in held)
    ours = {(o["language"], o["id"]): o["right"] for o in objects(ran, "mnli->xnli")}
    theirs = {(o["language"], o["id"]): o["right"] for o in objects(ran, "none->xnli")}
    assert len(held) == sum(ours[key] != theirs[key] for key in ours)


def test_a_sample_is_the_same_for_the_same_seed_and_sorting_puts_the_worst_first(ran: Ran) -> None:
    one, again = (objects(ran, "none->xquad", "--sample", "5", "--seed", "3") for _ in range(2))
    assert one == again
    assert len(one) == 5
    assert one != objects(ran, "none->xquad", "--sample", "5", "--seed", "4")
    scores = [o["score"] for o in objects(ran, "none->xquad", "--sort", "score")]
    assert scores == sorted(scores)


def test_a_csv_has_a_column_for_everything(ran: Ran) -> None:
    rows = list(csv.DictReader(io.StringIO(look(ran, "none->xnli", "-l", "zh", "--format", "csv"))))
    assert {"id", "language", "gold", "prediction", "score", "right", "text", "pair"} <= set(rows[0])
    assert len(rows) == 24


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


def test_a_page_escapes_what_comes_from_data() -> None:
    evil = '<script>alert("1")</script>'
    lines = (Line(evil, ((evil, "wrong"),)),)
    row = Prediction(evil, "ar", evil, evil, 0.0, False, {evil: 0.5}, (), {"text": evil}, lines)
    about = {"cell": evil, "title": evil, "note": evil, "examples": 1, "notes": [evil], "row": evil}
    page = as_html([row], about)
    found = Texts()
    found.feed(page)
    assert "script" not in found.tags
    assert "alert" in page
    assert "No example is left" in as_html([], about)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none->xnlu",), "none->xnli[tiny-0]"),
        (("none->xnli", "-l", "fr"), "has no predictions in 'fr'"),
        (("none->xnli", "--against", "qqp"), "the run has no cell 'qqp->xnli"),
        (("none->xnli", "--format", "pdf"), "Allowed: terminal, json, csv, html"),
        (("none->xnli", "--sort", "length"), "Allowed: score"),
    ],
)
def test_what_cannot_be_looked_at_is_said(ran: Ran, arguments: tuple[str, ...], said: str) -> None:
    assert said in look(ran, *arguments, code=4)


def test_without_the_suite_the_predictions_are_shown_without_inputs(ran: Ran, tmp_path: Path) -> None:
    shutil.copytree(ran.store, tmp_path / "store")
    kept = ran.suite.read_text()
    ran.suite.unlink()
    try:
        said = command("look", "none->xnli", "-l", "de", "--limit", "1", "--store", str(tmp_path / "store"))
    finally:
        ran.suite.write_text(kept)
    assert "without inputs: the run's suite cannot be read" in said
    assert "gold " in said


def test_a_cell_may_name_its_languages_and_right_ones_are_shown_alone(ran: Ran) -> None:
    held = objects(ran, "none->xnli[tiny-0][de, zh]", "--right")
    assert {one["language"] for one in held} == {"de", "zh"}
    assert all(one["right"] for one in held)
    assert "exclude each other" in look(ran, "none->xnli", "--right", "--wrong", code=4)


def test_a_hub_that_cannot_be_reached_is_asked_once_and_the_predictions_are_shown(ran: Ran, monkeypatch) -> None:
    import xharness as xh
    from xharness.errors import Problem, Unreachable
    from xharness.look import predictions as module

    run, asked = xh.open(ran.store), []

    def gone(*given: object) -> list:
        asked.append(given)
        raise Unreachable(Problem("the Hub", "cannot be reached."))

    study = run.study()
    remote = study.loaded.tasks["xnli"].data.test[0].model_copy(update={"hub": "some/where", "builtin": None})
    task = study.loaded.tasks["xnli"]
    data = task.data.model_copy(update={"test": (remote,)})
    study.loaded.tasks["xnli"] = task.model_copy(update={"data": data})
    monkeypatch.setattr(module, "examples", gone)
    cell = next(c for c in run.facts["cells"] if c["name"] == "none->xnli[tiny-0]")
    found = module.predictions(cell, run.facts, study.folder, study.loaded)
    assert not asked  # Nothing is looked at yet.
    assert found.read(found.rows)[0].inputs == {}
    assert len(asked) == 1
    assert found.notes[0] == "without inputs: the Hub: cannot be reached."
    assert found.rows[0].prediction


def test_only_the_data_of_what_is_shown_are_read(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    import xharness as xh
    from xharness.look import predictions as module

    run, read, real = xh.open(ran.store), [], module.examples
    monkeypatch.setattr(
        module,
        "examples",
        lambda task, split, language, *more: (read.append(language), real(task, split, language, *more))[1],
    )
    study = run.study()
    cell = next(c for c in run.facts["cells"] if c["name"] == "none->xnli[tiny-0]")
    found = module.predictions(cell, run.facts, study.folder, study.loaded)
    german = [row for row in found.rows if row.language == "de"][:2]
    assert all(row.inputs for row in found.read(german))
    assert read == ["de"]


def test_a_gold_answer_that_has_changed_since_is_told(ran: Ran) -> None:
    import xharness as xh
    from xharness.look import predictions as module

    run = xh.open(ran.store)
    study = run.study()
    for target in ("xnli", "xquad", "panx"):
        cell = next(c for c in run.facts["cells"] if c["name"] == f"none->{target}[tiny-0]")
        found = module.predictions(cell, run.facts, study.folder, study.loaded)
        found.read(found.rows[:5])
        assert not found.notes, target
        other = next(row.gold for row in found.rows if row.gold != found.rows[0].gold)
        found.read([replace(found.rows[0], gold=other)])
        assert found.notes == ("1 examples have another gold answer in the data now: the scores are of the old one",)


def prediction(name: str, score: float, right: bool | None) -> Prediction:
    return Prediction(name, "de", "a", "b", score, right)


def test_nothing_is_wrong_where_nothing_is_simply_right() -> None:
    rows = [prediction("a", 0.3, None), prediction("b", 0.0, False), prediction("c", 100.0, True)]
    assert [row.id for row in chosen(rows, Wanted(right=False))] == ["b"]
    assert [row.id for row in chosen(rows, Wanted(by_score=True, limit=2))] == ["b", "a"]


@pytest.mark.parametrize(
    ("said", "gold", "marks"),
    [
        ((0, 5), (0, 5), ["right", ""]),
        ((0, 5), (6, 9), ["wrong", "", "missed", ""]),
        ((0, 5), (3, 8), ["wrong", "right", "missed", ""]),
        (None, (3, 8), ["", "missed", ""]),
        (None, None, [""]),
    ],
)
def test_the_parts_of_a_context_are_marked_where_the_answers_overlap(said, gold, marks) -> None:
    parts = within("0123456789abc", said, gold)
    assert [mark for _, mark in parts] == marks
    assert "".join(text for text, _ in parts) == "0123456789abc"


def test_a_long_context_is_cut_around_what_is_marked_and_says_so() -> None:
    parts = within("x" * 1000 + "gold" + "y" * 1000, None, (1000, 1004))
    assert parts[0] == ("… ", "")
    assert parts[-1] == (" …", "")
    assert ("gold", "missed") in parts


def test_an_answer_that_stands_twice_is_the_one_near_the_gold_one() -> None:
    assert place_of("a cat and a cat", "cat", 14) == (12, 15)
    assert place_of("a cat", "dog", 0) is None
    assert place_of("a cat", "", 0) is None


def test_probabilities_of_large_scores_do_not_overflow() -> None:
    assert softmax([1000.0, 1000.0]) == [0.5, 0.5]
