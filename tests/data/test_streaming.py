"""Examples one at a time are the examples of all rows at once: the same rows, ids, order, choice and complaints."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from xharness.adapter import Example, load_adapter
from xharness.data import identities
from xharness.data.examples import examples, iter_examples
from xharness.errors import DataError, HarnessError, nearest
from xharness.spec.task import Data, Limit, Source, Task

Row = dict[str, Any]
CLASSES = Task(name="mine", title="Mine", adapter="classification", metric="accuracy", labels=("no", "yes"))
BITEXT = Task(name="mine", title="Mine", adapter="retrieval", metric="f1_bucc", options={"kind": "mine"})


# ------------------------------------------------------------------------------ the rules, with every row in a list


def at_once(task: Task, cap: int | None, seed: int) -> list[Example]:
    """What `iter_examples` gives for jsonl, tsv and parquet files, written with all rows in memory."""
    found: list[tuple[str, Example]] = []
    for source in task.data.test:
        rows = list(placed(source))
        for where, row in rows:
            for column in (*source.where, *source.drop):
                if column not in row:
                    raise ValueError(f"{where}: has no column '{column}'. {nearest(column, row)}".strip())
        kept = [(w, r) for w, r in rows if fits(r, source)]
        if source.rows:
            kept = kept[round(source.rows[0] * len(kept)) : round(source.rows[1] * len(kept))]
        wrong = []
        for where, row in kept:
            example = named(row, source, where, len(task.data.test) > 1)
            found.append((where, example))
            if example.get("side") != "gold" and (what := load_adapter(task.adapter).check(task, example)):
                wrong.append(f"{where}: {what}")
        if wrong:
            raise ValueError("\n".join(wrong[:5]))
    if not found:
        raise ValueError("task mine, test [en]: has no rows")
    unique(found)
    gold_is_there(found)
    chosen = [example for _, example in found]
    if cap is not None and cap < len(chosen) and "side" not in chosen[0]:
        chosen = [chosen[i] for i in sorted(np.random.default_rng(seed).permutation(len(chosen))[:cap])]
    return chosen


def placed(source: Source) -> Iterator[tuple[str, Row]]:
    path = Path(str(source.file))
    if path.suffix == ".parquet":
        yield from ((f"{path}, row {i}", row) for i, row in enumerate(parquet.read_table(path).to_pylist(), 1))
        return
    lines = path.read_text().split("\n")
    header = lines[0].split("\t") if path.suffix == ".tsv" else None
    for number, line in enumerate(lines, 1):
        if line and not (header and number == 1):
            row = dict(zip(header, line.split("\t"), strict=True)) if header else json.loads(line)
            yield f"{path}:{number}", row


def fits(row: Row, source: Source) -> bool:
    dropped = {c: v if isinstance(v, tuple) else (v,) for c, v in source.drop.items()}
    return all(str(row[c]) == str(v) for c, v in source.where.items()) and not any(
        str(row[c]) == str(v) for c, values in dropped.items() for v in values
    )


def named(row: Row, source: Source, where: str, several: bool) -> Example:
    number = where.rsplit(":" if ".parquet" not in where else " ", 1)[1]
    made = str(number) if not several else f"{source.file}:{number}"
    example = {"text": row["text"]} if "text" in row else {}
    example |= {k: row[k] for k in ("label", "side", "gold") if k in row}
    example |= {"side": source.side} if source.side else {}
    given = row.get("id")
    return {**example, "id": made if given is None else str(given), "language": "en"}


def unique(found: list[tuple[str, Example]]) -> None:
    seen: dict[tuple[Any, str], str] = {}
    for where, example in found:
        key = example.get("side"), example["id"]
        if example.get("side") != "gold" and key in seen:
            raise ValueError(
                f"{where}: repeats the id '{example['id']}' of {seen[key]} (task mine, test [en]); ids must be unique."
            )
        seen[key] = where


def gold_is_there(found: list[tuple[str, Example]]) -> None:
    sided = [(w, e) for w, e in found if "side" in e]
    ids = {side: {e["id"] for _, e in sided if e["side"] == side} for side in ("source", "target")}
    for side, held in ids.items():
        if sided and not held:
            raise ValueError(
                f"task mine, test [en]: has no rows of the {side} side. Mining needs source, target and gold."
            )
    wrong: list[str] = []
    for where, example in sided:
        partner = example.get("gold")
        pairs = [("source", example["id"]), ("target", partner or "")] if example["side"] == "gold" else []
        if example["side"] != "gold" and partner:
            pairs = [("target" if example["side"] == "source" else "source", partner)]
        for side, name in pairs:
            if name not in ids[side]:
                hint = "" if wrong else f" {nearest(name, ids[side])}"
                wrong.append(f"{where}: the gold id '{name}' is not on the {side} side (task mine, test [en]).{hint}")
        if len(wrong) >= 5:
            break
    if wrong:
        raise ValueError("\n".join(wrong))


# ------------------------------------------------------------------------------------------------ what is generated

FORMS = ("jsonl", "tsv", "parquet")


def write(path: Path, rows: list[Row]) -> None:
    if path.suffix == ".parquet":
        names = {name: pa.string() for name in rows[0]} if rows else {"text": pa.string()}
        parquet.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(names.items()))), path)
    elif path.suffix == ".tsv":
        lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)] if rows else []
        path.write_text("".join(line + "\n" for line in lines))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def classes(draw: st.DrawFn, wrong: float) -> tuple[list[Row], dict[str, Any]]:
    """Rows with labels, and what of them is kept."""
    n = draw(st.integers(0, 30))
    random = draw(st.randoms(use_true_random=False))
    given = random.random() < 0.5
    rows: list[Row] = []
    for i in range(n):
        row = {"text": random.choice("abc"), "label": random.choice(["no", "yes"]), "kind": random.choice("xyz")}
        if random.random() < wrong:
            row |= random.choice([{"text": " "}, {"label": "noo"}])
        if given:
            row["id"] = f"{random.random()}" if random.random() > wrong else str(i % 3)
        rows.append(row)
    if rows and random.random() < wrong:
        del rows[0]["kind"]
    keys: dict[str, Any] = {}
    if random.random() < 0.3:
        keys["where"] = {"kind": random.choice("xyzw")}
    if random.random() < 0.3:
        keys["drop"] = {"kind": random.choice([("x", "y"), "x"])}
    if random.random() < 0.4:
        first = random.choice([0.0, 0.1, 0.5])
        keys["rows"] = (first, random.choice([0.6, 0.9, 1.0]))
    return rows, keys


@st.composite
def labelled(draw: st.DrawFn) -> list[tuple[str, list[Row], dict[str, Any]]]:
    """(form, rows, keys of the source) of one to three files."""
    wrong = draw(st.sampled_from([0.0, 0.0, 0.05, 0.3]))
    made = []
    for _ in range(draw(st.integers(1, 3))):
        rows, keys = classes(draw, wrong)
        form = draw(st.sampled_from(FORMS)) if all(row.keys() == rows[0].keys() for row in rows) else "jsonl"
        made.append((form, rows, keys))
    return made


@st.composite
def sided(draw: st.DrawFn) -> list[tuple[str, list[Row], dict[str, Any]]]:
    """Both sides of a bitext and its gold, in any order."""
    random = draw(st.randoms(use_true_random=False))
    wrong = random.choice([0.0, 0.0, 0.1])

    def name(side: str, most: int) -> str:
        return f"{side}{random.randrange(most)}"

    n = draw(st.integers(0 if wrong else 1, 8))
    made = []
    for side in ("source", "target"):
        rows = [{"id": name(side, n) if random.random() < wrong else f"{side}{i}", "text": "a"} for i in range(n)]
        for row in rows:
            other = name("target" if side == "source" else "source", n + (random.random() < wrong))
            row["gold"] = other if random.random() < 0.2 else ""
        made.append(("jsonl", rows, {"side": side, "columns": {c: c for c in ("id", "text", "gold")}}))
    pairs = [{"id": name("source", n + 1 if wrong else n), "gold": name("target", n)} for _ in range(n)]
    made.append((random.choice(FORMS), pairs, {"side": "gold", "columns": {"id": "id", "gold": "gold"}}))
    random.shuffle(made)
    return made


def written(task: Task, files: list[tuple[str, list[Row], dict[str, Any]]], folder: Path) -> Task:
    sources = []
    for index, (form, rows, keys) in enumerate(files):
        path = folder / f"{index}.{form}"
        write(path, rows)
        sources.append(Source(file=str(path), **keys))
    return task.model_copy(update={"data": Data(test=tuple(sources))})


def outcome(task: Task, cap: int | None, seed: int) -> tuple[list[Example] | None, str]:
    try:
        return examples(task, "test", "en", Limit(test=cap), seed), ""
    except HarnessError as error:
        return None, str(error)


def compare(task: Task, cap: int | None, seed: int) -> None:
    found, said = outcome(task, cap, seed)
    try:
        wanted, complaint = at_once(task, cap, seed), ""
    except ValueError as error:
        wanted, complaint = None, str(error)
    if complaint.endswith("has no rows"):
        assert said.startswith(complaint)
    else:
        assert said == complaint
    assert found == wanted


ONCE = settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@ONCE
@given(files=labelled(), cap=st.none() | st.integers(1, 40), seed=st.integers(0, 3))
def test_rows_one_at_a_time_are_the_rows_at_once(
    files: list[tuple[str, list[Row], dict[str, Any]]],
    cap: int | None,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    compare(written(CLASSES, files, tmp_path_factory.mktemp("rows")), cap, seed)


@ONCE
@given(files=sided(), cap=st.none() | st.integers(1, 10))
def test_a_bitext_one_row_at_a_time_is_the_bitext_at_once(
    files: list[tuple[str, list[Row], dict[str, Any]]], cap: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    compare(written(BITEXT, files, tmp_path_factory.mktemp("sides")), cap, 0)


def test_ids_whose_hashes_meet_are_no_repetition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "_hash", lambda side, name: len(name))
    files = [("jsonl", [{"id": f"{i:02}", "text": "a", "label": "no"} for i in range(20)], {})]
    assert len(examples(written(CLASSES, files, tmp_path), "test", "en")) == 20
    files[0][1].append({"id": "07", "text": "b", "label": "no"})
    with pytest.raises(DataError, match=r"0\.jsonl:21: repeats the id '07' of .*0\.jsonl:8 "):
        examples(written(CLASSES, files, tmp_path), "test", "en")


def test_rows_beyond_the_cap_are_checked_too(tmp_path: Path) -> None:
    rows: list[Row] = [{"text": "a", "label": "no"} for _ in range(50)]
    for form in FORMS:
        wrong = [*rows, {"text": "a", "label": "noo"}]
        task = written(CLASSES, [(form, wrong, {})], tmp_path)
        with pytest.raises(DataError, match="'noo' is not one of"):
            list(iter_examples(task, "test", "en", Limit(test=1)))


@pytest.mark.parametrize("cap", [None, 10])
def test_memory_does_not_grow_with_the_rows(cap: int | None, tmp_path: Path) -> None:
    def peak(n: int) -> int:
        task = written(CLASSES, [("jsonl", [{"text": "a" * 100, "label": "no"} for _ in range(n)], {})], tmp_path)
        tracemalloc.start()
        try:
            assert sum(1 for _ in iter_examples(task, "test", "en", Limit(test=cap))) == (cap or n)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert (peak(12_000) - peak(2_000)) / 10_000 < 40, "bytes a row"
