"""Every kind of model through every adapter: it trains, predicts, embeds, and no batch changes it; `-s` prints all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from kinds import KINDS, make

from tiny import write_rows
from tuning import encoded, encoding, evaluation, run, tuning
from xharness.collect.cells import collect
from xharness.errors import HarnessError
from xharness.plan.identity import identity_of
from xharness.plan.planner import Planner
from xharness.spec.device import Device
from xharness.spec.load import load_suite
from xharness.spec.recipe import Recipe
from xharness.spec.suite import Checkpoint
from xharness.spec.task import Data, Task
from xharness.steps.embed import Embed
from xharness.steps.embedding import Embeddings
from xharness.training.checkpoints import load_encoder
from xharness.training.features import pad
from xharness.training.hidden_states import hidden_state
from xharness.training.network import load_tuned
from xharness.training.origins import origin_of

QUICK = Recipe(epochs=1, batch_size=4, max_length=64, doc_stride=16, learning_rate=1e-3)
CONTEXT = "the old red house sings by a river while a small dog sleeps"
ROWS = {
    "classification": [
        {"text": "a red dog", "pair": "the old green tree sings to a cat", "label": "yes"},
        {"text": "a bird", "pair": "fish", "label": "no"},
    ],
    "tagging": [
        {"tokens": ["red", "dog", "sings", "to", "a", "mountain"], "tags": ["A", "N", "A", "A", "A", "N"]},
        {"tokens": ["fish"], "tags": ["N"]},
    ],
    "question_answering": [
        {"context": CONTEXT, "question": "what sings", "answers": {"text": ["old red house"], "answer_start": [4]}},
        {"context": "a cat", "question": "who", "answers": {"text": ["cat"], "answer_start": [2]}},
    ],
    "multiple_choice": [
        {"context": "a dog", "choices": ["runs to the old river", "sings"], "answer": 0},
        {"context": "the small green fish", "choices": ["sleeps", "is a tree"], "answer": 1},
    ],
}
METRICS = {
    "classification": "accuracy",
    "tagging": "f1_xtreme",
    "question_answering": "squad",
    "multiple_choice": "accuracy",
}
LABELS = {"classification": ("yes", "no"), "tagging": ("A", "N")}
WORKING = [name for name, kind in KINDS.items() if not kind.refused]


def task_of(folder: Path, adapter: str) -> Task:
    source = (write_rows(folder / f"{adapter}.jsonl", ROWS[adapter] * 3),)
    return Task(
        name=adapter, title="", adapter=adapter, metric=METRICS[adapter], labels=LABELS.get(adapter, ()),
        data=Data(train=source, test=source), languages=("en", "de"),
    )  # fmt: skip


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.refused])
def test_what_is_no_text_encoder_is_refused_before_anything_is_trained(tmp_path, name):
    checkpoint = make(name, tmp_path / "it")
    with pytest.raises(HarnessError, match=KINDS[name].refused):
        run(tuning(checkpoint, task_of(tmp_path, "classification"), recipe=QUICK), tmp_path, "tuned")


@pytest.mark.parametrize("name", WORKING)
def test_a_kind_works_with_every_adapter_and_a_batch_changes_nothing(tmp_path, name):
    checkpoint = make(name, tmp_path / "it")
    told = [f"{name:22}"]
    for adapter in METRICS:
        task = task_of(tmp_path, adapter)
        if adapter == "question_answering" and KINDS[name].refuses_answers:
            with pytest.raises(HarnessError, match=KINDS[name].refuses_answers):
                run(tuning(checkpoint, task, recipe=QUICK), tmp_path, adapter)
            told.append("refused")
            continue
        summary = run(tuning(checkpoint, task, recipe=QUICK), tmp_path, adapter)
        assert np.isfinite(summary["loss"])
        predictions = []
        for budget in (1, 100_000):
            work = evaluation(checkpoint, task, adapter, adapter, recipe=QUICK)
            out = f"{adapter}-{budget}"
            run(work.model_copy(update={"device": Device(tokens=budget)}), tmp_path, out)
            predictions.append(json.loads((tmp_path / out / "scores.json").read_text())["languages"])
        assert predictions[0].keys() == predictions[1].keys() == {"en", "de"}
        assert alike(checkpoint, task, tmp_path, adapter)
        told.append("works")
    told.append(retrieved(checkpoint, tmp_path))
    print("  ".join(told))


def alike(checkpoint, task, root, folder):
    """Whether the outputs of features alone and together are the same to 1e-4."""
    network, task = load_tuned(root / folder, folder, task)
    network.eval()
    held = encoded(checkpoint, task, root, recipe=QUICK)
    features = [f for number in range(len(held)) for f in held.item(number)]
    with torch.inference_mode():
        cpu = torch.device("cpu")
        together = network(folder, pad(features, held.padding, cpu, languages=network.languages))
        for row, feature in enumerate(features):
            alone = network(folder, pad([feature], held.padding, cpu, languages=network.languages))[0]
            beside = together[row][: len(alone)] if together.ndim == 3 else together[row]
            torch.testing.assert_close(beside, alone, atol=1e-4, rtol=1e-3)
    return True


def retrieved(checkpoint, root):
    rows = [{"id": "1", "source": "a red dog sings to the old river", "target": "red dog"},
            {"id": "2", "source": "fish", "target": "the cat"}]  # fmt: skip
    task = Task(name="pairs", title="", adapter="retrieval", metric="accuracy_tatoeba", languages=("de",),
                data=Data(test=(write_rows(root / "pairs.jsonl", rows),)))  # fmt: skip
    found = []
    for budget in (1, 100_000):
        work = Embed(checkpoint=checkpoint, identity="", target=task, encoded=encoding(checkpoint, task, "test"),
                     device=Device(tokens=budget))  # fmt: skip
        run(work, root, f"embedded-{budget}")
        found.append(Embeddings(root / f"embedded-{budget}")(np.arange(4)))
    np.testing.assert_allclose(found[0], found[1], atol=1e-4, rtol=1e-3)
    assert len({row.tobytes() for row in found[0]}) == 4
    return "works"


@pytest.mark.parametrize("name", [name for name in WORKING if name != "CANINE"])
def test_a_hidden_layer_is_the_one_that_the_model_tells(tmp_path, name):
    encoder = load_encoder(origin_of(make(name, tmp_path / "it"))).eval()
    inputs = {
        "input_ids": torch.tensor([[5, 6, 7, 8, 9, 10, 11, 12]]),
        "attention_mask": torch.ones(1, 8, dtype=torch.long),
    }
    with torch.no_grad():
        every = encoder(**inputs, output_hidden_states=True).hidden_states
        for layer in range(4):
            found = hidden_state(encoder, inputs, layer)
            torch.testing.assert_close(found[:, :8], every[layer][:, :8], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["XLM", "X-MOD"])
def test_a_model_that_wants_to_be_told_the_language_reads_each_in_its_own(tmp_path, name):
    checkpoint, task = make(name, tmp_path / "it"), task_of(tmp_path, "classification")
    run(tuning(checkpoint, task, recipe=QUICK), tmp_path, "tuned")
    for instead, same in (({}, False), ({"de": "en"}, True)):
        network, _ = load_tuned(tmp_path / "tuned", "classification", task, instead)
        network.eval()
        held = encoded(checkpoint, task, tmp_path, recipe=QUICK)
        with torch.inference_mode():
            english, german = (
                network("classification", pad(held.item(held.spans[k].start), held.padding, torch.device("cpu"), None,
                                              network.languages))
                for k in ("en", "de")
            )  # fmt: skip
        assert torch.equal(english, german) == same
    rows = [{"id": "1", "source": "a red dog", "target": "the old river"}]
    data = Data(test=(write_rows(tmp_path / "pairs.jsonl", rows),))
    vectors = []
    for language in ("de", "zh"):
        pairs = Task(
            name="pairs", title="", adapter="retrieval", metric="accuracy_tatoeba", languages=(language,), data=data
        )
        work = Embed(checkpoint=checkpoint, identity="", target=pairs, encoded=encoding(checkpoint, pairs, "test"))
        run(work, tmp_path, f"embedded {language}")
        vectors.append(Embeddings(tmp_path / f"embedded {language}")(np.arange(2)))
    # The foreign side is read in its language, the English side in English.
    assert not np.array_equal(vectors[0][0], vectors[1][0])
    assert np.array_equal(vectors[0][1], vectors[1][1])


@pytest.mark.parametrize("name", ["XLM", "X-MOD"])
def test_a_language_that_a_model_lacks_blocks_the_cell_and_says_the_way_out(tmp_path, name):
    checkpoint = make(name, tmp_path / "it").model_copy(update={"name": "told"})
    loaded = load_suite("suites/xtreme.toml", "micro")
    profile = loaded.profile.model_copy(update={"checkpoints": ("told",)})
    grid = loaded.suite.grid.model_copy(update={"intermediates": ("none",), "targets": ("xnli",)})
    for languages, blocked in (({}, True), (dict.fromkeys(loaded.tasks["xnli"].languages, "de"), False)):
        own = checkpoint.model_copy(update={"languages": languages})
        suite = loaded.suite.model_copy(update={"checkpoint": (own,), "grid": grid})
        changed = replace(loaded, suite=suite, profile=profile)
        plan = Planner(changed).plan(collect(changed))
        assert bool(plan.blocked) == blocked
        for said in plan.blocked.values():
            assert "does not know ar" in said
            assert 'languages = { ar = "…" }' in said


CODE = """
from transformers import XLMRobertaConfig, XLMRobertaModel

class OwnConfig(XLMRobertaConfig):
    model_type = "own-kind"

class OwnModel(XLMRobertaModel):
    config_class = OwnConfig
"""


def test_code_of_a_checkpoint_runs_only_where_its_table_says_so(tmp_path):
    make("XLM-R", tmp_path / "it")
    (tmp_path / "it" / "own.py").write_text(CODE)
    file = tmp_path / "it" / "config.json"
    told = {"model_type": "own-kind", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
    file.write_text(json.dumps({**json.loads(file.read_text()), **told}))
    checkpoint = Checkpoint(name="it", path=str(tmp_path / "it"))
    with pytest.raises(HarnessError, match="remote_code = true"):
        run(tuning(checkpoint, task_of(tmp_path, "classification"), recipe=QUICK), tmp_path, "refused")
    allowed = checkpoint.model_copy(update={"remote_code": True})
    assert identity_of(allowed).content != identity_of(checkpoint).content
    found = load_encoder(origin_of(allowed))
    assert type(found).__name__ == "OwnModel"
    run(tuning(allowed, task_of(tmp_path, "classification"), recipe=QUICK), tmp_path, "tuned")
    run(evaluation(allowed, task_of(tmp_path, "classification"), "tuned", "classification"), tmp_path, "scores")
    before = identity_of(allowed).content
    (tmp_path / "it" / "own.py").write_text(CODE + "# changed\n")
    assert identity_of(allowed).content != before
