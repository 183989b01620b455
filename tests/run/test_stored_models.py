"""What was tuned yesterday: exported from a cell, and a checkpoint of the next run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from xharness.session.stored_checkpoints import tuned_under

SUITE = """
title = "it"
extends = "xtreme"
scheme = ""
{more}
[grid]
intermediates = {rows}
targets = {targets}
"""


def suite(folder: Path, name: str, rows: list[str], targets: list[str], more: str = "") -> str:
    text = SUITE.format(rows=json.dumps(rows), targets=json.dumps(targets), more=more)
    (folder / f"{name}.toml").write_text(text)
    return f"{name}.toml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    told = call(folder, "run", suite(folder, "first", ["none", "squad_v1"], ["xquad", "tatoeba"]), "-p", "micro", "-q")
    assert told.returncode == 0, told.stderr
    return folder


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xharness", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def scores(folder: Path) -> dict[str, float]:
    """Cell -> mean score of the newest run."""
    told = json.loads(call(folder, "show", "--format", "json").stdout)
    found: dict[str, list[float]] = {}
    for record in told["records"]:
        if record["metric"] in ("squad", "accuracy_tatoeba"):
            found.setdefault(record["cell"], []).append(record["value"])
    return {cell: sum(values) / len(values) for cell, values in found.items()}


def test_a_row_of_a_stored_run_is_a_checkpoint(folder):
    before = scores(folder)
    more = '[[checkpoint]]\nname = "then"\nrun = "latest:squad_v1"\nretrieval = { layer = 2 }\n'
    more += '[profile.micro]\ncheckpoints = ["then"]\n'
    name = suite(folder, "second", ["none"], ["xquad", "tatoeba"], more)
    assert call(folder, "check", name, "-p", "micro").returncode == 0
    told = call(folder, "run", name, "-p", "micro", "-q")
    assert told.returncode == 0, told.stderr
    after = scores(folder)
    for target in ("xquad", "tatoeba"):
        assert after[f"none->{target}[then-0]"] == before[f"squad_v1->{target}[tiny-0]"]


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ('run = "first:squod_v1"', "has no row 'squod_v1'. Its rows: squad_v1"),
        ('run = "latest:none"', "has no row 'none'"),
        ('run = "neverwas:squad_v1"', "there is no finished run 'neverwas'"),
        ('run = "first:squad_v1->xquad"', "was dropped after use"),
        ('run = "first:none->tatoeba"', "has 0 models|nothing was tuned for 'none->tatoeba'"),
        ('step = "tune-0123"', "has no tuned model 'tune-0123'"),
        ('step = "evaluate-0123"', "step"),
    ],
)
def test_a_stored_checkpoint_that_is_not_there_is_told(folder, origin, said):
    more = f'[[checkpoint]]\nname = "then"\n{origin}\n[profile.micro]\ncheckpoints = ["then"]\n'
    told = call(folder, "run", suite(folder, "third", ["none"], ["xquad"], more), "-p", "micro", "-q")
    assert told.returncode == 4, told.stdout
    assert any(part in told.stderr for part in said.split("|")), told.stderr
    assert "Traceback" not in told.stderr


def test_the_model_of_a_cell_is_exported_with_its_lineage(folder):
    call(folder, "run", "first.toml", "-p", "micro", "-q")
    told = call(folder, "export", "model", "squad_v1->xquad", "out")
    assert told.returncode == 4
    assert "was dropped once it was evaluated" in told.stderr
    assert "--keep all" in told.stderr
    again = call(folder, "run", "first.toml", "-p", "micro", "squad_v1->xquad", "--keep", "all", "-q")
    assert again.returncode == 0, again.stderr
    told = call(folder, "export", "model", "squad_v1->xquad", "out")
    assert told.returncode == 0, told.stderr
    assert "AutoModelForQuestionAnswering" in told.stdout
    card = (folder / "out" / "README.md").read_text()
    assert card.count("tuned on squad_v1") == 2
    assert "| en |" in card
    assert "not comparable with published numbers" in card
    assert call(folder, "export", "model", "squad_v1->xquad", "out").returncode == 4
    assert "no cell 'squad->xquad'" in call(folder, "export", "model", "squad->xquad", "other").stderr
    call(folder, "run", "first.toml", "-p", "micro", "-q")
    assert "nothing was tuned for it" in call(folder, "export", "model", "none->tatoeba", "other").stderr
    assert not (folder / "other").exists()


class Kept:
    """The manifests of some steps: key -> what it needs."""

    def __init__(self, needs: dict[str, list[str]]) -> None:
        self.needs = needs

    def manifest(self, key: str) -> dict[str, object] | None:
        return {"kind": key.partition("-")[0], "needs": self.needs[key]} if key in self.needs else None


@pytest.mark.parametrize(
    ("needs", "own"),
    [
        # A target with a task before it, whose low-rank weights are kept.
        ({"evaluate-e": ["tune-own", "tune-first", "encode-t"], "tune-own": ["tune-first", "encode-a"],
          "tune-first": ["tune-row", "encode-b"]}, 2),
        # A ranking target that is tuned on a dual encoder.
        ({"mine-m": ["embed-e", "encode-t"], "embed-e": ["tune-own", "encode-t"], "tune-own": ["tune-row"]}, 1),
        # One that is not, and one that another evaluator judges.
        ({"mine-m": ["embed-e", "encode-t"], "embed-e": ["tune-row", "encode-t"]}, 0),
        ({"judge-j": ["tune-row"]}, 0),
        ({"evaluate-e": ["choose-own", "encode-t"], "choose-own": ["tune-one", "tune-other"],
          "tune-one": ["tune-row", "encode-a"], "tune-other": ["tune-row", "encode-a"]}, 1),
    ],
)  # fmt: skip
def test_the_model_of_a_row_is_what_is_below_all_trainings_of_the_target_s_own(needs, own):
    end = next(iter(needs))
    store = Kept({**needs, "tune-row": ["encode-r"]})
    assert tuned_under(end, store, own) == "tune-row"  # type: ignore[arg-type]
    assert tuned_under(end, store, own + 1) is None  # type: ignore[arg-type]
