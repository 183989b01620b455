"""Rows that an adapter complains about: an error that names them, or with `skip_bad` left out and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tiny import make_encoder
from tuning import ENCODES, encoding, run
from xharness.data.examples import examples
from xharness.errors import DataError, Problem
from xharness.session.soundness import check_suite
from xharness.spec.load import read_suite
from xharness.spec.task import Data, Limit, Source, Task


def question(number: int, start: int) -> dict[str, Any]:
    return {"id": number, "question": "Who?", "answers": [{"text": "Ann", "answer_start": start}]}


def covid(folder: Path, starts: list[int], **source: Any) -> Task:
    """A task over SQuAD's json whose answers stand at 0."""
    paragraph = {"context": "Ann sings.", "qas": [question(i, start) for i, start in enumerate(starts)]}
    (folder / "qa.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}), encoding="utf-8")
    given = Source(file=str(folder / "qa.json"), format="squad", **source)
    columns = {name: name for name in ("id", "context", "question", "answers")}
    return Task(
        name="covid", title="Covid", adapter="question_answering", metric="squad", columns=columns,
        data=Data(test=(given,)),
    )  # fmt: skip


def test_without_skip_bad_a_bad_row_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"question 2: the answer 'Ann' is not at 3"):
        examples(covid(tmp_path, [0, 3, 0]), "test", "en")


def test_skip_bad_leaves_bad_rows_out_and_tells_each(tmp_path: Path) -> None:
    heard: list[Problem] = []
    found = examples(covid(tmp_path, [0, 3, 0, 90], skip_bad=True), "test", "en", skip=heard.append)
    assert [example["id"] for example in found] == ["0", "2"]
    assert [problem.where.rpartition(", ")[2] for problem in heard] == ["question 2", "question 4"]


def test_the_cap_is_filled_with_sound_rows_and_a_bad_row_is_told_once(tmp_path: Path) -> None:
    heard: list[Problem] = []
    task = covid(tmp_path, [3, 0] * 20, skip_bad=True)
    found = examples(task, "test", "en", Limit(test=15), skip=heard.append)
    assert len({example["id"] for example in found}) == 15
    assert all(int(example["id"]) % 2 for example in found)
    assert len(heard) == 20


def test_a_source_with_bad_rows_alone_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no sound rows: skip_bad leaves out all 2\."):
        examples(covid(tmp_path, [3, 4], skip_bad=True), "test", "en")


def test_the_encoding_counts_what_it_left_out(tmp_path: Path) -> None:
    task = covid(tmp_path, [0, 3, 0, 90], skip_bad=True)
    name = encoding(make_encoder(tmp_path / "encoder"), task, "test")
    told = run(ENCODES[name], tmp_path, name)
    assert (told["examples"], told["left_out"]) == (2, 2)
    assert "question 2" in told["left_out_first"]


def test_a_sound_source_leaves_nothing_to_tell(tmp_path: Path) -> None:
    name = encoding(make_encoder(tmp_path / "encoder"), covid(tmp_path, [0, 0], skip_bad=True), "test")
    assert "left_out" not in run(ENCODES[name], tmp_path, name)


def test_check_notes_what_is_left_out(tmp_path: Path) -> None:
    covid(tmp_path, [0, 3, 0])
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "covid.toml").write_text(
        """name = "covid"
        title = "Covid"
        adapter = "question_answering"
        metric = "squad"
        [data]
        train = { file = "../qa.json", format = "squad", skip_bad = true }
        test = { file = "../qa.json", format = "squad", skip_bad = true }
        """
    )
    (tmp_path / "suite.toml").write_text(
        """title = "bad rows"
        [[checkpoint]]
        name = "tiny"
        builtin = "tiny"
        [grid]
        targets = ["covid"]
        """
    )
    found = check_suite(read_suite(str(tmp_path / "suite.toml")))
    assert not found.data
    assert [note for note in found.notes if "covid, test [en]: 1 bad row left out, such as" in note]
