"""Two machines that round differently, or use other code: whose scores a board shows is never in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from xharness.remote.place import place_at
from xharness.remote.steps import Mend, Put, put
from xharness.store.files import read_json
from xharness.store.steps import MANIFEST, Store

from .conftest import Lab, counts, evaluation_in, flip, forget, reseal, round_differently, scores, step_of
from .test_runs_there import PLUGIN


def test_a_run_whose_scores_are_of_another_machine_than_those_there_is_not_pushed(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "none->plants")
    other.run("none->plants")
    round_differently(other, evaluation_in(other))
    other.run("none->plants")
    assert scores(other) != scores(one)
    ended = other("store", "push", "--all", "--remote", f"file://{far}")
    assert ended.returncode == 1
    assert "1 of the steps with its scores have other content there under the same key" in ended.stderr
    assert "the run was not put there" in ended.stderr
    assert not (far / "runs").exists()


@pytest.mark.parametrize("index", ["with contents", "of an older version"])
def test_a_run_whose_scores_another_machine_made_anew_is_not_pulled(lab: Lab, far: Path, index: str) -> None:
    one, other, third = lab("one"), lab("other"), lab("third")
    one.run("none->plants")
    url = f"file://{far}"
    assert one("store", "push", "--all", "--remote", url).returncode == 0
    if index == "of an older version":
        (path,) = far.rglob("index.json")
        reseal(path, contents=None)
    other.run("none->plants")
    key = evaluation_in(other)
    round_differently(other, key)
    (damaged,) = far.rglob("scores.json")
    flip(damaged)
    assert put(place_at(url), Store(other.store), key, mend=Mend.DAMAGED) is Put.NEW
    ended = third("store", "pull", "--all", "--remote", url)
    assert ended.returncode == 1
    assert f"{key} was made anew there by another machine, and its scores are not those of this run" in ended.stderr
    assert not Store(third.store).keys()
    assert not list((third.store / "runs").iterdir())


def test_a_run_that_an_older_version_pushed_is_pulled(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("*->plants", "none->pairs")
    assert one("store", "push", "--all", "--remote", f"file://{far}").returncode == 0
    (path,) = far.rglob("index.json")
    reseal(path, contents=None)
    assert other("store", "pull", "--all", "--remote", f"file://{far}").returncode == 0
    assert scores(other) == scores(one)


def test_a_cell_that_failed_in_some_languages_is_pushed_with_the_others(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("none->plants", "none->animals", STAND_IN_FAILS="plants/fr")
    assert one("store", "push", "--all", "--remote", f"file://{far}").returncode == 0
    ended = other("store", "pull", "--all", "--remote", f"file://{far}")
    assert ended.returncode == 0, ended.stderr
    assert scores(other) == scores(one)


@pytest.mark.parametrize("when", ["before it looks", "while it puts"])
def test_what_another_has_mended_meanwhile_stays(tmp_path: Path, far: Path, when: str) -> None:
    stores = [step_of(tmp_path / name, text) for name, text in (("one", b"first"), ("two", b"second"), ("3", b"third"))]
    place, key = place_at(f"file://{far}"), stores[0][1]
    put(place, *stores[0])
    flip(next(far.rglob("scores.json")))
    if when == "before it looks":
        assert put(place, *stores[2], mend=Mend.DAMAGED) is Put.NEW

    class Interrupted:
        """The second's place, where the third mends while the second's files go."""

        url, fetch, read = place.url, place.fetch, place.read

        def put(self, name: str, content: Path | bytes, new: bool = False) -> bool:
            if when == "while it puts" and name.endswith("scores.json"):
                assert put(place, *stores[2], mend=Mend.DAMAGED) is Put.NEW
            return place.put(name, content, new)

    assert put(Interrupted(), *stores[1], mend=Mend.DAMAGED) is Put.OTHER  # type: ignore[arg-type]
    mended = read_json(far / "steps" / key / MANIFEST) or {}
    assert mended["files"] == (stores[2][0].manifest(key) or {})["files"]


def test_a_run_says_that_its_board_may_mix_two_machines(lab: Lab, far: Path) -> None:
    one, other = lab("one"), lab("other")
    one.run("--remote", f"file://{far}", "none->plants")
    other.run("none->plants")
    round_differently(other, evaluation_in(other))
    ended = other.run("--remote", f"file://{far}", "none->plants", "none->animals")
    assert ended.returncode == 0
    (said,) = ended.stderr.splitlines()
    assert said.startswith(f"warning: file://{far} has 1 step of this run with other content under the same key")
    assert "a board may mix the scores of two machines" in said
    assert other.last()["remote"]["other"] == 1
    assert other("show").returncode == 0


def test_a_step_that_rests_on_others_than_the_plans_is_not_taken(lab: Lab, far: Path) -> None:
    one, other, third = lab("one"), lab("other"), lab("third")
    one.run("--remote", f"file://{far}", "none->plants")
    key = evaluation_in(one)
    needs = (Store(one.store).manifest(key) or {})["needs"]
    reseal(far / "steps" / key / MANIFEST, needs=[*needs[1:], "tune-00000000000000000000"])
    ended = other.run("--remote", f"file://{far}", "none->plants")
    assert ended.returncode == 0
    assert "does not rest on the steps that it rests on here" in ended.stderr
    assert counts(other)[0] > 0
    # And whoever made it has put that right.
    assert third.run("--remote", f"file://{far}", "none->plants").stderr == ""
    assert counts(third) == (0, 1, 1)


@pytest.mark.parametrize("file", ["the same", "another", "of no file"])
def test_a_step_that_was_made_with_another_plug_in_is_not_taken(lab: Lab, far: Path, file: str) -> None:
    one, other = lab("one"), lab("other")
    for house in (one, other):
        (house.root / "mine.py").write_text(PLUGIN)
        house.suite.write_text('plugins = ["mine.py"]\n' + house.suite.read_text())
    if file == "another":
        (other.root / "mine.py").write_text(f"{PLUGIN}# Changed.\n")
    assert one.run("--remote", f"file://{far}", "none->plants").returncode == 0
    if file == "of no file":
        for path in far.rglob(MANIFEST):
            reseal(path, plugins=None)
    ended = other.run("--remote", f"file://{far}", "none->plants")
    assert ended.returncode == 0, ended.stderr
    if file == "the same":
        assert ended.stderr == ""
        assert counts(other) == (0, 1, 1)
    else:
        assert "was made with another file of the plug-ins than is here: mine.py." in ended.stderr
        assert counts(other)[2] == 0
        # The same content whatever the plug-in: whoever has the same file may take it from here on.
        forget(other)
        assert other.run("--remote", f"file://{far}", "none->plants").stderr == ""
        assert counts(other) == (0, 1, 1)


def test_a_damaged_step_of_another_machine_stays_where_only_ones_own_are_mended(tmp_path: Path, far: Path) -> None:
    stores = [step_of(tmp_path / name, text) for name, text in (("one", b"first"), ("two", b"second"))]
    place = place_at(f"file://{far}")
    put(place, *stores[0])
    flip(next(far.rglob("scores.json")))
    assert put(place, *stores[1], mend=Mend.OWN) is Put.OTHER
    assert put(place, *stores[0], mend=Mend.OWN) is Put.NEW
    assert put(place, *stores[1], mend=Mend.DAMAGED) is Put.OTHER
