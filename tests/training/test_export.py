"""A tuned model exported: plain transformers computes the same logits, or the export is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from kinds import make
from test_kinds import task_of
from test_language_head import pretrained

from tuning import QUICK, encoded, run, tuning
from xharness.data.encoded import Encoded
from xharness.errors import CheckpointError
from xharness.spec.recipe import Lora, Recipe
from xharness.training.export import export_model
from xharness.training.network import load_tuned

FAMILIES = ("classification", "tagging", "question_answering", "multiple_choice")
SHORT = Recipe(epochs=2, batch_size=4, max_length=64, doc_stride=16, learning_rate=1e-3)


def logits(tuned, task, held: Encoded) -> list[np.ndarray]:
    """Of every feature, by the harness."""
    network, _ = load_tuned(tuned, task.name, task)
    network.eval()
    found = []
    for number in range(len(held)):
        for feature in held.item(number):
            inputs = {"input_ids": torch.tensor([list(feature.ids)])}
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            if feature.types is not None:
                inputs["token_type_ids"] = torch.tensor([list(feature.types)]).long()
            with torch.no_grad():
                found.append((inputs, network.outputs(task.name, inputs, [feature]).squeeze(0).numpy()))
    return found


@pytest.mark.parametrize("kind", ["XLM-R", "BERT", "RoBERTa", "CamemBERT"])
@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_gives_the_same_logits(tmp_path, kind, family):
    checkpoint, task = make(kind, tmp_path / "it"), task_of(tmp_path, family)
    run(tuning(checkpoint, task, recipe=SHORT), tmp_path, "tuned")
    held = encoded(checkpoint, task, tmp_path, recipe=SHORT)
    name = export_model(tmp_path / "tuned", task.name, tmp_path / "out")
    model = getattr(transformers, name).from_pretrained(tmp_path / "out").eval()
    for inputs, expected in logits(tmp_path / "tuned", task, held):
        with torch.no_grad():
            if family == "multiple_choice":
                found = model(**{k: v.unsqueeze(0) for k, v in inputs.items()}).logits.reshape(-1)
            elif family == "question_answering":
                said = model(**inputs)
                found = torch.stack([said.start_logits, said.end_logits], dim=-1)[0]
            else:
                found = model(**inputs).logits[0]
        np.testing.assert_allclose(found.numpy().reshape(expected.shape), expected, atol=1e-4, rtol=1e-4)
    if task.labels and family == "tagging":
        assert list(model.config.id2label.values()) == list(task.labels)
    assert len(transformers.AutoTokenizer.from_pretrained(tmp_path / "out")) > 10


def test_a_head_that_transformers_builds_in_another_way_is_refused(tmp_path):
    checkpoint, task = make("mDeBERTa", tmp_path / "it"), task_of(tmp_path, "classification")
    run(tuning(checkpoint, task, recipe=SHORT), tmp_path, "tuned")
    with pytest.raises(CheckpointError, match=r"its head is built in another way|computes another function"):
        export_model(tmp_path / "tuned", task.name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_low_rank_weights_are_merged_in_what_is_exported(tmp_path):
    checkpoint, task = make("XLM-R", tmp_path / "it"), task_of(tmp_path, "tagging")
    recipe = SHORT.model_copy(update={"lora": Lora(rank=2)})
    run(tuning(checkpoint, task, recipe=recipe), tmp_path, "tuned")
    assert export_model(tmp_path / "tuned", task.name, tmp_path / "out") == "AutoModelForTokenClassification"
    names = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "out").state_dict()
    assert not [name for name in names if "lora" in name]


def test_a_language_model_is_exported_with_its_head(tmp_path):
    from adapters.test_masked_lm import texts

    checkpoint = pretrained("XLM-R", tmp_path / "it")
    task = texts(tmp_path / "data")
    run(tuning(checkpoint, task, recipe=QUICK), tmp_path, "tuned")
    assert export_model(tmp_path / "tuned", "mlm", tmp_path / "out") == "AutoModelForMaskedLM"
    model = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out").eval()
    from xharness.training.origins import origin_of

    network, _ = load_tuned(tmp_path / "tuned", "mlm", task, pretrained=origin_of(checkpoint))
    ids = torch.tensor([[0, 7, 9, 4, 2]])
    mask = torch.ones_like(ids)
    with torch.no_grad():
        states = network.eval().encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        expected = network.heads["mlm"](states, mask)
        torch.testing.assert_close(model(input_ids=ids, attention_mask=mask).logits, expected, atol=1e-4, rtol=1e-4)
