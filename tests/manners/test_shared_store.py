"""A store that several processes, machines or people use."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from xharness.errors import StoreError, UsageError
from xharness.store.steps import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store").prepare()


def put(store: Store, key: str) -> Path:
    """A stored step with a file that its writer made private."""
    with store.temporary() as out:
        (out / "part").mkdir()
        (out / "part" / "weights").write_bytes(b"x")
        (out / "part" / "weights").chmod(0o600)
        store.commit(key, out, {"kind": "tune"})
    return store.path(key)


def test_an_output_under_way_is_swept_when_its_process_has_died_and_not_before(store: Store) -> None:
    die = "import os, sys; from pathlib import Path; from xharness.store.steps import Store\n"
    die += "home = Store(Path(sys.argv[1])).temporary(); home.__enter__(); os._exit(0)"
    subprocess.run([sys.executable, "-c", die, str(store.root)], check=True)
    (dead,) = store.leftovers()
    with store.temporary() as out:
        # Told by the lock, not by the number of a process, which means nothing to another machine or container.
        assert store.leftovers() == [dead]
        store.sweep()
        assert out.is_dir()
        assert not dead.exists()
    assert not list((store.root / "tmp").iterdir())


def test_who_may_look_into_the_store_may_read_its_steps(store: Store) -> None:
    old = os.umask(0o022)
    os.umask(old)
    step = put(store, "tune-1")
    assert stat.S_IMODE(step.stat().st_mode) == 0o777 & ~old
    for path in step.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444 & ~old, path


@pytest.mark.parametrize("name", ["manifest.json", "weights"])
def test_what_may_not_be_read_is_told_and_not_taken_for_damaged(
    store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = put(store, "tune-1")
    opened, stated = Path.open, Path.stat

    def forbid(path: Path, real: object, *given: object, **named: object) -> object:
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *given, **named)  # type: ignore[operator]

    monkeypatch.setattr(Path, "open", lambda path, *given, **named: forbid(path, opened, *given, **named))
    monkeypatch.setattr(Path, "stat", lambda path, *given, **named: forbid(path, stated, *given, **named))
    for ask in (store.has, store.open):
        with pytest.raises(StoreError, match="cannot read: permission denied"):
            ask("tune-1")
    monkeypatch.undo()
    assert store.has("tune-1")
    assert step.is_dir()


def test_a_store_is_made_where_nothing_else_lies(tmp_path: Path, store: Store) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".gitignore").write_text("build\n")
    with pytest.raises(UsageError, match="is no store and has other files in it"):
        Store(tmp_path / "work").prepare()
    assert (tmp_path / "work" / ".gitignore").read_text() == "build\n"
    assert [p.name for p in (tmp_path / "work").iterdir()] == [".gitignore"]
    assert Store(store.root).prepare().root == store.root
