"""Real data and a real encoder through the Hub's own loading code, where a copy of the Hub is at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HUB = Path(__file__).parents[3] / "shared" / "hub" / "serve.py"
pytestmark = pytest.mark.skipif(not HUB.is_file(), reason="no local copy of the Hugging Face Hub beside this checkout")

SUITE = """
extends = "{suite}"
title = "real"
[grid]
intermediates = ["none"]
targets = ["tatoeba", "panx"]
[profile.sample.task.panx]
max_length = 64
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("hub")
    ready = folder / "url"
    server = subprocess.Popen([sys.executable, str(HUB), "--ready-file", str(ready)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not (ready.is_file() and ready.read_text()):
            assert time.monotonic() < deadline, "the hub copy did not answer"
            server.poll()
        yield {"HF_ENDPOINT": ready.read_text(), "HF_HOME": str(folder / "home")}
    finally:
        server.kill()
        server.wait()


def run(hub: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xharness", *map(str, words)],
        capture_output=True, text=True, timeout=600, check=False, env={**os.environ, **hub, "COLUMNS": "150"},
    )  # fmt: skip


def test_tatoeba_of_a_real_encoder_on_real_sentences(hub: dict[str, str], tmp_path: Path) -> None:
    suite = tmp_path / "real.toml"
    shipped = Path(__file__).parents[2] / "suites" / "xtreme.toml"
    suite.write_text(SUITE.format(suite=os.path.relpath(shipped, tmp_path)))
    store = tmp_path / "store"
    done = run(hub, "run", suite, "--profile", "sample", "none->tatoeba[de,sw]", "--store", store)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not comparable with published numbers" in done.stdout
    records = [json.loads(line) for line in next(store.glob("runs/*/records.jsonl")).read_text().splitlines()]
    scores = {r["language"]: r["value"] for r in records if r["metric"] == "accuracy_tatoeba"}
    assert set(scores) == {"de", "sw"}
    # The encoder's card reports mteb's Tatoeba; a hundred sentences of German are found nearly always.
    assert scores["de"] > 85
    assert scores["sw"] > 50


def test_a_missing_data_set_and_a_missing_model_are_named(hub: dict[str, str], tmp_path: Path) -> None:
    suite = tmp_path / "real.toml"
    (tmp_path / "gone.toml").write_text(
        'name = "gone"\ntitle = "Gone"\nadapter = "classification"\nmetric = "accuracy"\nlabels = ["a", "b"]\n'
        'data.train = { hub = "nobody/nothing", split = "train" }\n'
        'data.test = { hub = "nobody/nothing", split = "test" }\n'
    )
    suite.write_text(
        'title = "gone"\ntasks = ["gone.toml"]\n[grid]\ntargets = ["gone"]\n'
        '[[checkpoint]]\nname = "lost"\nhub = "nobody/lost"\n[[checkpoint]]\nname = "tiny"\nbuiltin = "tiny"\n'
    )
    done = run(hub, "run", suite, "--store", tmp_path / "store")
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    assert "model nobody/lost" in text
    assert "dataset nobody/nothing" in text
    assert "Traceback" not in text


ROWS = """
import json, sys
import datasets
from xharness.data import hub
datasets.disable_progress_bars()
for repo in json.loads(sys.argv[1]):
    repository = hub.repository_at(repo, hub.hub_commit("dataset", repo, None))
    # One config of each set of columns.
    for config in {repr(repository.info(c).get("features")): c for c in repository.configs}.values():
        name, split = config["config_name"], config["data_files"][-1]["split"]
        found = list(hub.hub_rows(repo, name, split, None))
        held = list(datasets.load_dataset(repo, name, split=split))
        assert repr(found) == repr(held), (repo, name, split)
        print(repo, name, split, len(found))
"""


def test_rows_of_every_public_data_set_are_those_of_load_dataset(hub: dict[str, str]) -> None:
    folder = HUB.parent / "repos" / "datasets"
    repos = [path.relative_to(folder).as_posix() for path in sorted(folder.glob("*/*"))]
    done = subprocess.run(
        [sys.executable, "-c", ROWS, json.dumps(repos)],
        capture_output=True, text=True, timeout=600, check=False, env={**os.environ, **hub},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == set(repos)
