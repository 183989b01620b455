"""What goes wrong with one file or for one moment costs one step at most, and is said."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from xharness.errors import StoreError, UsageError
from xharness.remote import line as lines
from xharness.remote.line import Line
from xharness.remote.place import Bucket, Folder, place_at
from xharness.remote.steps import Put, fetch, put
from xharness.remote.trouble import RemoteError
from xharness.remote.uploading import Uploader
from xharness.store.parts import Taken
from xharness.store.steps import Store

from .conftest import Lab, counts, step_of
from .s3 import S3


class Moody:
    """Work that fails so many times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self, place: object) -> bool:
        self.failures -= 1
        if self.failures >= 0:
            raise RemoteError("no answer.")
        return True


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pause before the second time."""
    monkeypatch.setattr(lines, "PAUSE", 0.0)


def test_a_step_that_cannot_be_read_for_a_moment_is_asked_for_again(at_once: None) -> None:
    asked = Line("memory://labs/cache")
    assert asked.read(Moody(1), "tune-1") is True
    assert asked.warnings() == []


def test_a_step_that_cannot_be_read_twice_is_told_and_after_some_of_them_no_more(at_once: None) -> None:
    asked = Line("memory://labs/cache")
    for number in range(6):
        assert asked.read(Moody(2), f"tune-{number}") is None
        assert asked.read(Moody(0), "evaluate-1") is True
    said = asked.warnings()
    assert said[0] == "not taken from memory://labs/cache: tune-0: no answer. The step is made here."
    assert len(said) == lines.SAID + 1
    assert said[-1] == "not taken from memory://labs/cache: more steps, which are made here."
    assert not asked.closed
    # It may be there, and whole: nothing of it is to be mended.
    assert not asked.unsound


def test_where_nothing_answers_that_alone_is_said(at_once: None) -> None:
    asked = Line("memory://labs/cache")
    for number in range(3):
        asked.read(Moody(2), f"tune-{number}")
    assert asked.warnings(over=True) == ["no answer. The run goes on with the local store alone."]


def test_what_the_last_call_could_not_read_is_told_at_the_end(at_once: None) -> None:
    asked = Line("memory://labs/cache")
    asked.read(Moody(2), "tune-1")
    assert asked.warnings() == []
    assert len(asked.warnings(over=True)) == 1


def test_a_run_tells_which_step_it_makes_for_want_of_an_answer(
    lab: Lab, far: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "none->plants")
    read = Folder.read

    def silent(self: Folder, name: str) -> bytes | None:
        if "/evaluate-" in name and threading.current_thread().name == "remote":
            raise RemoteError("file: does not answer, or too slowly.")
        return read(self, name)

    monkeypatch.setattr(Folder, "read", silent)
    ended = other.run("--remote", f"file://{far}", "none->plants")
    assert ended.returncode == 0
    (said,) = ended.stderr.splitlines()
    assert said.startswith(f"warning: not taken from file://{far}: evaluate-")
    assert said.endswith("does not answer, or too slowly. The step is made here.")
    assert counts(other)[0] == 2


def uploader_of(url: str, store: Store, *keys: str) -> Uploader:
    """What hands these steps on."""
    made = Uploader(Line(url), store, lambda key: [key], lambda key: True)
    for key in keys:
        made({"event": "done", "key": key})
    return made


def ends(uploader: Uploader) -> bool:
    """Whether the wait for it ends."""
    waiting = threading.Thread(target=uploader.finish, daemon=True)
    waiting.start()
    waiting.join(20)
    return not waiting.is_alive()


@pytest.mark.parametrize("url", ["memory://labs/vanishing", "file://{far}"])
def test_a_step_that_vanishes_while_it_goes_is_left_and_the_next_goes(
    tmp_path: Path, far: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, key = step_of(tmp_path / "one", b"{}")
    other = step_of(tmp_path / "two", b"{}")[1]
    assert other == key
    had = Store.has

    def vanishing(self: Store, key: str, small_only: bool = True) -> bool:
        there = had(self, key, small_only)
        shutil.rmtree(self.path(key), ignore_errors=True)
        return there

    monkeypatch.setattr(Store, "has", vanishing)
    uploader = uploader_of(url.format(far=far), store, key)
    assert ends(uploader)
    assert (uploader.left, uploader.count, uploader.open) == (1, 0, 0)
    assert not uploader.line.closed


def test_whatever_goes_wrong_in_the_uploads_the_wait_for_them_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xharness.remote import uploading

    def fails(*given: Any) -> Put:
        raise KeyError("nobody thought of it")

    monkeypatch.setattr(uploading, "put", fails)
    store, key = step_of(tmp_path / "one", b"{}")
    uploader = uploader_of("memory://labs/failing", store, key, f"{key[:-1]}0", f"{key[:-1]}1")
    assert ends(uploader)
    assert (uploader.left, uploader.open) == (3, 0)


def test_an_upload_that_fails_is_not_told_as_a_step_that_is_made_here(tmp_path: Path, far: Path) -> None:
    store, key = step_of(tmp_path / "one", b"{}")
    uploader = uploader_of(f"file://{far}", store, "evaluate-00000000000000000000", key)
    assert ends(uploader)
    assert (uploader.left, uploader.count) == (1, 1)
    assert uploader.line.warnings() == []


def test_a_file_that_somebody_keeps_to_himself_costs_one_step(
    tmp_path: Path, far: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may be run by somebody who may read everything, so the system's answer is a stand-in."""
    store, key = step_of(tmp_path / "one", b"{}")
    place = place_at(f"file://{far}")
    put(place, store, key)
    kept, opened = far / "steps" / key / "manifest.json", Path.open

    def refuse(self: Path, *given: Any, **more: Any) -> Any:
        if self == kept:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *given, **more)

    monkeypatch.setattr(Path, "open", refuse)
    asked = Line(place.url)
    third = Store(tmp_path / "two").prepare()
    assert asked.read(lambda p: fetch(p, third, key), key) is None
    (said,) = asked.warnings()
    assert f"steps/{key}/manifest.json: may not be read by you. Have its owner let you." in said
    assert "credentials" not in said
    assert not asked.closed
    kept = next(far.rglob("scores.json"))
    with pytest.raises(StoreError, match="may not be read by you"):
        fetch(place, third, key)
    assert not third.keys()


def test_a_folder_that_may_not_be_used_at_all_is_given_up(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *given: Any, **more: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    asked = Line(f"file://{far}")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr("os.access", lambda *given: False)
    assert asked.read(lambda place: place.read("steps/x"), "x") is None
    assert asked.closed
    (said,) = asked.warnings()
    assert said.startswith(f"file://{far}: may not be read or written by you.")


def test_a_double_slash_in_a_url_is_one(tmp_path: Path, s3: S3) -> None:
    store, key = step_of(tmp_path / "one", b"{}")
    place = place_at("s3://labs//our@lab//cache/")
    assert isinstance(place, Bucket)
    assert put(place, store, key) is Put.NEW
    assert {item.name.split("/")[1] for item in place.items("steps")} == {key}
    assert all(name.startswith("our@lab/cache/steps/") for name in s3.names())
    assert fetch(place_at("s3://labs/our@lab/cache"), Store(tmp_path / "two").prepare(), key) is Taken.NEW


@pytest.mark.parametrize("url", ["filecache::s3://labs/cache", "zip://a.zip::s3://labs/cache"])
def test_a_chain_of_urls_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is a chain of URLs"):
        place_at(url)


def test_the_name_of_a_folder_may_have_any_character(tmp_path: Path, lab: Lab) -> None:
    one = lab("one")
    folder = tmp_path / "a#b?q;c::d"
    ended = one.run("--remote", f"file://{folder}", "none->plants")
    assert f"to file://{folder}" in ended.stdout
    assert (folder / "steps").is_dir()
    assert one.last()["remote"]["at"] == f"file://{folder}"
