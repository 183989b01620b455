"""The Python API: what the command line does, as values; quiet, stoppable, usable from a thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import xharness as xh
from xharness.spec.load import load_suite

from .conftest import Ran, command

SMALL = {"micro": {"limit": {"train": 40, "dev": 8, "test": 24}, "recipe": {"epochs": 1}}}


def small(title: str = "Small", **keys: object) -> xh.Suite:
    grid = {"intermediates": ["none"], "targets": ["tatoeba"]}
    return xh.Suite(title=title, extends="xtreme", scheme="", grid=grid, profile=SMALL, **keys)


def test_a_notebook_runs_from_top_to_bottom_and_shows_the_board(tmp_path: Path, monkeypatch) -> None:
    import nbformat
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    monkeypatch.setenv("XHARNESS_NOTEBOOK_STORE", str(tmp_path / "store"))
    notebook = nbformat.read(Path(__file__).parent / "run.ipynb", as_version=4)
    manager = AsyncKernelManager()
    # The interpreter of the test, whatever kernels are installed.
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=argv, display_name="this", language="python")
    NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pages = ["".join(o["data"]["text/html"]) for o in shown if "text/html" in o.get("data", {})]
    assert any("XQuAD" in page and "squad_v1" in page for page in pages)
    assert any("step" in o.get("text", "") for o in shown if o.get("name") == "stderr")


def test_importing_is_light_and_names_nothing_that_is_not_there() -> None:
    look = "import sys, xharness as xh; print([m for m in ('torch', 'pandas', 'rich', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    for name in xh.__all__:
        assert getattr(xh, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        xh.runn  # noqa: B018


def test_the_numbers_are_those_of_the_command_line(ran: Ran) -> None:
    run = xh.open(ran.store)
    assert run.exit_code == 1
    told = json.loads(
        command("compare", "none", "mnli", "--store", str(ran.store), "--resamples", "300", "--json", "-")
    )
    ours = run.compare("none", "mnli", languages=True, resamples=300)
    theirs = {(line["name"], line["language"]): line for line in told[0]["lines"]}
    assert len(ours) == len(theirs)
    for line in ours.to_dict("records"):
        other = theirs[line["name"], line["language"]]
        assert line["p_corrected"] == pytest.approx(other["adjusted"], nan_ok=True) or other["adjusted"] is None
        assert line["difference"] == pytest.approx(other["difference"], nan_ok=True) or other["difference"] is None
    drawn = command("show", "--store", str(ran.store))
    assert "\n".join(line.rstrip() for line in str(run.board()).splitlines()) in "\n".join(
        line.rstrip() for line in drawn.splitlines()
    )
    assert len(run.scores()) == len(run.records)
    assert len(run.predictions("none->xquad", language="de")) == 24


def test_a_board_shows_itself_as_a_page_that_escapes_the_title(ran: Ran) -> None:
    page = xh.open(ran.store).board()._repr_html_()
    assert "<b>each</b>" not in page
    assert "&lt;b&gt;each" in page
    assert xh.open(ran.store).board().to("latex").startswith("%")
    with pytest.raises(xh.UsageError, match="no form 'pdf'"):
        xh.open(ran.store).board().to("pdf")


def test_a_kept_model_gives_the_predictions_that_were_stored(ran: Ran) -> None:
    import torch

    run = xh.open(ran.store)
    model, tokenizer = run.model("none->xnli")
    rows = run.predictions("none->xnli", language="de")
    given = tokenizer(list(rows["text"]), list(rows["pair"]), padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        found = model(**given).logits.argmax(-1).tolist()
    assert [model.config.id2label[label] for label in found] == list(rows["prediction"])
    with pytest.raises(xh.UsageError, match="nothing was tuned for it"):
        run.model("none->tatoeba")


def test_a_run_says_nothing_and_is_found_again(tmp_path: Path, capfd) -> None:
    run = xh.run(small(), profile="micro", store=tmp_path, workers=1)
    assert capfd.readouterr() == ("", "")
    assert run.exit_code == 0
    assert xh.open(store=tmp_path).name == xh.open(run.name, tmp_path).name == xh.runs(tmp_path)[0].name == run.name
    again = xh.run(small(), profile="micro", store=tmp_path, workers=1, progress=True)
    assert "step" in capfd.readouterr().err
    assert again.facts["made"] == 0


def test_a_run_in_a_thread_is_stopped_and_the_same_call_goes_on(tmp_path: Path) -> None:
    stop, found = threading.Event(), []

    def work() -> None:
        try:
            xh.run(small(), profile="micro", store=tmp_path, workers=1, stop=stop)
        except xh.Stopped as error:
            found.append(str(error))

    stop.set()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(120)
    assert "the same call goes on" in found[0]
    assert xh.runs(tmp_path) == []
    assert xh.run(small(), profile="micro", store=tmp_path, workers=1).exit_code == 0


def test_a_suite_made_in_python_is_the_file_that_it_writes(tmp_path: Path) -> None:
    made = small(
        intermediate={"both": {"tasks": ["mnli", "qqp"], "sampling": {"weights": {"mnli": 2, "qqp": 1}}}},
        analysis=[{"name": "g", "kind": "gains", "options": {"beside": ["n"]}}],
    )
    loaded = load_suite(str(made.save(tmp_path / "made.toml")))
    assert loaded.suite.intermediate["both"].tasks == ("mnli", "qqp")
    assert loaded.suite.analysis[0].options == {"beside": ("n",)}
    assert loaded.suite.title == "Small"
    again = xh.Suite(**json.loads(json.dumps(made._keys)))
    assert again.to_toml() == made.to_toml()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"grid": {"intermediates": ["none"], "targets": ["xnlu"]}}, r"Suite\(grid=…\): .*Did you mean 'xnli'"),
        ({"gird": {}}, r"Suite\(gird=…\): .*Did you mean 'grid'"),
        ({"grid": {"intermediates": ["none"], "targets": ["xnli"]}, "profile": {"micro": {"seeds": "1"}}}, "profile"),
        ({"grid": {"intermediates": [object()], "targets": ["xnli"]}}, "texts, numbers, lists and tables"),
    ],
)
def test_a_wrong_argument_is_named(keys: dict, said: str) -> None:
    with pytest.raises(xh.UsageError, match=said):
        xh.Suite(title="t", extends="xtreme", **keys)


def test_relative_paths_of_a_suite_are_those_of_the_folder_it_was_made_in(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "base.toml").write_text('extends = "xtreme"\ntitle = "base"\n')
    monkeypatch.chdir(tmp_path)
    made = xh.Suite(title="mine", extends="base.toml", grid={"intermediates": ["none"], "targets": ["xnli"]})
    assert str(tmp_path / "base.toml") in made.written(tmp_path / "elsewhere").read_text()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda run: run.board(by="continent"), "by = 'continent' is not known"),
        (lambda run: run.compare("none", "qqp"), "no scored row 'qqp'"),
        (lambda run: run.predictions("none->xnlu"), "no cell 'none->xnlu'"),
        (lambda run: xh.open("nothing", os.devnull), "no finished run is called 'nothing'"),
        (lambda run: xh.run("xtreme", keep="some"), "keep = 'some' is not known"),
        (lambda run: xh.run("xtreme", profile="micro", cells="none->xnlu"), "xnli"),
    ],
)
def test_errors_are_sentences(ran: Ran, call, said: str) -> None:
    with pytest.raises(xh.HarnessError, match=said):
        call(xh.open(ran.store))
