"""Files with a word a line, as the public ones are written: what counts as a word, a comment, a border, a column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xharness.data.examples import examples
from xharness.data.readers import read
from xharness.errors import DataError
from xharness.spec.task import Data, Source, Task

CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- O O

BRUSSELS NNP B-NP B-LOC
"""
CONLL_2002 = "Wolff B-PER\n, O\n\n# O\nhashtag O\n\n"
GERMEVAL = (
    "#\thttp://de.wikipedia.org/wiki/Manfred_Korfmann [2009-10-17]\n"
    "1\tAufgrund\tO\tO\n2\tKorfmann\tB-PER\tO\n\n"
    "#\thttp://de.wikipedia.org/wiki/X [2009-10-17]\n1\tEr\tO\tO\n"
)
MULTICONER = "# id 5a4ab2cf-a22c\tdomain=en\nrobert _ _ B-PER\ngottschalk _ _ I-PER\n\n# id 77\tdomain=en\nit _ _ O\n"
TWEETS = "#MAGA\tB-MISC\n@x\tO\n#\tO\n\n#\tO\n# 1\tO\n\nand\tO\n"
UNIVERSAL_NER = (
    "# sent_id = weblog-1\n# text = New York\n1\tNew York\tB-LOC\t-\t-\n2\t.\tO\t-\tx y\n\n"
    "# newdoc id = a\n# text = I\tam\n1\tI\tO\t-\t-\n"
)
PLUS = "# global.columns = ID FORM UPOS NER\n# text = im\n1-2\tim\t_\t_\n1\tin\tADP\tO\n2\tdem\tDET\tO\n2.1\tx\t_\t_\n"
HEADED = "word pos ner\nEU NNP B-ORG\nrejects VBZ O\n"
CONLLU = "# sent_id = 1\n1-2\tim\t_\t_\t_\t_\t_\t_\t_\t_\n" + "".join(
    f"{n}\t{w}\t{w}\t{u}\tX{n}\t_\t0\troot\t_\tSpaceAfter=No\n" for n, w, u in ((1, "in", "ADP"), (2, "dem", "DET"))
)

# name -> (file's text, settings, columns asked for, (line, tokens, tags) of every sentence)
FILES: dict[str, tuple[str, dict[str, Any], tuple[str, ...], list[tuple[int, str, str]]]] = {
    "CoNLL-2003": (
        CONLL_2003, {}, ("tokens", "tags"),
        [(3, "EU rejects German", "B-ORG O B-MISC"), (7, "Peter Blackburn", "B-PER I-PER"), (12, "BRUSSELS", "B-LOC")],
    ),
    "CoNLL-2003, its chunks by number": (
        CONLL_2003, {}, ("0", "2"), [(3, "EU rejects German", "B-NP B-VP B-NP"), (7, "Peter Blackburn", "B-NP I-NP"),
                                     (12, "BRUSSELS", "B-NP")],
    ),
    "CoNLL-2003, its chunks by number from the last": (
        CONLL_2003, {}, ("-4", "-2"), [(3, "EU rejects German", "B-NP B-VP B-NP"), (7, "Peter Blackburn", "B-NP I-NP"),
                                       (12, "BRUSSELS", "B-NP")],
    ),
    "CoNLL-2003 with tabs, borders without columns and no blank line before them": (
        "-DOCSTART-\nEU\tNNP\tB-ORG\n-DOCSTART-\tO\nPeter\tNNP\tB-PER\n", {}, ("tokens", "tags"),
        [(2, "EU", "B-ORG"), (4, "Peter", "B-PER")],
    ),
    "CoNLL-2002, with a hash for a word": (
        CONLL_2002, {}, ("tokens", "tags"), [(1, "Wolff ,", "B-PER O"), (4, "# hashtag", "O O")],
    ),
    "GermEval 2014": (
        GERMEVAL, {}, ("1", "2"), [(2, "Aufgrund Korfmann", "O B-PER"), (6, "Er", "O")],
    ),
    "MultiCoNER": (
        MULTICONER, {}, ("tokens", "tags"), [(2, "robert gottschalk", "B-PER I-PER"), (6, "it", "O")],
    ),
    "tweets whose words begin with a hash": (
        TWEETS, {}, ("tokens", "tags"), [(1, "#MAGA @x #", "B-MISC O O"), (5, "# # 1", "O O"), (8, "and", "O")],
    ),
    "Universal NER, words with spaces": (
        UNIVERSAL_NER, {}, ("1", "2"), [(3, "New York .", "B-LOC O"), (8, "I", "O")],
    ),
    "CoNLL-U Plus, its columns by name": (PLUS, {}, ("FORM", "NER"), [(4, "in dem", "O O")]),
    "CoNLL-U Plus, its columns by number": (PLUS, {}, ("1", "2"), [(4, "in dem", "ADP DET")]),
    "a header that names the columns": (HEADED, {}, ("word", "ner"), [(2, "EU rejects", "B-ORG O")]),
    "a header that is said to be there": (HEADED, {"header": True}, ("0", "-2"), [(2, "EU rejects", "NNP VBZ")]),
    "a header of the usual names": (
        "tags\ttokens\nB-ORG\tEU\n", {"header": True}, ("tokens", "tags"), [(2, "EU", "B-ORG")],
    ),
    "runs of spaces, spaces at the ends, lines of spaces": (
        "EU   B-ORG  \n rejects O\n  \t \nPeter\u00a0B  B-PER\n", {}, ("tokens", "tags"),
        [(1, "EU rejects", "B-ORG O"), (4, "Peter\u00a0B", "B-PER")],
    ),
    "tabs and spaces at the ends": (
        "EU\tB-ORG\t\nNew York \tB-LOC \n\t\t\nI\tO\n", {}, ("tokens", "tags"),
        [(1, "EU New York", "B-ORG B-LOC"), (4, "I", "O")],
    ),
    "white space that is a word": (
        "\u2028\tO\n\u00a0\tO\n\u3000\tO\n", {}, ("tokens", "tags"), [(1, "\u2028 \u00a0 \u3000", "O O O")],
    ),
    "nothing but comments": ("# text = a b\n# c d\n", {}, ("tokens", "tags"), []),
    "CoNLL-U": (CONLLU, {"format": "conllu"}, ("tokens", "upos"), [(3, "in dem", "ADP DET")]),
    "CoNLL-U by number and by its own names": (CONLLU, {"format": "conllu"}, ("form", "4"), [(3, "in dem", "X1 X2")]),
    "CoNLL-U by number from the last": (
        CONLLU, {"format": "conllu"}, ("1", "-1"), [(3, "in dem", "SpaceAfter=No SpaceAfter=No")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("what", FILES)
def test_words_tags_and_sentences_are_those_of_the_file_with_any_line_ends_and_a_byte_order_mark(
    what: str, ending: str, tmp_path: Path
) -> None:
    text, settings, (tokens, tags), wanted = FILES[what]
    path = tmp_path / "a.conll"
    path.write_bytes(("\ufeff" + text).replace("\n", ending).encode())
    found = list(read(path, Source(file=str(path), **settings), (tokens, tags)))
    assert [(n, " ".join(row[tokens]), " ".join(row[tags])) for n, row in found] == wanted


def task(path: Path, columns: dict[str, Any], **source: Any) -> Task:
    made = Source(file=str(path), columns=columns, **source)
    return Task(name="mine", title="m", adapter="tagging", metric="accuracy_token", data=Data(test=(made,)))


# what is wrong -> (text, columns, begin of the message, what it says)
FAULTS: dict[str, tuple[str, dict[str, str], str, tuple[str, ...]]] = {
    "a line that lacks a column": (
        CONLL_2003.replace("VBZ B-VP O", "VBZ O"), {}, "a.conll:4: ",
        ("has 3 columns; line 3 has 4 columns, separated by spaces.",),
    ),
    "a line with a column too many": ("EU\tO\nx\ty\tO\n", {}, "a.conll:2: ", ("has 3 columns; line 1 has 2",)),
    "a word without a tag": ("EU\tO\nx\t\n", {}, "a.conll:2: ", ("must be a token and a tag, found 'x", "line 1")),
    "a word with a space where spaces separate": (
        "EU O\nNew York B-LOC\n", {}, "a.conll:2: ", ("has 3 columns", "needs tabs between the columns."),
    ),
    "spaces in a file of tabs": ("EU\tO\nx O\n", {}, "a.conll:2: ", ("found 'x O'", "separated by tabs.")),
    "a comment within a sentence": (
        "EU\tO\n# text\nx\tO\n", {}, "a.conll:2: ", ("must be a token", "A comment stands before the first word"),
    ),
    "a hash that has lost its tag": ("EU\tO\n\n#\nx\tO\n", {}, "a.conll:3: ", ("a token and a tag, found '#'",)),
    "words alone": ("EU\nx\n", {}, "a.conll:1: ", ("must be a token and a tag, found 'EU'.",)),
    "a number beyond the columns": (
        CONLL_2003, {"tokens": "0", "tags": "4"}, "a.conll: ", ("has no column '4'; its columns are", "or 0 to 3."),
    ),
    "a number before the first": (CONLL_2003, {"tags": "-5"}, "a.conll: ", ("has no column '-5'",)),
    "a name that the header lacks": (
        HEADED, {"tokens": "word", "tags": "nre"}, "a.conll:1: ",
        ("has no column 'nre'", "word, pos, ner", "Did you mean 'ner'?"),
    ),
    "a name that CoNLL-U Plus lacks": (PLUS, {"tags": "NRE"}, "a.conll: ", ("ID, FORM, UPOS, NER", "'NER'?")),
    "more names than columns": (
        PLUS.replace("NER", "NER MISC"), {}, "a.conll:3: ", ("has 4 columns; # global.columns names 5: ID, FORM",),
    ),
    "a byte that is no UTF-8, far down": (
        "EU\tO\n" * 9000 + "gr\udcfc\tO\n", {}, "a.conll:9001: ", ("is not UTF-8 text", 'encoding = "latin-1"'),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_what_is_wrong_in_a_file_of_columns_is_told_with_its_line(what: str, tmp_path: Path) -> None:
    text, columns, where, says = FAULTS[what]
    path = tmp_path / "a.conll"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError) as caught:
        examples(task(path, columns), "test", "en")
    said = str(caught.value).replace(f"{tmp_path}/", "")
    assert said.startswith(where), said
    assert all(part in said for part in says), said


def test_a_column_of_the_task_is_chosen_by_number_as_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text(CONLL_2003)
    found = examples(task(path, {"tokens": "0", "tags": "1"}), "test", "en")
    assert [e["tags"] for e in found] == [["NNP", "VBZ", "JJ"], ["NNP", "NNP"], ["NNP"]]
    assert [e["id"] for e in found] == ["3", "7", "12"]


@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("a.conllup", "columns"),
        ("a.iob2", "columns"),
        ("a.bio", "columns"),
        ("A.CONLL", "columns"),
        ("a.b/c.ndjson", "jsonl"),
        ("a.tsv.gz", "tsv"),
        ("a.{lang}.CSV.xz", "csv"),
    ],
)
def test_the_format_is_known_from_the_usual_suffixes(file: str, form: str) -> None:
    assert Source(file=file).file_format == form
