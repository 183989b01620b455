"""Whatever is wrong with the remote store: the run goes on with the local one, says so in a sentence, loses nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from manners.conftest import House
from xharness.errors import StoreError
from xharness.remote import watch
from xharness.remote.line import Line as Asked
from xharness.remote.place import Bucket, Folder, place_at
from xharness.remote.steps import Mend, Put, fetch, put
from xharness.remote.trouble import RemoteError
from xharness.store.parts import Taken
from xharness.store.steps import MANIFEST, Store

from .conftest import Lab, counts, scores, step_of
from .s3 import S3, Line, environment, line_to


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds without anything are enough to take a line for dead."""
    from fsspec.config import conf

    monkeypatch.setattr(watch, "PATIENCE", 2.0)
    monkeypatch.setitem(conf, "s3", {"config_kwargs": {"connect_timeout": 1, "read_timeout": 1}})


@pytest.fixture
def line(s3: S3) -> Iterator[Line]:
    """A line to the bucket."""
    with line_to(s3.endpoint) as made:
        yield made


def on_its_own(house: House, *words: str, **env: str) -> str:
    """A run whose remote store is of no use: all is made, and one warning says why; the warning."""
    ended = house.run(*words, "*->plants", **env)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    made, _, fetched = counts(house)
    assert made > 0
    assert fetched == 0
    assert Store(house.store).keys()
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("warning: ")
    assert "The run goes on with the local store alone." in ended.stderr
    return ended.stderr


def test_a_bucket_that_is_not_there(lab: Lab, s3: S3) -> None:
    said = on_its_own(lab("one"), "--remote", "s3://nowhere/cache", **s3.env)
    assert "s3://nowhere/cache: there is no such bucket (NoSuchBucket)." in said


def test_a_bucket_that_refuses(lab: Lab, s3: S3) -> None:
    s3.require_keys()
    said = on_its_own(lab("one"), "--remote", s3.url, **s3.env)
    assert "s3://labs/cache: refuses access (InvalidAccessKeyId)." in said


def test_a_bucket_that_may_be_read_but_not_written(lab: Lab, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_writing(monkeypatch)
    said = on_its_own(lab("one"), "--remote", s3.url, **s3.env)
    assert "refuses access (permission denied)" in said


def refuse_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has policies only where it knows its users, so the client refuses in its place."""
    import s3fs

    async def refuse(*given: object, **more: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", refuse)


def test_no_server_at_all(lab: Lab, s3: S3, impatient: None) -> None:
    said = on_its_own(lab("one"), "--remote", s3.url, **{**s3.env, **environment("http://127.0.0.1:9")})
    assert "s3://labs/cache: does not answer, or too slowly." in said


def test_a_line_that_says_nothing_is_given_up(lab: Lab, line: Line, s3: S3, impatient: None) -> None:
    line.dead = True
    began = time.monotonic()
    said = on_its_own(lab("one"), "--remote", s3.url, **environment(line.endpoint))
    assert "does not answer, or too slowly." in said
    assert time.monotonic() - began < 60


def test_without_the_package_it_says_what_to_install(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import _registry

    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    said = on_its_own(lab("one"), "--remote", "s3://labs/cache")
    assert "pip install 'xharness-stilts[s3]'" in said


def test_a_shared_disk_that_is_not_mounted(lab: Lab, tmp_path: Path) -> None:
    said = on_its_own(lab("one"), "--remote", f"file://{tmp_path}/mnt/disk/cache")
    assert f"file://{tmp_path}/mnt/disk/cache: there is no folder {tmp_path}/mnt/disk." in said
    assert not (tmp_path / "mnt").exists()


def test_a_url_that_is_none_is_a_usage_error_before_anything_is_run(lab: Lab) -> None:
    one = lab("one")
    for url, words in (
        ("cache", "is not the URL of a store"),
        ("s3:///", "is not the URL of a store"),
        ("nosuch://labs/cache", "fsspec knows no 'nosuch://'"),
        ("file://cache/here", "needs a whole path"),
    ):
        ended = one.run("--remote", url)
        assert ended.returncode == 4, ended.stderr
        assert words in ended.stderr
        assert not list((one.store / "runs").glob("*"))


def test_a_full_disk_there_ends_the_uploads_not_the_run(lab: Lab, far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(self: Folder, *given: object) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Folder, "_put", full)
    said = on_its_own(lab("one"), "--remote", f"file://{far}")
    assert f"file://{far}: the disk is full there." in said


def test_a_full_disk_here_takes_nothing_by_halves(tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    store, key = step_of(tmp_path / "one", b"x" * 5000)
    put(place_at(s3.url), store, key)
    other = Store(tmp_path / "two").prepare()

    class Usage:
        free = 4096

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    with pytest.raises(StoreError, match="the disk is full"):
        fetch(place_at(s3.url), other, key)
    assert not other.keys()
    assert not list((other.root / "tmp").iterdir())


def damaged(content: bytes, how: str) -> bytes:
    """A file as it must not be."""
    return {"truncated": content[:-3], "changed": b"#" + content[1:], "longer": content + b"more", "empty": b""}[how]


@pytest.mark.parametrize("how", ["truncated", "changed", "longer", "empty", "absent"])
def test_a_file_that_is_not_as_it_was_stored_is_not_taken_and_can_be_mended(tmp_path: Path, s3: S3, how: str) -> None:
    place = place_at(s3.url)
    store, key = step_of(tmp_path / "one", b'{"score": 45.0}')
    put(place, store, key)
    (name,) = [name for name in s3.names() if name.endswith("scores.json")]
    if how == "absent":
        s3.client.delete_object(Bucket="labs", Key=name)
    else:
        s3.put(name, damaged(s3.body(name), how))
    other = Store(tmp_path / "two").prepare()
    with pytest.raises(StoreError, match=r"did not arrive as it was stored|is not there, though its step is"):
        fetch(place, other, key)
    assert not other.keys()
    assert put(place, store, key) is Put.THERE
    assert put(place, store, key, mend=Mend.OWN) is Put.NEW
    assert fetch(place, other, key) is Taken.NEW


@pytest.mark.parametrize("how", ["truncated", "changed", "empty"])
def test_a_torn_manifest_is_not_believed_and_gives_way_to_the_next(tmp_path: Path, s3: S3, how: str) -> None:
    place = place_at(s3.url)
    store, key = step_of(tmp_path / "one", b'{"score": 45.0}')
    put(place, store, key)
    name = f"cache/steps/{key}/{MANIFEST}"
    s3.put(name, damaged(s3.body(name), how))
    other = Store(tmp_path / "two").prepare()
    with pytest.raises(StoreError, match="is torn or was changed"):
        fetch(place, other, key)
    assert put(place, store, key) is Put.NEW
    assert fetch(place, other, key) is Taken.NEW


@pytest.mark.parametrize("which", ["scores.json", MANIFEST])
def test_a_run_makes_a_damaged_step_itself_and_puts_it_right_for_the_next(lab: Lab, s3: S3, which: str) -> None:
    one, other, third = lab("one"), lab("other"), lab("third")
    one.run("--remote", s3.url, "none->plants", **s3.env)
    (name,) = [name for name in s3.names() if "/evaluate-" in name and name.endswith(which)]
    s3.put(name, damaged(s3.body(name), "changed"))
    ended = other.run("--remote", s3.url, "none->plants", **s3.env)
    assert ended.returncode == 0, ended.stderr
    (said,) = ended.stderr.splitlines()
    assert said.startswith("warning: not taken from s3://labs/cache: ")
    assert said.endswith("The step is made here.")
    assert scores(other) == scores(one)
    assert third.run("--remote", s3.url, "none->plants", **s3.env).stderr == ""
    assert counts(third) == (0, 1, 1)


def test_a_manifest_that_leads_out_of_its_folder_is_not_followed(tmp_path: Path, s3: S3) -> None:
    from xharness.store.files import sealed_text

    store, key = step_of(tmp_path / "one", b"{}")
    fact = {"size": 1, "sha256": "0" * 64}
    evil = {**(store.manifest(key) or {}), "files": {"../../../evil": fact}}
    s3.put(f"cache/steps/{key}/{MANIFEST}", sealed_text(evil).encode())
    other = Store(tmp_path / "two").prepare()
    with pytest.raises(StoreError, match="names files that a step cannot have"):
        fetch(place_at(s3.url), other, key)
    assert not list(tmp_path.glob("**/evil"))


def test_an_upload_that_is_cut_leaves_nothing_and_is_done_anew(tmp_path: Path, s3: S3, line: Line) -> None:
    store, key = step_of(tmp_path / "one", b"{}", **{"weights.bin": bytes(range(256)) * 4096})
    place = _through(line, s3)
    line.cut_after = 300_000
    with pytest.raises(RemoteError):
        put(place, store, key)
    assert not [name for name in s3.names() if name.endswith((MANIFEST, "weights.bin"))]
    assert fetch(place_at(s3.url), Store(tmp_path / "two").prepare(), key) is None
    line.cut_after = float("inf")
    assert put(place, store, key) is Put.NEW
    assert fetch(place_at(s3.url), Store(tmp_path / "two").prepare(), key) is Taken.NEW


def _through(line: Line, s3: S3) -> Bucket:
    """The bucket over another line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", line.endpoint)
        place = place_at(s3.url)
        assert isinstance(place, Bucket)
        place.fs.connect()
    return place


def test_a_slow_line_is_waited_for_while_something_moves(
    tmp_path: Path, s3: S3, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 4096  # 1 MiB at 100 KiB a second: ten seconds, patience for four.
    store, key = step_of(tmp_path / "one", b"{}", **{"weights.bin": content})
    place = _through(line, s3)
    assert put(place, store, key) is Put.NEW
    monkeypatch.setattr(watch, "PATIENCE", 4.0)
    line.bytes_a_second = 100 << 10
    other, began = Store(tmp_path / "two").prepare(), time.monotonic()
    assert fetch(place, other, key) is Taken.NEW
    assert time.monotonic() - began > 2 * watch.PATIENCE
    assert other.has(key, small_only=False)


def test_three_failures_one_after_the_other_end_the_asking() -> None:
    asked = Asked("memory://labs/cache")
    calls = []

    def fails(place: object) -> None:
        calls.append(1)
        raise RemoteError("no answer.")

    def works(place: object) -> bool:
        return True

    for work in (fails, fails, works, fails, fails):
        asked.ask(work)
    assert not asked.closed
    assert asked.warnings() == []
    for _ in range(4):
        asked.ask(fails)
    assert asked.closed
    assert len(calls) == 5
    assert asked.warnings() == ["no answer. The run goes on with the local store alone."]
    assert asked.warnings() == []
