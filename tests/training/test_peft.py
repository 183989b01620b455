"""PEFT weights as a checkpoint: what is loaded is what was trained, or it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from kinds import make
from safetensors.torch import load_file, save_file
from test_kinds import QUICK, task_of
from torch import nn

from tuning import evaluation, run, tuning
from xharness.errors import HarnessError
from xharness.plan.identity import identity_of
from xharness.spec.suite import Checkpoint
from xharness.training.checkpoints import load_encoder, load_tokenizer
from xharness.training.network import ENCODER
from xharness.training.origins import folder_origin, origin_of

peft = pytest.importorskip("peft")

IDS = torch.tensor([[0, 5, 6, 7, 2]])
CASES = {
    "encoder": ("XLM-R", "AutoModel", None, ["query", "value"]),
    "sequence classification": ("XLM-R", "AutoModelForSequenceClassification", "SEQ_CLS", ["query", "value"]),
    "token classification": ("BERT", "AutoModelForTokenClassification", "TOKEN_CLS", ["query", "dense"]),
    "causal": ("Llama", "AutoModelForCausalLM", "CAUSAL_LM", ["q_proj", "v_proj"]),
    "encoder-decoder": ("mT5", "AutoModelForSeq2SeqLM", "SEQ_2_SEQ_LM", ["q", "v"]),
}


def adapted(kind: str, loader: str, task: str | None, targets: object, folder: Path, **more: object) -> nn.Module:
    """A model with random PEFT weights, saved as `adapter` beside its base."""
    make(kind, folder / "base")
    torch.manual_seed(1)
    model = getattr(transformers, loader).from_pretrained(folder / "base")
    config = peft.LoraConfig(r=4, task_type=task, target_modules=targets, init_lora_weights=False, **more)
    found = peft.get_peft_model(model, config)
    found.save_pretrained(folder / "adapter")
    return found.eval()


def states(model: nn.Module) -> torch.Tensor:
    """Hidden states of the encoder inside."""
    plain = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    inner = getattr(plain, plain.base_model_prefix, plain)
    if plain.config.is_encoder_decoder:
        inner = plain.get_encoder()
    with torch.no_grad():
        return inner(input_ids=IDS).last_hidden_state


@pytest.mark.parametrize("case", CASES)
def test_a_folder_of_peft_weights_gives_the_encoder_that_was_trained(tmp_path: Path, case: str) -> None:
    model = adapted(*CASES[case], tmp_path)
    checkpoint = Checkpoint(name="it", path=str(tmp_path / "adapter"))
    loaded = states(load_encoder(origin_of(checkpoint)).eval())
    torch.testing.assert_close(loaded, states(model), atol=1e-5, rtol=1e-4)
    base = Checkpoint(name="it", path=str(tmp_path / "base"))
    assert (loaded - states(load_encoder(origin_of(base)).eval())).abs().max() > 1e-3
    assert identity_of(checkpoint).tokenizer == identity_of(base).tokenizer
    assert identity_of(base).content in identity_of(checkpoint).content


def test_a_training_starts_from_peft_weights_and_trains_all(tmp_path: Path) -> None:
    adapted(*CASES["sequence classification"], tmp_path)
    checkpoint, task = Checkpoint(name="it", path=str(tmp_path / "adapter")), task_of(tmp_path, "classification")
    run(tuning(checkpoint, task, recipe=QUICK), tmp_path, "tuned")
    before = load_encoder(origin_of(checkpoint)).state_dict()
    after = load_encoder(folder_origin("it", tmp_path / "tuned" / ENCODER)).state_dict()
    assert not [key for key in before if key.endswith(".weight") and torch.equal(before[key], after[key])]
    run(evaluation(checkpoint, task, "tuned", "classification"), tmp_path, "scores")


def test_a_replaced_module_of_the_encoder_is_loaded(tmp_path: Path) -> None:
    model = adapted(*CASES["encoder"], tmp_path, modules_to_save=["LayerNorm"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "modules_to_save" in name:
                parameter.add_(torch.rand_like(parameter))
    model.save_pretrained(tmp_path / "adapter")
    loaded = load_encoder(origin_of(Checkpoint(name="it", path=str(tmp_path / "adapter")))).eval()
    torch.testing.assert_close(states(loaded), states(model), atol=1e-5, rtol=1e-4)


def test_peft_weights_that_lack_a_part_are_refused(tmp_path: Path) -> None:
    adapted(*CASES["encoder"], tmp_path)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    held = load_file(file)
    checkpoint = Checkpoint(name="it", path=str(tmp_path / "adapter"))
    save_file({name: value for name, value in held.items() if "layer.1." not in name}, file)
    with pytest.raises(HarnessError, match=r"do not fit their model: 4 of \d+ are missing, first .*layer\.1"):
        load_encoder(origin_of(checkpoint))
    save_file({f"another.{name}": value for name, value in held.items()}, file)
    with pytest.raises(HarnessError, match="do not fit their model"):
        load_encoder(origin_of(checkpoint))


@pytest.mark.parametrize(
    ("told", "said"),
    [({}, "does not say which model"), ({"base_model_name_or_path": None}, "does not say which model"),
     ({"base_model_name_or_path": "not a name"}, "neither a folder nor a repository")],
)  # fmt: skip
def test_peft_weights_of_no_known_model_are_refused(tmp_path: Path, told: dict[str, object], said: str) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(told))
    with pytest.raises(HarnessError, match=said):
        identity_of(Checkpoint(name="it", path=str(tmp_path)))


def test_peft_weights_of_the_hub_are_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both repositories in the local cache, and no network."""
    model = adapted(*CASES["causal"], tmp_path)
    cache, commits = tmp_path / "cache", {"base": "b" * 40, "adapter": "a" * 40}
    for name, commit in commits.items():
        repo = cache / f"models--someone--{name}"
        (repo / "refs").mkdir(parents=True)
        (repo / "refs" / "main").write_text(commit)
        snapshot, blobs = repo / "snapshots" / commit, repo / "blobs"
        snapshot.mkdir(parents=True)
        blobs.mkdir()
        for file in (tmp_path / name).iterdir():
            shutil.copy(file, blobs / f"{name}-{file.name}")
            (snapshot / file.name).symlink_to(blobs / f"{name}-{file.name}")
    told = cache / "models--someone--adapter" / "blobs" / "adapter-adapter_config.json"
    told.write_text(json.dumps({**json.loads(told.read_text()), "base_model_name_or_path": "someone/base"}))
    shutil.rmtree(tmp_path / "base")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for module in ("transformers.utils.hub", "peft.utils.save_and_load", "huggingface_hub.file_download"):
        for name in ("HF_HUB_CACHE", "TRANSFORMERS_CACHE", "HF_HUB_OFFLINE"):
            if hasattr(__import__(module, fromlist=["_"]), name):
                monkeypatch.setattr(f"{module}.{name}", True if name.endswith("OFFLINE") else str(cache))
    checkpoint = Checkpoint(name="it", hub="someone/adapter")
    found = identity_of(checkpoint)
    assert commits["adapter"] in found.content
    assert commits["base"] in found.content
    assert found.positions == 256
    origin = origin_of(checkpoint, found.content)
    assert origin.base_revision == commits["base"]
    torch.testing.assert_close(states(load_encoder(origin).eval()), states(model), atol=1e-5, rtol=1e-4)
    assert len(load_tokenizer(origin)) > 100
