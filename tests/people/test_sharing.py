"""A run as one file: what a colleague has of it, and what is never taken into a store."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from xharness.api.sharing import import_file
from xharness.errors import StoreError
from xharness.store.archive import FORMAT, INDEX
from xharness.store.care import check, contents, rubbish
from xharness.store.files import sealed_text
from xharness.store.steps import Store

from .conftest import Ran, command

LOOKED_AT = ("none->xquad[tiny-0]", "none->xnli[tiny-0]", "none->panx[tiny-0]", "none->tatoeba[tiny-0]")


@pytest.fixture(scope="module")
def file(ran: Ran, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, exported."""
    path = tmp_path_factory.mktemp("sent") / "run.tar.gz"
    command("store", "export", "each-micro", str(path), "--store", str(ran.store))
    return path


@pytest.fixture
def colleague(file: Path, tmp_path: Path) -> Path:
    """A store that the run was imported into."""
    command("store", "import", str(file), "--store", str(tmp_path / "theirs"))
    return tmp_path / "theirs"


def test_an_imported_run_shows_compares_and_looks_to_the_last_character(ran: Ran, colleague: Path) -> None:
    asked = [["show", "--format", "json"], ["show", "--by", "family", "--chance"], ["compare", "none", "mnli"]]
    asked += [["look", cell, "--limit", "3"] for cell in LOOKED_AT]
    for words in asked:
        ours, theirs = (command(*words, "--store", str(store)) for store in (ran.store, colleague))
        assert ours == theirs, words


def test_looking_needs_neither_the_data_nor_the_suite(file: Path, tmp_path: Path) -> None:
    code = (
        "import sys, xharness.look.predictions as p\n"
        "def gone(*a): raise SystemExit('the data were read')\n"
        "p.examples = gone\n"
        "from xharness.cli.app import main\n"
        "main()\n"
    )
    command("store", "import", str(file), "--store", str(tmp_path / "theirs"))
    words = ["look", LOOKED_AT[0], "--format", "json", "--store", str(tmp_path / "theirs")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"question"' in done.stdout
    assert "the data were read" not in done.stderr


def test_without_texts_there_are_none_in_the_file(ran: Ran, tmp_path: Path) -> None:
    path = tmp_path / "bare.tar.gz"
    command("store", "export", "each-micro", str(path), "--store", str(ran.store), "--no-texts")
    with tarfile.open(path) as held:
        assert not [name for name in held.getnames() if "examples" in name]


def test_models_stay_at_home_and_cells_are_reused(ran: Ran, colleague: Path) -> None:
    tuned = [step for step in contents(Store(colleague)) if step.kind == "tune"]
    assert tuned
    assert all(step.dropped for step in tuned)
    said = command("run", str(ran.suite), "-p", "micro", "--store", str(colleague), "-n", "1", code=1)
    assert "(0 steps made" in said


def test_nothing_of_an_imported_run_is_rubbish_or_damaged(colleague: Path) -> None:
    store = Store(colleague)
    assert not rubbish(store).steps
    assert all(damage is None for _, damage in check(store))


def test_the_same_run_is_the_same_bytes_also_when_it_is_sent_on(ran: Ran, file: Path, colleague: Path) -> None:
    for name, store in (("again", ran.store), ("onward", colleague)):
        path = file.with_name(f"{name}.tar.gz")
        command("store", "export", "each-micro", str(path), "--store", str(store))
        assert path.read_bytes() == file.read_bytes(), name


def test_importing_twice_changes_nothing(file: Path, colleague: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (colleague / "steps").rglob("*")}
    assert "was there already: 0 steps new" in command("store", "import", str(file), "--store", str(colleague))
    assert {p: p.stat().st_mtime_ns for p in (colleague / "steps").rglob("*")} == before


def test_other_scores_under_the_same_key_are_refused_and_ours_stay(file: Path, colleague: Path) -> None:
    store = Store(colleague)
    step = next(s for s in contents(store) if s.kind == "evaluate")
    with store.temporary() as folder:
        (folder / "scores.json").write_text("{}")
        held = store.manifest(step.key) or {}
        store.commit(step.key, folder, {k: v for k, v in held.items() if k not in ("key", "files", "stored")})
    before = sorted((colleague / "runs").iterdir())
    said = command("store", "import", str(file), "--store", str(colleague), code=1)
    assert "1 of its steps have other scores here under the same key" in said
    assert step.key in said
    assert (store.path(step.key) / "scores.json").read_text() == "{}"
    assert sorted((colleague / "runs").iterdir()) == before


def test_nothing_of_the_makers_disk_leaves_with_a_run(ran: Ran, file: Path) -> None:
    with tarfile.open(file) as held:
        facts = held.extractfile("run/run.json").read().decode()  # type: ignore[union-attr]
    assert str(ran.suite.parent) not in facts
    assert sys.executable not in facts
    assert str(Path.home()) not in facts


@pytest.mark.parametrize("moment", [1, 7])
def test_an_import_that_is_killed_leaves_whole_steps_and_is_completed(file: Path, tmp_path: Path, moment: int) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom xharness.store.steps import Store\n"
        "from xharness.api.sharing import import_file\n"
        "place, left = Store.place, [int(sys.argv[3])]\n"
        "def dying(*a):\n"
        "    left[0] -= 1\n"
        "    os.kill(os.getpid(), 9) if not left[0] else place(*a)\n"
        "Store.place = dying\nimport_file(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    arguments = [sys.executable, "-c", code, str(file), str(tmp_path / "s"), str(moment)]
    assert subprocess.run(arguments, check=False).returncode == -9
    store = Store(tmp_path / "s")
    assert len(contents(store)) == moment - 1
    assert all(damage is None for _, damage in check(store))
    assert not list(store.root.glob("runs/*/records.jsonl"))
    import_file(file, store.root)
    assert len(list(store.root.glob("runs/*/records.jsonl"))) == 1
    assert not list((store.root / "tmp").iterdir())


def test_stores_merge_models_included(ran: Ran, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    assert "taken" in command("store", "merge", str(ran.store), "--store", str(mine))
    tuned = [step for step in contents(Store(mine)) if step.kind == "tune"]
    assert tuned
    assert not any(step.dropped for step in tuned)
    shown = [command("show", "--format", "json", "--store", str(store)) for store in (ran.store, mine)]
    assert shown[0] == shown[1]
    assert "same store" in command("store", "merge", str(mine), "--store", str(mine), code=4)


Member = tuple[str, bytes, bytes]


def archive(*members: Member, index: str | None = None, behind: bytes = b"") -> bytes:
    """An archive by hand: (name, content, type) each, announced truly unless an index is given."""
    files: dict[str, Any] = {n: {"size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c, _ in members}
    said = index or sealed_text({"format": FORMAT, "run": "x", "texts": {}, "plugins": [], "files": files})
    out = BytesIO()
    for name, content, kind in ((INDEX, said.encode(), tarfile.REGTYPE), *members):
        header = tarfile.TarInfo(name)
        header.size, header.type = len(content), kind
        header.linkname = "/etc/passwd" if kind in (tarfile.LNKTYPE, tarfile.SYMTYPE) else ""
        out.write(header.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (-len(content) % 512))
    return gzip.compress(out.getvalue() + b"\0" * 1024 + behind)


PLAIN = tarfile.REGTYPE
HUGE = sealed_text({"format": 1, "run": "x", "files": {"run/run.json": {"size": 1 << 60, "sha256": "0" * 64}}})
HOSTILE = {
    "a path that leads out": (archive(("../evil", b"x", PLAIN)), "names files that it cannot have"),
    "an absolute path": (archive(("/evil", b"x", PLAIN)), "names files that it cannot have"),
    "a symbolic link": (archive(("run/run.json", b"", tarfile.SYMTYPE)), "is no plain file"),
    "a hard link": (archive(("run/run.json", b"", tarfile.LNKTYPE)), "is no plain file"),
    "a device": (archive(("run/run.json", b"", tarfile.CHRTYPE)), "is no plain file"),
    "a member twice": (archive(("run/a", b"x", PLAIN), ("run/a", b"x", PLAIN)), "twice"),
    "a huge claim": (archive(index=HUGE), "more than there is room for"),
    "a newer format": (archive(index=sealed_text({"format": FORMAT + 1})), "Install a newer xharness"),
    "another type": (archive(index="[1]"), "has an index that was changed"),
    "deep nesting": (archive(index="[" * 200_000), "has an index that was changed"),
    "no gzip": (b"hello", "no archive that"),
    "nothing": (b"", "cut short"),
    "no run": (archive(("run/other", b"x", PLAIN)), "cannot be shown"),
    "more behind the end": (archive(("run/a", b"x", PLAIN), behind=b"more"), "goes on behind its end"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_no_export_wrote_is_refused_whole(what: str, tmp_path: Path) -> None:
    content, why = HOSTILE[what]
    (tmp_path / "sent.gz").write_bytes(content)
    with pytest.raises(StoreError, match=why):
        import_file(tmp_path / "sent.gz", tmp_path / "s")
    assert [list((tmp_path / "s" / name).iterdir()) for name in ("steps", "runs", "tmp")] == [[], [], []]
    assert {p.name for p in tmp_path.iterdir()} == {"sent.gz", "s"}


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.99])
def test_a_file_with_a_flipped_bit_or_cut_short_is_refused_whole(file: Path, tmp_path: Path, part: float) -> None:
    content = bytearray(file.read_bytes())
    place = int(len(content) * part)
    cut = bytes(content[:place])
    content[place] ^= 1
    for damaged in (bytes(content), cut):
        (tmp_path / "sent.gz").write_bytes(damaged)
        with pytest.raises(StoreError):
            import_file(tmp_path / "sent.gz", tmp_path / "s")
        assert not list((tmp_path / "s" / "steps").iterdir())
        assert not list((tmp_path / "s" / "runs").iterdir())


def repacked(file: Path, change: dict[str, bytes]) -> bytes:
    """The exported file with other members, announced as they are now."""
    with tarfile.open(file) as held:
        index = json.loads(held.extractfile(INDEX).read())  # type: ignore[union-attr]
        members = [(m.name, change.get(m.name, held.extractfile(m).read()), PLAIN) for m in held if m.name != INDEX]  # type: ignore[union-attr]
    facts = {n: {"size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c, _ in members}
    return archive(*members, index=sealed_text({**index, "files": facts}))


def test_a_step_whose_key_is_not_of_its_ingredients_is_refused(file: Path, tmp_path: Path) -> None:
    with tarfile.open(file) as held:
        name = next(n for n in held.getnames() if n.startswith("steps/evaluate") and n.endswith("manifest.json"))
        manifest = json.loads(held.extractfile(name).read())  # type: ignore[union-attr]
    manifest["ingredients"]["precision"] = "another"
    (tmp_path / "sent.gz").write_bytes(repacked(file, {name: sealed_text(manifest).encode()}))
    with pytest.raises(StoreError, match="not that of its ingredients"):
        import_file(tmp_path / "sent.gz", tmp_path / "s")
    assert not list((tmp_path / "s" / "steps").iterdir())
