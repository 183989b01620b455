"""Data sets on the Hub: the rows of `datasets.load_dataset`, a card read once, nothing asked for that is known."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from loopback import Hub, serving
from pyarrow import parquet

REPO = "somebody/things"
READ = """
import json, sys
from xharness.data import hub
by_datasets, loaded = {{}}, hub._loaded
hub._loaded = lambda repo, *rest: by_datasets.setdefault(repo) or loaded(repo, *rest)
wanted = {wanted!r}
rows = [list(hub.hub_rows(*w)) for w in wanted]
assert [hub.hub_length(*w) for w in wanted] == [len(r) for r in rows]
direct = not by_datasets and "datasets" not in sys.modules
if {compare!r}:
    import datasets
    for w, found in zip(wanted, rows):
        held = list(datasets.load_dataset(w[0], w[1], split=w[2], revision=w[3]))
        assert [list(row) for row in held] == [list(row) for row in found], w
        assert repr(held) == repr(found), w
print(json.dumps({{"direct": direct, "by_datasets": list(by_datasets), "rows": rows}}))
"""
FAIL = """
import json
from xharness.data.hub import hub_rows
from xharness.errors import DataError
try:
    print(json.dumps(["", len(list(hub_rows(*{wanted!r})))]))
except DataError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
CARD = """---
configs:
{configs}
dataset_info:
{infos}
---
# Things
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving(tmp_path / "home") as served:
        yield served


def file(rows: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), stream, row_group_size=700)
    return stream.getvalue()


def card(configs: dict[str, dict[str, str]], features: str = "", counts: dict[str, int] | None = None) -> str:
    """A card of {config: {split: pattern}}, all with the same features."""
    said, told = [], []
    for name, splits in configs.items():
        said += [f"- config_name: {name}", "  data_files:"]
        said += [line for split, path in splits.items() for line in (f"  - split: {split}", f"    path: {path}")]
        told += [f"- config_name: {name}", *(["  features:", features.strip("\n")] if features else [])]
        told += ["  splits:"] if counts else []
        told += [f"  - name: {s}\n    num_examples: {n}\n    num_bytes: 1" for s, n in (counts or {}).items()]
    return CARD.format(configs="\n".join(said), infos="\n".join(told))


def read(hub: Hub, *wanted: tuple[str | None, ...], compare: bool = True, **environment: str) -> Any:
    return hub.told(READ.format(wanted=[(REPO, *w, None)[:4] for w in wanted], compare=compare), **environment)


def complaint(hub: Hub, config: str | None, split: str, repo: str = REPO, **environment: str) -> list[str]:
    return list(hub.told(FAIL.format(wanted=(repo, config, split, None)), **environment))


EVERY_KIND = pa.schema(
    {
        "id": pa.string(),
        "label": pa.int64(),
        "n": pa.int32(),
        "share": pa.float32(),
        "right": pa.bool_(),
        "tokens": pa.list_(pa.string()),
        "tags": pa.list_(pa.int64()),
        "answers": pa.struct({"text": pa.list_(pa.string()), "start": pa.list_(pa.int32())}),
        "spans": pa.list_(pa.struct({"from": pa.int64(), "name": pa.string()})),
    }
)
FEATURES = """
  - name: id
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': entailment
          '1': neutral
  - name: n
    dtype: int32
  - name: share
    dtype: float32
  - name: right
    dtype: bool
  - name: tokens
    sequence: string
  - name: tags
    sequence:
      class_label:
        names:
          '0': O
          '1': B
  - name: answers
    sequence:
    - name: text
      dtype: string
    - name: start
      dtype: int32
  - name: spans
    list:
    - name: from
      dtype: int64
    - name: name
      dtype: string
"""


def of_every_kind(n: int, first: int = 0) -> list[dict[str, Any]]:
    whole = [
        {
            "id": f"{i}", "label": i % 2, "n": i, "share": i / 4, "right": i % 3 == 0, "tokens": ["Ä", "b"][: i % 3],
            "tags": [0, 1][: i % 3], "answers": {"text": ["x"] * (i % 2), "start": [i] * (i % 2)},
            "spans": [{"from": i, "name": None}],
        }
        for i in range(first, first + n)
    ]  # fmt: skip
    return [dict.fromkeys(row) if row["n"] % 50 == 7 else row for row in whole]


def test_rows_are_those_of_load_dataset_and_need_none_of_it(hub: Hub) -> None:
    shards = {f"one/train-{i:05}-of-00002.parquet": file(of_every_kind(1500, 1500 * i), EVERY_KIND) for i in (1, 0)}
    configs = {"one": {"train": "one/train-*", "test": "one/test.parquet"}, "two": {"test": "'*/test.parquet'"}}
    files = {**shards, "one/test.parquet": file(of_every_kind(3), EVERY_KIND), "two/x.csv": "a\n1\n"}
    hub.commit(REPO, {**files, "README.md": card(configs, FEATURES)})
    found = read(hub, ("one", "train"), ("one", "test"), ("two", "test"))
    assert found["direct"]
    assert [row["n"] for row in found["rows"][0]] == [None if i % 50 == 7 else i for i in range(3000)]
    assert found["rows"][1] == found["rows"][2] == of_every_kind(3)


def test_files_without_features_in_the_card_are_read_as_they_stand(hub: Hub) -> None:
    hub.commit(REPO, {"a/t.parquet": file(of_every_kind(60), EVERY_KIND), "README.md": card({"a": {"test": "a/*"}})})
    assert read(hub, ("a", "test"), (None, "test"))["direct"]


TWO = pa.schema({"n": pa.int64(), "text": pa.string()})
PLAIN = "  - name: n\n    dtype: int64\n  - name: text\n    dtype: string\n"
NUMBERED = [{"n": i, "text": f"t{i}"} for i in range(5)]
# what only `datasets` can do -> files, card
BEYOND: dict[str, tuple[dict[str, bytes | str], str]] = {
    "columns of another type than the card's": (
        {"d/t.parquet": file(NUMBERED, TWO)},
        card({"d": {"test": "d/t.parquet"}}, PLAIN.replace("int64", "int32")),
    ),
    "columns in another order than the card's": (
        {"d/t.parquet": file(NUMBERED, TWO)},
        card({"d": {"test": "d/t.parquet"}}, "  - name: text\n    dtype: string\n  - name: n\n    dtype: int64\n"),
    ),
    "columns of the file of a type of their own": (
        {"d/t.parquet": file([{"n": "1"}], pa.schema({"n": pa.large_string()}))},
        card({"d": {"test": "d/t.parquet"}}, "  - name: n\n    dtype: string\n"),
    ),
    "csv": ({"d/t.csv": "n,text\n1,a\n2,b\n"}, card({"d": {"test": "d/t.csv"}})),
    "jsonl": ({"d/t.jsonl": '{"n": 1}\n{"n": 2}\n'}, card({"d": {"test": "d/*"}})),
    "another yaml file that says which files": (
        {
            "t.parquet": file(NUMBERED, TWO),
            "other.parquet": file(NUMBERED[:2], TWO),
            ".huggingface.yaml": "configs:\n- config_name: d\n  data_files: [{split: test, path: other.parquet}]\n",
        },
        card({"d": {"test": "t.parquet"}}),
    ),
    "columns chosen in the card": (
        {"d/t.parquet": file(NUMBERED, TWO)},
        card({"d": {"test": "d/t.parquet"}}).replace("  data_files:", "  columns: [text]\n  data_files:"),
    ),
    "a folder instead of files": (
        {"d/test.parquet": file(NUMBERED, TWO)},
        "---\nconfigs:\n- config_name: d\n  data_dir: d\n---\n",
    ),
    "no card": ({"data/test-00000-of-00001.parquet": file(NUMBERED, TWO)}, ""),
}


def test_what_is_more_than_plain_parquet_is_read_by_datasets(hub: Hub) -> None:
    wanted = []
    for what, (files, text) in BEYOND.items():
        repo = f"somebody/{what.replace(' ', '-').replace(chr(39), '')}"
        hub.commit(repo, {**files, **({"README.md": text} if text else {})})
        wanted.append((repo, "d" if text else None, "test", None))
    found = hub.told(READ.format(wanted=wanted, compare=True))
    assert found["by_datasets"] == [repo for repo, *_ in wanted]


def test_a_part_of_a_split_is_read_by_datasets(hub: Hub) -> None:
    hub.commit(REPO, {"t.parquet": file(NUMBERED, TWO), "README.md": card({"d": {"test": "t.parquet"}}, PLAIN)})
    assert read(hub, ("d", "test[1:3]"))["rows"] == [NUMBERED[1:3]]


def many(hub: Hub) -> list[tuple[str | None, ...]]:
    """A repository of ten configs; all of them."""
    files = {f"c{i}/test.parquet": file(NUMBERED, TWO) for i in range(10)}
    configs = {f"c{i}": {"test": f"c{i}/test.parquet"} for i in range(10)}
    hub.commit(REPO, {**files, "README.md": card(configs, PLAIN)})
    return [(name, "test") for name in configs]


def test_a_card_is_read_once_and_what_is_known_is_not_asked_again(hub: Hub) -> None:
    wanted = many(hub)
    assert read(hub, *wanted, compare=False)["rows"] == [NUMBERED] * 10
    assert sum(path.endswith("README.md") for path in hub.asked) == 2  # HEAD, GET
    hub.asked.clear()
    assert read(hub, *wanted, compare=False)["rows"] == [NUMBERED] * 10
    assert [path for path in hub.asked if REPO in path] == [f"/api/datasets/{REPO}"]


def test_what_was_never_fetched_is_told_without_the_hub(hub: Hub) -> None:
    wanted = many(hub)
    read(hub, wanted[0], compare=False)
    kind, said = complaint(hub, "c5", "test", HF_HUB_OFFLINE="1")
    assert kind == "Unreachable"
    assert said.startswith(f"{REPO} (c5, test): cannot be loaded: ")
    assert said.endswith("Is the Hub reachable (HF_ENDPOINT, HF_HUB_OFFLINE)?")


@pytest.mark.parametrize("gone", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:1"}])
def test_what_was_read_once_is_read_without_the_hub(gone: dict[str, str], hub: Hub) -> None:
    wanted = many(hub)
    read(hub, *wanted[:2], compare=False)
    assert read(hub, *wanted[:2], compare=False, **gone)["direct"]


def test_a_download_of_the_whole_repository_is_read_without_the_hub(hub: Hub) -> None:
    wanted = many(hub)
    hub.told(f"from huggingface_hub import snapshot_download as s; s({REPO!r}, repo_type='dataset'); print(1)")
    assert read(hub, *wanted, compare=False, HF_HUB_OFFLINE="1")["direct"]


def test_a_split_of_which_a_part_is_cached_is_not_taken_for_the_whole(hub: Hub) -> None:
    shards = {f"d/test-{i:05}-of-00002.parquet": file(NUMBERED, TWO) for i in (0, 1)}
    hub.commit(REPO, {**shards, "README.md": card({"d": {"test": "d/test-*"}}, PLAIN)})
    fetch = "from huggingface_hub import snapshot_download as s; print(len(s({0!r}, repo_type='dataset', {1})))"
    hub.told(fetch.format(REPO, "ignore_patterns='*-00001-of-*'"))
    assert complaint(hub, "d", "test", HF_HUB_OFFLINE="1")[0] == "Unreachable"
    hub.told(fetch.format(REPO, ""))
    assert complaint(hub, "d", "test", HF_HUB_OFFLINE="1") == ["", 10]


def test_what_is_not_there_is_told_with_what_is(hub: Hub) -> None:
    many(hub)
    assert complaint(hub, "c33", "test") == ["DataError", f"{REPO}: has no config 'c33'. Did you mean 'c3'?"]
    assert complaint(hub, "c3", "tset") == ["DataError", f"{REPO} (c3): has no split 'tset'; it has test."]
    kind, said = complaint(hub, None, "test")
    assert kind == "DataError"
    assert "has several configs and no default one; name one with `config`. Allowed: c0, c1" in said
    kind, said = complaint(hub, None, "test", "nobody/nothing")
    assert kind == "Unreachable"
    assert said.startswith("nobody/nothing (test): was not found on the Hub.")


def test_a_split_that_is_not_as_long_as_its_card_says_is_refused(hub: Hub) -> None:
    text = card({"d": {"test": "t.parquet"}}, PLAIN, {"test": 6})
    hub.commit(REPO, {"t.parquet": file(NUMBERED, TWO), "README.md": text})
    assert complaint(hub, "d", "test") == ["DataError", f"{REPO} (d, test): has 5 rows, but its card says 6."]


def test_a_file_that_is_no_parquet_is_told_with_its_place(hub: Hub) -> None:
    hub.commit(REPO, {"t.parquet": b"PAR1 is all", "README.md": card({"d": {"test": "t.parquet"}}, PLAIN)})
    kind, said = complaint(hub, "d", "test")
    assert kind == "Unreachable"
    assert "t.parquet: cannot be read as parquet: " in said
    assert "Remove it from the cache" in said


def test_a_damaged_memory_of_a_repository_is_made_again(hub: Hub) -> None:
    wanted = many(hub)
    read(hub, wanted[0], compare=False)
    kept = next((hub.home / "assets" / "xharness").rglob("repository-*.json"))
    whole = json.loads(kept.read_text())
    for damage in ("", "[]", kept.read_text()[:-9]):
        kept.write_text(damage)
        assert read(hub, wanted[1], compare=False)["direct"]
        assert json.loads(kept.read_text()) == whole


PLANNED = """
import json
from xharness.data.fingerprints import fingerprints, planned_examples
from xharness.spec.task import Data, Source, Task
source = Source(hub={repo!r}, config="d", split="test", columns={{"text": "text", "label": "n"}})
data = Data(test=(source,))
given = dict(adapter="classification", metric="accuracy", labels=tuple("01234"), data=data)
task = Task(name="mine", title="Mine", **given)
planned = {planned!r} or fingerprints(task, ["test"])
rows = planned_examples(task, "test", "en", None, planned)
print(json.dumps([planned, [row["text"] for row in rows]]))
"""


def test_a_run_reads_the_commit_that_it_was_planned_with(hub: Hub) -> None:
    files = {"README.md": card({"d": {"test": "t.parquet"}}, PLAIN)}
    first = hub.commit(REPO, {**files, "t.parquet": file(NUMBERED, TWO)})
    planned, texts = hub.told(PLANNED.format(repo=REPO, planned=None))
    assert planned == [
        f"test hub:{REPO}@{first}[en] {{'config': 'd', 'split': 'test', 'columns': {{'text': 'text', 'label': 'n'}}}}"
    ]
    hub.commit(REPO, {**files, "t.parquet": file([{"n": 1, "text": "newer"}], TWO)})
    assert hub.told(PLANNED.format(repo=REPO, planned=None))[1] == ["newer"]
    hub.asked.clear()
    assert hub.told(PLANNED.format(repo=REPO, planned=planned))[1] == texts
    assert [path for path in hub.asked if REPO in path] == []
    shutil.rmtree(hub.home)
    assert hub.told(PLANNED.format(repo=REPO, planned=planned))[1] == texts


def test_rows_are_not_all_in_memory_at_once(hub: Hub) -> None:
    long = [{"n": i, "text": f"{i} " * 50} for i in range(30_000)]
    hub.commit(REPO, {"t.parquet": file(long, TWO), "README.md": card({"d": {"test": "t.parquet"}}, PLAIN)})
    code = f"""
import tracemalloc
from xharness.data.hub import hub_rows
next(hub_rows({REPO!r}, "d", "test", None))
tracemalloc.start()
assert sum(1 for _ in hub_rows({REPO!r}, "d", "test", None)) == 30_000
print(tracemalloc.get_traced_memory()[1])
"""
    assert hub.told(code) < 3_000_000
