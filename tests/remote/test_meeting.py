"""Two labs meet in a remote store: what one made the other fetches, each step whole and right or not at all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import xharness
from xharness.remote.place import place_at
from xharness.remote.steps import Put, fetch, put
from xharness.session.status import progress_of
from xharness.store.files import read_json, seal, write_json
from xharness.store.parts import Taken
from xharness.store.runs import going
from xharness.store.steps import MANIFEST, Store

from .conftest import Lab, board, counts, forget, kinds, scores, step_of


def test_what_one_lab_made_another_fetches_and_has_the_same_board(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    first = one.run("--remote", f"file://{far}")
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"uploaded {counts(one)[0]} steps" in first.stdout
    second = other.run("--remote", f"file://{far}")
    assert second.returncode == 0, second.stdout + second.stderr
    assert counts(other) == (0, 6, 6)
    assert "6 reused, 6 of them fetched" in second.stdout
    assert board(second.stdout) == board(first.stdout)
    assert scores(other) == scores(one)
    # The ends alone came with their files; of the rest what is said of it, which `best per target` chooses by.
    assert kinds(other) == {"evaluate": 4, "mine": 2}
    assert other("why", "small.toml", "colours->plants").returncode == 0


def test_nothing_is_asked_of_it_for_what_is_stored(lab: Lab, far: Path) -> None:
    one = lab("one")
    one.run("--remote", f"file://{far}")
    again = one.run("--remote", "file:///no/such/disk/at/all")
    assert again.returncode == 0
    assert not again.stderr
    assert counts(one) == (0, 6, 0)


def test_of_what_lies_under_a_step_that_must_be_made_the_nearest_comes(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "*->plants", "*->animals")
    other.run("--remote", f"file://{far}", "colours->pairs")
    made, reused, fetched = counts(other)
    # The intermediate stays by --keep, and so is there; its own data are not asked for.
    assert (made, reused, fetched) == (3, 1, 1)
    assert kinds(other) == {"tune": 1, "encode": 1, "embed": 1, "mine": 1}


def test_a_model_that_does_not_stay_is_trained_again_from_what_is_there(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "colours->plants")
    for evaluated in (far / "steps").glob("evaluate-*"):
        (evaluated / MANIFEST).unlink()
    ended = other.run("--remote", f"file://{far}", "colours->plants")
    assert ended.returncode == 0
    assert counts(other) == (2, 4, 4)
    # The target's encoded data and the intermediate came, not what that was trained on.
    assert kinds(other) == {"encode": 3, "tune": 1, "evaluate": 1}
    assert kinds(one) == {"encode": 5, "tune": 1, "evaluate": 1}
    assert scores(other) == scores(one)


def test_keep_says_which_models_go(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "--keep", "all", "colours->plants")
    assert len(list((far / "steps").glob(f"tune-*/{MANIFEST}"))) == 2
    other.run("--remote", f"file://{far}", "--keep", "all", "colours->plants")
    assert counts(other) == (0, 3, 3)
    assert kinds(other) == {"tune": 2, "evaluate": 1}


def test_read_only_it_is_given_nothing(lab: Lab, far: Path) -> None:
    one = lab("one")
    ended = one.run("--remote", f"file://{far}", "--remote-read-only", "*->plants")
    assert ended.returncode == 0
    assert not ended.stderr
    assert not far.exists()
    assert one.run("*->animals", XHARNESS_REMOTE=f"file://{far}", XHARNESS_REMOTE_READ_ONLY="1").returncode == 0
    assert not far.exists()


def test_a_step_goes_with_all_that_it_rests_on_though_that_was_made_before(lab: Lab, far: Path) -> None:
    one = lab("one")
    one.run("colours->plants")
    assert not far.exists()
    one.run("--remote", f"file://{far}", "colours->*")
    there = {path.parent.name for path in (far / "steps").glob(f"*/{MANIFEST}")}
    made = {key: read_json(one.store / "steps" / key / MANIFEST) or {} for key in there}
    needs = {need for manifest in made.values() for need in manifest["needs"]}
    assert needs <= {path.name for path in (far / "steps").iterdir()}
    assert any(key.startswith("tune") and key in there for key in needs)


def test_of_two_contents_under_one_key_the_first_stays_and_is_whole(lab: Lab, far: Path) -> None:
    """Another machine rounds differently: the same key, other bytes."""
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "none->plants")
    other.run("none->plants")
    store = Store(other.store)
    key = next(key for key in store.keys() if key.startswith("evaluate"))  # noqa: SIM118
    path = store.path(key) / "scores.json"
    path.write_text(path.read_text() + "\n")
    manifest = store.manifest(key) or {}
    write_json(
        store.path(key) / MANIFEST,
        {**manifest, "files": {n: f for n, f in seal(store.path(key)).items() if n != MANIFEST}},
    )
    before = (far / "steps" / key / MANIFEST).read_bytes()
    assert store.has(key)
    place = place_at(f"file://{far}")
    assert put(place, store, key) is Put.OTHER
    assert (far / "steps" / key / MANIFEST).read_bytes() == before
    forget(other)
    assert other.run("--remote", f"file://{far}", "none->plants").returncode == 0
    assert counts(other) == (0, 1, 1)
    assert scores(other) == scores(one)


@pytest.mark.parametrize("there", ["nothing", "the first's manifest"])
def test_two_that_put_a_step_at_once_leave_one_of_the_two_whole(tmp_path: Path, far: Path, there: str) -> None:
    """The second's files come between the first's files and its manifest."""
    stores = [step_of(tmp_path / name, text) for name, text in (("one", b"first"), ("two", b"second"))]
    place = place_at(f"file://{far}")

    class Interrupted:
        """The first's place, in which the second does all of its own before the first's manifest."""

        url = place.url
        read, fetch = place.read, place.fetch

        def put(self, name: str, content: Path | bytes, new: bool = False) -> bool:
            if name.endswith(MANIFEST) and there == "nothing":
                assert put(place, *stores[1]) is Put.NEW
            done = place.put(name, content, new)
            if name.endswith(MANIFEST) and there != "nothing":
                assert put(place, *stores[1]) is Put.OTHER
            return done

    put(Interrupted(), *stores[0])  # type: ignore[arg-type]
    third = Store(tmp_path / "three").prepare()
    key = stores[0][1]
    assert fetch(place, third, key) is Taken.NEW
    assert third.has(key, small_only=False)
    assert (third.path(key) / "scores.json").read_bytes() == (b"second" if there == "nothing" else b"first")


def test_show_and_status_say_how_many_steps_came_from_there(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "none->plants")
    assert "fetched" not in one("show").stdout
    other.run("--remote", f"file://{far}", "none->plants", "none->animals")
    made, reused, fetched = counts(other)
    assert 0 < fetched < made + reused
    assert other("show").stdout.splitlines()[-1] == f"{fetched} of {made + reused} steps were fetched from file://{far}"
    (folder,) = (other.store / "runs").iterdir()
    found = progress_of(folder, 0.0)
    assert found is not None
    assert (found.reused, found.fetched) == (reused, fetched)
    with going(folder):
        assert f"{reused} reused, {fetched} of them fetched" in other("status").stdout


def test_from_python_and_from_pytest_it_is_the_same_store(lab: Lab, far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "none->plants")
    run = xharness.run(
        one.suite, select="none and plants", store=other.store, remote=f"file://{far}", remote_read_only=True
    )
    assert run.facts["remote"] == {"at": f"file://{far}", "fetched": 1, "given_up": False, "other": 0}
    forget(other)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "small.toml", "-k", "none and plants", "-p", "no:cacheprovider"],
        cwd=other.root, env={**other.env, "XHARNESS_REMOTE": f"file://{far}"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts(other) == (0, 1, 1)


def test_encoded_data_whose_licence_forbids_it_do_not_go(lab: Lab, far: Path) -> None:
    one = lab("one")
    task = one.root / "tasks" / "plants.toml"
    task.write_text('licence = "LDC user agreement"\n' + task.read_text())
    one.run("--remote", f"file://{far}", "colours->plants")
    there = {path.parent.name for path in (far / "steps").glob(f"encode-*/{MANIFEST}")}
    said = {path.parent.name for path in (far / "steps").glob("encode-*/dropped.json")}
    labels = {key: (Store(one.store).manifest(key) or {})["label"] for key in there | said}
    assert there
    assert said
    assert all("colours" in labels[key] for key in there)
    assert all("plants" in labels[key] for key in said)
    assert not [path for key in said for path in (far / "steps" / key).rglob("*.arrow")]


def test_a_run_that_makes_anything_hands_on_what_it_reuses_too(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("colours->plants")
    one.run("--remote", f"file://{far}", "colours->plants", "none->plants")
    other.run("--remote", f"file://{far}", "colours->plants")
    assert counts(other) == (0, 1, 1)


def test_a_plan_says_what_would_be_fetched(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "none->plants")
    both, said = ("none->plants", "none->animals", "--remote", f"file://{far}"), set()
    for words in (("plan", "small.toml"), ("run", "small.toml", "--dry-run")):
        ended = other(*words, *both)
        assert ended.returncode == 0, ended.stderr
        said |= set(re.findall(r"(\d+) steps? to fetch from the remote store, (\d+) steps? to do", ended.stdout))
        assert "to fetch" in next(line for line in ended.stdout.splitlines() if "evaluate none->plants" in line)
    whole = other("plan", "small.toml", "none->plants", "--remote", f"file://{far}")
    assert "1 step to fetch from the remote store" in whole.stdout
    assert "to do" not in whole.stdout
    cost = json.loads(other("plan", "small.toml", "none->plants", "--cost", "--remote", f"file://{far}").stdout)
    assert (cost["fetched"], cost["steps"], cost["work"]) == (1, 0, 0)
    assert not other.store.exists() or not list((other.store / "steps").glob("*"))
    other.run(*both)
    made, _, fetched = counts(other)
    assert said == {(str(fetched), str(made))}


def test_a_plan_goes_on_where_the_remote_store_cannot_be_asked(lab: Lab) -> None:
    ended = lab("one")("plan", "small.toml", "none->plants", "--remote", "nosuch://x/y")
    assert ended.returncode == 4
    assert "fsspec knows no 'nosuch://'" in ended.stderr


def test_where_nothing_is_that_is_said(lab: Lab, far: Path) -> None:
    one = lab("one")
    assert "nothing is there" in one("store", "ls", "--remote", f"file://{far}").stdout
    assert f"no run was pushed to file://{far}" in one("store", "pull", "--all", "--remote", f"file://{far}").stdout
