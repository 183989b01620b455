"""Broken data: the error names the file and the line or row, what was found, and what would do."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from xharness.data.examples import examples
from xharness.errors import DataError, ExitCode
from xharness.spec.task import Data, Source, Task

FAMILIES: dict[str, dict[str, Any]] = {
    "classification": {"metric": "accuracy", "labels": ("no", "yes")},
    "tagging": {"metric": "f1_entity", "labels": ("O", "B-PER", "I-PER")},
    "question_answering": {"metric": "squad"},
    "multiple_choice": {"metric": "accuracy"},
    "retrieval": {"metric": "accuracy_tatoeba"},
}


@dataclass(frozen=True)
class Case:
    """One broken data set."""

    file: str
    """Name of the test file."""
    content: str | bytes | None
    """None: there is no file."""
    where: str
    """What the message begins with, behind the folder."""
    says: tuple[str, ...]
    family: str = "classification"
    source: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


HEAD = "text\tlabel\n"


def rows(*given: dict[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in given)


def squad(context: str = "Anna lives here.", **answer: Any) -> str:
    question = {"id": "q", "question": "Who?", "answers": [{"text": "Anna", "answer_start": 0} | answer]}
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": [question]}]}]})


def choice(**changes: Any) -> str:
    return rows({"question": "What?", "choices": ["this", "that"], "answer": 0} | changes)


CONLLU = "1\tAnna\tanna\tPROPN\t_\t_\t0\troot\t_\t_\n"
PAIR = {"id": "1", "source": "Hallo.", "target": "Hello."}
QA, MC, TAG, RET = "question_answering", "multiple_choice", "tagging", "retrieval"

CASES: dict[str, Case] = {
    # the file
    "a file that is missing": Case("test.tsv", None, "test.tsv: ", ("does not exist.",)),
    "a file in a folder that is missing": Case("no/test.tsv", None, "no/test.tsv: ", ("does not exist", "folder")),
    "a file of another name": Case(
        "tets.tsv", HEAD, "test.tsv: ", ("does not exist", "'tets.tsv'"), source={"file": "test.tsv"}
    ),
    "a folder": Case("test.tsv/a", "", "test.tsv: ", ("is a folder, not a file.",), source={"file": "test.tsv"}),
    "a path with a zero character": Case("a.tsv", "", "", ("zero character",), source={"file": "a\0.tsv"}),
    "an unset environment variable": Case(
        "a.tsv", "", "${NO_SUCH}/a.tsv", ("NO_SUCH is not set.",), source={"file": "${NO_SUCH}/a.tsv"}
    ),
    "an empty tsv": Case("test.tsv", "", "task mine, test [en]: ", ("has no rows", "test.tsv is empty")),
    "a tsv with a header only": Case("test.tsv", HEAD, "task mine, test [en]: ", ("has no rows",)),
    "an empty csv": Case("test.csv", "", "task mine, test [en]: ", ("has no rows",)),
    "an empty json": Case("test.json", "", "test.json: ", ("is empty.",)),
    "an empty jsonl": Case("test.jsonl", "\n\n", "task mine, test [en]: ", ("has no rows",)),
    "an empty conllu": Case("test.conllu", "# text = x\n", "task mine, test [en]: ", ("has no rows",), TAG),
    "an empty parquet": Case("test.parquet", b"", "test.parquet: ", ("cannot be read as parquet",)),
    # its form
    "truncated json": Case(
        "test.json",
        '[{"text": "a", "label": "no"},\n{"text": "b',
        "test.json:2: ",
        ("is not valid JSON", "seems truncated"),
    ),
    "json with a comma too many": Case(
        "test.json", '[\n{"text": "a",}\n]', "test.json:2: ", ("is not valid JSON", "column")
    ),
    "truncated jsonl": Case(
        "test.jsonl", '{"text": "a", "label": "no"}\n{"text": "b', "test.jsonl:2: ", ("is not valid JSON", "column 10")
    ),
    "json nested too deeply": Case("test.json", "[" * 100_000, "test.json: ", ("nested too deeply",)),
    "jsonl with a number too long": Case(
        "test.jsonl", '{"label": 1' + "0" * 5000 + "}", "test.jsonl:1: ", ("is not valid JSON",)
    ),
    "half a character": Case(
        "test.jsonl", '{"text": "\\ud800", "label": "no"}', "test.jsonl:1: ", ("half a character",)
    ),
    "text that is not UTF-8": Case(
        "test.tsv", HEAD.encode() + b"gr\xfc\xdfe\tno\n", "test.tsv:", ("is not UTF-8 text",)
    ),
    "json that is not UTF-8": Case("test.json", b'[\n{"text": "\xff"}]', "test.json:2: ", ("is not UTF-8 text",)),
    "csv that is not UTF-8": Case("test.csv", b"text,label\n\xff,no\n", "test.csv", ("is not UTF-8 text",)),
    "a json object instead of a list": Case("test.json", '{"rows": []}', "test.json: ", ("must hold a list", "'rows'")),
    "a json text": Case("test.json", '"a"', "test.json: ", ("must hold a list", "found a text")),
    "a json list of texts": Case("test.json", '["a"]', "test.json, row 1: ", ("must be an object, found a text",)),
    "a jsonl of lists": Case("test.jsonl", '["a"]\n', "test.jsonl:1: ", ("must be a JSON object, found a list",)),
    "a tsv line with a field too many": Case(
        "test.tsv", HEAD + "a\tno\nb\tyes\tx\n", "test.tsv:3: ", ("has 3 columns, the header has 2: text, label.",)
    ),
    "a csv line with a field too few": Case(
        "test.csv", "text,label\na,no\nb\n", "test.csv:3: ", ("has 1 column, the header has 2",)
    ),
    "a csv quote that is left open": Case(
        "test.csv", 'text,label\na,no\n"b,yes\nc,no\n', "test.csv:3: ", ("is not valid CSV",)
    ),
    "a header with a name twice": Case(
        "test.tsv", "text\ttext\nb\ta\n", "test.tsv:1: ", ("names the column 'text' twice",)
    ),
    "conllu with nine fields": Case(
        "test.conllu", CONLLU + "2\tx\tx\tX\t_\t_\t1\tx\t_\n", "test.conllu:2: ", ("has 9 fields; CoNLL-U has 10",), TAG
    ),
    "conllu without a number": Case(
        "test.conllu", "x" + CONLLU[1:], "test.conllu:1: ", ("word's number, found 'x'",), TAG
    ),
    "a token without a tag": Case(
        "test.conll", "Anna\tB-PER\nlives\n", "test.conll:2: ", ("must be a token and a tag, found 'lives'",), TAG
    ),
    "garbage as parquet": Case("test.parquet", b"PAR1 this is none", "test.parquet: ", ("cannot be read as parquet",)),
    "squad without data": Case(
        "test.json", '{"version": 1}', "test.json: ", ("must be SQuAD json",), QA, {"format": "squad"}
    ),
    "squad without a context": Case(
        "test.json",
        '{"data": [{"paragraphs": [{"qas": []}]}]}',
        "test.json: ",
        ("needs `context`; found 'qas'.",),
        QA,
        {"format": "squad"},
    ),
    "squad with a question that is a text": Case(
        "test.json",
        squad().replace('[{"id"', '["x", {"id"'),
        "test.json, question 1: ",
        ("needs `question`; found a text",),
        QA,
        {"format": "squad"},
    ),
    "squad with a start in quotes": Case(
        "test.json",
        squad(answer_start="0"),
        "test.json, question 1: ",
        ("`answer_start` must be a whole number, found a text",),
        QA,
        {"format": "squad"},
    ),
    # columns
    "a column that is missing": Case(
        "test.tsv",
        "sentence\tlabel\na\tno\n",
        "test.tsv:2: ",
        ("has no column 'text'", "found: sentence, label.", '[columns] text = "…"'),
    ),
    "a named column that is missing": Case(
        "test.tsv",
        "sentence\tlabel\na\tno\n",
        "test.tsv:2: ",
        ("has no column 'sentense'", "'sentence'"),
        columns={"text": "sentense"},
    ),
    "a numbered column that is missing": Case(
        "test.tsv",
        "a\tno\n",
        "test.tsv:1: ",
        ("has no column '3'", "found: 0, 1."),
        columns={"text": "0", "label": "3"},
    ),
    "a nested column that is missing": Case(
        "test.jsonl",
        rows({"a": {"b": 1}, "label": 0}),
        "test.jsonl:1: ",
        ("has no column 'a.c'",),
        columns={"text": "a.c"},
    ),
    "a column to choose by that is missing": Case(
        "test.tsv",
        HEAD + "a\tno\n",
        "test.tsv:2: ",
        ("has no column 'lang'", "label"),
        source={"where": {"lang": "en"}},
    ),
    "a language that the data lacks": Case(
        "test.jsonl",
        rows({"text": "a", "label": 0, "lang": "de"}, {"text": "a", "label": 0, "lang": "fr"}),
        "task mine, test [en]: ",
        ("no row has lang = 'en', there are: de, fr",),
        source={"where": {"lang": "{lang}"}},
    ),
    "a language without a file": Case(
        "test.de.tsv", HEAD, "test.en.tsv: ", ("does not exist", "'test.de.tsv'"), source={"file": "test.{lang}.tsv"}
    ),
    # labels
    "a label that is none": Case(
        "test.tsv", HEAD + "a\tno\nb\tyess\n", "test.tsv:3: ", ("'yess' is not one of the task's 2", "'yes'")
    ),
    "a label -1": Case("test.jsonl", rows({"text": "a", "label": -1}), "test.jsonl:1: ", ("-1",)),
    "a label code too high": Case(
        "test.jsonl", rows({"text": "a", "label": 2}), "test.jsonl:1: ", ("the label 2 is not one",)
    ),
    "a label that is null": Case("test.jsonl", rows({"text": "a", "label": None}), "test.jsonl:1: ", ("None",)),
    "a label that is a list": Case("test.jsonl", rows({"text": "a", "label": [1]}), "test.jsonl:1: ", ("[1]",)),
    "a text that is a number": Case(
        "test.jsonl", rows({"text": 3, "label": 0}), "test.jsonl:1: ", ("must be a string, found 3.",)
    ),
    "a text that is blank": Case("test.tsv", HEAD + " \tno\n", "test.tsv:2: ", ("the text is empty.",)),
    "ids that repeat": Case(
        "test.tsv",
        "id\ttext\tlabel\n7\ta\tno\n8\tb\tno\n7\tc\tno\n",
        "test.tsv:4: ",
        ("repeats the id '7' of", "test.tsv:2", "must be unique"),
    ),
    # tags
    "more tokens than tags": Case(
        "test.jsonl", rows({"tokens": ["a", "b"], "tags": ["O"]}), "test.jsonl:1: ", ("2 words and 1 tags",), TAG
    ),
    "a tag that is none": Case("test.conll", "Anna\tB-PRE\n", "test.conll:1: ", ("'B-PRE'", "'B-PER'"), TAG),
    "a sentence without words": Case(
        "test.jsonl", rows({"tokens": [], "tags": []}), "test.jsonl:1: ", ("has no words",), TAG
    ),
    "tokens that are a text": Case(
        "test.jsonl", rows({"tokens": "a b", "tags": ["O"]}), "test.jsonl:1: ", ("must be lists",), TAG
    ),
    "tokens that are a number": Case(
        "test.jsonl", rows({"tokens": 3, "tags": 4}), "test.jsonl:1: ", ("tagging adapter", "tokens: int"), TAG
    ),
    # spans
    "a span outside its context": Case(
        "test.json",
        squad(answer_start=99),
        "test.json, question 1: ",
        ("'Anna' at 99 lies outside the context of 16 characters",),
        QA,
        {"format": "squad"},
    ),
    "a span before its context": Case(
        "test.json", squad(answer_start=-1), "test.json, question 1: ", ("at -1 lies outside",), QA, {"format": "squad"}
    ),
    "a span that is another text": Case(
        "test.json",
        squad(answer_start=5),
        "test.json, question 1: ",
        ("'Anna' is not at 5, where the context has 'live'",),
        QA,
        {"format": "squad"},
    ),
    "an empty answer": Case(
        "test.json", squad(text=""), "test.json, question 1: ", ("an answer is empty",), QA, {"format": "squad"}
    ),
    "a context that is empty": Case(
        "test.json", squad(context=" "), "test.json, question 1: ", ("the context is empty",), QA, {"format": "squad"}
    ),
    "a question without answers": Case(
        "test.json",
        squad().replace('"answers": [{"text": "Anna", "answer_start": 0}]', '"answers": []'),
        "test.json, question 1: ",
        ("has no answer", "unanswerable"),
        QA,
        {"format": "squad"},
    ),
    "answers that are a text": Case(
        "test.jsonl",
        rows({"context": "a", "question": "b", "answers": "a"}),
        "test.jsonl:1: ",
        ("answers must be",),
        QA,
    ),
    # choices
    "an answer out of range": Case(
        "test.jsonl", choice(answer=2), "test.jsonl:1: ", ("the answer 2 names none of the 2 choices",), MC
    ),
    "an answer below zero": Case("test.jsonl", choice(answer=-1), "test.jsonl:1: ", ("the answer -1 names none",), MC),
    "no choices": Case("test.jsonl", choice(choices=[]), "test.jsonl:1: ", ("at least two choices, found 0",), MC),
    "an empty choice": Case("test.jsonl", choice(choices=["a", ""]), "test.jsonl:1: ", ("a choice is empty",), MC),
    "choices that are a number": Case(
        "test.jsonl", choice(choices=3), "test.jsonl:1: ", ("multiple_choice adapter", "choices: int"), MC
    ),
    # bitexts
    "a pair without a translation": Case(
        "test.jsonl", rows(PAIR | {"target": ""}), "test.jsonl:1: ", ("the target is empty",), RET
    ),
    "sides where pairs are wanted": Case(
        "test.jsonl",
        rows({"id": "1", "text": "a"}),
        "test.jsonl:1: ",
        ("are for mining",),
        RET,
        {"side": "source"},
        {"text": "text", "id": "id"},
    ),
    # built in
    "a language that the generator lacks": Case(
        "a.tsv",
        "",
        "built-in bucc: ",
        ("has no language 'en'", "de"),
        RET,
        {"builtin": "bucc", "split": "dev", "file": None},
    ),
}


def mine(family: str, **sources: Any) -> Task:
    return Task(name="mine", title="Mine", adapter=family, data=Data(**sources), **FAMILIES[family])


def whole(error: DataError, says: tuple[str, ...]) -> str:
    """The paragraph that says it all, checked for what every message owes its reader."""
    assert error.exit_code == ExitCode.FAILED
    texts = [str(problem) for problem in error.problems]
    found = next((t for t in texts if all(s in t for s in says)), None)
    assert found is not None, texts
    assert "\n" not in found
    assert re.search(r"[.?]$|\]$", found), found
    return found


@pytest.mark.parametrize("what", CASES)
def test_bad_data_is_told_with_its_place(what: str, tmp_path: Path) -> None:
    case = CASES[what]
    if case.content is not None:
        path = tmp_path / case.file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
    given = {"file": case.file, **case.source}
    if given["file"] and not given["file"].startswith("$"):
        given["file"] = str(tmp_path / given["file"])
    source = Source(**{k: v for k, v in given.items() if v is not None})
    task = mine(case.family, test=(source,)).model_copy(update={"columns": case.columns, "options": case.options})
    with pytest.raises(DataError) as caught:
        examples(task, "test", "en")
    found = whole(caught.value, case.says)
    assert found.replace(f"{tmp_path}/", "").startswith(case.where), found


SIDES = {"source": "s1\tHallo.\ns2\tJa.\n", "target": "t1\tHello.\nt2\tYes.\n", "gold": "s1\tt1\n"}
# what is changed -> (where, what is said)
BITEXTS: dict[str, tuple[dict[str, str], str, tuple[str, ...]]] = {
    "a gold id that the source lacks": (
        {"gold": "s1\tt1\ns9\tt2\n"},
        "gold.tsv:2: ",
        ("'s9' is not on the source side",),
    ),
    "a gold id that the target lacks": ({"gold": "s1\tt7\n"}, "gold.tsv:1: ", ("'t7' is not on the target side", "'t")),
    "a side without sentences": ({"target": ""}, "task mine, test [en]: ", ("no rows of the target side",)),
    "an id twice on one side": (
        {"source": "s1\ta\ns1\tb\n"},
        "source.tsv:2: ",
        ("repeats the id 's1'", "source.tsv:1"),
    ),
    "a sentence without text": ({"source": "s1\t\n"}, "source.tsv:1: ", ("the text is empty.",)),
    "a gold line without a partner": ({"gold": "s1\n"}, "gold.tsv:1: ", ("has no column '1'",)),
}


@pytest.mark.parametrize("what", BITEXTS)
def test_a_bitext_that_does_not_fit_together_is_told(what: str, tmp_path: Path) -> None:
    changes, where, says = BITEXTS[what]
    sources = []
    for side, content in (SIDES | changes).items():
        (tmp_path / f"{side}.tsv").write_text(content)
        columns = {"id": "0", "gold" if side == "gold" else "text": "1"}
        sources.append(Source(file=str(tmp_path / f"{side}.tsv"), side=side, columns=columns))
    task = mine("retrieval", test=tuple(sources)).model_copy(update={"options": {"kind": "mine"}, "metric": "f1_bucc"})
    with pytest.raises(DataError) as caught:
        examples(task, "test", "en")
    assert whole(caught.value, says).replace(f"{tmp_path}/", "").startswith(where)


def test_the_first_bad_rows_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text(HEAD + "".join(f"a{i}\tmaybe\n" for i in range(20)))
    with pytest.raises(DataError) as caught:
        examples(mine("classification", test=(Source(file=str(tmp_path / "test.tsv")),)), "test", "en")
    assert [p.where.rsplit(":", 1)[-1] for p in caught.value.problems] == ["2", "3", "4", "5", "6"]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_byte_order_mark_and_foreign_line_ends_are_no_fault(ending: str, tmp_path: Path) -> None:
    text = "\ufeff" + (HEAD + "a\tno\nb\tyes\n").replace("\n", ending)
    (tmp_path / "test.tsv").write_bytes(text.encode())
    found = examples(mine("classification", test=(Source(file=str(tmp_path / "test.tsv")),)), "test", "en")
    assert [e["label"] for e in found] == ["no", "yes"]
