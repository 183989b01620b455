"""`xharness store`: what is in it, whether it is right, what nobody needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from xharness.store.care import collect_rubbish, contents, rubbish
from xharness.store.steps import Store

from .conftest import House


@pytest.fixture
def ran(house: House) -> House:
    """A house where two cells have been run."""
    ended = house.run("*->animals")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return house


def steps(house: House) -> dict[str, str]:
    """Label -> key of all stored steps."""
    return {s.label: s.key for s in contents(Store(house.store))}


def test_ls_has_kind_label_size_age_and_run_of_every_step(ran: House) -> None:
    text = ran("store", "ls").stdout
    for word in (
        "tune fake on colours as intermediate, seed 0",
        "evaluate none->animals[fake-0]",
        "KiB",
        "small-default",
    ):
        assert word in text
    rows = [json.loads(line) for line in ran("store", "ls", "--json", "--kind", "evaluate").stdout.splitlines()]
    assert {r["label"] for r in rows} == {"evaluate none->animals[fake-0]", "evaluate colours->animals[fake-0]"}
    assert all(r["size"] > 0 and r["stored"] > 0 and r["run"] for r in rows)


def test_ls_of_a_kind_that_does_not_exist_names_those_that_do(lived_in: House) -> None:
    ended = lived_in("store", "ls", "--kind", "bogus")
    assert ended.returncode == 4
    assert ended.stdout == ""
    assert (
        "--kind 'bogus' is not known. Allowed: encode, tune, choose, evaluate, embed, mine, judge, texts."
        in ended.stderr
    )


@pytest.mark.parametrize("command", ["ls", "du", "check", "gc"])
def test_a_file_in_place_of_the_steps_is_told(house: House, command: str) -> None:
    house.store.mkdir()
    (house.store / "steps").write_text("")
    ended = house("store", command)
    assert ended.returncode == 1
    assert f"{house.store / 'steps'}: cannot be used: Not a directory." in ended.stderr


def test_du_sums_up_by_kind_and_by_run(ran: House) -> None:
    rows = [json.loads(line) for line in ran("store", "du", "--json").stdout.splitlines()]
    by = {(r["by"], r["name"]): r for r in rows}
    assert by["kind", "tune"]["steps"] == 3
    total = sum(r["bytes"] for r in rows if r["by"] == "kind")
    assert total == sum(r["bytes"] for r in rows if r["by"] == "run") == sum(s.size for s in contents(Store(ran.store)))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "manifest"])
def test_check_finds_what_is_damaged_repair_discards_it_and_a_run_makes_it_again(ran: House, damage: str) -> None:
    assert ran("store", "check").returncode == 0
    before = ran.last()["cells"]
    key = steps(ran)["evaluate none->animals[fake-0]"]
    folder = ran.store / "steps" / key
    file = folder / ("manifest.json" if damage == "manifest" else "scores.json")
    held = file.read_bytes()
    file.write_bytes(held[:-5] if damage != "flipped" else held[:20] + bytes([held[20] ^ 1]) + held[21:])
    found = ran("store", "check")
    assert found.returncode == 1
    assert key in found.stdout
    assert str(file if damage != "manifest" else folder) in found.stdout
    assert ran("store", "check", "--repair").returncode == 0
    assert not folder.exists()
    assert ran("store", "check").returncode == 0
    again = ran.run("*->animals")
    assert again.returncode == 0
    assert [c["key"] for c in ran.last()["cells"]] == [c["key"] for c in before]
    assert "1 steps made" in again.stdout or "2 steps made" in again.stdout  # its dropped model is made again too


@pytest.mark.parametrize("name", ["run.json", "records.jsonl"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_record_of_a_run_is_never_shown_and_running_again_makes_it_anew(
    ran: House, name: str, damage: str
) -> None:
    shown = ran("show").stdout
    file = next((ran.store / "runs").glob(f"*/{name}"))
    held = file.read_bytes()
    at = held.index(b"100.0" if b"100.0" in held else b'"value": ') + 2 if name == "records.jsonl" else len(held) // 2
    flipped = held[:at] + bytes([held[at] ^ 1]) + held[at + 1 :]
    file.write_bytes({"truncated": held[:-9], "flipped": flipped, "empty": b""}[damage])
    refused = ran("show")
    assert refused.returncode == 1
    assert str(file) in refused.stderr
    assert "Run the suite again" in refused.stderr
    found = ran("store", "check")
    assert found.returncode == 1
    assert f"damaged: run {file.parent.name}: {file}" in found.stdout
    assert ran("store", "check", "--repair").returncode == 0
    assert ran("store", "check").returncode == 0
    again = ran.run("*->animals")
    assert "0 steps made, 2 reused" in again.stdout
    assert ran("show").stdout == shown


def test_gc_is_a_dry_run_by_default_and_keeps_what_any_run_rests_on(ran: House) -> None:
    before = steps(ran)
    assert "nothing to remove" in ran("store", "gc").stdout
    with Store(ran.store).temporary() as out:
        (out / "x").write_text("y")
        Store(ran.store).commit("tune-00000000000000000000", out, {"kind": "tune", "label": "nobody's"})
    assert "would go: nobody's" in ran("store", "gc").stdout
    assert len(steps(ran)) == len(before) + 1
    assert "removed: nobody's" in ran("store", "gc", "--yes").stdout
    assert steps(ran) == before


def test_gc_with_named_runs_keeps_those_and_removes_the_steps_of_others(ran: House) -> None:
    first = sorted(p.name for p in (ran.store / "runs").iterdir())[-1]
    ran.run("none->plants")
    ended = ran("store", "gc", "--keep-run", first, "--yes")
    assert ended.returncode == 0, ended.stderr
    left = steps(ran)
    assert not any("plants" in label for label in left)
    assert "tune fake on colours as intermediate, seed 0" in left
    wrong = ran("store", "gc", "--keep-run", "no such run")
    assert wrong.returncode == 4
    assert "no such run" in wrong.stderr


def test_gc_of_all_but_the_ends_frees_models_and_leaves_scores_and_lineage(ran: House) -> None:
    assert ran("store", "gc", "--ends-only", "--yes").returncode == 0
    for step in contents(Store(ran.store)):
        assert step.dropped == (step.kind in ("encode", "tune"))
    key = steps(ran)["tune fake on colours as intermediate, seed 0"]
    assert (ran.store / "steps" / key / "lineage.json").is_file()
    assert "0 steps made" in ran.run("*->animals").stdout


def test_gc_takes_leftovers_of_killed_processes_and_training_states_of_finished_steps(ran: House) -> None:
    command = [sys.executable, "-c", "import os; print(os.getpid())"]
    dead = subprocess.run(command, capture_output=True, text=True, check=True)
    left = ran.store / "tmp" / f"{dead.stdout.strip()}-abc"
    left.mkdir()
    (left / "half").write_text("x" * 100)
    scratch = ran.store / "scratch" / steps(ran)["tune fake on colours as intermediate, seed 0"]
    scratch.mkdir()
    (scratch / "state").write_text("y")
    assert "would go" in ran("store", "gc").stdout
    assert left.exists()
    ran("store", "gc", "--yes")
    assert not left.exists()
    assert not scratch.exists()


def test_gc_says_what_is_empty_and_would_go_as_well(house: House) -> None:
    store = Store(house.store).prepare()
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (store.root / "tmp" / f"{dead.stdout.decode().strip()}-abc").mkdir()
    said = house("store", "gc").stdout
    assert "would go: what a killed process left in tmp/" in said
    assert "0 B would be freed; --yes removes it" in said
    assert "nothing to remove" not in said


def test_gc_keeps_the_training_states_that_an_unfinished_run_goes_on_from(house: House) -> None:
    store = Store(house.store).prepare()
    run = store.root / "runs" / "20260101-000000-small-default-abcd"
    run.mkdir()
    (run / "run.json").write_text('{"state": "running"}')
    (run / "events.jsonl").write_text('{"event": "begin", "pending": ["tune-1"], "reused": []}\n')
    (store.scratch("tune-1") / "state").write_text("half trained")
    (store.scratch("tune-2") / "state").write_text("nobody's")
    assert [key for key, _ in rubbish(store).scratch] == ["tune-2"]


def test_gc_leaves_alone_what_a_run_is_working_on(house: House) -> None:
    store = Store(house.store).prepare()
    with store.temporary() as out:
        store.commit("tune-1", out, {"kind": "tune"})
    with store.lock("tune-1"):
        done = collect_rubbish(store, rubbish(store))
    assert done.busy == ["tune-1"]
    assert store.has("tune-1")


def test_a_store_that_is_not_there_is_a_usage_error(tmp_path: Path, house: House) -> None:
    for command in ("ls", "du", "check", "gc"):
        ended = house("store", command, "--store", tmp_path / "nowhere")
        assert ended.returncode == 4
        assert "there is no store" in ended.stderr
