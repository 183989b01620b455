from __future__ import annotations

import numpy as np
import pytest
import torch
from kinds import make
from transformers import AlbertConfig, AlbertModel, ModernBertConfig, ModernBertModel

from tiny import make_encoder, make_tokenizer, write_rows
from tuning import encoding, run
from xharness.data.encoded import EncodedRetrieval
from xharness.errors import CheckpointError
from xharness.spec.device import Device
from xharness.spec.suite import Retrieval
from xharness.spec.task import Data, Source, Task
from xharness.steps.embed import Embed
from xharness.steps.embedding import Embeddings
from xharness.training.checkpoints import load_encoder
from xharness.training.hidden_states import hidden_state
from xharness.training.origins import folder_origin

PAIRS = [("今天天气", "red house"), ("公园", "old dog"), ("今天 公园", "new river")]


def tatoeba(folder, rows=PAIRS, languages=("zh",)):
    for language in languages:
        held = [{"id": str(i), "source": s, "target": t} for i, (s, t) in enumerate(rows)]
        write_rows(folder / f"pairs.{language}.jsonl", held)
    return Task(
        name="tatoeba",
        title="",
        adapter="retrieval",
        metric="accuracy_tatoeba",
        languages=languages,
        data=Data(test=(Source(file=str(folder / "pairs.{lang}.jsonl")),)),
    )


def embedding(checkpoint, task, **retrieval):
    checkpoint = checkpoint.model_copy(update={"retrieval": Retrieval(**retrieval)})
    key = encoding(checkpoint, task, "test", prefix=checkpoint.retrieval.prefix)
    return Embed(checkpoint=checkpoint, identity="test", target=task, encoded=key, device=Device(tokens=32))


def numbers(folder, work, split="test", language="zh"):
    """Sentence numbers of the pairs, sources and targets [rows, 2]."""
    rows = EncodedRetrieval(folder / work.encoded, ("source", "target", "text")).splits(language)[split]
    return np.stack([rows.sentences("source"), rows.sentences("target")], axis=1)


def small(kind, **more):
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 3}
    torch.manual_seed(0)
    made = {"albert": (AlbertModel, AlbertConfig), "modernbert": (ModernBertModel, ModernBertConfig)}[kind]
    return made[0](made[1](**shape, vocab_size=99, pad_token_id=0, **more)).eval()


@pytest.mark.parametrize("kind", ["xlm-roberta", "albert", "modernbert"])
def test_a_layer_is_the_one_of_hidden_states(tmp_path, kind):
    if kind == "xlm-roberta":
        make_encoder(tmp_path)
        encoder = load_encoder(folder_origin("it", tmp_path)).eval()
    else:
        encoder = small(kind)
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 8], [9, 10, 11, 0]])}
    inputs["attention_mask"] = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.no_grad():
        every = encoder(**inputs, output_hidden_states=True).hidden_states
        for layer in range(4):
            found = hidden_state(encoder, inputs, layer)
            torch.testing.assert_close(found[0], every[layer][0])
            torch.testing.assert_close(found[1, :3], every[layer][1, :3])


def test_layers_above_the_wanted_one_are_not_run(tmp_path):
    make_encoder(tmp_path)
    encoder = load_encoder(folder_origin("it", tmp_path)).eval()
    encoder.encoder.layer[1].forward = None
    hidden_state(encoder, {"input_ids": torch.tensor([[5, 6]]), "attention_mask": torch.tensor([[1, 1]])}, 1)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_sentence_is_pooled_over_its_real_tokens_whatever_stands_beside_it(tmp_path, pooling):
    checkpoint = make_encoder(tmp_path / "it")
    rows = [*PAIRS, ("公", "red house sings in a very old and very long sentence of a fish")]
    task = tatoeba(tmp_path, rows)
    work = embedding(checkpoint, task, layer=2, pooling=pooling, prefix="query: ")
    about = run(work, tmp_path, "embedded")
    assert about["sentences"] == 8
    found = Embeddings(tmp_path / "embedded")
    encoder = load_encoder(folder_origin("it", tmp_path / "it")).eval()
    tokenizer = make_tokenizer(tmp_path / "again")
    for text, number in zip(np.array(rows).flat, numbers(tmp_path, work).flat, strict=True):
        with torch.no_grad():
            inputs = tokenizer(f"query: {text}", return_tensors="pt")
            states = encoder(**inputs, output_hidden_states=True).hidden_states[2][0]
        expected = states.mean(dim=0) if pooling == "mean" else states[0]
        np.testing.assert_allclose(found(np.array([number]))[0], expected, atol=1e-5)


def test_the_first_token_of_a_model_that_reads_forward_is_refused(tmp_path):
    work = embedding(make("Llama", tmp_path / "it"), tatoeba(tmp_path), pooling="cls")
    with pytest.raises(CheckpointError, match=r"the first token sees nothing\. +.*Use mean or last"):
        run(work, tmp_path, "embedded")


def test_each_distinct_sentence_is_embedded_once(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    task = tatoeba(tmp_path, [*PAIRS, PAIRS[0]], languages=("zh", "th"))
    work = embedding(checkpoint, task)
    assert run(work, tmp_path, "embedded")["sentences"] == 6
    for language in ("zh", "th"):
        assert numbers(tmp_path, work, language=language).tolist() == [[0, 1], [2, 3], [4, 5], [0, 1]]


def test_the_layer_is_two_thirds_of_the_depth_unless_given_and_is_recorded(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    task = tatoeba(tmp_path)
    for given, expected in ((None, 2), (0, 0), (3, 3), (-1, 3), (-4, 0)):
        assert run(embedding(checkpoint, task, layer=given), tmp_path, f"layer{given}")["layer"] == expected
    with pytest.raises(CheckpointError, match="layers 0 to 3"):
        run(embedding(checkpoint, task, layer=4), tmp_path, "outside")


def test_the_precision_of_the_recipe_is_that_of_the_embeddings_and_counts_only_where_it_is_set(tmp_path):
    work = embedding(make_encoder(tmp_path / "it"), tatoeba(tmp_path))
    assert "precision" not in work.ingredients()
    plain, rounded = (work.model_copy(update={"precision": said}) for said in ("fp32", "bf16"))
    assert rounded.ingredients()["precision"] == "bf16"
    summaries = [run(one, tmp_path, name) for one, name in ((work, "auto"), (plain, "plain"), (rounded, "rounded"))]
    assert [told["precision"] for told in summaries] == ["fp32", "fp32", "bf16"]
    auto, exact, found = (np.load(tmp_path / name / "embeddings.npy") for name in ("auto", "plain", "rounded"))
    np.testing.assert_array_equal(auto, exact)
    np.testing.assert_allclose(found, exact, atol=0.05)
    assert not np.array_equal(found, exact)
