"""The store: whole or not at all, found out when damaged, locked against the living but not by the dead."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from xharness.errors import StoreError
from xharness.store.steps import SMALL, Store

KEY = "tune-0123456789abcdef0123"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store").prepare()


def put(store: Store, key: str = KEY, size: int = 1000, **about: object) -> Path:
    with store.temporary() as out:
        (out / "encoder").mkdir()
        (out / "encoder" / "weights.bin").write_bytes(bytes(i % 251 for i in range(size)))
        (out / "lineage.json").write_text("{}")
        store.commit(key, out, {"kind": "tune", "label": "a tuning", **about})
    return store.path(key)


def in_another_process(store: Store, code: str) -> subprocess.Popen[str]:
    head = "import os, sys\nfrom pathlib import Path\nfrom xharness.store.steps import Store\n"
    head += f"store = Store(Path({str(store.root)!r}))\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_what_was_committed_is_there_with_its_checksums(store: Store) -> None:
    put(store, run="a run")
    assert store.has(KEY)
    assert store.keys() == [KEY]
    manifest = store.manifest(KEY)
    assert manifest is not None
    assert set(manifest["files"]) == {"encoder/weights.bin", "lineage.json"}
    assert manifest["run"] == "a run"
    assert store.open(KEY) == store.path(KEY)
    assert not list((store.root / "tmp").iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_commit_that_fails_leaves_nothing_and_says_why(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(StoreError, match=r"cannot store the output: (the disk is full|the file system is|permission)"):
        put(store)
    assert not store.has(KEY)
    assert store.keys() == []
    assert not list((store.root / "tmp").iterdir())


@pytest.mark.parametrize("moment", ["os.replace", "os.fsync"])
def test_a_process_killed_while_it_commits_leaves_nothing_but_what_a_sweep_takes(store: Store, moment: str) -> None:
    process = in_another_process(
        store,
        f"import signal\n{moment} = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"with store.temporary() as out:\n    (out / 'x').write_bytes(b'x')\n    store.commit({KEY!r}, out, {{}})\n",
    )
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not store.has(KEY)
    assert store.keys() == []
    assert len(store.leftovers()) == 1
    store.sweep()
    assert not list((store.root / "tmp").iterdir())


def test_a_sweep_leaves_what_a_living_process_is_writing(store: Store) -> None:
    with store.temporary() as out:
        (out / "half").write_text("written")
        store.sweep()
        assert (out / "half").read_text() == "written"


def test_committing_again_replaces_the_whole_output(store: Store) -> None:
    put(store, size=10)
    (store.path(KEY) / "left behind").write_text("by hand")
    put(store, size=20)
    assert store.has(KEY)
    assert not (store.path(KEY) / "left behind").exists()


@pytest.mark.parametrize("size", [1000, SMALL + 1000])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "gone", "empty"])
def test_damage_is_found_and_the_damaged_step_discarded(store: Store, damage: str, size: int) -> None:
    file = put(store, size=size) / "encoder" / "weights.bin"
    held = bytearray(file.read_bytes())
    if damage == "flipped":
        held[size // 2] ^= 1
        file.write_bytes(held)
    elif damage == "gone":
        file.unlink()
    else:
        file.write_bytes(held[: size - 1] if damage == "truncated" else b"")
    assert not store.has(KEY, small_only=False)
    with pytest.raises(StoreError) as told:
        store.open(KEY)
    assert told.value.problems[0].where == KEY
    assert "weights.bin" in str(told.value)
    assert not store.path(KEY).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "another"}', "\0"])
def test_a_step_with_a_broken_manifest_is_not_there(store: Store, text: str) -> None:
    (put(store) / "manifest.json").write_text(text)
    assert store.manifest(KEY) is None
    assert not store.has(KEY)
    with pytest.raises(StoreError):
        store.open(KEY)


def test_no_flipped_bit_of_a_manifest_goes_unnoticed(store: Store) -> None:
    file = put(store) / "manifest.json"
    whole, held = store.manifest(KEY), file.read_bytes()
    assert whole is not None
    for at in range(len(held)):
        file.write_bytes(held[:at] + bytes([held[at] ^ 1 << at % 7]) + held[at + 1 :])
        assert store.manifest(KEY) in (None, whole), f"byte {at}"
    file.write_bytes(held)
    assert store.manifest(KEY) == whole


def test_dropping_frees_large_files_and_remembers_how_the_step_was_made(store: Store) -> None:
    folder = put(store, size=5000)
    assert store.drop(KEY) >= 5000
    assert not store.has(KEY)
    assert not (folder / "encoder" / "weights.bin").exists()
    assert (folder / "lineage.json").is_file()
    manifest = store.manifest(KEY)
    assert manifest is not None
    assert manifest["label"] == "a tuning"
    assert store.faults(KEY, manifest) == []
    assert store.drop(KEY) == 0
    put(store)
    assert store.has(KEY)


def test_a_lock_is_held_against_another_process_and_freed_when_its_holder_is_killed(store: Store) -> None:
    code = f"with store.lock({KEY!r}):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    holder = in_another_process(store, code)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waited: list[bool] = []

    def waiting() -> None:
        waited.append(True)
        holder.send_signal(signal.SIGKILL)

    with store.lock(KEY, waiting):
        assert waited == [True]
    holder.communicate()


def test_locks_of_two_steps_do_not_hinder_each_other(store: Store) -> None:
    with store.lock("one"), store.lock("another", lambda: pytest.fail("waited")):
        pass


def test_a_read_only_store_is_told_as_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file stands in the way")
    with pytest.raises(StoreError, match="cannot make the store"):
        Store(tmp_path / "store").prepare()
