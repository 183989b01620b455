"""Rows stream from a file: what reading holds does not grow with them."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from xharness.data.readers import read
from xharness.spec.task import Format, Source

TEXT = "The same old story of a day that was neither long nor short, number"

LINES: dict[Format, Callable[[int], str]] = {
    "jsonl": lambda n: json.dumps({"text": f"{TEXT} {n}", "label": n}) + "\n",
    "csv": lambda n: f'"{TEXT} {n}",{n}\n',
    "tsv": lambda n: f"{TEXT} {n}\t{n}\n",
    "text": lambda n: f"{TEXT} {n}\n",
    "conllu": lambda n: f"1\t{TEXT}{n}\tx\tX\t_\t_\t0\troot\t_\t_\n" + "\n" * (n % 2),
    "columns": lambda n: f"{TEXT}{n}\tX\n" + "\n" * (n % 2),
}


def write(path: Path, form: Format, n: int) -> Source:
    settings = {"header": False} if form in ("csv", "tsv") else {}
    if form == "parquet":
        table = pyarrow.table({"text": [f"{TEXT} {i}" for i in range(n)], "label": list(range(n))})
        parquet.write_table(table, path, row_group_size=n, use_dictionary=False, data_page_size=1 << 16)
    else:
        with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as stream:
            stream.writelines(LINES[form](i) for i in range(n))
    return Source(file=str(path), format=form, **settings)


def peak(source: Source) -> int:
    """Bytes held at most while all rows are read and let go."""
    arrow = before = pyarrow.total_allocated_bytes()
    tracemalloc.start()
    try:
        for n, _ in enumerate(read(Path(str(source.file)), source)):
            if n % 500 == 0:
                arrow = max(arrow, pyarrow.total_allocated_bytes())
        return tracemalloc.get_traced_memory()[1] + arrow - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("form", "suffix"), [*((f, s) for f in LINES for s in ("", ".gz")), ("parquet", "")])
def test_what_reading_holds_does_not_grow_with_the_rows(form: Format, suffix: str, tmp_path: Path) -> None:
    few, many = (write(tmp_path / f"{n}{suffix}", form, n) for n in (5_000, 20_000))
    peak(few)  # Modules and caches come once.
    small, large = peak(few), peak(many)
    # 15,000 rows more, of 70 characters and more each.
    assert large - small < 300_000, f"{small:,} bytes for few rows, {large:,} for many"


def document(form: Format, n: int) -> str:
    if form == "json":
        return json.dumps([{"text": f"{TEXT} {i}", "label": i} for i in range(n)])
    qas = [{"id": str(i), "question": f"{TEXT} {i}", "answers": []} for i in range(n)]
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "c", "qas": qas}]}]})


@pytest.mark.parametrize("form", ["json", "squad"])
def test_a_document_of_json_is_held_once(form: Format, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(document(form, 20_000))
    tracemalloc.start()
    try:
        parsed = json.loads(path.read_text())
        held, parsing = tracemalloc.get_traced_memory()
        del parsed
        tracemalloc.reset_peak()
        for _ in read(path, Source(file=str(path), format=form)):
            pass
        reading = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The text, its bytes while they are decoded, and the objects: what json.loads needs of itself.
    assert reading < parsing * 1.15, f"{reading:,} bytes; json.loads takes {parsing:,}, and what it gives {held:,}"
