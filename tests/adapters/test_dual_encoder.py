"""The dual encoder: its loss by hand, its texts, what it is trained on and what it finds."""

from __future__ import annotations

import itertools
import json
import random

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoModel

from tiny import WORDS, make_encoder, make_tokenizer, sentence, without_dropout, write_rows
from tuning import encoding, evaluation, run, tuning, weights
from xharness.adapter import Feature, load_adapter
from xharness.errors import CheckpointError
from xharness.spec.device import Device
from xharness.spec.recipe import Recipe
from xharness.spec.task import Data, Task
from xharness.steps.embed import Embed
from xharness.steps.embedding import Embeddings
from xharness_adapters.dual_encoder import CANDIDATE, NEGATIVE, QUERY
from xharness_adapters.heads import Embedding

ADAPTER = load_adapter("dual_encoder")
RECIPE = Recipe(epochs=1, batch_size=16, learning_rate=1e-3, adam_epsilon=1e-3)


def task(data=None, **options):
    options = {"pooling": "mean", "query_length": 24, "candidate_length": 24, **options}
    return Task(
        name="pairs", title="", adapter="dual_encoder", metric="map_at_20", options=options, data=data or Data(),
    )  # fmt: skip


def pairs(folder, n=48, negatives=0, repeated=False):
    """Texts and the same words in another order; with `repeated` some candidates stand twice."""
    chance = random.Random(5)
    rows = []
    for _ in range(n):
        text = sentence(chance, chance.randint(2, 12))
        words = text.split()
        chance.shuffle(words)
        wrong = [sentence(chance, chance.randint(2, 12)) for _ in range(negatives)]
        rows.append({"query": text, "candidate": " ".join(words), "negatives": wrong})
    if repeated:
        for one, other in zip(rows[::3], rows[1::3], strict=False):
            other["candidate"] = one["candidate"]
    source = (write_rows(folder / "pairs.jsonl", rows),)
    return Data(train=source, dev=source, test=source)


def of(number, side, text):
    """A feature; its text is told by its ids."""
    return Feature(number, np.array([0, text, 2], dtype=np.int32), target=side, weight=float(side == QUERY))


# Three examples: the second candidate reads as the first; the last has two wrong ones, one of them the first's.
FEATURES = [
    of(0, QUERY, 10), of(0, CANDIDATE, 20),
    of(1, QUERY, 11), of(1, CANDIDATE, 20),
    of(2, QUERY, 12), of(2, CANDIDATE, 21), of(2, NEGATIVE, 22), of(2, NEGATIVE, 20),
]  # fmt: skip


@pytest.fixture
def outputs():
    torch.manual_seed(0)
    return 3 * functional.normalize(torch.randn(len(FEATURES), 5), dim=-1)


def by_hand(outputs, queries):
    """- log of the right one's share of all that are open to a query; (query, right, those open) by row."""
    total = 0.0
    for query, right, open_to in queries:
        scores = torch.stack([outputs[query] @ outputs[other] for other in open_to])
        total = total - torch.log(torch.exp(outputs[query] @ outputs[right]) / torch.exp(scores).sum())
    return total


# What reads as a query's own candidate is no wrong one for it; hard negatives are candidates for all.
FORWARD = [(0, 1, [1, 5, 6]), (2, 3, [3, 5, 6]), (4, 5, [1, 3, 5, 6, 7])]
# The two alike candidates do not have to choose between each other's queries.
BACKWARD = [(1, 0, [0, 4]), (3, 2, [2, 4]), (5, 4, [0, 2, 4])]


def test_the_loss_is_the_share_of_the_right_candidate_among_all_of_the_batch_but_its_doubles(outputs):
    found = ADAPTER.loss(task(), outputs, FEATURES)
    torch.testing.assert_close(found, by_hand(outputs, FORWARD))


def test_a_symmetric_loss_is_the_mean_of_both_ways_and_hard_negatives_seek_no_query(outputs):
    found = ADAPTER.loss(task(symmetric=True), outputs, FEATURES)
    torch.testing.assert_close(found, (by_hand(outputs, FORWARD) + by_hand(outputs, BACKWARD)) / 2)


def test_a_hard_negative_makes_the_choice_harder_for_every_query(outputs):
    plain = [f for f in FEATURES if f.target != NEGATIVE]
    without = ADAPTER.loss(task(), outputs[:6], plain)
    assert ADAPTER.loss(task(), outputs, FEATURES) > without
    torch.testing.assert_close(without, by_hand(outputs, [(0, 1, [1, 5]), (2, 3, [3, 5]), (4, 5, [1, 3, 5])]))


def test_a_batch_of_one_has_nothing_to_learn():
    one = ADAPTER.loss(task(), torch.randn(2, 5), [of(0, QUERY, 10), of(0, CANDIDATE, 20)])
    assert float(one) == 0


@pytest.mark.parametrize("pooling", ["pooler", "mean", "cls"])
def test_products_of_embeddings_are_cosines_times_the_scale(pooling):
    torch.manual_seed(1)
    head = Embedding(8, pooling, 100.0, True)
    states, mask = torch.randn(3, 4, 8), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    means = [states[0].mean(dim=0), states[1, :2].mean(dim=0), states[2, 0]]
    pooled = torch.stack(means) if pooling == "mean" else states[:, 0]
    if pooling == "pooler":
        pooled = torch.tanh(pooled @ head.dense.weight.T + head.dense.bias)
    found = head(states, mask)
    expected = 100 * functional.cosine_similarity(pooled[:, None], pooled[None], dim=-1)
    torch.testing.assert_close(found @ found.T, expected, atol=1e-3, rtol=1e-5)


# ------------------------------------------------------------ texts


def test_queries_and_candidates_have_lengths_of_their_own_within_the_recipes(tmp_path):
    tokenizer = make_tokenizer(tmp_path)
    rows = [{"query": "red house " * 9, "candidate": "old dog " * 9, "negatives": ["new cat " * 9]}]
    given = task(query_length=5, candidate_length=9)
    for longest, lengths in ((64, [5, 9, 9]), (8, [5, 8, 8])):
        features = ADAPTER.encode(given, rows, tokenizer, Recipe(max_length=longest), True)
        assert [len(f.ids) for f in features] == lengths
        assert [f.target for f in features] == [QUERY, CANDIDATE, NEGATIVE]
        assert [f.weight for f in features] == [1, 0, 0]
        for feature, text in zip(features, ("red house", "old dog", "new cat"), strict=True):
            assert tokenizer.decode(feature.ids[1:3]).replace("▁", "") == text
            assert [feature.ids[0], feature.ids[-1]] == [tokenizer.cls_token_id, tokenizer.sep_token_id]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"query": "a", "candidate": "b"}, None),
        ({"query": "a", "candidate": "b", "negatives": []}, None),
        ({"query": "a", "candidate": "b", "negatives": ["c", "d"]}, None),
        ({"query": " ", "candidate": "b"}, "the query is empty."),
        ({"candidate": "b"}, "the query is empty."),
        ({"query": "a", "candidate": 3}, "the candidate is empty."),
        ({"query": "a", "candidate": "b", "negatives": "c"}, "negatives must be a list of texts, found c."),
        ({"query": "a", "candidate": "b", "negatives": ["c", 3]}, "negatives must be a list of texts, found ['c', 3]."),
    ],
)
def test_a_pair_needs_both_texts_and_negatives_are_a_list(row, says):
    assert ADAPTER.check(task(), row) == says


def test_of_mewsli_x_only_pairs_are_trained_on():
    row = {"entity_id": "Q1", "description": "A singer."}
    says = "a training row needs contextual_mention and entity."
    assert ADAPTER.check(task(rows="mewsli_x"), row) == says


# ------------------------------------------------------------ training


def still(folder):
    """An encoder without dropout."""
    checkpoint = make_encoder(folder)
    without_dropout(folder)
    return checkpoint


@pytest.mark.parametrize("symmetric", [False, True])
def test_however_a_batch_is_cut_its_candidates_are_those_of_the_whole_batch(tmp_path, symmetric):
    checkpoint = still(tmp_path / "it")
    given = task(pairs(tmp_path, negatives=1, repeated=True), pooling="pooler", scale=20, symmetric=symmetric)
    for name, tokens in (("whole", 10_000), ("chunks", 120), ("single", 1)):
        run(tuning(checkpoint, given, recipe=RECIPE, device=Device(tokens=tokens)), tmp_path, name)
    whole = weights(tmp_path / "whole")
    for name in ("chunks", "single"):
        for key, value in weights(tmp_path / name).items():
            torch.testing.assert_close(value, whole[key], atol=3e-6, rtol=0)
    before = AutoModel.from_pretrained(tmp_path / "it", add_pooling_layer=False).state_dict()
    learned = {key.removeprefix("encoder."): value for key, value in whole.items()}
    assert max(float((learned[key] - value).abs().max()) for key, value in before.items() if key in learned) > 1e-3


@pytest.mark.parametrize("learned", [True, False])
def test_the_scale_begins_as_said_and_is_trained_where_it_shall_be(tmp_path, learned):
    checkpoint = make_encoder(tmp_path / "it")
    given = task(pairs(tmp_path), scale=50, learned_scale=learned)
    run(tuning(checkpoint, given, recipe=RECIPE), tmp_path, "tuned")
    (length,) = (value for key, value in weights(tmp_path / "tuned").items() if key == "pairs:length")
    began = torch.tensor(50.0**0.5)
    assert torch.equal(length, began) != learned
    torch.testing.assert_close(length, began, atol=0.1, rtol=0)


def test_a_dual_encoder_learns_to_find_what_is_said_in_other_words(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    other = dict(zip(WORDS[:9], WORDS[9:], strict=True))
    rows = [{"query": f"{a} {b}", "candidate": f"{other[b]} {other[a]}"} for a, b in itertools.combinations(other, 2)]
    source = (write_rows(tmp_path / "pairs.jsonl", rows),)
    given = task(Data(train=source, dev=source), scale=20)
    recipe = Recipe(epochs=20, batch_size=16, learning_rate=3e-3, warmup=0.1)
    untrained = run(tuning(checkpoint, given, recipe=Recipe(epochs=1, learning_rate=1e-30)), tmp_path, "still")
    trained = run(tuning(checkpoint, given, recipe=recipe), tmp_path, "tuned")
    assert untrained["dev"] < 40
    assert trained["dev"] > 80


def test_another_hidden_layer_is_read_and_those_above_it_are_not_trained(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    given = task(pairs(tmp_path), layer=1)
    run(tuning(checkpoint, given, recipe=RECIPE), tmp_path, "tuned")
    before = AutoModel.from_pretrained(tmp_path / "it", add_pooling_layer=False).state_dict()
    after = weights(tmp_path / "tuned")
    moved = {key.split(".")[2] for key in before if "layer." in key and not torch.equal(before[key], after[key])}
    assert moved == {"0"}


def test_a_layer_that_the_encoder_lacks_is_refused_by_name(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    with pytest.raises(CheckpointError, match=r"task pairs, options\.layer: there is no layer 4: .* layers 0 to 3\."):
        run(tuning(checkpoint, task(pairs(tmp_path), layer=4), recipe=RECIPE), tmp_path, "tuned")


@pytest.mark.parametrize("layer", [None, 2, -4])
@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_an_embed_step_reads_the_trained_head_and_its_layer(tmp_path, layer, pooling):
    checkpoint = make_encoder(tmp_path / "it")
    head = task(pairs(tmp_path), layer=layer, pooling=pooling)
    run(tuning(checkpoint, head, recipe=RECIPE), tmp_path, "tuned")
    texts = ["red house sings", "old dog", "a bird in a very small tree"]
    rows = [{"id": str(n), "candidate": text} for n, text in enumerate(texts)]
    test = (write_rows(tmp_path / "rows.jsonl", rows),)
    target = Task(name="it", title="", adapter="ranking", metric="map_at_1", data=Data(test=test))
    key = encoding(checkpoint, target, "test")
    work = Embed(checkpoint=checkpoint, identity="test", parent="tuned", target=target, encoded=key, head=head,
                 device=Device(tokens=16))  # fmt: skip
    about = run(work, tmp_path, "embedded")
    assert (about["head"], about["layer"], about["pooling"]) == ("pairs", layer, pooling)
    found = Embeddings(tmp_path / "embedded")(np.arange(3))
    encoder = AutoModel.from_pretrained(tmp_path / "tuned" / "encoder", add_pooling_layer=False).eval()
    held = {k.removeprefix("pairs:"): v for k, v in weights(tmp_path / "tuned").items() if k.startswith("pairs:")}
    tokenizer = make_tokenizer(tmp_path / "again")
    for text, vector in zip(texts, found, strict=True):
        with torch.no_grad():
            states = encoder(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
        state = states[3 if layer is None else layer % 4][0]
        if pooling == "mean":
            pooled = state.mean(dim=0)
        else:
            pooled = torch.tanh(held["dense.weight"] @ state[0] + held["dense.bias"])
        expected = pooled / pooled.norm() * held["length"]
        np.testing.assert_allclose(vector, expected, atol=1e-4)


# ------------------------------------------------------------ what is found


def found_among(rows, vectors, **more):
    """Names of what each query finds; the vectors are those of query, candidate, negatives, row after row."""
    features = []
    for number, row in enumerate(rows):
        for side in (QUERY, CANDIDATE, *[NEGATIVE] * len(row.get("negatives", ()))):
            features.append(Feature(number, [0], note={"side": side}))
    given = task().model_copy(update=more)
    return ADAPTER.decode(given, rows, features, iter(np.array(vectors, dtype=np.float32)))


def name(text):
    (found,) = ADAPTER.reference(task(), {"candidate": text})
    return found


def test_a_query_is_ranked_against_all_candidates_of_the_split_wrong_ones_too():
    rows = [{"candidate": "a", "negatives": ["b", "c"]}, {"candidate": " d "}, {"candidate": "a", "negatives": None}]
    rows[2].pop("negatives")
    vectors = [
        (1, 0), (5, 1), (0, 1), (-1, 0),
        (0, 2), (1, 1),
        (-1, 0), (5, 1),
    ]  # fmt: skip
    found = found_among(rows, vectors)
    # Four different texts; the length of a vector says nothing.
    assert [[*map("abcd".__getitem__, [[name(t) for t in "abcd"].index(n) for n in row])] for row in found] == [
        ["a", "d", "b", "c"],
        ["b", "d", "a", "c"],
        ["c", "b", "d", "a"],
    ]


def test_as_many_are_found_as_the_deepest_metric_looks_at():
    chance = np.random.default_rng(0)
    rows = [{"candidate": f"text {n}"} for n in range(40)]
    vectors = chance.normal(size=(80, 6))
    assert {len(found) for found in found_among(rows, vectors)} == {20}
    assert {len(found) for found in found_among(rows, vectors, also=("recall_at_30",))} == {30}
    assert {len(found) for found in found_among(rows, vectors, also=("recall_at_99",))} == {40}


def test_a_test_split_is_scored_the_same_whatever_fits_on_the_device(tmp_path):
    checkpoint = make_encoder(tmp_path / "it")
    given = task(pairs(tmp_path, negatives=1))
    run(tuning(checkpoint, given, recipe=RECIPE), tmp_path, "tuned")
    scores = []
    for folder, tokens in (("alone", 8), ("together", 4000)):
        work = evaluation(checkpoint, given, "tuned", "pairs").model_copy(update={"device": Device(tokens=tokens)})
        run(work, tmp_path, folder)
        entry = json.loads((tmp_path / folder / "scores.json").read_text())["languages"]["en"]
        assert entry["n"] == 48
        scores.append(entry["score"])
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
