"""What is said of how well a device is used: counted as another tool counts it."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, BertConfig

from xharness.adapter import Feature
from xharness.training.devices import Hardware
from xharness.training.throughput import PEAK, Throughput, layer_parameters


@pytest.fixture
def card(monkeypatch) -> Hardware:
    """A GPU that is none."""
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 12345)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100-SXM4-80GB")
    return Hardware(torch.device("cuda", 0), "bf16", None)


def features(*lengths: int) -> list[Feature]:
    return [Feature(example=i, ids=[5] * n) for i, n in enumerate(lengths)]


@pytest.mark.parametrize("training", [False, True])
def test_the_share_of_the_peak_is_what_torch_counts(card, monkeypatch, training):
    config = BertConfig(
        vocab_size=500, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256
    )
    model = AutoModel.from_config(config, add_pooling_layer=False, attn_implementation="eager")
    ids = torch.full((4, 96), 5)
    with FlopCounterMode(display=False) as counter:
        states = model(input_ids=ids).last_hidden_state
        if training:
            states.sum().backward()
    times = iter([100.0, 110.0])
    monkeypatch.setattr("xharness.training.throughput.time.monotonic", lambda: next(times))
    used = Throughput(card, (64, 3), layer_parameters(model), training)
    used.add(features(96, 96, 96, 96))
    monkeypatch.setitem(PEAK, "A100", 1e9)  # A peak that so small a model has a share of.
    assert used.facts()["mfu"] == pytest.approx(counter.get_total_flops() / 10 / 1e9, rel=0.02)


def test_padding_counts_as_none_and_memory_is_the_devices(card, monkeypatch):
    times = iter([0.0, 2.0])
    monkeypatch.setattr("xharness.training.throughput.time.monotonic", lambda: next(times))
    used = Throughput(card, (64, 3), 1000, training=True)
    used.add(features(10, 5))
    used.add(features(4, 4))
    found = used.facts()
    assert found["tokens_per_second"] == 23 / 2
    assert found["padding"] == pytest.approx(5 / 28, abs=1e-4)
    assert found["device_memory"] == 12345


def test_without_a_known_peak_no_share_is_said():
    used = Throughput(Hardware(torch.device("cpu"), "fp32", None), (64, 3), 1000, training=True)
    used.add(features(3))
    assert set(used.facts()) == {"tokens_per_second", "padding"}
