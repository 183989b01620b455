"""Tables by name and by number, with every separator; every format in every encoding and compression."""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from xharness.data.readers import Located, read
from xharness.errors import DataError
from xharness.spec.task import Format, Source


def rows(path: Path, content: str | bytes, columns: tuple[Any, ...] = (), **settings: Any) -> list[Located]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read(path, Source(file=str(path), **settings), columns))


# name -> (file, text, columns, settings, number and the columns' values of every row)
TABLES: dict[str, tuple[str, str, tuple[Any, ...], dict[str, Any], list[tuple[int, list[str]]]]] = {
    "by number": ("a.tsv", "a\tno\nb\tyes\n", ("0", "1"), {}, [(1, ["a", "no"]), (2, ["b", "yes"])]),
    "by number from the last": ("a.csv", "x,a,no\ny,b,yes\n", ("-2", "-1"), {}, [(1, ["a", "no"]), (2, ["b", "yes"])]),
    "several columns as a list, by number": ("a.tsv", "a\tb\n", (("0", "-1"),), {}, [(1, ["a", "b"])]),
    "by name": ("a.tsv", "text\tlabel\na\tno\n", ("text", "label"), {}, [(2, ["a", "no"])]),
    "by name and by number": ("a.tsv", "text\tlabel\na\tno\n", ("text", "-1"), {}, [(2, ["a", "no"])]),
    "by number, below a header": ("a.csv", "text,label\na,no\n", ("0", "1"), {"header": True}, [(2, ["a", "no"])]),
    "by names that are numbers": ("a.csv", "1,0\na,no\n", ("0", "1"), {"header": True}, [(2, ["no", "a"])]),
    "by number, chosen by a name": (
        "a.csv", "text,lang\na,en\n", ("0", "1"), {"where": {"lang": "en"}}, [(2, ["a", "en"])],
    ),
    "quotes and commas in a tsv are text": ("a.tsv", '"a\tb"\n', ("0", "1"), {}, [(1, ['"a', 'b"'])]),
    "line ends, commas and quotes within quotes": (
        "a.csv", '"a\r\nb, ""c""",no\r\nd,yes\r\n', ("0", "1"), {}, [(1, ['a\r\nb, "c"', "no"]), (3, ["d", "yes"])],
    ),
    "Excel's csv of half of Europe": (
        "a.csv", "\ufeffText;Label\r\n1,5 m;no\r\n", ("Text", "Label"), {"delimiter": ";"}, [(2, ["1,5 m", "no"])],
    ),
    "a line that says the delimiter": (
        "a.csv", "sep=;\r\nText;Label\r\na;no\r\n", ("Text", "Label"), {"delimiter": ";"}, [(3, ["a", "no"])],
    ),
    "a tsv of bars": ("a.tsv", "a|b\n", ("0", "1"), {"delimiter": "|"}, [(1, ["a", "b"])]),
    "a tsv with quotes": (
        "a.tsv", '"a\tb"\tno\n', ("0", "1"), {"format": "csv", "delimiter": "\t"}, [(1, ["a\tb", "no"])],
    ),
    "a header alone": ("a.tsv", "text\tlabel\n", ("text",), {}, []),
    "lines of an old Macintosh": ("a.csv", "text,label\ra,no\rb,yes\r", ("text",), {}, [(2, ["a"]), (3, ["b"])]),
    "a carriage return within a text": ("a.tsv", "a\rb\tno\n", ("0", "1"), {}, [(1, ["a\rb", "no"])]),
}  # fmt: skip


@pytest.mark.parametrize("what", TABLES)
def test_a_table_s_columns_are_found(what: str, tmp_path: Path) -> None:
    file, text, columns, settings, wanted = TABLES[what]
    names = [name for column in columns for name in ([column] if isinstance(column, str) else column)]
    found = rows(tmp_path / file, text, columns, **settings)
    assert [(number, [row[name] for name in names]) for number, row in found] == wanted


@pytest.mark.parametrize("columns", [("0", "1"), ("-1",)])
def test_a_line_without_a_header_must_be_as_wide_as_the_first(columns: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.tsv:3: has 3 columns, line 1 has 2\."):
        rows(tmp_path / "a.tsv", "a\tb\nc\td\ne\tf\tg\n", columns)


ARTICLE = {"paragraphs": [{"context": "größer", "qas": [{"id": "1", "question": "ñ?", "answers": []}]}]}
LISTED = [{"text": "größer", "label": "ñ"}, {"text": "b", "label": "c"}]
WRITTEN: dict[Format, str] = {
    "json": json.dumps(LISTED, ensure_ascii=False, indent=1),
    "jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in LISTED),
    "csv": "text,label\ngrößer,ñ\nb,c\n",
    "tsv": "text\tlabel\ngrößer\tñ\nb\tc\n",
    "conllu": "1\tgrößer\tgroß\tADJ\tñ\t_\t0\troot\t_\t_\n\n",
    "columns": "größer\tñ\nb\tc\n\n",
    "squad": json.dumps({"data": [ARTICLE]}, ensure_ascii=False, indent=1),
    "text": "größer ñ\nb\n",
}
CODECS = ("latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "cp500", "utf-8", "utf-8-sig")


@pytest.mark.parametrize("form", WRITTEN)
def test_every_format_reads_the_same_in_every_encoding_and_compression(form: Format, tmp_path: Path) -> None:
    text = WRITTEN[form]
    wanted = rows(tmp_path / "plain", text, format=form)
    assert "größer" in json.dumps(wanted, ensure_ascii=False)
    for codec in CODECS:
        assert rows(tmp_path / "coded", text.encode(codec), format=form, encoding=codec) == wanted, codec
    for mark, codec in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        assert rows(tmp_path / "marked", mark + text.encode(codec), format=form) == wanted, codec
    assert rows(tmp_path / "windows", ("\ufeff" + text.replace("\n", "\r\n")).encode(), format=form) == wanted
    for suffix, pack in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
        assert rows(tmp_path / f"packed{suffix}", pack(text.encode()), format=form) == wanted, suffix
    assert rows(tmp_path / "both.gz", gzip.compress(text.encode("latin-1")), format=form, encoding="latin-1") == wanted


@pytest.mark.parametrize("codec", ["gb18030", "big5", "shift_jis", "euc_jp", "iso2022_jp"])
def test_encodings_of_east_asia_are_cut_into_lines_rightly(codec: str, tmp_path: Path) -> None:
    words = ["中文", "一", "天"]
    text = "".join(f"{word}\tO\n" for word in words)
    ((_, row),) = rows(tmp_path / "a.conll", text.encode(codec), encoding=codec)
    assert row["tokens"] == words


@pytest.mark.parametrize("form", WRITTEN)
def test_a_byte_that_the_encoding_lacks_is_told_with_its_line(form: Format, tmp_path: Path) -> None:
    content = WRITTEN[form].encode("latin-1")
    first = content[: content.index(b"\xf6")].count(b"\n") + 1
    with pytest.raises(DataError) as caught:
        rows(tmp_path / "a", b"\n" * 3000 + content, format=form)
    (problem,) = caught.value.problems
    assert problem.where == f"{tmp_path / 'a'}:{3000 + first}"
    assert problem.what.startswith("is not UTF-8 text (")
    with pytest.raises(DataError, match="is not ascii text"):
        rows(tmp_path / "a", WRITTEN[form], format=form, encoding="ascii")
