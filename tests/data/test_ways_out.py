"""A file of another form than it is read as: refused, with the setting that reads it; and that setting does."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from xharness.data.examples import examples
from xharness.errors import DataError
from xharness.spec.task import Data, Source, Task

FAMILIES: dict[str, dict[str, Any]] = {
    "classification": {"metric": "accuracy", "labels": ("no", "yes")},
    "tagging": {"metric": "f1_entity", "labels": ("O", "B-PER", "I-PER", "B-LOC")},
    "question_answering": {"metric": "squad"},
}
SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "t",
            "paragraphs": [
                {
                    "context": "Anna lives here.",
                    "qas": [{"id": "q", "question": "Who?", "answers": [{"text": "Anna", "answer_start": 0}]}],
                }
            ],
        }
    ],
}
QUESTIONS = [
    {"id": str(n), "context": "Anna.", "question": "Who?", "answers": {"text": ["Anna"], "answer_start": [0]}}
    for n in range(3)
]
ROWS = [{"text": "a fine day", "label": "yes"}, {"text": "a bad day", "label": "no"}]
OBJECTS = "".join(json.dumps(row) + "\n" for row in ROWS)
WORDS = "Anna\tB-PER\nlives\tO\n\nPeter\tB-PER\nPan\tI-PER\n"
CONLL_2003 = "-DOCSTART- -X- O O\n\nAnna NNP I-NP B-PER\nlives VBZ I-VP O\n\nPeter NNP I-NP B-PER\nPan NNP I-NP I-PER\n"
CONLLU = "# text = Anna\n1\tAnna\tanna\tPROPN\t_\t_\t0\troot\t_\t_\n\n# text = b\n1\tb\tb\tX\t_\t_\t0\troot\t_\t_\n"


@dataclass(frozen=True)
class Case:
    """A file that is read as something else."""

    file: str
    content: str | bytes
    hint: str
    rows: int = 2
    """That the setting reads."""
    family: str = "classification"
    settings: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


QA, TAG = "question_answering", "tagging"
CASES: dict[str, Case] = {
    "SQuAD's json": Case("a.json", json.dumps(SQUAD), 'format = "squad"', 1, QA),
    "SQuAD's json of many lines": Case("a.json", json.dumps(SQUAD, indent=1), 'format = "squad"', 1, QA),
    "SQuAD's articles alone": Case("a.json", json.dumps(SQUAD["data"]), 'format = "squad"', 1, QA),
    "SQuAD's json as jsonl": Case("a.jsonl", json.dumps(SQUAD), 'format = "squad"', 1, QA),
    "questions as SQuAD's json": Case("a.json", json.dumps(QUESTIONS), 'format = "json"', 3, QA, {"format": "squad"}),
    "an object a line as json": Case("a.json", OBJECTS, 'format = "jsonl"'),
    "one object in all as json": Case("a.json", OBJECTS.partition("\n")[0], 'format = "jsonl"', 1),
    "a list of objects as jsonl": Case("a.jsonl", json.dumps(ROWS), 'format = "json"'),
    "a list of many lines as jsonl": Case("a.jsonl", json.dumps(ROWS, indent=2), 'format = "json"'),
    "an object of many lines as jsonl": Case("a.jsonl", json.dumps({"data": ROWS}, indent=2), 'format = "json"'),
    "an object a line as text": Case("a.txt", OBJECTS, 'format = "jsonl"'),
    "an object a line as tsv": Case("a.tsv", OBJECTS, 'format = "jsonl"'),
    "a list of objects as csv": Case("a.csv", json.dumps(ROWS, indent=1), 'format = "json"'),
    "a word a line as tsv": Case("a.tsv", WORDS, 'format = "columns"', 2, TAG),
    "a word a line as tsv, one sentence only": Case("a.tsv", WORDS.partition("\n\n")[0], 'format = "columns"', 1, TAG),
    "a word a line as text": Case("a.txt", WORDS, 'format = "columns"', 2, TAG),
    "a word a line as csv": Case("a.csv", WORDS, 'format = "columns"', 2, TAG),
    "CoNLL-2003 as text": Case("train.txt", CONLL_2003, 'format = "columns"', 2, TAG),
    "CoNLL-2003 as tsv": Case("train.tsv", CONLL_2003.replace(" ", "\t"), 'format = "columns"', 2, TAG),
    "CoNLL-2003 as CoNLL-U": Case("train.conllu", CONLL_2003, 'format = "columns"', 2, TAG),
    "CoNLL-U as tsv": Case("a.tsv", CONLLU, 'format = "conllu"', 2, TAG, {}, {"tags": "upos"}, ("X", "PROPN")),
    "CoNLL-U as columns": Case("a.conll", CONLLU, 'format = "conllu"', 2, TAG, {}, {"tags": "upos"}, ("X", "PROPN")),
    "CoNLL-U Plus as CoNLL-U": Case(
        "a.conllu",
        "# global.columns = ID FORM NER\n1\tAnna\tB-PER\n",
        'format = "columns"', 1, TAG, {}, {"tokens": "FORM", "tags": "NER"},
    ),
    "semicolons, as Excel writes them": Case("a.csv", "\ufefftext;label\r\na, b;yes\r\nc;no\r\n", 'delimiter = ";"'),
    "semicolons without a header": Case(
        "a.csv", "a;yes\nb;no\n", 'delimiter = ";"', 2, columns={"text": "0", "label": "1"}
    ),
    "semicolons, quoted": Case("a.csv", '"text";"label"\n"a;b";"yes"\n"c";"no"\n', 'delimiter = ";"'),
    "semicolons as tsv": Case("a.tsv", "text;label\na;yes\nb;no\n", 'delimiter = ";"'),
    "semicolons said by the file": Case("a.csv", "sep=;\ntext;label\na;yes\nb;no\n", 'delimiter = ";"'),
    "bars": Case("a.csv", "text|label\na|yes\nb|no\n", 'delimiter = "|"'),
    "commas as tsv": Case("a.tsv", "text,label\na,yes\nb,no\n", 'format = "csv"'),
    "tabs as csv": Case("a.csv", "text\tlabel\na, b\tyes\nc\tno\n", 'format = "tsv"'),
    "tabs as text": Case("a.txt", "text\tlabel\na\tyes\nb\tno\n", 'format = "tsv"'),
    "tabs and quotes": Case(
        "a.tsv", '"text"\t"label"\n"a\tb"\t"yes"\n"c"\t"no"\n', 'format = "csv", delimiter = "\\t"'
    ),
    "Latin-1": Case("a.tsv", "text\tlabel\ngrün\tyes\nb\tno\n".encode("latin-1"), 'encoding = "latin-1"'),
    "Windows' quotes": Case("a.csv", "text,label\n“a”,yes\nb,no\n".encode("cp1252"), 'encoding = "cp1252"'),
    "Latin-1 as json": Case(
        "a.json", json.dumps(ROWS, ensure_ascii=False).replace("fine", "schöne").encode("latin-1"),
        'encoding = "latin-1"',
    ),
    "UTF-16 without a mark": Case(
        "a.tsv", "text\tlabel\naé\tyes\nü\tno\n".encode("utf-16-le"), 'encoding = "utf-16-le"'
    ),
    "UTF-16 of the other order": Case(
        "a.json", json.dumps(ROWS, ensure_ascii=False).replace("fine", "schöne").encode("utf-16-be"),
        'encoding = "utf-16-be"',
    ),
}  # fmt: skip


def task(path: Path, case: Case, settings: dict[str, Any]) -> Task:
    source = Source(file=str(path), columns=case.columns, **settings)
    family = FAMILIES[case.family] | ({"labels": case.labels} if case.labels else {})
    return Task(name="mine", title="m", adapter=case.family, data=Data(test=(source,)), **family)


@pytest.mark.parametrize("what", CASES)
def test_the_message_has_the_setting_and_the_setting_reads_the_file(what: str, tmp_path: Path) -> None:
    case = CASES[what]
    path = tmp_path / case.file
    path.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
    with pytest.raises(DataError) as caught:
        examples(task(path, case, case.settings), "test", "en")
    (problem,) = caught.value.problems
    assert case.hint in problem.hint, problem
    assert "\n" not in str(problem)
    said = {key: json.loads(value) for key, value in re.findall(r'(\w+) = ("[^"]*")', problem.hint)}
    found = examples(task(path, case, case.settings | said), "test", "en")
    assert len(found) == case.rows


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("what a fine day it is\tyes\nb\tno\n", '[columns] text = "0"'),
        ("good\tyes\nbad\tno\nwell\tyes\n", '[columns] text = "0"'),
        ("sentence\tgold\ngood\tyes\nbad\tno\n", '[columns] text = "…"'),
    ],
)
def test_a_table_without_a_header_is_told_from_one_with_other_names(text: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(DataError) as caught:
        examples(task(tmp_path / "a.tsv", Case("a.tsv", text, hint), {}), "test", "en")
    (problem,) = caught.value.problems
    assert problem.hint.endswith(f"{hint}.")


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        # Its time of compression holds a carriage return and no line feed, and neither: it has lines of either kind.
        ("a.tsv", gzip.compress(b"text\tlabel\n", mtime=0x0D0D), "compressed with gzip: let its name end in .gz."),
        ("a.tsv", gzip.compress(b"text\tlabel\n", mtime=0), "compressed with gzip: let its name end in .gz."),
        ("a.tsv", b"text\tlabel\rcaf\xe9\tno\r", 'encoding = "latin-1"'),
        ("a.csv", b"PK\x03\x04\xff\xff", "save the sheet as csv."),
        ("a.jsonl", b"PAR1\xff", 'format = "parquet"'),
        ("a.tsv.gz", b"text\tlabel\na\tno\n", "is no .gz file"),
        ("a.tsv.gz", gzip.compress(b"text\tlabel\na\tno\n")[:-9], "the .gz file seems truncated."),
        ("a.json", b'{"text": {"0": "a"}, "label": {"0": "no"}}', 'to_json(orient="records")'),
        ("a.csv", b'text,label\n"a,no\nb,no\n', "A quote that opens there is never closed."),
    ],
)
def test_what_no_setting_reads_is_told_with_what_to_do(file: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError) as caught:
        examples(task(tmp_path / file, Case(file, content, says), {}), "test", "en")
    assert says in str(caught.value)


def test_a_file_that_is_what_it_is_read_as_gets_no_advice(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("sentence\tlabel\na\tno\nb\tyes\n")
    with pytest.raises(DataError) as caught:
        examples(task(tmp_path / "a.tsv", Case("a.tsv", "", "", columns={"text": "sentense"}), {}), "test", "en")
    (problem,) = caught.value.problems
    assert problem.hint == "Did you mean 'sentence'?"
