"""Whatever the bytes, only clean errors. A few seconds by default; XHARNESS_FUZZ_SECONDS=60 searches that long each."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import re
import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import tomli
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from xharness.collect.cells import collect
from xharness.collect.expression import compile_expression
from xharness.collect.fit import check_fit
from xharness.collect.patterns import check_patterns
from xharness.collect.selection import Selection, select
from xharness.data.readers import READERS, read
from xharness.errors import HarnessError
from xharness.session.soundness import check_suite
from xharness.spec.load import load_suite, load_task, read_suite, shipped_suites
from xharness.spec.parse import read_document
from xharness.spec.positions import Positions
from xharness.spec.task import Format, Source

SECONDS = float(os.environ.get("XHARNESS_FUZZ_SECONDS", "0"))
BRIEFLY = settings(
    max_examples=500 if SECONDS else 60,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SHIPPED = sorted(shipped_suites().glob("*.toml")) + sorted(shipped_suites().glob("studies/*.toml"))
TASKS = sorted(shipped_suites().glob("tasks/*.toml"))
SMALL = """title = "small"
default_profile = "micro"
[[checkpoint]]
name = "tiny"
builtin = "tiny"
retrieval = { layer = -1, pooling = "mean" }
[grid]
intermediates = ["none", "mnli", "both"]
targets = ["xnli", "tatoeba"]
seeds = [0, 1]
exclude = ["mnli->tatoeba"]
[mixture.both]
tasks = ["mnli", "qqp"]
recipe = { epochs = 1.5 }
[[mark]]
cells = "both->*"
skipif = "missing(${NO}) and not profile(micro)"
[recipe.xnli]
epochs = 2
[profile.micro]
recipe.learning_rate = 1e-3
[profile.micro.task.mnli]
batch_size = 8
[[expect]]
cells = "*->xnli"
at_least = 20
"""


def lasting(search: Callable[[], None]) -> None:
    """Search once, or again and again for as long as was asked."""
    end = time.monotonic() + SECONDS
    search()
    while time.monotonic() < end:
        search()


values = st.recursive(
    st.one_of(
        st.integers(),
        st.floats(),
        st.booleans(),
        st.text(max_size=8),
        st.sampled_from(["none", "xnli", "mnli", "tiny", "micro", "*", "*->xnli", "best", "\0", "~", "$X", "..", "/"]),
        st.dates(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = sorted({w for w in "".join(c if c.isalnum() or c == "_" else " " for c in SMALL).split() if w.isidentifier()})
keys = st.sampled_from(
    [*KEYS, "extends", "tasks", "plugins", "baselines", "scheme", "columns", "data", "test", "limit"]
)


def written(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value) + '"'
    return str(value)


lines = st.one_of(
    st.builds(lambda k, v: f"{k} = {written(v)}", keys, values),
    st.builds(lambda a, b: f"[{a}.{b}]", keys, keys),
    st.builds(lambda a: f"[[{a}]]", keys),
    st.builds(lambda a: f"[{a}]", keys),
    st.text(max_size=20),
)


@st.composite
def mutated(draw: st.DrawFn, texts: list[str]) -> str:
    """A suite with a few lines deleted, doubled, moved, cut, or with other values or random characters."""
    given_lines = draw(st.sampled_from(texts)).split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(given_lines) - 1))
        line = given_lines[at]
        match draw(st.integers(0, 6)):
            case 0:
                del given_lines[at]
            case 1:
                given_lines.insert(at, line)
            case 2:
                other = draw(st.integers(0, len(given_lines) - 1))
                given_lines[at], given_lines[other] = given_lines[other], line
            case 3:
                given_lines[at] = line[: draw(st.integers(0, len(line)))]
            case 4 if "=" in line:
                given_lines[at] = f"{line.split('=')[0]}= {written(draw(values))}"
            case 5:
                cut = draw(st.integers(0, len(line)))
                given_lines[at] = line[:cut] + draw(st.text(max_size=4)) + line[cut:]
            case _:
                given_lines.insert(at, draw(lines))
        given_lines = given_lines or [""]
    return "\n".join(given_lines)


def cleanly(call: Callable[[], object], file: Path, text: str) -> None:
    """Call it; only a HarnessError may come, of one-line problems whose line numbers lie within the file."""
    try:
        call()
    except HarnessError as error:
        told = error.problems
    else:
        return
    assert told
    # A bare carriage return ends a line of a table, too.
    last = len(re.split("\r\n|\r|\n", text))
    for problem in told:
        assert str(problem).strip()
        named, _, line = problem.where.rpartition(":")
        if Path(named).name == file.name and line.isdigit():
            assert 1 <= int(line) <= last, problem


def whole(file: Path) -> None:
    """All that `xharness plan` does before it touches data; `check` tells at least as much."""
    read = read_suite(str(file))
    assert {*read.problems} <= {*check_suite(read, touch=False).usage}
    loaded = load_suite(str(file))
    check_patterns(loaded)
    check_fit(loaded)
    select(collect(loaded), Selection(), loaded)


def put(file: Path, text: str) -> bool:
    """Write a text; False where it is none."""
    try:
        file.write_bytes(text.encode())
    except UnicodeEncodeError:
        return False
    return True


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def test_random_suites_end_in_clean_errors(place: Path) -> None:
    file = place / "random.toml"

    @BRIEFLY
    @given(st.lists(lines, max_size=12).map("\n".join))
    @example('title = "a"\nextends = "\\u0000"\n')
    @example('title = "a"\ntasks = ["\\u0000"]\n[grid]\ntargets = ["xnli"]\n')
    @example("checkpoint = [3]\n")
    def search(text: str) -> None:
        if put(file, text):
            cleanly(lambda: whole(file), file, text)

    lasting(search)


def test_mutated_suites_end_in_clean_errors(place: Path) -> None:
    file = place / "mutated.toml"
    extended = f'extends = "{shipped_suites() / "xtreme.toml"}"\n' + SMALL

    @BRIEFLY
    @given(mutated([SMALL, extended, *(p.read_text(encoding="utf-8") for p in SHIPPED)]))
    def search(text: str) -> None:
        if put(file, text):
            cleanly(lambda: whole(file), file, text)

    lasting(search)


def test_mutated_task_files_end_in_clean_errors(place: Path) -> None:
    file = place / "mutated_task.toml"

    @BRIEFLY
    @given(mutated([p.read_text(encoding="utf-8") for p in TASKS]), st.sampled_from(["micro", "sample", "paper"]))
    def search(text: str, profile: str) -> None:
        if put(file, text):
            cleanly(lambda: load_task(read_document(file), profile), file, text)

    lasting(search)


ROWS = b'id\ttext\tlabel\n1\ta\tno\n{"text": "a", "data": []}\n[{"paragraphs": [{"context": "", "qas": [{}]}]}]\n"\n,'
pieces = st.sampled_from([ROWS[i : i + n] for n in (1, 2, 5, 20, 60) for i in range(0, len(ROWS) - n, n)])
some_bytes = st.one_of(st.binary(max_size=200), st.lists(pieces | st.binary(max_size=3), max_size=20).map(b"".join))


@pytest.mark.parametrize("form", get_args(Format))
def test_readers_end_in_clean_errors(form: Format, place: Path) -> None:
    file = place / f"rows.{form}"
    wanted = st.lists(st.sampled_from(["text", "0", "-1", "9", "tags", "a.b"]), max_size=3)
    encodings = st.sampled_from([None, None, "latin-1", "utf-16", "utf-16-le", "cp037", "shift_jis", "utf-7"])

    @BRIEFLY
    @given(some_bytes, wanted, encodings, st.sampled_from([None, True, False]), st.sampled_from([None, ";"]))
    @example(b'[{"data": "\\ud800"}]', [], None, None, None)
    @example(b"\xef\xbb\xbf", [], None, None, None)
    @example(b"\xff\xfe\x00", [], None, None, None)
    @example(b"PAR1\0\0\0\0PAR1", [], None, None, None)
    @example(b"\x1f\x8b\x08", [], None, None, None)
    @example(b"# global.columns =\n#\ta\n\t\n-DOCSTART-\n", [], None, None, None)
    def search(
        content: bytes, columns: list[str], encoding: str | None, header: bool | None, delimiter: str | None
    ) -> None:
        file.write_bytes(content)
        given = {"encoding": None if form == "parquet" else encoding}
        given |= {"header": header} if form in ("csv", "tsv", "columns") else {}
        given |= {"delimiter": delimiter} if form in ("csv", "tsv") else {}
        source = Source(file=str(file), format=form, **given)
        text = content.decode(encoding or "utf-8", errors="replace")
        cleanly(lambda: list(read(file, source, columns)), file, text)

    lasting(search)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_compressed_files_end_in_clean_errors(suffix: str, place: Path) -> None:
    file = place / f"rows.jsonl{suffix}"
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix](b'{"text": "a"}\n' * 50)

    @BRIEFLY
    @given(st.integers(0, len(pack)), st.integers(0, len(pack) - 1), st.integers(0, 255))
    def search(cut: int, at: int, byte: int) -> None:
        damaged = bytearray(pack)
        damaged[at] = byte
        for content in (pack[:cut], bytes(damaged)):
            file.write_bytes(content)
            # Damage may well unpack to more lines than were packed.
            cleanly(lambda: list(read(file, Source(file=str(file)))), file, "\n" * 10**6)

    lasting(search)


def test_every_format_is_searched() -> None:
    assert {*READERS} == set(get_args(Format))


def test_expressions_end_in_clean_errors() -> None:
    words = st.sampled_from(["and", "or", "not", "(", ")", "xnli", "none", " ", "\n", "->", "[", "not("])

    @BRIEFLY
    @given(st.lists(words | st.text(max_size=3), max_size=40).map(" ".join))
    @example("(" * 1900)
    @example("not " * 1900 + "a")
    @example("a or " * 900 + "a")
    def search(text: str) -> None:
        cleanly(lambda: compile_expression(text)(lambda word: word == "a"), Path("-k"), text)

    lasting(search)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    """Every path of a parsed file and what stands there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(found for key, v in inner for found in leaves(v, (*path, key)))]


def test_every_key_of_a_valid_file_has_its_own_place_within_it() -> None:

    @BRIEFLY
    @given(
        st.dictionaries(st.text(max_size=6), values, max_size=5),
        st.sampled_from(["\n", "\r\n", "\n\n# \u2028 [x]\n"]),
        st.integers(0, 2**32),
    )
    def search(table: dict[str, Any], gap: str, seed: int) -> None:
        chance = random.Random(seed)
        body = [f"{written(key)} = {written(value)}" for key, value in table.items()]
        name = "".join(chance.choices(string.ascii_letters, k=3))
        text = gap.join([f'"""{name}""" # not a key', *body]) if chance.random() < 0.1 else gap.join(body)
        places = Positions(text)
        count = len(text.split("\n"))
        try:
            parsed = tomli.loads(text)
        except tomli.TOMLDecodeError:
            parsed = {"absent": {"key": 1}}
        for path, value in leaves(parsed):
            assert 1 <= places.line(path, value) <= count
        if "absent" not in parsed:
            for number, key in enumerate(parsed):
                assert places.depth((key,)) == 1, (key, text)
                assert text.split("\n")[places.line((key,)) - 1].startswith(body[number].split("\n")[0].rstrip("\r"))

    lasting(search)


def test_every_key_of_a_shipped_file_is_found_on_the_line_that_has_it() -> None:
    for file in (*SHIPPED, *TASKS):
        text = file.read_text(encoding="utf-8")
        places = Positions(text)
        for path, _ in leaves(tomli.loads(text)):
            assert places.depth(path) == len(path), (file, path)
            if path and isinstance(path[-1], str):
                assert path[-1] in text.split("\n")[places.line(path) - 1], (file, path)
